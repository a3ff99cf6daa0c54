//! Webhooks as operators configure, try and look after them.

use std::time::Duration;

use actix_web::test::TestRequest;
use domain::audit_log::AuditAction;
use domain::clock::Timestamp;
use domain::economy::Page;
use domain::tenancy::{Environment, GameId, RealmId};
use domain::text::{FreeText, JsonObject};
use domain::webhooks::{
    Attempt, AttemptOutcome, Delivery, DeliveryId, DeliveryStatus, Dialect, DisabledReason, Endpoint, EndpointId,
    EndpointRefusal, EndpointUrl, EventName, EventNames, FeedPosition, MockCourier, MockDeliveries, MockEndpointStore,
    MockEventFeed, MockVault, OutboxEventId, ReplayRange, Rotating, Sealed, TargetRefused, ToldEvent, Unreadable,
    envelope,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::played::before;
use super::world::{Key, Reply, World, administer, administer_as, now, realm, request};

/// Nobody may ever read these in an answer.
const SEALED: [&str; 3] = ["sealed-secret", "sealed-previous", "sealed-callback-key"];

/// The id of every webhook of these tests.
const ID: Uuid = Uuid::from_u128(0x11);

/// The id of every delivery of these tests.
const DELIVERY: Uuid = Uuid::from_u128(0xDE);

fn sealed(text: &str) -> Sealed {
    Sealed(text.as_bytes().to_vec())
}

fn webhook(dialect: Dialect) -> Endpoint {
    let previous = Some((sealed(SEALED[1]), before(-3_600)));
    Endpoint {
        id: EndpointId(ID),
        url: EndpointUrl::try_new("https://game.example.com/purser").unwrap(),
        description: FreeText::try_new("Game backend").unwrap(),
        dialect,
        events: dialect.speaks_of(),
        disabled: None,
        failing_since: None,
        secret: Rotating { current: sealed(SEALED[0]), previous },
        callback_key: (dialect == Dialect::Kongregate).then(|| Rotating::new(sealed(SEALED[2]))),
        created_at: before(1_000),
        updated_at: before(100),
    }
}

fn failed_webhook() -> Endpoint {
    let disabled = Some((DisabledReason::Failing, before(60)));
    Endpoint { disabled, failing_since: Some(before(500_000)), ..webhook(Dialect::Json) }
}

/// A store that has `webhook`, and changes it as the rules say.
fn having(webhook: Endpoint) -> MockEndpointStore {
    let mut endpoints = MockEndpointStore::new();
    let found = webhook.clone();
    endpoints.expect_endpoint().returning(move |realm, id| {
        assert_eq!(realm, RealmId(1));
        Ok(Some(found.clone()).filter(|webhook| webhook.id == id))
    });
    endpoints.expect_change_endpoint().returning(move |change| {
        assert_eq!((change.realm, change.audit.action), (RealmId(1), change.edit.action()));
        let decided = change.decide(Some(&webhook).filter(|webhook| webhook.id == change.id));
        Ok(decided.map(|after| after.unwrap_or_else(|| webhook.clone())))
    });
    endpoints
}

/// A store that has none.
fn having_none() -> MockEndpointStore {
    let mut endpoints = MockEndpointStore::new();
    endpoints.expect_endpoint().returning(|_, _| Ok(None));
    endpoints.expect_change_endpoint().returning(|_| Ok(Err(EndpointRefusal::NotFound)));
    endpoints
}

/// A store that takes every new one.
fn accepting() -> MockEndpointStore {
    let mut endpoints = MockEndpointStore::new();
    endpoints.expect_create_endpoint().times(1).returning(|new| {
        assert_eq!((new.realm, new.audit.action), (RealmId(1), AuditAction::WebhookCreate));
        assert_eq!(new.endpoint.callback_key.is_some(), new.endpoint.dialect == Dialect::Kongregate);
        Ok(Ok(()))
    });
    endpoints
}

/// A courier who finds https good and all else bad, and whose requests come to `outcome`.
fn courier(outcome: AttemptOutcome) -> MockCourier {
    let mut courier = MockCourier::new();
    courier.expect_check().returning(|url| match url.as_str().starts_with("https://") {
        true => Ok(()),
        false => Err(TargetRefused("must be an https URL".to_owned())),
    });
    courier.expect_deliver().returning(move |url, _| {
        assert_eq!(url.as_str(), "https://game.example.com/purser");
        (outcome.clone(), Duration::from_micros(12_900))
    });
    courier
}

fn answered(status: u16) -> AttemptOutcome {
    AttemptOutcome::Answered { status, body: "thanks".to_owned(), retry_after: Some(Duration::from_secs(5)) }
}

fn unanswered() -> AttemptOutcome {
    AttemptOutcome::Failed { error: "timed out after 10 s".to_owned() }
}

async fn send(endpoints: MockEndpointStore, asked: TestRequest) -> Reply {
    let routes = World { endpoints, courier: courier(answered(204)), ..World::default() }.start().await;
    routes.send(asked).await
}

async fn create(endpoints: MockEndpointStore, body: impl Into<String>) -> Reply {
    send(endpoints, administer("POST", "webhooks").set_payload(body.into())).await
}

fn on(method: &str, below: &str) -> TestRequest {
    administer(method, &format!("webhooks/{ID}{below}"))
}

/// The answer without the signing secret, which has its own tests.
fn without_secret(reply: &Reply) -> String {
    let secret = reply.json()["data"]["secret"].as_str().unwrap().to_owned();
    reply.shown().replace(&format!(r#""secret": "{secret}""#), r#""secret": "(the secret)""#)
}

#[actix_web::test]
async fn a_webhook_is_shown_with_its_secret_when_it_is_made() {
    let body = json!({
        "url": "https://game.example.com/purser", "events": ["wallet.changed", "player.banned"], "idempotencyKey": "k",
    });
    let reply = create(accepting(), body.to_string()).await;
    insta::assert_snapshot!("webhook_created", without_secret(&reply));
    let body = json!({
        "url": "https://game.example.com/callback", "format": "kongregate", "description": "Callbacks", "events": null,
    });
    let reply = create(accepting(), body.to_string()).await;
    insta::assert_snapshot!("kongregate_webhook_created", without_secret(&reply));
}

#[actix_web::test]
async fn the_secret_that_is_shown_is_the_one_that_is_sealed() {
    let mut vault = MockVault::new();
    vault.expect_seal().returning(|id, secret, nonce| {
        let nonce: Vec<String> = nonce.iter().map(u8::to_string).collect();
        sealed(&format!("{} {secret} {}", id.0, nonce.join(" ")))
    });
    let mut endpoints = MockEndpointStore::new();
    let (told, kept) = std::sync::mpsc::channel();
    endpoints.expect_create_endpoint().times(1).returning(move |new| {
        let texts = [Some(&new.endpoint.secret), new.endpoint.callback_key.as_ref()];
        let texts = texts.map(|kept| String::from_utf8(kept.unwrap().current.0.clone()).unwrap());
        told.send(texts).unwrap();
        Ok(Ok(()))
    });
    let routes = World { endpoints, vault, courier: courier(unanswered()), ..World::default() }.start().await;
    let body = json!({ "url": "https://game.example.com/callback", "format": "kongregate" }).to_string();
    let data = routes.send(administer("POST", "webhooks").set_payload(body)).await.json()["data"].take();
    let text = |name: &str| data[name].as_str().unwrap();
    let [secret, callback_key] = kept.recv().unwrap();
    assert!(secret.starts_with(&format!("{} {} ", text("id"), text("secret"))), "{secret}");
    assert!(callback_key.starts_with(&format!("{} {} ", text("id"), text("callbackApiKey"))), "{callback_key}");
    let nonce_of = |sealed: &str| sealed.rsplit(' ').take(24).collect::<Vec<_>>().join(" ");
    assert_ne!(nonce_of(&secret), nonce_of(&callback_key));
}

#[actix_web::test]
async fn events_are_a_list_of_names_or_one_name_and_a_star_is_all_of_them() {
    let url = "https://game.example.com/purser";
    for (events, shown) in [
        (json!("*"), json!(["*"])),
        (json!(["*", "wallet.changed"]), json!(["*"])),
        (json!("grant.created"), json!(["grant.created"])),
        (json!(["wallet.changed", "grant.created", "wallet.changed"]), json!(["grant.created", "wallet.changed"])),
    ] {
        let reply = create(accepting(), json!({ "url": url, "events": events }).to_string()).await;
        assert_eq!((reply.status, &reply.json()["data"]["events"]), (201, &shown), "{events}");
    }
    let body = json!({ "url": url, "events": ["*"], "format": "kongregate" }).to_string();
    let events = create(accepting(), body).await.json()["data"]["events"].take();
    assert_eq!(events, json!(["inventory.changed", "wallet.changed"]));
}

#[actix_web::test]
async fn what_is_wrong_with_a_new_webhook_is_named_at_once_and_has_the_most_telling_code() {
    let refused = |body: &str| create(MockEndpointStore::new(), body.to_owned());
    insta::assert_snapshot!("webhook_without_anything", refused("").await.shown());
    let body = r#"{ "url": "ftp://x", "events": ["wallet.changed"] }"#;
    insta::assert_snapshot!("webhook_at_a_bad_url", refused(body).await.shown());
    let body = r#"{ "url": "https://x", "events": ["wallet.changed", "nope.x", 5] }"#;
    insta::assert_snapshot!("webhook_of_unknown_events", refused(body).await.shown());
    let body = r#"{ "url": "ftp://x", "events": ["*", "nope.x"], "format": "xml", "description": 5 }"#;
    insta::assert_snapshot!("webhook_wrong_fields", refused(body).await.shown());
    let many = format!(r#"{{ "url": "https://x", "events": {} }}"#, json!(vec!["*"; 101]));
    for (body, wrong, code) in [
        (r#"{ "url": "https://x" }"#, vec!["events"], "KS-4102"),
        (r#"{ "events": "*" }"#, vec!["url"], "KS-4102"),
        (r#"{ "url": "https://x y", "events": "*" }"#, vec!["url"], "KS-4106"),
        (r#"{ "url": 5, "events": "*" }"#, vec!["url"], "KS-4106"),
        (r#"{ "url": null, "format": "kongregate" }"#, vec!["url"], "KS-4106"),
        (r#"{ "url": "https://x", "events": [] }"#, vec!["events"], "KS-4107"),
        (r#"{ "url": "https://x", "events": null }"#, vec!["events"], "KS-4107"),
        (r#"{ "url": "https://x", "events": {} }"#, vec!["events"], "KS-4107"),
        (r#"{ "url": "https://x", "events": "nope.x" }"#, vec!["events"], "KS-4107"),
        (many.as_str(), vec!["events"], "KS-4107"),
        (r#"{ "url": "https://x", "events": ["grant.created"], "format": "kongregate" }"#, vec!["events"], "KS-4107"),
        (r#"{ "url": "ftp://x" }"#, vec!["events", "url"], "KS-4101"),
        ("[]", vec![""], "KS-4101"),
    ] {
        let reply = refused(body).await;
        assert_eq!(reply.wrong_fields(), wrong, "{body}");
        assert_eq!(reply.json()["errorCode"], code, "{body}");
    }
}

#[actix_web::test]
async fn one_webhook_too_many_is_a_conflict() {
    let mut endpoints = MockEndpointStore::new();
    endpoints.expect_create_endpoint().returning(|_| Ok(Err(EndpointRefusal::TooMany)));
    let reply = create(endpoints, r#"{ "url": "https://x", "events": "*" }"#).await;
    insta::assert_snapshot!("webhook_too_many", reply.shown());
}

#[actix_web::test]
async fn webhooks_are_read_one_by_one_and_all_together_and_never_with_their_secrets() {
    let mut endpoints = having(failed_webhook());
    endpoints.expect_endpoints().returning(|realm| {
        assert_eq!(realm, RealmId(1));
        Ok(vec![webhook(Dialect::Kongregate), failed_webhook()])
    });
    let routes = World { endpoints, ..World::default() }.start().await;
    let one = routes.send(on("GET", "")).await;
    let all = routes.send(administer("GET", "webhooks")).await;
    insta::assert_snapshot!("webhook_read", one.shown());
    assert_eq!(all.json()["data"][1], one.json()["data"]);
    assert_eq!((&all.json()["data"][0]["format"], &all.json()["next"]), (&json!("kongregate"), &Value::Null));
    for reply in [one, all] {
        let names = ["secret", "callbackApiKey", "previousSecret"];
        assert!(!names.iter().chain(&SEALED).any(|secret| reply.body.contains(secret)), "{reply:?}");
    }
}

#[actix_web::test]
async fn a_change_changes_what_it_names_and_nothing_else() {
    let change = |body: &str| send(having(failed_webhook()), on("PATCH", "").set_payload(body.to_owned()));
    insta::assert_snapshot!("webhook_unchanged", change("").await.shown());
    let same = change(r#"{ "url": null, "events": null, "description": null, "enabled": null, "format": null }"#).await;
    assert_eq!(same.body, change("{}").await.body);
    let body =
        r#"{ "url": "https://other.example.com", "events": ["grant.created"], "description": "", "enabled": true }"#;
    insta::assert_snapshot!("webhook_changed", change(body).await.shown());
    let off = send(having(webhook(Dialect::Json)), on("PATCH", "").set_payload(r#"{ "enabled": false }"#)).await;
    let data = off.json()["data"].take();
    assert_eq!((&data["enabled"], &data["disabledReason"]), (&json!(false), &json!("by_request")));
    assert_eq!(data["disabledAt"], "2026-06-08T12:00:00.000Z");
}

#[actix_web::test]
async fn every_wrong_field_of_a_change_is_named_at_once() {
    let change = |body: &str| send(having(webhook(Dialect::Kongregate)), on("PATCH", "").set_payload(body.to_owned()));
    let body = r#"{ "url": "ftp://x", "events": [], "description": 5, "enabled": "yes", "format": "json" }"#;
    insta::assert_snapshot!("webhook_wrong_change", change(body).await.shown());
    for (body, wrong, code) in [
        (r#"{ "url": "ftp://x" }"#, vec!["url"], "KS-4106"),
        (r#"{ "events": ["nope.x"] }"#, vec!["events[0]"], "KS-4107"),
        (r#"{ "events": ["grant.created"] }"#, vec!["events"], "KS-4107"),
    ] {
        let reply = change(body).await;
        assert_eq!(reply.wrong_fields(), wrong, "{body}");
        assert_eq!(reply.json()["errorCode"], code, "{body}");
    }
    assert_eq!(change(r#"{ "events": "*" }"#).await.json()["data"]["events"].as_array().unwrap().len(), 2);
}

#[actix_web::test]
async fn a_webhook_that_is_deleted_is_shown_as_it_was() {
    insta::assert_snapshot!("webhook_deleted", send(having(webhook(Dialect::Json)), on("DELETE", "")).await.shown());
}

#[actix_web::test]
async fn a_ping_tells_what_came_back() {
    for (name, outcome) in
        [("ping_delivered", answered(204)), ("ping_answered_badly", answered(302)), ("ping_unanswered", unanswered())]
    {
        // A disabled one is pinged all the same: that is how its owner finds out whether to enable it.
        let world = World { endpoints: having(failed_webhook()), courier: courier(outcome), ..World::default() };
        let reply = world.start().await.send(on("POST", "/ping").set_payload(r#"{ "idempotencyKey": "k" }"#)).await;
        insta::assert_snapshot!(name, reply.shown());
    }
}

#[actix_web::test]
async fn a_ping_is_refused_where_a_webhook_would_be() {
    let mut refusing = MockCourier::new();
    let reason = "resolves to 10.0.0.1, which is private";
    refusing.expect_check().returning(move |_| Err(TargetRefused(reason.to_owned())));
    let world = World { endpoints: having(webhook(Dialect::Json)), courier: refusing, ..World::default() };
    insta::assert_snapshot!("ping_refused", world.start().await.send(on("POST", "/ping")).await.shown());
    let mut vault = MockVault::new();
    vault.expect_open().returning(|_, _| Err(Unreadable));
    let endpoints = having(webhook(Dialect::Json));
    let world = World { endpoints, vault, courier: courier(answered(204)), ..World::default() };
    insta::assert_snapshot!("ping_unreadable", world.start().await.send(on("POST", "/ping")).await.shown());
}

#[actix_web::test]
async fn new_secrets_are_shown_once_and_the_old_ones_stay_good_for_the_overlap() {
    let rotate =
        |dialect, body: &str| send(having(webhook(dialect)), on("POST", "/rotate-secret").set_payload(body.to_owned()));
    insta::assert_snapshot!("webhook_rotated", without_secret(&rotate(Dialect::Json, "").await));
    let reply = rotate(Dialect::Kongregate, r#"{ "overlapSeconds": 0, "idempotencyKey": "k" }"#).await;
    insta::assert_snapshot!("kongregate_webhook_rotated", without_secret(&reply));
    let week = rotate(Dialect::Json, r#"{ "overlapSeconds": 604800 }"#).await.json()["data"].take();
    assert_eq!(week["previousSecretUntil"], "2026-06-15T12:00:00.000Z");
    for overlap in ["-1", "604801", "1.5", "\"5\""] {
        let reply = rotate(Dialect::Json, &format!(r#"{{ "overlapSeconds": {overlap} }}"#)).await;
        assert_eq!(reply.wrong_fields(), ["overlapSeconds"], "{overlap}");
    }
}

fn delivery(id: u128, status: DeliveryStatus) -> Delivery {
    let waits = status == DeliveryStatus::Pending;
    Delivery {
        id: DeliveryId(Uuid::from_u128(id)),
        endpoint: EndpointId(ID),
        event: OutboxEventId(Uuid::from_u128(0xE7)),
        name: EventName::WalletChanged,
        status,
        attempts: 2,
        due_at: waits.then(|| before(-300)),
        occurred_at: before(90),
        ended_at: (!waits).then(|| before(30)),
    }
}

fn event() -> ToldEvent {
    ToldEvent {
        realm: realm(Environment::Sandbox),
        position: FeedPosition(5),
        id: OutboxEventId(Uuid::from_u128(0xE7)),
        name: EventName::WalletChanged,
        at: before(90),
        player: None,
        data: JsonObject::restore(r#"{"delta":5}"#.to_owned()),
        words: None,
    }
}

fn attempts() -> Vec<Attempt> {
    let took = Duration::from_millis(10_001);
    let first = Attempt { number: 1, at: before(89), took, outcome: unanswered() };
    vec![first, Attempt { number: 2, at: before(84), took: Duration::from_micros(900), outcome: answered(500) }]
}

#[actix_web::test]
async fn deliveries_are_listed_in_pages() {
    let mut deliveries = MockDeliveries::new();
    deliveries.expect_deliveries().returning(|query| {
        assert_eq!((query.realm, query.endpoint), (RealmId(1), EndpointId(ID)));
        match query.after {
            None => {
                assert_eq!((query.status, query.limit), (None, 50));
                let rows = vec![delivery(3, DeliveryStatus::Pending), delivery(2, DeliveryStatus::Delivered)];
                Ok(Page { rows, more: true })
            }
            Some(after) => {
                assert_eq!(after, DeliveryId(Uuid::from_u128(2)));
                assert_eq!((query.status, query.limit), (Some(DeliveryStatus::Failed), 7));
                Ok(Page { rows: Vec::new(), more: false })
            }
        }
    });
    let endpoints = having(webhook(Dialect::Json));
    let routes = World { endpoints, deliveries, ..World::default() }.start().await;
    let first = routes.send(on("GET", "/deliveries")).await;
    insta::assert_snapshot!("deliveries", first.shown());
    let next = first.json()["next"].as_str().unwrap().to_owned();
    let second = routes.send(on("GET", &format!("/deliveries?status=failed&limit=7&after={next}"))).await;
    assert_eq!(second.json(), json!({ "data": [], "next": null }));
    let wrong = routes.send(administer("GET", "webhooks/x/deliveries?status=gone&after=x&limit=0")).await;
    assert_eq!(wrong.wrong_fields(), ["webhookId", "status", "after", "limit"]);
}

/// Deliveries of which there is one.
fn delivered() -> MockDeliveries {
    let mut deliveries = MockDeliveries::new();
    deliveries.expect_delivery().returning(|realm, id| {
        assert_eq!(realm, RealmId(1));
        Ok((id == DeliveryId(DELIVERY)).then(|| (delivery(0xDE, DeliveryStatus::Failed), attempts())))
    });
    deliveries
}

fn feed(event: Option<ToldEvent>) -> MockEventFeed {
    let mut feed = MockEventFeed::new();
    feed.expect_event_told().returning(move |_, _| Ok(event.clone()));
    feed
}

#[actix_web::test]
async fn a_delivery_is_read_with_its_event_and_its_attempts() {
    let path = format!("/deliveries/{DELIVERY}");
    let read = async |kept: Option<ToldEvent>| {
        World { deliveries: delivered(), feed: feed(kept), ..World::default() }
            .start()
            .await
            .send(on("GET", &path))
            .await
    };
    insta::assert_snapshot!("delivery_of_a_forgotten_event", read(None).await.shown());
    let with_event = read(Some(event())).await.json();
    let sent: Value = serde_json::from_str(&envelope(&event(), Some(3))).unwrap();
    assert_eq!(with_event["data"]["event"], sent);
}

#[actix_web::test]
async fn a_delivery_of_another_webhook_or_of_none_is_not_found() {
    let routes = World { deliveries: delivered(), feed: feed(None), ..World::default() }.start().await;
    let other = Uuid::from_u128(0x22);
    for (method, path) in [
        ("GET", format!("webhooks/{other}/deliveries/{DELIVERY}")),
        ("GET", format!("webhooks/{ID}/deliveries/{other}")),
        ("POST", format!("webhooks/{other}/deliveries/{DELIVERY}/replay")),
        ("POST", format!("webhooks/{ID}/deliveries/{other}/replay")),
        ("POST", format!("webhooks/deliveries/{other}/replay")),
    ] {
        let reply = routes.send(administer(method, &path)).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{method} {path}");
    }
}

#[actix_web::test]
async fn one_delivery_is_replayed_with_or_without_naming_its_webhook() {
    for path in
        [format!("webhooks/{ID}/deliveries/{DELIVERY}/replay"), format!("webhooks/deliveries/{DELIVERY}/replay")]
    {
        let mut deliveries = delivered();
        deliveries.expect_replay().times(1).returning(|replay| {
            assert_eq!((replay.realm, replay.endpoint, replay.at), (RealmId(1), EndpointId(ID), now()));
            assert_eq!(
                (&replay.range, replay.audit.action),
                (&ReplayRange::One(DeliveryId(DELIVERY)), AuditAction::WebhookReplay)
            );
            Ok(Some(1))
        });
        let endpoints = having(webhook(Dialect::Json));
        let routes = World { endpoints, deliveries, feed: feed(None), ..World::default() }.start().await;
        let reply = routes.send(administer("POST", &path)).await;
        assert_eq!((reply.status, reply.json()), (202, json!({ "data": { "queued": 1 } })), "{path}");
    }
}

/// What was asked to be replayed by `body`.
async fn replayed(body: Value) -> ReplayRange {
    let (told, asked) = std::sync::mpsc::channel();
    let mut deliveries = MockDeliveries::new();
    deliveries.expect_replay().times(1).returning(move |replay| {
        told.send(replay.range.clone()).unwrap();
        Ok(Some(10_000))
    });
    let routes = World { endpoints: having(webhook(Dialect::Json)), deliveries, ..World::default() }.start().await;
    let reply = routes.send(on("POST", "/replay").set_payload(body.to_string())).await;
    assert_eq!((reply.status, reply.json()), (202, json!({ "data": { "queued": 10_000 } })));
    asked.recv().unwrap()
}

fn at(text: &str) -> Timestamp {
    crate::instant::parse(text).unwrap()
}

#[actix_web::test]
async fn a_stretch_of_time_is_replayed() {
    let since = at("2026-06-08T11:00:00Z");
    let body = json!({ "since": "2026-06-08T13:00:00+02:00", "until": null, "events": null, "onlyFailed": null });
    let all = ReplayRange::Between { since, until: now(), names: EventNames::ALL, only_failed: true };
    assert_eq!(replayed(body).await, all);
    let body = json!({
        "since": "2026-06-08T11:00:00Z", "until": "2026-06-08T11:00:00.001Z", "events": ["wallet.changed"],
        "onlyFailed": false, "idempotencyKey": "k",
    });
    let (until, names) = (at("2026-06-08T11:00:00.001Z"), [EventName::WalletChanged].into_iter().collect());
    assert_eq!(replayed(body).await, ReplayRange::Between { since, until, names, only_failed: false });
}

#[actix_web::test]
async fn every_wrong_field_of_a_replay_is_named_at_once() {
    let replay = |body: &str| send(having(webhook(Dialect::Json)), on("POST", "/replay").set_payload(body.to_owned()));
    let body = r#"{ "since": "yesterday", "until": 5, "events": ["nope.x"], "onlyFailed": "no" }"#;
    insta::assert_snapshot!("replay_wrong_fields", replay(body).await.shown());
    for (body, wrong, code) in [
        ("", vec!["since"], "KS-4102"),
        (r#"{ "since": "2026-06-08T12:00:00Z" }"#, vec!["since"], "KS-4101"),
        (r#"{ "since": "2026-06-01T00:00:00Z", "until": "2026-06-01T00:00:00Z" }"#, vec!["until"], "KS-4101"),
        (r#"{ "since": "2026-06-01T00:00:00Z", "events": [] }"#, vec!["events"], "KS-4107"),
    ] {
        let reply = replay(body).await;
        assert_eq!(reply.wrong_fields(), wrong, "{body}");
        assert_eq!(reply.json()["errorCode"], code, "{body}");
    }
}

/// Every administrative route of webhooks.
fn every_route() -> [(&'static str, String); 12] {
    [
        ("POST", "webhooks".to_owned()),
        ("GET", "webhooks".to_owned()),
        ("GET", format!("webhooks/{ID}")),
        ("PATCH", format!("webhooks/{ID}")),
        ("DELETE", format!("webhooks/{ID}")),
        ("POST", format!("webhooks/{ID}/ping")),
        ("POST", format!("webhooks/{ID}/rotate-secret")),
        ("POST", format!("webhooks/{ID}/replay")),
        ("GET", format!("webhooks/{ID}/deliveries")),
        ("GET", format!("webhooks/{ID}/deliveries/{DELIVERY}")),
        ("POST", format!("webhooks/{ID}/deliveries/{DELIVERY}/replay")),
        ("POST", format!("webhooks/deliveries/{DELIVERY}/replay")),
    ]
}

#[actix_web::test]
async fn only_a_key_for_administration_of_the_same_game_opens_these_routes() {
    let routes = World::default().start().await;
    let (own, other) = (realm(Environment::Sandbox).game, GameId(Uuid::from_u128(0x6B)));
    for (method, path) in every_route() {
        for (key, game) in [(Key::Server, own), (Key::Client, own), (Key::Admin, other)] {
            let reply = routes.send(administer_as(key, game, method, &path).set_payload("{")).await;
            assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"), "{key:?} {method} {path}");
        }
        let reply = routes.send(administer_as(Key::Unknown, own, method, &path)).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "session_invalid"), "{method} {path}");
    }
}

#[actix_web::test]
async fn a_webhook_that_is_not_there_is_not_found() {
    let mut deliveries = MockDeliveries::new();
    deliveries.expect_delivery().returning(|_, _| Ok(None));
    let world = World { endpoints: having_none(), deliveries, courier: courier(answered(204)), ..World::default() };
    let routes = world.start().await;
    for (method, path) in every_route().into_iter().skip(2) {
        let body = r#"{ "url": "https://x", "since": "2026-01-01T00:00:00Z" }"#;
        let reply = routes.send(administer(method, &path).set_payload(body)).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{method} {path}");
        let nonsense = path.replace(&ID.to_string(), "x").replace(&DELIVERY.to_string(), "%FF");
        let wrong = routes.send(administer(method, &nonsense).set_payload(body)).await.wrong_fields();
        assert!(wrong.iter().all(|name| ["webhookId", "deliveryId"].contains(&name.as_str())), "{method} {nonsense}");
    }
}

#[actix_web::test]
async fn a_body_that_is_no_object_is_refused_even_where_nothing_of_it_is_used() {
    let routes = World::default().start().await;
    let bodies = every_route().into_iter().filter(|(method, _)| ["POST", "PATCH"].contains(method));
    for (method, path) in bodies {
        let reply = routes.send(administer(method, &path).set_payload("{")).await;
        assert_eq!(reply.wrong_fields(), [""], "{method} {path}");
    }
    let reply = routes.send(request("POST", "/server/v1/events")).await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")));
}
