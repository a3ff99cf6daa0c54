//! Endpoints: made, changed, removed, and seen by nobody else.

use std::time::Duration;

use domain::audit_log::AuditAction;
use domain::clock::Timestamp;
use domain::webhooks::{
    DisabledReason, Endpoint, EndpointEdit, EndpointId, EndpointRefusal, EventName, EventNames, FeedPosition, Rotating,
};

use super::World;
use super::lives::start;
use super::webhook_ways::told_to;
use crate::commands::credit;
use crate::endpoints::{
    enabled, endpoint, endpoint_change, endpoint_url, form_endpoint, names, new_endpoint, replay_between, replay_one,
    sealed, subscribed,
};
use crate::tenants::text;

const MINUTE: Duration = Duration::from_secs(60);

/// So many minutes after a test starts.
fn minute(number: u32) -> Timestamp {
    start().plus(MINUTE * number)
}

/// Every field, of both dialects and every reason for being disabled, across a restart; newest first.
pub async fn endpoints_come_back_exactly(world: World) {
    let rotating = |until| Rotating { current: sealed(), previous: Some((sealed(), until)) };
    let awkward = "naïve \"name\" 🦀 '; --";
    let of_every_reason = DisabledReason::ALL.map(|reason| Endpoint {
        disabled: Some((reason, minute(3))),
        failing_since: Some(minute(2)),
        description: text(awkward),
        ..endpoint(names(&[EventName::PlayerBanned, EventName::ApiKeyExpiring]))
    });
    let mut stored = vec![
        endpoint(EventNames::ALL),
        Endpoint { secret: rotating(minute(1)), callback_key: Some(rotating(minute(2))), ..form_endpoint() },
        Endpoint {
            url: endpoint_url(&format!("https://x.example/{}", "ü".repeat(2_030))),
            ..endpoint(EventNames::ALL)
        },
        Endpoint { description: text(""), updated_at: minute(9), ..endpoint(names(&EventName::ALL)) },
    ];
    stored.extend(of_every_reason);
    for endpoint in &stored {
        world.stores.add_endpoint(world.realm, endpoint).await;
    }
    let world = world.reopened().await;
    for endpoint in &stored {
        assert_eq!(world.endpoint(endpoint.id).await, *endpoint);
    }
    let mut newest_first: Vec<EndpointId> = stored.iter().map(|endpoint| endpoint.id).collect();
    newest_first.sort_by(|one, next| next.cmp(one));
    let all = world.stores.endpoints.endpoints(world.realm).await.expect("the store works");
    assert_eq!(all.iter().map(|endpoint| endpoint.id).collect::<Vec<_>>(), newest_first);
    assert!(all.iter().all(|endpoint| stored.contains(endpoint)));
}

/// Parts of an endpoint change, the rest stays; enabling one forgets why it was disabled and that it failed.
pub async fn an_endpoint_is_revised_in_part(world: World) {
    let failing = Endpoint {
        disabled: Some((DisabledReason::Failing, minute(0))),
        failing_since: Some(minute(0)),
        ..endpoint(EventNames::ALL)
    };
    world.stores.add_endpoint(world.realm, &failing).await;
    let (url, description) = (endpoint_url("https://other.example"), text("renamed"));
    let edit = EndpointEdit::Revise {
        url: Some(url.clone()),
        description: Some(description.clone()),
        events: None,
        enabled: None,
    };
    let revised = world.edit(failing.id, edit).await;
    let expected = Endpoint { url, description, updated_at: minute(1), ..failing };
    assert_eq!(revised, expected);
    assert_eq!(world.endpoint(expected.id).await, expected);
    let events = names(&[EventName::PlayerBanned]);
    world.edit(expected.id, subscribed(events)).await;
    world.edit(expected.id, enabled(true)).await;
    let expected = Endpoint { events, disabled: None, failing_since: None, ..expected };
    assert_eq!(world.endpoint(expected.id).await, expected);
    world.edit(expected.id, enabled(false)).await;
    let expected = Endpoint { disabled: Some((DisabledReason::ByRequest, minute(1))), ..expected };
    let world = world.reopened().await;
    assert_eq!(world.endpoint(expected.id).await, expected);
}

/// What the rules refuse is not stored, nor logged.
pub async fn a_refused_change_of_an_endpoint_leaves_no_trace(world: World) {
    let form = form_endpoint();
    world.stores.add_endpoint(world.realm, &form).await;
    let more = names(&[EventName::WalletChanged, EventName::PlayerBanned]);
    let refused = world.stores.edit(world.realm, form.id, subscribed(more)).await;
    assert_eq!(refused, Err(EndpointRefusal::NotInDialect));
    assert_eq!(world.endpoint(form.id).await, form);
    let nobody = endpoint(EventNames::ALL).id;
    assert_eq!(world.stores.edit(world.realm, nobody, enabled(true)).await, Err(EndpointRefusal::NotFound));
    assert_eq!(world.audit_rows().await.len(), 1);
}

