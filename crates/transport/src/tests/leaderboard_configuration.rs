//! Leaderboards as operators configure them.

use domain::audit_log::AuditAction;
use domain::economy::{AssetKey, Page};
use domain::lobbies::{
    Aggregation, BoardId, ConfigurationRefusal, Leaderboard, LeaderboardDefinition, MockLeaderboardStore, ResetCadence,
    SortOrder,
};
use domain::tenancy::RealmId;
use domain::text::JsonObject;
use serde_json::{Value, json};
use uuid::Uuid;

use super::played::before;
use super::world::{Reply, World, administer};

fn points(id: u128) -> Leaderboard {
    let definition = LeaderboardDefinition {
        name: "Points".to_owned(),
        aggregation: Aggregation::Sum,
        order: SortOrder::Descending,
        reset: ResetCadence::Weekly,
        segmented: true,
        fill_bots_to: 20,
        bots: Some(JsonObject::restore(r#"{"names":["Ada"]}"#.to_owned())),
        metadata: Some(JsonObject::restore(r#"{"icon":"cup"}"#.to_owned())),
        enabled: true,
    };
    let (id, key) = (BoardId(Uuid::from_u128(id)), AssetKey::try_new("points").unwrap());
    Leaderboard { id, key, definition, version: 3, created_at: before(1_000), updated_at: before(100) }
}

async fn create(leaderboards: MockLeaderboardStore, body: &Value) -> Reply {
    let routes = World { leaderboards, ..World::default() }.start().await;
    routes.send(administer("POST", "leaderboards").set_payload(body.to_string())).await
}

fn accepting() -> MockLeaderboardStore {
    let mut leaderboards = MockLeaderboardStore::new();
    leaderboards.expect_create_leaderboard().times(1).returning(|new| {
        assert_eq!((new.realm, new.audit.action), (RealmId(1), AuditAction::LeaderboardCreate));
        Ok(Ok(()))
    });
    leaderboards
}

async fn change(body: &str) -> Reply {
    let mut leaderboards = MockLeaderboardStore::new();
    leaderboards.expect_change_leaderboard().times(1).returning(|change| {
        assert_eq!((change.key.as_str(), change.audit.action), ("points", AuditAction::LeaderboardChange));
        Ok(change.decide(Some(&points(7))))
    });
    let routes = World { leaderboards, ..World::default() }.start().await;
    routes.send(administer("PATCH", "leaderboards/points").set_payload(body.to_owned())).await
}

#[actix_web::test]
async fn a_leaderboard_of_which_little_is_said_is_like_most() {
    let body = json!({ "key": "points", "name": "Points", "bots": null, "metadata": null, "segmented": null });
    insta::assert_snapshot!("leaderboard_with_defaults", create(accepting(), &body).await.shown());
}

#[actix_web::test]
async fn a_leaderboard_is_as_it_was_created() {
    let body = json!({
        "key": "laps", "name": "Laps", "aggregation": "latest", "order": "ascending", "resetCadence": "monthly",
        "segmented": true, "fillBotsTo": 200, "bots": { "names": ["Ada"] }, "metadata": { "icon": "cup" },
        "enabled": false,
    });
    insta::assert_snapshot!("leaderboard_with_everything", create(accepting(), &body).await.shown());
}

#[actix_web::test]
async fn the_present_period_began_when_its_cadence_says() {
    for (cadence, started) in [
        ("never", Value::Null),
        ("daily", json!("2026-06-08T00:00:00.000Z")),
        ("weekly", json!("2026-06-08T00:00:00.000Z")),
        ("monthly", json!("2026-06-01T00:00:00.000Z")),
    ] {
        let body = json!({ "key": "points", "name": "Points", "resetCadence": cadence });
        let data = create(accepting(), &body).await.json()["data"].take();
        assert_eq!((&data["resetCadence"], &data["currentPeriodStartedAt"]), (&json!(cadence), &started));
    }
}

#[actix_web::test]
async fn every_wrong_field_of_a_leaderboard_is_named_at_once() {
    let body = r#"{ "key": 5, "name": "a\u0000b", "aggregation": "worst", "order": null, "resetCadence": "hourly",
        "segmented": "yes", "fillBotsTo": 200.5, "bots": { "names": 5, "avatars": ["http://x"], "else": 1 },
        "metadata": 5, "enabled": 1 }"#;
    let routes = World::default().start().await;
    let reply = routes.send(administer("POST", "leaderboards").set_payload(body)).await;
    insta::assert_snapshot!("leaderboard_wrong_fields", reply.shown());
    for (body, wrong) in
        [("", vec!["key", "name"]), (r#"{"key":"a","name":"","fillBotsTo":201}"#, vec!["name", "fillBotsTo"])]
    {
        assert_eq!(routes.send(administer("POST", "leaderboards").set_payload(body)).await.wrong_fields(), wrong);
    }
}

#[actix_web::test]
async fn a_key_that_is_taken_is_a_conflict() {
    let mut leaderboards = MockLeaderboardStore::new();
    leaderboards.expect_create_leaderboard().returning(|_| Ok(Err(ConfigurationRefusal::KeyTaken)));
    let reply = create(leaderboards, &json!({ "key": "points", "name": "Points" })).await;
    assert_eq!((reply.status, reply.code().as_str()), (409, "conflict"));
    assert_eq!(reply.json()["error"]["details"], json!({ "reason": "key_taken" }));
}

#[actix_web::test]
async fn a_change_changes_what_it_names_and_nothing_else() {
    insta::assert_snapshot!("leaderboard_unchanged", change("").await.shown());
    let same = change(r#"{ "key": null, "name": null, "fillBotsTo": null, "enabled": null }"#).await;
    assert_eq!(same.body, change("{}").await.body);
    let body = r#"{ "name": "Stars", "fillBotsTo": 0, "bots": null, "metadata": null, "enabled": false }"#;
    insta::assert_snapshot!("leaderboard_changed", change(body).await.shown());
    let data = change(r#"{ "bots": { "names": ["Edsger"] }, "metadata": {} }"#).await.json()["data"].take();
    assert_eq!((&data["bots"], &data["metadata"]), (&json!({ "names": ["Edsger"] }), &json!({})));
}

#[actix_web::test]
async fn every_wrong_field_of_a_change_is_named_at_once() {
    let body = r#"{ "key": "points", "aggregation": "sum", "order": "descending", "resetCadence": "weekly",
        "segmented": true, "name": "", "fillBotsTo": -1, "bots": { "behaviours": [] }, "metadata": [], "enabled": "" }"#;
    let routes = World::default().start().await;
    let reply = routes.send(administer("PATCH", "leaderboards/-").set_payload(body)).await;
    insta::assert_snapshot!("leaderboard_wrong_change", reply.shown());
}

#[actix_web::test]
async fn a_leaderboard_that_is_not_there_is_not_found() {
    let mut leaderboards = MockLeaderboardStore::new();
    leaderboards.expect_leaderboard().returning(|_, _| Ok(None));
    leaderboards.expect_change_leaderboard().returning(|change| Ok(change.decide(None)));
    let routes = World { leaderboards, ..World::default() }.start().await;
    for method in ["GET", "PATCH"] {
        let reply = routes.send(administer(method, "leaderboards/points")).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{method}");
    }
    assert_eq!(routes.send(administer("GET", "leaderboards/%FF")).await.wrong_fields(), ["key"]);
}

#[actix_web::test]
async fn leaderboards_are_read_one_by_one_and_in_pages() {
    let mut leaderboards = MockLeaderboardStore::new();
    leaderboards.expect_leaderboard().returning(|realm, key| {
        assert_eq!((realm, key.as_str()), (RealmId(1), "points"));
        Ok(Some(points(8)))
    });
    leaderboards.expect_leaderboards().times(2).returning(|realm, after, limit| {
        assert_eq!((realm, limit), (RealmId(1), 50));
        match after {
            None => Ok(Page { rows: vec![points(9), points(8)], more: true }),
            Some(BoardId(id)) => {
                assert_eq!(id, Uuid::from_u128(8));
                Ok(Page { rows: Vec::new(), more: false })
            }
        }
    });
    let routes = World { leaderboards, ..World::default() }.start().await;
    let one = routes.send(administer("GET", "leaderboards/points")).await.json();
    let first = routes.send(administer("GET", "leaderboards")).await.json();
    assert_eq!(first["data"][1], one["data"]);
    let next = first["next"].as_str().unwrap();
    let second = routes.send(administer("GET", &format!("leaderboards?after={next}"))).await;
    assert_eq!(second.json(), json!({ "data": [], "next": null }));
    assert_eq!(routes.send(administer("GET", "leaderboards?limit=x&after=x")).await.wrong_fields(), ["after", "limit"]);
}
