//! The feed of events, as backends follow it.

use actix_web::test::TestRequest;
use domain::economy::Page;
use domain::players::{ExternalId, PlayerId};
use domain::tenancy::{Environment, RealmId};
use domain::text::JsonObject;
use domain::webhooks::{EventName, EventNames, FeedPosition, MockEventFeed, OutboxEventId, ToldEvent, envelope};
use serde_json::{Value, json};
use uuid::Uuid;

use super::played::before;
use super::world::{Key, Reply, World, realm, request};

const FEED: &str = "/server/v1/events";

fn event(position: i64) -> ToldEvent {
    ToldEvent {
        realm: realm(Environment::Sandbox),
        position: FeedPosition(position),
        id: OutboxEventId(Uuid::from_u128(0xE0)),
        name: EventName::PlayerBanned,
        at: before(90),
        player: Some((PlayerId(Uuid::from_u128(9)), ExternalId::try_new("p-1").unwrap())),
        data: JsonObject::restore(r#"{"bannedAt":"2026-06-08T11:58:30.000Z"}"#.to_owned()),
        words: Some(JsonObject::restore(r#"{"reason":"fraud"}"#.to_owned())),
    }
}

/// What is answered to `asked` when there are events at the places `at`.
async fn read(at: &'static [i64], more: bool, asked: TestRequest) -> Reply {
    let mut feed = MockEventFeed::new();
    feed.expect_feed().returning(move |realm, after, _, _| {
        assert_eq!(realm, RealmId(1));
        let rows = at.iter().filter(|place| after.0 < **place).map(|place| event(*place)).collect();
        Ok(Page { rows, more })
    });
    World { feed, ..World::default() }.start().await.send(asked).await
}

#[actix_web::test]
async fn the_feed_tells_events_as_webhooks_are_told_them() {
    let reply = read(&[3, 8], true, request("GET", FEED)).await;
    let told: Value = serde_json::from_str(&envelope(&event(3), None)).unwrap();
    let mut body = reply.json();
    assert_eq!(body["data"].take(), json!([told, told]));
    insta::assert_json_snapshot!("feed_page", body);
}

#[actix_web::test]
async fn a_reader_can_go_on_from_every_page_for_ever() {
    let first = read(&[3, 8], false, request("GET", FEED)).await.json();
    let next = first["next"].as_str().unwrap().to_owned();
    assert_eq!(first["more"], false);
    let go_on = || request("GET", &format!("{FEED}?after={next}"));
    assert_eq!(read(&[3, 8], false, go_on()).await.json(), json!({ "data": [], "next": next, "more": false }));
    let later = read(&[3, 8, 9], false, go_on()).await.json();
    assert_eq!(later["data"].as_array().unwrap().len(), 1);
    assert_ne!(later["next"], next);
    let nothing = read(&[], false, request("GET", FEED)).await.json();
    assert_eq!(nothing, json!({ "data": [], "next": null, "more": false }));
}

#[actix_web::test]
async fn a_reader_can_choose_events() {
    let mut feed = MockEventFeed::new();
    let chosen: EventNames = [EventName::WalletChanged, EventName::GrantCreated].into_iter().collect();
    let asked = [chosen, EventNames::ALL, EventNames::ALL];
    for names in asked {
        feed.expect_feed().times(1).returning(move |_, after, asked, limit| {
            assert_eq!((after, asked, limit), (FeedPosition(0), names, 200));
            Ok(Page { rows: Vec::new(), more: false })
        });
    }
    let routes = World { feed, ..World::default() }.start().await;
    for names in ["&events=wallet.changed,grant.created", "&events=*", ""] {
        assert_eq!(routes.send(request("GET", &format!("{FEED}?limit=200{names}"))).await.status, 200);
    }
}

#[actix_web::test]
async fn every_wrong_parameter_is_named_at_once() {
    let wrong = |query: &str| read(&[], false, request("GET", &format!("{FEED}?{query}")));
    insta::assert_snapshot!("feed_wrong_parameters", wrong("after=x&limit=201&events=nope.x").await.shown());
    for query in ["events=", "events=wallet.changed,", "events=wallet.changed%20", "events=wallet.changed,nope.x"] {
        let reply = wrong(query).await;
        assert_eq!((reply.wrong_fields(), &reply.json()["errorCode"]), (vec!["events".to_owned()], &json!("KS-4107")));
    }
    // The cursor of another list.
    let ledger = crate::cursor::after_position(3);
    assert_eq!(wrong(&format!("after={ledger}")).await.wrong_fields(), ["after"]);
}

#[actix_web::test]
async fn only_a_key_for_backends_opens_the_feed() {
    for key in [Key::Admin, Key::Client] {
        let asked = TestRequest::with_uri(FEED).insert_header(("X-API-Key", key.text()));
        let reply = read(&[], false, asked).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"), "{key:?}");
    }
    let reply = read(&[], false, TestRequest::with_uri(FEED)).await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "unauthenticated"));
}