/// A rotation keeps the secrets before, and until when they are good; the next one forgets them.
pub async fn a_rotation_keeps_the_secrets_before(world: World) {
    for made in [endpoint(EventNames::ALL), form_endpoint()] {
        world.stores.add_endpoint(world.realm, &made).await;
        let mut expected = made.clone();
        for days in [1, 2] {
            let (secret, callback_key, until) = (sealed(), sealed(), minute(24 * 60 * days));
            let edit = EndpointEdit::Rotate { secret: secret.clone(), callback_key: callback_key.clone(), until };
            let rotated = world.edit(made.id, edit).await;
            expected = Endpoint {
                secret: Rotating { current: secret, previous: Some((expected.secret.current, until)) },
                callback_key: expected
                    .callback_key
                    .map(|key| Rotating { current: callback_key, previous: Some((key.current, until)) }),
                updated_at: minute(1),
                ..expected
            };
            assert_eq!(rotated, expected);
            assert_eq!(world.endpoint(made.id).await, expected);
        }
    }
}

/// Every change is in the audit log of the realm, stored with it.
pub async fn a_change_of_an_endpoint_is_audited(world: World) {
    let made = world.subscribe_to_all().await;
    world.edit(made.id, enabled(false)).await;
    let rotation = EndpointEdit::Rotate { secret: sealed(), callback_key: sealed(), until: minute(5) };
    world.edit(made.id, rotation).await;
    let whole = replay_between(world.realm, made.id, minute(0), minute(1));
    assert_eq!(world.replay(&whole).await, Some(0));
    world.edit(made.id, EndpointEdit::Delete).await;
    let mut actions: Vec<_> = world.audit_rows().await.iter().map(|row| row.entry.action).collect();
    let mut expected = [
        AuditAction::WebhookCreate,
        AuditAction::WebhookChange,
        AuditAction::WebhookRotateSecret,
        AuditAction::WebhookReplay,
        AuditAction::WebhookDelete,
    ];
    actions.sort_by_key(|action| action.as_str());
    expected.sort_by_key(|action| action.as_str());
    assert_eq!(actions, expected);
}

/// A realm has so many endpoints and no more; one that was removed makes room, and other realms have their own.
pub async fn a_realm_has_only_so_many_endpoints(world: World) {
    let mut last = None;
    for _ in 0..Endpoint::COUNT_MAX {
        last = Some(world.subscribe(&[EventName::PlayerBanned]).await);
    }
    let one_more = new_endpoint(world.realm, &endpoint(EventNames::ALL));
    let refused = world.stores.endpoints.create_endpoint(&one_more).await.expect("the store works");
    assert_eq!(refused, Err(EndpointRefusal::TooMany));
    let count = usize::try_from(Endpoint::COUNT_MAX).expect("few");
    assert_eq!(world.audit_rows().await.len(), count, "what was refused is not logged");
    world.stores.subscribe(world.other_realms[0], EventNames::ALL).await;
    world.edit(last.expect("there are endpoints").id, EndpointEdit::Delete).await;
    let created = world.stores.endpoints.create_endpoint(&one_more).await.expect("the store works");
    assert_eq!(created, Ok(()));
    let all = world.stores.endpoints.endpoints(world.realm).await.expect("the store works");
    assert_eq!(all.len(), count);
    assert_eq!(all.first().map(|endpoint| endpoint.id), Some(one_more.endpoint.id));
}

/// Two that ask for the last place at once do not both get it.
pub async fn the_last_endpoint_is_made_once_at_two_handles(world: World) {
    for _ in 1..Endpoint::COUNT_MAX {
        world.subscribe(&[EventName::PlayerBanned]).await;
    }
    let mut asking = tokio::task::JoinSet::new();
    for stores in [world.stores.clone(), world.second().await] {
        let new = new_endpoint(world.realm, &endpoint(EventNames::ALL));
        asking.spawn(async move { stores.endpoints.create_endpoint(&new).await.expect("the store works") });
    }
    let outcomes = asking.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
}

/// Changes of one endpoint at two handles at once are all kept.
pub async fn concurrent_changes_of_an_endpoint_are_not_lost(world: World) {
    let made = world.subscribe_to_all().await;
    let second = world.second().await;
    for events in EventName::ALL.into_iter().take(5) {
        let url = endpoint_url(&format!("https://x.example/{events}"));
        let edits = [
            EndpointEdit::Revise { url: Some(url.clone()), description: None, events: None, enabled: None },
            subscribed(names(&[events])),
        ];
        let mut asking = tokio::task::JoinSet::new();
        for (stores, edit) in [world.stores.clone(), second.clone()].into_iter().zip(edits) {
            let (realm, id) = (world.realm, made.id);
            asking.spawn(async move { stores.edit(realm, id, edit).await.expect("it is not refused") });
        }
        asking.join_all().await;
        let after = world.endpoint(made.id).await;
        assert_eq!((after.url, after.events), (url, names(&[events])));
    }
}

