//! Lobbies and leaderboards, by the real program: pushed at once, killed meanwhile, ranked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::api::{Api, Reply, at_once};
use crate::harness::program::Purser;

/// The id of the demo game, with an event and a leaderboard in it.
async fn configured(purser: &Purser) -> String {
    let admin = purser.issue("demo", "sandbox", "admin").await["key"].as_str().unwrap().to_owned();
    let game = purser.api().get("ping").await.ok(200)["apiKey"]["gameId"].as_str().unwrap().to_owned();
    let event = json!({
        "key": "race", "name": "Race", "leaderboardMode": "lobby_matched",
        "leaderboard": { "capacity": 4, "fillBots": true, "fillTimeoutSeconds": 60 },
        "schedule": { "startsAt": "2026-01-01T00:00:00.000Z", "everySeconds": 86400, "lengthSeconds": 86400 },
    });
    let board = json!({ "key": "points", "name": "Points", "aggregation": "sum" });
    for (list, body) in [("events", event), ("leaderboards", board)] {
        let path = format!("/admin/v1/games/{game}/{list}");
        let request = purser.api_with(&admin).keyed(Method::POST, &path).json(&body);
        Reply::to(request).await.unwrap().data(201);
    }
    game
}

fn push(number: u64) -> Value {
    json!({ "key": format!("match-{number}"), "externalPlayerIds": [format!("a-{number}"), "everybody"] })
}

#[tokio::test]
async fn forty_pushes_of_one_key_at_once_make_one_lobby() {
    let purser = Purser::start().await;
    let path = format!("games/{}/events/race/lobbies", configured(&purser).await);
    let answers = at_once(&[purser.api()], 40, &path, &push(1)).await;
    let ids: BTreeSet<String> = answers.iter().map(|answer| answer.data(201)["id"].to_string()).collect();
    assert_eq!(ids.len(), 1);
    let first = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_none());
    assert_eq!(first.count(), 1);
    assert_eq!(purser.api().all(&format!("{path}?limit=10")).await.len(), 1);
}

#[tokio::test]
async fn a_server_that_is_killed_among_pushes_and_scores_loses_and_doubles_nothing() {
    let mut purser = Purser::start().await;
    let game = configured(&purser).await;
    let path = format!("games/{game}/events/race/lobbies");
    purser.api().post(&path, &push(0)).await.data(201);
    let next = Arc::new(AtomicU64::new(1));
    let mut senders = JoinSet::new();
    for _ in 0..8 {
        let (api, path, next) = (purser.api(), path.clone(), Arc::clone(&next));
        senders.spawn(async move {
            let mut lobbies = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Ok(answer) = api.try_post(&path, &push(number)).await else { return lobbies };
                if answer.status != 201 {
                    return lobbies;
                }
                lobbies.push((number, answer.data(201)["id"].clone()));
                let score = scored(&api, number).await;
                if score.is_none_or(|status| status != 200) {
                    return lobbies;
                }
            }
        });
    }
    crate::harness::patience::eventually("some were pushed", async || {
        (200 < next.load(Ordering::Relaxed)).then_some(())
    })
    .await;
    purser.kill().await;
    let answered: Vec<(u64, Value)> = senders.join_all().await.into_iter().flatten().collect();
    purser.restart().await;
    let api = purser.api();
    for (number, id) in &answered {
        let again = api.post(&path, &push(*number)).await;
        assert_eq!((again.header("idempotent-replayed"), &again.data(201)["id"]), (Some("true"), id));
    }
    // Whatever was sent is sent again, so that each has happened exactly once.
    let sent = next.load(Ordering::Relaxed);
    for number in 1..sent {
        api.post(&path, &push(number)).await.data(201);
        assert_eq!(scored(&api, number).await, Some(200));
    }
    let lobbies = api.all(&format!("{path}?limit=200")).await;
    let ids: BTreeSet<String> = lobbies.iter().map(|lobby| lobby["id"].to_string()).collect();
    assert_eq!((u64::try_from(ids.len()).unwrap(), lobbies.len()), (sent, ids.len()));
    let own = api.get("leaderboards/points?externalId=everybody&limit=1").await.data(200)["self"].clone();
    assert_eq!((&own["score"], &own["rank"]), (&json!(sent - 1), &json!(1)));
}

/// Adds one to the sum of everybody, once for each number.
async fn scored(api: &Api, number: u64) -> Option<u16> {
    let body = json!({ "externalPlayerId": "everybody", "value": 1, "idempotencyKey": format!("point-{number}") });
    Some(api.try_post("leaderboards/points/score", &body).await.ok()?.status)
}

#[tokio::test]
async fn ranks_are_unique_and_whoever_was_first_is_ahead() {
    let purser = Purser::start().await;
    configured(&purser).await;
    let api = purser.api();
    let unknown = json!({ "externalPlayerId": "nobody", "value": 1 });
    api.post("leaderboards/points/score", &unknown).await.error(404, "not_found", None);
    for (player, value, rank) in
        [("ann", json!(10), 1), ("bob", json!(10.0), 2), ("cid", json!(12.5), 1), ("dan", json!(-3), 4)]
    {
        api.credit(player, "gold", json!({ "amount": 1 })).await.ok(200);
        let body = json!({ "externalPlayerId": player, "value": value });
        let answer = api.post("leaderboards/points/score", &body).await.data(200);
        assert_eq!((&answer["score"].as_f64(), &answer["rank"]), (&value.as_f64(), &json!(rank)), "{player}");
    }
    let board = api.get("leaderboards/points?limit=3").await.data(200);
    let names: Vec<_> = board["entries"].as_array().unwrap().iter().map(|entry| &entry["externalPlayerId"]).collect();
    assert_eq!(names, ["cid", "ann", "bob"]);
    let around = api.get("leaderboards/points?externalId=bob&around=true&limit=2").await.data(200);
    let ranks: Vec<_> = around["entries"].as_array().unwrap().iter().map(|entry| &entry["rank"]).collect();
    assert_eq!(ranks, [2, 3, 4]);
    // Merged, both scores are one player's; erased, the entry shows no name.
    let merged = api.post("players/bob/merge-into/ann", &json!({})).await.data(200);
    assert_eq!(merged["counts"]["leaderboardsScrubbed"], 1);
    let erased = api.post("players/ann/delete", &json!({})).await.data(200);
    assert_eq!(erased["leaderboardsScrubbed"], 1);
    let board = api.get("leaderboards/points?limit=3").await.data(200);
    let entries = board["entries"].as_array().unwrap();
    assert_eq!((entries.len(), &entries[0]["score"]), (3, &json!(20)));
    assert!(entries[0]["externalPlayerId"].as_str().unwrap().starts_with("__deleted_"));
}
