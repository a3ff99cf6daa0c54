//! Scripted matches, from the push or the first start to the final ranks, under a clock that the test moves.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::staged::Staged;

const MINUTE: Duration = Duration::from_secs(60);

/// An event for lobbies of four, bots included, of which a window of ten minutes opens every hour.
async fn event(staged: &Staged, key: &str) -> Value {
    let body = json!({
        "key": key, "name": "Race", "leaderboardMode": "lobby_matched",
        "leaderboard": { "capacity": 4, "fillBots": true, "fillTimeoutSeconds": 40 },
        "schedule": { "startsAt": "2026-01-01T00:00:00.000Z", "everySeconds": 3600, "lengthSeconds": 600 },
        "metrics": [{ "key": "laps" }],
    });
    staged.admin(Method::POST, "events", &body).await.data(201)
}

async fn lobby(staged: &Staged, id: &str) -> Value {
    staged.api.get(&format!("games/{}/lobbies/{id}", staged.game)).await.data(200)
}

/// The board of a lobby: rank, player (`bot` for bots) and score, best first.
async fn board(staged: &Staged, id: &str) -> Vec<(u64, String, f64)> {
    let lobby = lobby(staged, id).await;
    let entries = lobby["leaderboard"]["entries"].as_array().unwrap().clone();
    let line = |entry: &Value| {
        let who = entry["externalPlayerId"].as_str().unwrap_or("bot").to_owned();
        (entry["rank"].as_u64().unwrap(), who, entry["score"].as_f64().unwrap())
    };
    entries.iter().map(line).collect()
}

async fn start(staged: &Staged, player: &str) -> String {
    let body = json!({ "idempotencyKey": format!("start-{player}") });
    let started = staged.api.post(&format!("players/{player}/events/race/start"), &body).await.data(201);
    started["attempt"]["id"].as_str().unwrap().to_owned()
}

fn attempt_path(player: &str, attempt: &str, verb: &str) -> String {
    format!("players/{player}/events/race/attempts/{attempt}/{verb}")
}

