//! Lobbies that backends push, read and change.

use domain::economy::{Page, Repeat};
use domain::lobbies::{
    BoardMode, Lobby, LobbyId, LobbyStatus, MockEventStore, MockLobbyReads, Play, PlayAnswer, PlayRefusal,
};
use serde_json::{Value, json};

use super::play::{
    GAME, answered, answering, at, check_refusals, check_wrong_fields, detail, event, external, forming, pushed, uuid,
};
use super::world::{Key, Reply, World, post, request};

const LOBBIES: &str = "/server/v1/games/00000000-0000-0000-0000-00000000006a/events/race/lobbies";
const LOBBY: &str =
    "/server/v1/games/00000000-0000-0000-0000-00000000006a/lobbies/00000000-0000-0000-0000-00000000010b";
const PUSH: &str = r#"{"key":"match-1","externalPlayerIds":["ann","bob"]}"#;

fn pushed_answer(repeat: Repeat) -> PlayAnswer {
    PlayAnswer::Pushed { lobby: Box::new(pushed()), repeat }
}

#[actix_web::test]
async fn a_push_makes_a_lobby_that_plays_at_once() {
    let body = json!({
        "key": "match-1", "externalPlayerIds": ["ann", "bob"], "capacity": 4.0, "fillBots": true,
        "metadata": { "map": "dunes" }, "idempotencyKey": "accepted", "other": 1,
    });
    let (reply, command) = answered(pushed_answer(Repeat::First), post(LOBBIES, body.to_string())).await;
    insta::assert_snapshot!("push", reply.shown());
    let Play::Push(push) = command.action else { panic!("{command:?}") };
    assert_eq!((push.event.as_str(), push.key.as_str(), push.capacity), ("race", "match-1", Some(4)));
    let players: Vec<_> = push.players.iter().map(|player| player.external_id.as_str()).collect();
    assert_eq!((players, push.fill_bots), (vec!["ann", "bob"], Some(true)));
    assert_eq!(push.metadata.unwrap().as_json(), r#"{"map":"dunes"}"#);
}

#[actix_web::test]
async fn what_a_push_leaves_out_is_as_the_event_says() {
    let body = r#"{"key":"m","externalPlayerIds":["ann"],"capacity":null,"fillBots":null}"#;
    let (_, command) = answered(pushed_answer(Repeat::First), post(LOBBIES, body)).await;
    let Play::Push(push) = command.action else { panic!("{command:?}") };
    assert_eq!((push.capacity, push.fill_bots, push.metadata), (None, None, None));
}

#[actix_web::test]
async fn a_repeated_push_is_answered_with_the_lobby_and_says_so() {
    let (reply, _) = answered(pushed_answer(Repeat::Replay), post(LOBBIES, PUSH)).await;
    assert_eq!((reply.status, reply.header("idempotent-replayed")), (201, Some("true")));
    assert_eq!(reply.json()["data"]["id"], uuid(0x10B).to_string());
}

#[actix_web::test]
async fn a_push_that_the_rules_refuse_says_why() {
    let refusals = vec![
        (PlayRefusal::EventNotFound, 404, "not_found", None),
        (PlayRefusal::EventDisabled, 409, "event_disabled", None),
        (PlayRefusal::WrongMode { mode: BoardMode::Global }, 409, "conflict", Some("lobby_wrong_mode")),
        (PlayRefusal::NoActiveWindow, 409, "no_active_window", None),
        (PlayRefusal::IdempotencyConflict, 409, "idempotency_conflict", None),
        (PlayRefusal::TooManyPlayers { capacity: 1, players: 2 }, 400, "validation_failed", None),
    ];
    check_refusals(LOBBIES, PUSH, refusals).await;
    let (world, _) = answering(Err(PlayRefusal::TooManyPlayers { capacity: 1, players: 2 }));
    let reply = world.start().await.send(post(LOBBIES, PUSH)).await;
    assert_eq!(reply.wrong_fields(), ["externalPlayerIds"]);
}

#[actix_web::test]
async fn everything_that_is_wrong_with_a_push_is_said_at_once() {
    let ids = |count: usize| json!((0..count).map(|number| format!("p-{number}")).collect::<Vec<_>>());
    let of = |ids: Value| json!({ "key": "m", "externalPlayerIds": ids }).to_string();
    let posts = [
        (String::new(), vec!["key", "externalPlayerIds"]),
        (
            r#"{"key":"","externalPlayerIds":{},"capacity":0,"fillBots":1,"metadata":[]}"#.to_owned(),
            vec!["key", "capacity", "externalPlayerIds", "fillBots", "metadata"],
        ),
        (
            r#"{"key":"a\u0000b","externalPlayerIds":"ann","capacity":1.5,"fillBots":"true","metadata":"x"}"#
                .to_owned(),
            vec!["key", "capacity", "externalPlayerIds", "fillBots", "metadata"],
        ),
        (format!(r#"{{"key":"{}","externalPlayerIds":null,"capacity":201}}"#, "k".repeat(256)), {
            vec!["key", "capacity", "externalPlayerIds"]
        }),
        (of(json!([])), vec!["externalPlayerIds"]),
        (of(ids(201)), vec!["externalPlayerIds"]),
        (
            of(json!(["a", "b", "a", "", 5, "__merged_1", "b", "a"])),
            (2..8).map(|index| ["[2]", "[3]", "[4]", "[5]", "[6]", "[7]"][index - 2]).collect(),
        ),
        (
            r#"{"key":"m","externalPlayerIds":["a","b","b"],"capacity":2}"#.to_owned(),
            vec!["externalPlayerIds", "externalPlayerIds[2]"],
        ),
        (r#"{"key":"m","key":"n","externalPlayerIds":["a"]}"#.to_owned(), vec!["key"]),
        ("[]".to_owned(), vec![""]),
    ];
    let posts = posts.into_iter().map(|(body, wrong)| {
        let full = |path: &'static str| {
            if path.starts_with('[') { format!("externalPlayerIds{path}") } else { path.to_owned() }
        };
        (body, wrong.into_iter().map(full).collect::<Vec<_>>())
    });
    let routes = World::default().start().await;
    for (body, wrong) in posts {
        let reply = routes.send(post(LOBBIES, body.clone())).await;
        assert_eq!(reply.wrong_fields(), wrong, "{body:.100}: {reply:?}");
    }
    let most = of(ids(200));
    let (reply, _) = answered(pushed_answer(Repeat::First), post(LOBBIES, most)).await;
    assert_eq!(reply.status, 201);
}

#[actix_web::test]
async fn parameters_of_lobby_paths_are_checked_with_the_body() {
    let path = |rest: &str| format!("{GAME}/{rest}");
    check_wrong_fields([
        (path("events/-/lobbies"), "{}".to_owned(), vec!["eventKey", "key", "externalPlayerIds"]),
        (path("lobbies/x/close"), "[]".to_owned(), vec!["lobbyId", ""]),
        (path("lobbies/x/players"), "{}".to_owned(), vec!["lobbyId", "externalPlayerId"]),
        (path("lobbies/%FF/players"), r#"{"externalPlayerId":7}"#.to_owned(), vec!["lobbyId", "externalPlayerId"]),
    ])
    .await;
    let routes = World::default().start().await;
    let asked = [
        ("GET", "lobbies/not-a-uuid", vec!["lobbyId"]),
        ("DELETE", "lobbies/x/players/%00", vec!["lobbyId", "externalId"]),
        ("GET", "events/-/lobbies?status=open&after=x&limit=0", vec!["eventKey", "status", "after", "limit"]),
    ];
    for (method, rest, wrong) in asked {
        assert_eq!(routes.send(request(method, &path(rest))).await.wrong_fields(), wrong, "{rest}");
    }
}

#[actix_web::test]
async fn a_game_that_is_not_the_keys_is_forbidden() {
    let routes = World::default().start().await;
    let foreign = [uuid(0x6B).to_string(), "x".to_owned(), "%FF".to_owned()];
    for game in foreign {
        let asked = [
            ("GET", "events/race/lobbies"),
            ("POST", "events/race/lobbies"),
            ("GET", "lobbies/x"),
            ("POST", "lobbies/x/close"),
            ("POST", "lobbies/x/players"),
            ("DELETE", "lobbies/x/players/p"),
        ];
        for (method, rest) in asked {
            let reply = routes.send(request(method, &format!("/server/v1/games/{game}/{rest}"))).await;
            assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"), "{method} {game} {rest}");
            assert_eq!(reply.json()["errorCode"], "KS-4006");
        }
    }
    for key in [Key::Admin, Key::Client] {
        let asked = request("GET", LOBBY).insert_header(("X-API-Key", key.text()));
        assert_eq!(routes.send(asked).await.status, 403, "{key:?}");
    }
}

async fn read(lobby: Lobby) -> Reply {
    let mut lobbies = MockLobbyReads::new();
    lobbies.expect_lobby().returning(move |_, id| {
        assert_eq!(id, LobbyId(uuid(0x10B)));
        Ok(Some(detail(lobby.clone())))
    });
    World { lobbies, ..World::default() }.start().await.send(request("GET", LOBBY)).await
}

#[actix_web::test]
async fn a_lobby_is_read_with_its_board() {
    insta::assert_snapshot!("lobby_active", read(pushed()).await.shown());
}

#[actix_web::test]
async fn a_lobby_is_read_as_it_stands_now_whatever_is_stored() {
    insta::assert_snapshot!("lobby_forming", read(forming()).await.shown());
    let stored = Lobby { created_at: at(-50), fill_by: Some(at(-10)), ..forming() };
    let plays = read(stored).await.json()["data"].clone();
    assert_eq!((&plays["status"], &plays["botSlots"], &plays["fillBy"]), (&json!("active"), &json!(2), &Value::Null));
    assert_eq!(plays["startedAt"], "2026-06-08T11:59:30.000Z");
    let over = read(Lobby { ends_at: at(-1), ..pushed() }).await.json()["data"].clone();
    assert_eq!((&over["status"], &over["endsAt"]), (&json!("closed"), &json!("2026-06-08T11:59:59.000Z")));
    let board = &over["leaderboard"];
    assert_eq!((&board["finalized"], &board["finalizedReason"]), (&json!(true), &json!("window_closed")));
}

#[actix_web::test]
async fn a_lobby_that_was_closed_before_its_end_was_terminated() {
    let closed = read(pushed().closed(at(-20))).await.json()["data"].clone();
    assert_eq!((&closed["status"], &closed["endsAt"]), (&json!("closed"), &json!("2026-06-08T11:59:40.000Z")));
    assert_eq!(closed["leaderboard"]["finalizedReason"], "session_terminated");
}

#[actix_web::test]
async fn the_bots_of_a_board_have_ids_that_stay_and_are_no_players() {
    let ids = |reply: Reply| {
        let entries = reply.json()["data"]["leaderboard"]["entries"].as_array().unwrap().clone();
        let bots = entries.into_iter().filter(|entry| entry["kind"] == "bot");
        bots.map(|entry| entry["participantId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (first, again) = (ids(read(pushed()).await), ids(read(pushed()).await));
    assert_eq!((first.len(), &first), (2, &again));
    assert_ne!(first[0], first[1]);
    assert!(first.iter().all(|id| uuid::Uuid::try_parse(id).unwrap().get_version_num() == 8));
}

#[actix_web::test]
async fn a_lobby_that_is_not_there_is_not_found() {
    let mut lobbies = MockLobbyReads::new();
    lobbies.expect_lobby().returning(|_, _| Ok(None));
    let reply = World { lobbies, ..World::default() }.start().await.send(request("GET", LOBBY)).await;
    assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"));
}

#[actix_web::test]
async fn a_page_of_lobbies_leads_to_the_next() {
    let (mut events, mut lobbies) = (MockEventStore::new(), MockLobbyReads::new());
    events.expect_event().returning(|_, key| Ok((key.as_str() == "race").then(|| event(BoardMode::LobbyMatched))));
    lobbies.expect_lobbies().times(2).returning(|query| {
        assert_eq!((query.status, query.limit, query.now), (Some(LobbyStatus::Forming), 1, at(0)));
        match query.after {
            None => Ok(Page { rows: vec![forming()], more: true }),
            Some(after) => {
                assert_eq!(after, forming().id);
                Ok(Page { rows: Vec::new(), more: false })
            }
        }
    });
    let routes = World { events, lobbies, ..World::default() }.start().await;
    let path = format!("{LOBBIES}?status=forming&limit=1");
    let first = routes.send(request("GET", &path)).await;
    insta::assert_snapshot!("lobbies", first.shown());
    let next = first.json()["next"].as_str().unwrap().to_owned();
    assert!(next.starts_with('b'), "as the document says: {next}");
    let second = routes.send(request("GET", &format!("{path}&after={next}"))).await;
    assert_eq!(second.body, r#"{"data":[],"next":null}"#);
    let unknown = routes.send(request("GET", &format!("{GAME}/events/other/lobbies"))).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "not_found"));
}

#[actix_web::test]
async fn a_change_of_a_lobby_is_answered_with_the_lobby_and_whether_it_changed() {
    let answer = |lobby: Lobby, applied| PlayAnswer::Lobby { lobby: Box::new(lobby), applied };
    let id = LobbyId(uuid(0x10B));
    let joining = post(&format!("{LOBBY}/players"), r#"{"externalPlayerId":"cid"}"#);
    let (reply, command) = answered(answer(pushed(), true), joining).await;
    insta::assert_snapshot!("join", reply.shown());
    let Play::Join { lobby, player } = command.action else { panic!("{command:?}") };
    assert_eq!((lobby, player.external_id), (id, external("cid")));

    let (reply, command) =
        answered(answer(pushed(), false), request("DELETE", &format!("{LOBBY}/players/a%2Fb"))).await;
    assert_eq!((reply.status, &reply.json()["data"]["applied"]), (200, &json!(false)));
    assert_eq!(command.action, Play::Leave { lobby: id, player: external("a/b") });

    for body in ["", "{}", r#"{"idempotencyKey":"k"}"#] {
        let closing = post(&format!("{LOBBY}/close"), body);
        let (reply, command) = answered(answer(pushed().closed(at(0)), true), closing).await;
        let data = reply.json()["data"].clone();
        assert_eq!((reply.status, &data["applied"], &data["status"]), (200, &json!(true), &json!("closed")));
        assert_eq!(command.action, Play::Close { lobby: id });
    }
}

#[actix_web::test]
async fn a_change_that_the_rules_refuse_says_why() {
    let (lobby, capacity) = (LobbyId(uuid(0x10B)), 4);
    let refusals = vec![
        (PlayRefusal::LobbyNotFound, 404, "not_found", None),
        (PlayRefusal::LobbyClosed { lobby }, 409, "conflict", Some("lobby_closed")),
        (PlayRefusal::LobbyFull { capacity }, 409, "conflict", Some("lobby_full")),
    ];
    check_refusals(&format!("{LOBBY}/players"), r#"{"externalPlayerId":"cid"}"#, refusals).await;
    let (world, _) = answering(Err(PlayRefusal::LobbyNotFound));
    let routes = world.start().await;
    for (method, path) in [("POST", format!("{LOBBY}/close")), ("DELETE", format!("{LOBBY}/players/p"))] {
        let reply = routes.send(request(method, &path)).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{path}");
    }
}

#[actix_web::test]
async fn lobby_paths_say_which_methods_they_answer() {
    let routes = World::default().start().await;
    let asked = [
        ("PUT", LOBBIES.to_owned(), "GET, HEAD, POST"),
        ("POST", LOBBY.to_owned(), "GET, HEAD"),
        ("GET", format!("{LOBBY}/close"), "POST"),
        ("HEAD", format!("{LOBBY}/players"), "POST"),
        ("GET", format!("{LOBBY}/players/p"), "DELETE"),
        ("GET", "/server/v1/players/p/events/race/start".to_owned(), "POST"),
        ("POST", "/server/v1/leaderboards/points".to_owned(), "GET, HEAD"),
        ("GET", "/server/v1/leaderboards/points/score".to_owned(), "POST"),
    ];
    for (method, path, allow) in asked {
        let reply = routes.send(request(method, &path)).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "{method} {path}");
    }
    for path in [GAME.to_owned(), format!("{GAME}/lobbies"), format!("{LOBBY}/"), "/server/v1/leaderboards".to_owned()]
    {
        assert_eq!(routes.send(request("GET", &path)).await.status, 404, "{path}");
    }
}
