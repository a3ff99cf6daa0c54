//! The use cases of endpoints, on ports that say what they were asked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;

use super::test_webhooks::*;
use super::*;
use crate::audit_log::{AuditAction, AuditEntry};
use crate::clock::{Clock, MockClock, Timestamp};
use crate::economy::{Actor, Page};
use crate::ids::Ids;
use crate::players::PlayerId;
use crate::text::FreeText;

struct Counting(AtomicU64);

impl Ids for Counting {
    fn next(&self, _at: Timestamp) -> Uuid {
        Uuid::from_u128(self.0.fetch_add(1, Ordering::SeqCst).into())
    }

    fn random(&self) -> [u8; 64] {
        let seed = u8::try_from(self.0.fetch_add(1, Ordering::SeqCst)).unwrap();
        std::array::from_fn(|index| u8::try_from(index).unwrap().wrapping_mul(7).wrapping_add(seed))
    }
}

/// Ports that may be asked what a test expects, and nothing else.
struct Ports {
    endpoints: MockEndpointStore,
    deliveries: MockDeliveries,
    feed: MockEventFeed,
    courier: MockCourier,
    vault: MockVault,
}

impl Ports {
    /// A vault that writes backwards, and nothing else.
    fn new() -> Self {
        let mut vault = MockVault::new();
        vault.expect_seal().returning(|endpoint, secret, nonce| {
            let mut written: Vec<u8> = secret.bytes().rev().collect();
            written.extend(nonce);
            written.extend(endpoint.0.as_bytes());
            Sealed(written)
        });
        vault.expect_open().returning(|_, sealed| match sealed.0.as_slice() {
            b"unreadable" => Err(Unreadable),
            written => Ok(String::from_utf8_lossy(written).into_owned()),
        });
        vault.expect_token().returning(|endpoint, player| format!("{} {}", endpoint.0, player.0));
        Self {
            endpoints: MockEndpointStore::new(),
            deliveries: MockDeliveries::new(),
            feed: MockEventFeed::new(),
            courier: MockCourier::new(),
            vault,
        }
    }

    /// Every URL may be called.
    fn open(mut self) -> Self {
        self.courier.expect_check().returning(|_| Ok(()));
        self
    }

    /// `endpoint` is stored.
    fn with(mut self, endpoint: &Endpoint) -> Self {
        let stored = endpoint.clone();
        self.endpoints
            .expect_endpoint()
            .returning(move |of, id| Ok(Some(stored.clone()).filter(|it| (of, id) == (realm().id, it.id))));
        self
    }

    fn webhooks(self) -> Webhooks {
        let mut clock = MockClock::new();
        clock.expect_now().returning(|| second(100));
        let clock: Arc<dyn Clock> = Arc::new(clock);
        let ports = WebhookPorts {
            endpoints: Arc::new(self.endpoints),
            deliveries: Arc::new(self.deliveries),
            feed: Arc::new(self.feed),
            courier: Arc::new(self.courier),
            vault: Arc::new(self.vault),
        };
        Webhooks::new(ports, clock, Arc::new(Counting(AtomicU64::new(1))))
    }
}

fn operator() -> Operator {
    Operator { realm: realm(), actor: Actor::new("ka_sandbox_test") }
}

fn request(dialect: Dialect, events: EventNames) -> EndpointRequest {
    let (url, description) =
        (EndpointUrl::try_new("https://x.example/hooks").unwrap(), FreeText::try_new("x").unwrap());
    EndpointRequest { url, description, dialect, events }
}

/// What was stored, by whichever call.
type Kept<T> = Arc<Mutex<Vec<T>>>;

