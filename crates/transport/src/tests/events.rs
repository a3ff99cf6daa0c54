//! Events as operators configure them.

use actix_web::test::TestRequest;
use domain::audit_log::AuditAction;
use domain::economy::{AssetKey, Page};
use domain::lobbies::{
    Aggregation, BoardMode, ConfigurationRefusal, Event, EventBoard, EventDefinition, EventId, Metric, MetricKey,
    MockEventStore, Score, SortOrder, Windows,
};
use domain::tenancy::{Environment, RealmId};
use domain::text::JsonObject;
use serde_json::{Value, json};
use uuid::Uuid;

use super::played::before;
use super::world::{Key, Reply, World, administer, realm, request};

/// An event that has everything, with a schedule.
fn race(id: u128) -> Event {
    let key = MetricKey::try_new("laps").unwrap();
    let laps = Metric { key, target: Some(Score::restore(8_000)), cap: None, weight: Score::try_new("12.5").unwrap() };
    let definition = EventDefinition {
        name: "Race".to_owned(),
        mode: BoardMode::LobbyMatched,
        board: EventBoard {
            capacity: 8,
            fill_bots: true,
            fill_timeout_seconds: 30,
            aggregation: Aggregation::Sum,
            order: SortOrder::Ascending,
            bots: Some(JsonObject::restore(r#"{"names":["Ada","Grace"]}"#.to_owned())),
        },
        windows: Windows::schedule(before(90), 60, 40).unwrap(),
        metrics: vec![laps],
        metadata: Some(JsonObject::restore(r#"{"track":"oval"}"#.to_owned())),
        enabled: true,
    };
    let key = AssetKey::try_new("race").unwrap();
    let id = EventId(Uuid::from_u128(id));
    Event { id, key, definition, version: 3, created_at: before(1_000), updated_at: before(100) }
}

async fn create(events: MockEventStore, body: &Value) -> Reply {
    let routes = World { events, ..World::default() }.start().await;
    routes.send(administer("POST", "events").set_payload(body.to_string())).await
}

fn accepting() -> MockEventStore {
    let mut events = MockEventStore::new();
    events.expect_create_event().times(1).returning(|new| {
        assert_eq!((new.realm, new.audit.action), (RealmId(1), AuditAction::EventCreate));
        Ok(Ok(()))
    });
    events
}

/// A store in which there is the event of [`race`].
fn changing() -> MockEventStore {
    let mut events = MockEventStore::new();
    events.expect_change_event().times(1).returning(|change| {
        assert_eq!((change.key.as_str(), change.audit.action), ("race", AuditAction::EventChange));
        Ok(change.decide(Some(&race(7))))
    });
    events
}

async fn change(events: MockEventStore, body: &str) -> Reply {
    let routes = World { events, ..World::default() }.start().await;
    routes.send(administer("PATCH", "events/race").set_payload(body.to_owned())).await
}

#[actix_web::test]
async fn an_event_of_which_little_is_said_is_like_most() {
    let body = json!({
        "key": "race", "name": "Race", "leaderboardMode": "global",
        "schedule": { "startsAt": "2026-06-08T11:59:00Z", "everySeconds": 3600, "lengthSeconds": 3600 },
        "leaderboard": null, "windows": null, "metrics": null, "metadata": null, "enabled": null, "unknown": [1],
    });
    insta::assert_snapshot!("event_with_defaults", create(accepting(), &body).await.shown());
}

#[actix_web::test]
async fn an_event_is_as_it_was_created() {
    let body = json!({
        "key": "race", "name": "Race", "leaderboardMode": "grouped",
        "leaderboard": {
            "capacity": 4.0, "fillBots": true, "fillTimeoutSeconds": 0, "aggregation": "latest", "order": "ascending",
            "bots": { "behaviours": [{ "type": "single", "block": { "type": "idle" } }] },
        },
        "windows": [
            { "startsAt": "2026-07-08T12:00:00+02:00", "endsAt": "2026-07-09T12:00:00Z" },
            { "startsAt": "2026-06-08T12:00:00Z", "endsAt": "2026-06-08T13:00:00.5Z" },
        ],
        "metrics": [{ "key": "laps", "target": 8, "cap": 9.5, "scoreWeight": -0.001 }, { "key": "stars" }],
        "metadata": { "track": "oval" }, "enabled": false,
    });
    insta::assert_snapshot!("event_with_everything", create(accepting(), &body).await.shown());
}

#[actix_web::test]
async fn every_wrong_field_of_an_event_is_named_at_once() {
    let body = r#"{
        "key": "a b", "name": "", "leaderboardMode": "duel", "enabled": "yes", "metadata": [],
        "leaderboard": { "capacity": 201, "fillBots": 1, "fillTimeoutSeconds": -1, "aggregation": "worst", "order": 1,
            "bots": { "names": [], "behaviours": [{ "type": "single", "block": { "type": "fly" } }], "else": 1 } },
        "windows": [{ "startsAt": "2026-06-08T12:00:00Z", "endsAt": "2026-06-08T12:00:00Z" },
            { "startsAt": "2026-06-08T12:00:00Z", "endsAt": "soon" }, 5],
        "schedule": { "everySeconds": 0, "lengthSeconds": 5000000000 },
        "metrics": [{ "key": "laps", "target": "8", "cap": 0.0001 }, { "key": "laps", "scoreWeight": 1e300 }, {}, "x"]
    }"#;
    let routes = World::default().start().await;
    let reply = routes.send(administer("POST", "events").set_payload(body)).await;
    insta::assert_snapshot!("event_wrong_fields", reply.shown());
}

#[actix_web::test]
async fn what_makes_no_sense_together_is_named_too() {
    let event = |more: Value| {
        let mut event = json!({
            "key": "race", "name": "Race", "leaderboardMode": "global",
            "windows": [{ "startsAt": "2026-06-08T12:00:00Z", "endsAt": "2026-06-08T13:00:00Z" }],
        });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let window = |from: u32, to: u32| json!({ "startsAt": format!("2026-06-08T{from}:00:00Z"), "endsAt": format!("2026-06-08T{to}:00:00Z") });
    let schedule = json!({ "startsAt": "2026-06-08T12:00:00Z", "everySeconds": 60, "lengthSeconds": 61 });
    let cases = [
        (json!({}), vec!["key", "name", "leaderboardMode", "windows"]),
        (event(json!({ "windows": null })), vec!["windows"]),
        (event(json!({ "windows": [] })), vec!["windows"]),
        (event(json!({ "windows": {} })), vec!["windows"]),
        (event(json!({ "windows": vec![0; 500] })), (0..201).map(|_| "windows[]").collect()),
        (event(json!({ "windows": [window(12, 14), window(13, 15)] })), vec!["windows"]),
        (event(json!({ "windows": [window(12, 14), window(15, 15)] })), vec!["windows[1].endsAt"]),
        (event(json!({ "windows": null, "schedule": schedule })), vec!["schedule.lengthSeconds"]),
        (event(json!({ "windows": null, "schedule": 5 })), vec!["schedule"]),
        (event(json!({ "schedule": schedule })), vec!["schedule", "schedule.lengthSeconds"]),
        (event(json!({ "metrics": [] })), vec!["metrics"]),
        (event(json!({ "metrics": "laps" })), vec!["metrics"]),
        (
            event(json!({ "metrics": [{ "key": "a" }, { "key": "a" }, { "key": "a" }] })),
            vec!["metrics[1].key", "metrics[2].key"],
        ),
        (event(json!({ "name": "x".repeat(201) })), vec!["name"]),
        (event(json!({ "name": "a\0b", "metrics": [{ "key": "a" }, { "key": "a" }] })), vec!["name", "metrics[1].key"]),
        (event(json!({ "leaderboardMode": "grouped" })), vec!["leaderboard.capacity"]),
        (event(json!({ "leaderboardMode": "lobby_matched", "leaderboard": {} })), vec!["leaderboard.capacity"]),
        (event(json!({ "leaderboardMode": "grouped", "leaderboard": 5 })), vec!["leaderboard"]),
        (event(json!({ "leaderboard": { "bots": [] } })), vec!["leaderboard.bots"]),
        (event(json!({ "leaderboard": { "bots": { "names": ["x".repeat(20_000)] } } })), vec!["leaderboard.bots"]),
    ];
    let routes = World::default().start().await;
    for (body, wrong) in cases {
        let reply = routes.send(administer("POST", "events").set_payload(body.to_string())).await;
        let mut named = reply.wrong_fields();
        if named.len() == 201 {
            named = named.iter().map(|_| "windows[]".to_owned()).collect();
        }
        assert_eq!(named, wrong, "{body:.200}");
    }
    let reply = routes.send(administer("POST", "events")).await;
    assert_eq!(reply.json()["errorCode"], "KS-4102", "all that is wrong is missing");
}

#[actix_web::test]
async fn a_key_that_is_taken_is_a_conflict() {
    let mut events = MockEventStore::new();
    events.expect_create_event().returning(|_| Ok(Err(ConfigurationRefusal::KeyTaken)));
    let body = json!({
        "key": "race", "name": "Race", "leaderboardMode": "global",
        "windows": [{ "startsAt": "2026-06-08T12:00:00Z", "endsAt": "2026-06-08T13:00:00Z" }],
    });
    insta::assert_snapshot!("event_key_taken", create(events, &body).await.shown());
}

#[actix_web::test]
async fn what_a_change_does_not_name_stays() {
    insta::assert_snapshot!("event_unchanged", change(changing(), "").await.shown());
    let nulls = r#"{ "key": null, "name": null, "leaderboardMode": null, "windows": null, "schedule": null,
        "leaderboard": { "capacity": null, "fillBots": null, "fillTimeoutSeconds": null, "order": null },
        "metrics": null, "enabled": null }"#;
    let (same, unsaid) = (change(changing(), nulls).await, change(changing(), "{}").await);
    assert_eq!((same.status, same.body), (200, unsaid.body));
}

#[actix_web::test]
async fn what_a_change_names_is_so_from_now_on() {
    let body = r#"{ "name": "Sprint", "enabled": false, "metadata": null,
        "leaderboard": { "capacity": 200, "fillBots": false, "fillTimeoutSeconds": 86400, "bots": null },
        "windows": [{ "startsAt": "2026-06-08T12:00:00Z", "endsAt": "2026-06-08T13:00:00Z" }],
        "metrics": [{ "key": "time", "scoreWeight": 0 }] }"#;
    insta::assert_snapshot!("event_changed", change(changing(), body).await.shown());
    let bots = r#"{ "leaderboard": { "bots": { "names": ["Edsger"] } }, "metadata": { "a": 1 } }"#;
    let data = change(changing(), bots).await.json()["data"].take();
    assert_eq!(data["leaderboard"]["bots"], json!({ "names": ["Edsger"] }));
    assert_eq!((&data["metadata"], &data["leaderboard"]["capacity"]), (&json!({ "a": 1 }), &json!(8)));
}

#[actix_web::test]
async fn every_wrong_field_of_a_change_is_named_at_once() {
    let body = r#"{ "key": "race", "leaderboardMode": "lobby_matched", "name": "", "enabled": 0, "metadata": 5,
        "leaderboard": { "aggregation": "sum", "order": "ascending", "capacity": 0, "bots": { "names": 5 } },
        "windows": [], "metrics": [{ "key": "a" }, { "key": "a" }, { "target": [] }] }"#;
    let routes = World::default().start().await;
    let reply = routes.send(administer("PATCH", "events/a%20b").set_payload(body)).await;
    insta::assert_snapshot!("event_wrong_change", reply.shown());
}

#[actix_web::test]
async fn an_event_that_is_not_there_is_not_found() {
    let mut events = MockEventStore::new();
    events.expect_event().returning(|_, _| Ok(None));
    events.expect_change_event().returning(|change| Ok(change.decide(None)));
    let routes = World { events, ..World::default() }.start().await;
    for method in ["GET", "PATCH"] {
        let reply = routes.send(administer(method, "events/race")).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{method}");
    }
    assert_eq!(routes.send(administer("GET", "events/a%2Fb")).await.wrong_fields(), ["eventKey"]);
}

#[actix_web::test]
async fn an_event_is_read_by_its_key() {
    let mut events = MockEventStore::new();
    events.expect_event().times(1).returning(|realm, key| {
        assert_eq!((realm, key.as_str()), (RealmId(1), "r:1"));
        Ok(Some(race(7)))
    });
    let routes = World { events, ..World::default() }.start().await;
    let reply = routes.send(administer("GET", "events/r%3A1")).await;
    assert_eq!(reply.status, 200);
    let window = &reply.json()["data"]["activeWindow"];
    assert_eq!(
        (&window["startsAt"], &window["endsAt"]),
        (&json!("2026-06-08T11:59:30.000Z"), &json!("2026-06-08T12:00:10.000Z"),)
    );
}

#[actix_web::test]
async fn a_page_of_events_leads_to_the_next() {
    let mut events = MockEventStore::new();
    events.expect_events().times(2).returning(|realm, after, limit| {
        assert_eq!((realm, limit), (RealmId(1), 2));
        match after {
            None => Ok(Page { rows: vec![race(9), race(8)], more: true }),
            Some(EventId(id)) => {
                assert_eq!(id, Uuid::from_u128(8));
                Ok(Page { rows: Vec::new(), more: false })
            }
        }
    });
    let routes = World { events, ..World::default() }.start().await;
    let first = routes.send(administer("GET", "events?limit=2")).await.json();
    assert_eq!(first["data"].as_array().unwrap().len(), 2);
    let next = first["next"].as_str().unwrap();
    let second = routes.send(administer("GET", &format!("events?limit=2&after={next}"))).await;
    assert_eq!(second.json(), json!({ "data": [], "next": null }));
    let wrong = routes.send(administer("GET", "events?limit=0&after=Z2FhYWFhYWFhYWFhYWFhYWE")).await;
    assert_eq!(wrong.wrong_fields(), ["after", "limit"]);
}

#[actix_web::test]
async fn configuration_is_for_admin_keys_of_the_same_game() {
    let routes = World::default().start().await;
    let (own, other) = (realm(Environment::Sandbox).game.0, Uuid::from_u128(1));
    for list in ["events", "leaderboards"] {
        for (method, path) in [
            ("POST", list.to_owned()),
            ("GET", list.to_owned()),
            ("GET", format!("{list}/x")),
            ("PATCH", format!("{list}/x")),
        ] {
            for (game, key) in [(own, Key::Server), (own, Key::Client), (other, Key::Admin)] {
                let method = actix_web::http::Method::from_bytes(method.as_bytes()).unwrap();
                let asked = TestRequest::with_uri(&format!("/admin/v1/games/{game}/{path}")).method(method.clone());
                let reply = routes.send(asked.insert_header(("X-API-Key", key.text())).set_payload("{")).await;
                assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"), "{method} {path} {key:?}");
            }
        }
        let reply = routes.send(administer("DELETE", &format!("{list}/x"))).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD, PATCH")));
        let reply = routes.send(administer("PUT", list)).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD, POST")));
    }
    let unkeyed = TestRequest::with_uri(&format!("/admin/v1/games/{own}/events"));
    assert_eq!(routes.send(unkeyed).await.status, 401);
    assert_eq!(routes.send(request("GET", "/admin/v1/games/x/events")).await.status, 403);
}