#[tokio::test]
async fn a_pushed_match_is_filled_with_bots_scored_closed_by_the_clock_and_its_ranks_are_final() {
    let staged = Staged::start().await;
    event(&staged, "race").await;
    let push = json!({ "key": "match-1", "externalPlayerIds": ["ann", "bob"], "metadata": { "map": "dunes" } });
    let lobbies = format!("games/{}/events/race/lobbies", staged.game);
    let pushed = staged.api.post(&lobbies, &push).await.data(201);
    let id = pushed["id"].as_str().unwrap();
    let counts =
        |lobby: &Value| (lobby["status"].clone(), lobby["participantCount"].clone(), lobby["botSlots"].clone());
    assert_eq!(counts(&pushed), (json!("active"), json!(2), json!(2)));
    assert_eq!((staged.told("forming"), staged.told("active")), (1, 1));

    let (ann, bob) = (start(&staged, "ann").await, start(&staged, "bob").await);
    staged.advance(MINUTE);
    for (player, attempt, laps) in [("ann", &ann, 900), ("bob", &bob, 40)] {
        let body = json!({ "mode": "increment", "metricValue": laps, "idempotencyKey": format!("laps-{player}") });
        let first = staged.api.post(&attempt_path(player, attempt, "progress"), &body).await.data(200);
        let again = staged.api.post(&attempt_path(player, attempt, "progress"), &body).await;
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!((&again.data(200), &first["attempt"]["score"]), (&first, &json!(laps)));
    }
    let after_a_minute = board(&staged, id).await;
    assert_eq!(after_a_minute.iter().map(|(rank, _, _)| *rank).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(after_a_minute[0], (1, "ann".to_owned(), 900.0));
    assert_eq!(after_a_minute.iter().filter(|(_, who, _)| who == "bot").count(), 2);
    for _ in 0..10 {
        assert_eq!(board(&staged, id).await, after_a_minute, "bots do not depend on who looks");
    }
    staged.advance(4 * MINUTE);
    let bots = |board: &[(u64, String, f64)]| -> f64 {
        board.iter().filter(|(_, who, _)| who == "bot").map(|(_, _, score)| score).sum()
    };
    assert!(bots(&after_a_minute) < bots(&board(&staged, id).await), "bots go on");

    // The window ends. Nothing has run, and every read knows.
    staged.advance(10 * MINUTE);
    let closed = lobby(&staged, id).await;
    assert_eq!(counts(&closed), (json!("closed"), json!(2), json!(2)));
    assert_eq!(closed["leaderboard"]["finalizedReason"], "window_closed");
    let late = json!({ "mode": "increment", "metricValue": 1 });
    staged.api.post(&attempt_path("ann", &ann, "progress"), &late).await.error(409, "attempt_finished", None);
    let final_ranks = board(&staged, id).await;
    assert_eq!((staged.sweep().await, staged.told("closed")), (1, 0), "the sweep stores it, and tells it once");
    assert_eq!(staged.sweep().await, 0);
    staged.advance(60 * MINUTE);
    assert_eq!(board(&staged, id).await, final_ranks, "ranks are final");

    let replayed = staged.api.post(&lobbies, &push).await;
    assert_eq!((replayed.header("idempotent-replayed"), &replayed.data(201)["id"]), (Some("true"), &json!(id)));
    let profile = staged.api.get("players/ann").await.data(200);
    assert_eq!((&profile["summary"]["lobbies"], &profile["summary"]["attempts"]), (&json!(1), &json!(1)));
    assert_eq!(profile["recentAttempts"][0]["status"], "completed");
    assert_eq!(profile["recentLobbies"][0]["status"], "closed");
}

#[tokio::test]
async fn players_who_start_are_put_together_and_bots_drip_in_until_the_lobby_plays() {
    let staged = Staged::start().await;
    event(&staged, "race").await;
    let wait = |player: &str| {
        let path = format!("players/{player}/events/race/start");
        let api = staged.api.clone();
        async move { api.post(&path, &json!({})).await }
    };
    let first = wait("ann").await;
    assert_eq!((first.status, &first.json()["error"]["code"]), (202, &json!("lobby_forming")));
    let id = first.json()["error"]["details"]["lobbyId"].as_str().unwrap().to_owned();
    // A bot comes every ten seconds.
    let mut bots = Vec::new();
    for _ in 0..15 {
        bots.push(lobby(&staged, &id).await["botSlots"].as_u64().unwrap());
        staged.advance(Duration::from_secs(1));
    }
    assert_eq!((bots[0], bots[9], bots[10], bots[14]), (0, 0, 1, 1));
    let second = wait("bob").await;
    assert_eq!((second.status, &second.json()["error"]["details"]["lobbyId"]), (202, &json!(id)));
    assert_eq!(lobby(&staged, &id).await["participantCount"], 2);
    staged.advance(Duration::from_secs(5));
    let full = lobby(&staged, &id).await;
    assert_eq!((&full["status"], &full["botSlots"], &full["fillBy"]), (&json!("active"), &json!(2), &Value::Null));
    // A third one comes too late for this lobby, the others play.
    let third = wait("cid").await;
    assert_eq!(third.status, 202);
    assert_ne!(third.json()["error"]["details"]["lobbyId"], json!(id));
    let attempt = wait("ann").await.data(201);
    assert_eq!(attempt["leaderboardId"], json!(id));
    assert_eq!(staged.told("active"), 1, "told by whoever wrote to it first");
    assert_eq!(staged.sweep().await, 0);
}

#[tokio::test]
async fn a_player_who_leaves_makes_room_for_a_bot_and_one_who_comes_takes_it() {
    let staged = Staged::start().await;
    event(&staged, "race").await;
    let push = json!({ "key": "m", "externalPlayerIds": ["ann", "bob", "cid"] });
    let pushed = staged.api.post(&format!("games/{}/events/race/lobbies", staged.game), &push).await.data(201);
    let path = format!("games/{}/lobbies/{}", staged.game, pushed["id"].as_str().unwrap());
    let remove = |player: &str| staged.api.request(Method::DELETE, &format!("{path}/players/{player}"));
    let counts =
        |lobby: Value| (lobby["applied"].clone(), lobby["participantCount"].clone(), lobby["botSlots"].clone());
    for applied in [true, false] {
        let left = crate::harness::api::Reply::to(remove("bob")).await.unwrap().data(200);
        assert_eq!(counts(left), (json!(applied), json!(2), json!(2)));
    }
    for applied in [true, false] {
        let joined = staged.api.post(&format!("{path}/players"), &json!({ "externalPlayerId": "dan" })).await.data(200);
        assert_eq!(counts(joined), (json!(applied), json!(3), json!(1)));
    }
    staged.api.post(&format!("{path}/players"), &json!({ "externalPlayerId": "eve" })).await.data(200);
    let full = staged.api.post(&format!("{path}/players"), &json!({ "externalPlayerId": "fay" })).await;
    assert_eq!(full.error(409, "conflict", None)["reason"], "lobby_full");
    for applied in [true, false] {
        let closed = staged.api.post(&format!("{path}/close"), &json!({})).await.data(200);
        assert_eq!((&closed["applied"], &closed["status"]), (&json!(applied), &json!("closed")));
    }
    let gone = staged.api.post(&format!("{path}/players"), &json!({ "externalPlayerId": "gus" })).await;
    assert_eq!(gone.error(409, "conflict", None)["reason"], "lobby_closed");
    staged.api.get("players/fay").await.error(404, "not_found", None);
}