fn details(audit: &AuditEntry) -> serde_json::Value {
    serde_json::from_str(audit.details.as_ref().unwrap().as_json()).unwrap()
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

#[tokio::test]
async fn an_endpoint_is_made_with_secrets_that_are_shown_once_and_stored_sealed() {
    for dialect in Dialect::ALL {
        let kept = Kept::<NewEndpoint>::default();
        let mut ports = Ports::new().open();
        let keep = kept.clone();
        ports.endpoints.expect_create_endpoint().times(1).returning(move |new| {
            keep.lock().unwrap().push(new.clone());
            Ok(Ok(()))
        });
        let asked = request(dialect, names(&[EventName::WalletChanged]));
        let (made, shown) = ports.webhooks().create(&operator(), asked.clone()).await.unwrap();
        let new = kept.lock().unwrap().remove(0);
        assert_eq!((new.realm, &new.endpoint), (realm().id, &made));
        assert_eq!((&made.url, made.dialect, made.events), (&asked.url, dialect, asked.events));
        assert_eq!((made.disabled, made.failing_since, made.created_at), (None, None, second(100)));
        assert!(shown.secret.starts_with("whsec_") && 40 < shown.secret.len(), "{}", shown.secret.len());
        let is_form = dialect == Dialect::Kongregate;
        assert_eq!((made.callback_key.is_some(), shown.callback_key.is_some()), (is_form, is_form));
        if let Some(key) = &shown.callback_key {
            assert_eq!(Uuid::parse_str(key).unwrap().get_version_num(), 4);
            assert_ne!(made.callback_key.as_ref().unwrap().current, made.secret.current);
        }
        let sealed = [Some(&made.secret), made.callback_key.as_ref()].map(|it| it.map(|it| it.current.0.clone()));
        for clear in [Some(shown.secret.clone()), shown.callback_key.clone()].into_iter().flatten() {
            assert!(!sealed.iter().flatten().any(|sealed| contains(sealed, &clear)));
            assert!(!format!("{shown:?} {:?}", new.audit).contains(&clear), "no secret is shown or logged");
        }
        assert_eq!((new.audit.action, &new.audit.actor), (AuditAction::WebhookCreate, &operator().actor));
        let expected = serde_json::json!({
            "webhookId": made.id.0, "url": "https://x.example/hooks", "format": dialect.as_str(), "events": ["wallet.changed"],
        });
        assert_eq!(details(&new.audit), expected);
    }
}

#[tokio::test]
async fn two_endpoints_have_different_secrets() {
    let mut ports = Ports::new().open();
    ports.endpoints.expect_create_endpoint().returning(|_| Ok(Ok(())));
    let webhooks = ports.webhooks();
    let all = Dialect::Kongregate.speaks_of();
    let (_, one) = webhooks.create(&operator(), request(Dialect::Kongregate, all)).await.unwrap();
    let (_, other) = webhooks.create(&operator(), request(Dialect::Kongregate, all)).await.unwrap();
    assert_ne!(one.secret, other.secret);
    assert_ne!(one.callback_key, other.callback_key);
}

#[tokio::test]
async fn a_form_is_not_made_for_what_it_has_no_form_for() {
    // Neither is its URL looked at, nor anything stored.
    let webhooks = Ports::new().webhooks();
    let asked = request(Dialect::Kongregate, names(&[EventName::WalletChanged, EventName::PlayerBanned]));
    let refused = webhooks.create(&operator(), asked).await.unwrap_err();
    assert!(matches!(refused, WebhookFailure::Refused(EndpointRefusal::NotInDialect)), "{refused}");
}

#[tokio::test]
async fn an_endpoint_that_may_not_be_called_is_not_made_nor_moved_to() {
    let stored = endpoint(9, Dialect::Json);
    let mut ports = Ports::new().with(&stored);
    ports.courier.expect_check().times(2).returning(|_| Err(TargetRefused("resolves to 10.0.0.1".to_owned())));
    let webhooks = ports.webhooks();
    let refused = webhooks.create(&operator(), request(Dialect::Json, EventNames::ALL)).await.unwrap_err();
    assert!(matches!(refused, WebhookFailure::Target(_)), "{refused}");
    let revision = EndpointRevision { url: Some(stored.url.clone()), ..EndpointRevision::default() };
    let refused = webhooks.revise(&operator(), stored.id, revision.clone()).await.unwrap_err();
    assert!(matches!(refused, WebhookFailure::Target(_)), "{refused}");
    let nobody = EndpointId(Uuid::nil());
    let refused = webhooks.revise(&operator(), nobody, revision).await.unwrap_err();
    assert!(matches!(refused, WebhookFailure::Refused(EndpointRefusal::NotFound)), "a URL is not resolved for nobody");
}

#[tokio::test]
async fn too_many_endpoints_are_refused() {
    let mut ports = Ports::new().open();
    ports.endpoints.expect_create_endpoint().returning(|_| Ok(Err(EndpointRefusal::TooMany)));
    let refused = ports.webhooks().create(&operator(), request(Dialect::Json, EventNames::ALL)).await.unwrap_err();
    assert!(matches!(refused, WebhookFailure::Refused(EndpointRefusal::TooMany)), "{refused}");
}

#[tokio::test]
async fn every_change_is_audited_with_who_did_it_to_which_endpoint() {
    let stored = endpoint(9, Dialect::Kongregate);
    let kept = Kept::<EndpointChange>::default();
    let mut ports = Ports::new().open().with(&stored);
    let (keep, known) = (kept.clone(), stored.clone());
    ports.endpoints.expect_change_endpoint().times(3).returning(move |change| {
        keep.lock().unwrap().push(change.clone());
        Ok(change.decide(Some(&known)).map(|after| after.unwrap_or(known.clone())))
    });
    let webhooks = ports.webhooks();
    let revision = EndpointRevision { enabled: Some(false), ..EndpointRevision::default() };
    let revised = webhooks.revise(&operator(), stored.id, revision).await.unwrap();
    assert_eq!(revised.disabled, Some((DisabledReason::ByRequest, second(100))));
    let (rotated, shown) = webhooks.rotate(&operator(), stored.id, Duration::from_secs(50)).await.unwrap();
    let expected = Some((stored.secret.current.clone(), second(150)));
    assert_eq!(rotated.secret.previous, expected);
    let key = rotated.callback_key.unwrap();
    assert_eq!(key.previous.map(|(_, until)| until), Some(second(150)));
    for clear in [shown.secret, shown.callback_key.unwrap()] {
        assert!(![&rotated.secret.current, &key.current].iter().any(|sealed| contains(&sealed.0, &clear)));
    }
    webhooks.delete(&operator(), stored.id).await.unwrap();
    let changes = kept.lock().unwrap();
    let expected = [AuditAction::WebhookChange, AuditAction::WebhookRotateSecret, AuditAction::WebhookDelete];
    assert_eq!(changes.iter().map(|change| change.audit.action).collect::<Vec<_>>(), expected);
    for change in changes.iter() {
        assert_eq!((change.realm, change.id, change.at), (realm().id, stored.id, second(100)));
        assert_eq!((&change.audit.actor, change.audit.at), (&operator().actor, second(100)));
        assert_eq!(details(&change.audit), serde_json::json!({ "webhookId": stored.id.0 }));
    }
}

#[tokio::test]
async fn a_rotation_of_an_endpoint_without_a_callback_key_shows_none() {
    let stored = endpoint(9, Dialect::Json);
    let mut ports = Ports::new();
    let known = stored.clone();
    ports
        .endpoints
        .expect_change_endpoint()
        .returning(move |change| Ok(change.decide(Some(&known)).map(Option::unwrap)));
    let (rotated, shown) = ports.webhooks().rotate(&operator(), stored.id, Endpoint::ROTATION_OVERLAP).await.unwrap();
    assert_eq!((rotated.callback_key, shown.callback_key), (None, None));
}

#[tokio::test]
async fn a_ping_is_sent_once_and_kept_nowhere() {
    // A disabled one too. The stores of deliveries and events are asked nothing: their mocks would fail.
    for disabled in [None, Some((DisabledReason::Gone, second(1)))] {
        let stored = Endpoint { disabled, ..endpoint(9, Dialect::Json) };
        let mut ports = Ports::new().open().with(&stored);
        let url = stored.url.clone();
        ports.courier.expect_deliver().times(1).returning(move |to, prepared| {
            assert_eq!(*to, url);
            assert!(prepared.body.contains("webhook.ping"), "{}", prepared.body);
            (answered(418, None), Duration::from_millis(3))
        });
        let pinged = ports.webhooks().ping(&operator(), stored.id).await.unwrap();
        assert_eq!((pinged.outcome, pinged.took), (answered(418, None), Duration::from_millis(3)));
    }
}

#[tokio::test]
async fn a_ping_is_not_sent_where_it_may_not_or_without_a_secret() {
    let stored = endpoint(9, Dialect::Json);
    let mut ports = Ports::new().with(&stored);
    ports.courier.expect_check().returning(|_| Err(TargetRefused("is private".to_owned())));
    let webhooks = ports.webhooks();
    let refused = webhooks.ping(&operator(), stored.id).await.unwrap_err();
    assert!(matches!(refused, WebhookFailure::Target(_)), "{refused}");
    let refused = webhooks.ping(&operator(), EndpointId(Uuid::nil())).await.unwrap_err();
    assert!(matches!(refused, WebhookFailure::Refused(EndpointRefusal::NotFound)), "{refused}");
    let unreadable = Endpoint { secret: Rotating::new(sealed("unreadable")), ..stored };
    let refused = Ports::new().open().with(&unreadable).webhooks().ping(&operator(), unreadable.id).await.unwrap_err();
    assert!(matches!(refused, WebhookFailure::Unreadable(_)), "{refused}");
}

#[tokio::test]
async fn a_replay_is_audited_with_what_was_asked_for() {
    let stored = endpoint(9, Dialect::Json);
    let delivery = DeliveryId(Uuid::from_u128(77));
    let between = |names, only_failed| ReplayRange::Between { since: second(1), until: second(2), names, only_failed };
    let some = EventNames::parse(["grant.created", "player.banned"]).unwrap();
    let kept = Kept::<Replay>::default();
    let mut ports = Ports::new().with(&stored);
    let keep = kept.clone();
    ports.deliveries.expect_replay().times(4).returning(move |replay| {
        keep.lock().unwrap().push(replay.clone());
        Ok((keep.lock().unwrap().len() < 4).then_some(4))
    });
    let webhooks = ports.webhooks();
    for range in [ReplayRange::One(delivery), between(EventNames::ALL, true), between(some, false)] {
        assert_eq!(webhooks.replay(&operator(), stored.id, range).await.unwrap(), 4);
    }
    let refused = webhooks.replay(&operator(), stored.id, ReplayRange::One(delivery)).await.unwrap_err();
    assert!(matches!(refused, WebhookFailure::DeliveryNotFound), "{refused}");
    let refused = webhooks.replay(&operator(), EndpointId(Uuid::nil()), ReplayRange::One(delivery)).await.unwrap_err();
    assert!(matches!(refused, WebhookFailure::Refused(EndpointRefusal::NotFound)), "{refused}");
    let replays = kept.lock().unwrap();
    assert!(replays.iter().all(|replay| replay.audit.action == AuditAction::WebhookReplay && replay.at == second(100)));
    assert_eq!(details(&replays[0].audit)["deliveryId"], serde_json::json!(delivery.0));
    let said = details(&replays[1].audit);
    assert_eq!((&said["since"], &said["until"]), (&second(1).to_string().into(), &second(2).to_string().into()));
    assert_eq!(said["webhookId"], serde_json::json!(stored.id.0));
    assert_eq!((said.get("events"), said.get("onlyFailed")), (None, Some(&true.into())));
    let said = details(&replays[2].audit);
    assert_eq!(said["events"], serde_json::json!(["grant.created", "player.banned"]));
    assert_eq!(said["onlyFailed"], serde_json::json!(false));
}

#[tokio::test]
async fn a_delivery_of_another_endpoint_is_not_found() {
    let stored = endpoint(9, Dialect::Json);
    let delivery = Delivery {
        id: DeliveryId(Uuid::from_u128(77)),
        endpoint: stored.id,
        event: OutboxEventId(Uuid::from_u128(78)),
        name: EventName::WalletChanged,
        status: DeliveryStatus::Failed,
        attempts: 1,
        due_at: None,
        occurred_at: second(0),
        ended_at: Some(second(1)),
    };
    let mut ports = Ports::new();
    let known = delivery.clone();
    ports
        .deliveries
        .expect_delivery()
        .returning(move |_, id| Ok((id == known.id).then(|| (known.clone(), Vec::new()))));
    ports.feed.expect_event_told().returning(|_, _| Ok(None));
    let webhooks = ports.webhooks();
    for of in [None, Some(stored.id)] {
        let (found, event, attempts) = webhooks.delivery(realm().id, of, delivery.id).await.unwrap();
        assert_eq!((found, event, attempts), (delivery.clone(), None, vec![]), "its event may be gone by now");
    }
    let others = [(Some(EndpointId(Uuid::nil())), delivery.id), (None, DeliveryId(Uuid::nil()))];
    for (of, id) in others {
        let refused = webhooks.delivery(realm().id, of, id).await.unwrap_err();
        assert!(matches!(refused, WebhookFailure::DeliveryNotFound), "{refused}");
    }
}

#[tokio::test]
async fn deliveries_are_listed_of_an_endpoint_that_is_there() {
    let stored = endpoint(9, Dialect::Json);
    let mut ports = Ports::new().with(&stored);
    ports.deliveries.expect_deliveries().times(1).returning(|query| {
        assert_eq!((query.status, query.limit), (Some(DeliveryStatus::Failed), 5));
        Ok(Page { rows: Vec::new(), more: false })
    });
    let webhooks = ports.webhooks();
    let failed = Some(DeliveryStatus::Failed);
    webhooks.deliveries(realm().id, stored.id, failed, None, 5).await.unwrap();
    let refused = webhooks.deliveries(realm().id, EndpointId(Uuid::nil()), failed, None, 5).await.unwrap_err();
    assert!(matches!(refused, WebhookFailure::Refused(EndpointRefusal::NotFound)), "{refused}");
}

#[test]
fn an_attempt_is_signed_with_the_old_secret_too_while_that_is_good() {
    let vault = Ports::new().vault;
    let rotated = Rotating { current: sealed("new"), previous: Some((sealed("old"), second(50))) };
    let keys = Rotating { current: sealed("new key"), previous: Some((sealed("old key"), second(50))) };
    let form = Endpoint { secret: rotated, callback_key: Some(keys), ..endpoint(9, Dialect::Kongregate) };
    let player = PlayerId(Uuid::from_u128(5));
    let before = open_secrets(&vault, &form, Some(player), second(49)).unwrap();
    assert_eq!(before.secrets, ["new", "old"]);
    assert_eq!(before.callback_key.as_deref(), Some("old key"), "the receiver knows that one for certain");
    assert_eq!(before.player_token, Some(format!("{} {}", form.id.0, player.0)));
    let after = open_secrets(&vault, &form, None, second(50)).unwrap();
    assert_eq!(
        (after.secrets, after.callback_key.as_deref(), after.player_token),
        (vec!["new".to_owned()], Some("new key"), None)
    );
    assert_eq!(format!("{before:?}"), "OpenSecrets(..)");
}

#[test]
fn an_old_secret_that_cannot_be_read_signs_nothing_and_a_new_one_that_cannot_is_an_error() {
    let vault = Ports::new().vault;
    let old = Rotating { current: sealed("new"), previous: Some((sealed("unreadable"), second(50))) };
    let stored = Endpoint { secret: old, ..endpoint(9, Dialect::Json) };
    assert_eq!(open_secrets(&vault, &stored, None, second(1)).unwrap().secrets, ["new"]);
    let stored = Endpoint { secret: Rotating::new(sealed("unreadable")), ..stored };
    assert_eq!(open_secrets(&vault, &stored, None, second(1)), Err(Unreadable));
}