/// A removed endpoint is nowhere, and neither are its deliveries: none is read, replayed or taken any more.
pub async fn a_removed_endpoint_is_seen_nowhere(world: World) {
    let (removed, other) = (world.subscribe_to_all().await, world.subscribe_to_all().await);
    world.settle_one(&credit("p1", "gold", 1)).await.expect("a credit is accepted");
    world.stores.publish(start()).await;
    let waiting = world.deliveries(removed.id, None).await;
    assert_eq!(waiting.len(), 2);
    let last = world.edit(removed.id, EndpointEdit::Delete).await;
    assert_eq!((last.id, last.url), (removed.id, removed.url), "it is answered as it was");
    let world = world.reopened().await;
    let stores = &world.stores;
    assert_eq!(stores.endpoints.endpoint(world.realm, removed.id).await.expect("the store works"), None);
    let all = stores.endpoints.endpoints(world.realm).await.expect("the store works");
    assert_eq!(all.iter().map(|endpoint| endpoint.id).collect::<Vec<EndpointId>>(), [other.id]);
    for edit in [enabled(true), EndpointEdit::Delete] {
        assert_eq!(stores.edit(world.realm, removed.id, edit).await, Err(EndpointRefusal::NotFound));
    }
    assert_eq!(world.deliveries(removed.id, None).await, []);
    for delivery in &waiting {
        assert_eq!(stores.deliveries.delivery(world.realm, delivery.id).await.expect("the store works"), None);
        let replay = replay_one(world.realm, removed.id, minute(1), delivery.id);
        assert_eq!(world.replay(&replay).await, None);
    }
    assert_eq!(stores.deliveries.lag().await.expect("the store works").pending, 2);
    world.settle_one(&credit("p1", "gold", 1)).await.expect("a credit is accepted");
    let taken = told_to(&world.take(minute(10)).await);
    assert_eq!(taken.len(), 3);
    assert!(taken.iter().all(|(endpoint, _)| *endpoint == other.id));
}

/// No port shows or changes anything of another realm.
pub async fn webhooks_of_realms_are_apart(world: World) {
    let made = world.subscribe_to_all().await;
    world.settle_one(&credit("p1", "gold", 1)).await.expect("a credit is accepted");
    let taken = world.take(start()).await;
    let told = world.told().await;
    let (first, event) = (taken.first().expect("it was told"), told.first().expect("it was told"));
    for realm in world.other_realms {
        let stores = &world.stores;
        assert_eq!(stores.endpoints.endpoint(realm, made.id).await.expect("the store works"), None);
        assert_eq!(stores.endpoints.endpoints(realm).await.expect("the store works"), []);
        for edit in [enabled(false), subscribed(EventNames::NONE), EndpointEdit::Delete] {
            let change = endpoint_change(realm, made.id, MINUTE, edit);
            let refused = stores.endpoints.change_endpoint(&change).await.expect("the store works");
            assert_eq!(refused, Err(EndpointRefusal::NotFound));
        }
        assert_eq!(stores.deliveries_to(realm, made.id, None).await, []);
        assert_eq!(stores.deliveries.delivery(realm, first.delivery).await.expect("the store works"), None);
        assert_eq!(world.replay(&replay_one(realm, made.id, minute(1), first.delivery)).await, None);
        assert_eq!(world.replay(&replay_between(realm, made.id, minute(0), minute(1))).await, None);
        let feed = stores.feed.feed(realm, FeedPosition::default(), EventNames::ALL, 10).await;
        assert_eq!(feed.expect("the store works").rows, []);
        assert_eq!(stores.feed.event_told(realm, event.id).await.expect("the store works"), None);
        let elsewhere = crate::endpoints::report(first, minute(1), domain::webhooks::Verdict::Gone);
        let elsewhere = domain::webhooks::AttemptReport { realm, ..elsewhere };
        assert_eq!(world.record(&[elsewhere]).await, []);
        assert_eq!(stores.audit_rows(realm).await, []);
    }
    assert_eq!(world.endpoint(made.id).await, made);
    let found = world.stores.feed.event_told(world.realm, event.id).await.expect("the store works");
    assert_eq!(found.as_ref(), Some(event));
    assert_eq!(world.delivery(first.delivery).await.1, [], "nobody attempted it here");
}
