//! Events, lobbies, attempts and leaderboards to answer requests with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain::clock::Timestamp;
use domain::lobbies::{
    Aggregation, Attempt, AttemptId, AttemptStatus, BoardId, BoardMode, ConfigurationKey, Event, EventBoard,
    EventDefinition, EventId, Leaderboard, LeaderboardDefinition, Lobby, LobbyDetail, LobbyId, LobbyKey, LobbyMode,
    MetricKey, MetricValue, MockPlayStore, Participant, PlayAnswer, PlayCommand, PlayOutcome, PlayRefusal,
    PlaySettlement, ResetCadence, Score, Scored, SortOrder, Stage, WindowId, Windows,
};
use domain::players::{ExternalId, PlayerId};
use domain::text::JsonObject;
use serde_json::json;
use uuid::Uuid;

use super::world::{NOW_S, Reply, World, post};

/// The paths of the game's own routes begin so.
pub(super) const GAME: &str = "/server/v1/games/00000000-0000-0000-0000-00000000006a";

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros((NOW_S + seconds) * 1_000_000)
}

pub(super) fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(super) fn key(text: &str) -> ConfigurationKey {
    ConfigurationKey::try_new(text).unwrap()
}

pub(super) fn score(text: &str) -> Score {
    Score::try_new(text).unwrap()
}

pub(super) fn external(text: &str) -> ExternalId {
    ExternalId::try_new(text).unwrap()
}

/// An event of which a window of an hour began ten minutes ago.
pub(super) fn event(mode: BoardMode) -> Event {
    let board = EventBoard {
        capacity: 4,
        fill_bots: true,
        fill_timeout_seconds: 40,
        aggregation: Aggregation::Best,
        order: SortOrder::Descending,
        bots: None,
    };
    let definition = EventDefinition {
        name: "Race".to_owned(),
        mode,
        board,
        windows: Windows::schedule(at(-600), 86_400, 3_600).unwrap(),
        metrics: EventDefinition::default_metrics(),
        metadata: None,
        enabled: true,
    };
    Event {
        id: EventId(uuid(0xE)),
        key: key("race"),
        definition,
        version: 1,
        created_at: at(-900),
        updated_at: at(-900),
    }
}

/// A lobby that began to form ten seconds ago.
pub(super) fn forming() -> Lobby {
    Lobby {
        id: LobbyId(uuid(0x10B)),
        event: EventId(uuid(0xE)),
        window: WindowId(uuid(0x31)),
        key: None,
        mode: LobbyMode::Matched,
        aggregation: Aggregation::Best,
        order: SortOrder::Descending,
        capacity: 4,
        fill_bots: true,
        bots: Vec::new(),
        players: 2,
        metadata: None,
        stage: Stage::Forming,
        created_at: at(-10),
        fill_by: Some(at(30)),
        ends_at: at(3_000),
        version: 1,
    }
}

/// A lobby that was pushed a minute ago.
pub(super) fn pushed() -> Lobby {
    let lobby = Lobby {
        key: Some(LobbyKey::try_new("match-1").unwrap()),
        metadata: Some(JsonObject::try_new(&json!({ "map": "dunes" })).unwrap()),
        created_at: at(-60),
        fill_by: None,
        ..forming()
    };
    lobby.started(at(-60))
}

/// `lobby`, in which two players are: the first has scored.
pub(super) fn detail(lobby: Lobby) -> LobbyDetail {
    let participant = |number, scored| Participant {
        lobby: lobby.id,
        player: PlayerId(uuid(number)),
        joined_at: lobby.created_at,
        scored,
    };
    let scored = Scored { score: score("12.5"), achieved_at: at(-5) };
    let participants =
        vec![(participant(0xA, Some(scored)), external("ann")), (participant(0xB, None), external("bob"))];
    LobbyDetail { lobby, event: event(BoardMode::LobbyMatched), participants }
}

/// An attempt that began five minutes ago.
pub(super) fn attempt() -> Attempt {
    let laps = MetricValue { raw: score("9.25"), counted: score("8") };
    Attempt {
        id: AttemptId(uuid(0xA77)),
        player: PlayerId(uuid(0xA)),
        event: EventId(uuid(0xE)),
        window: WindowId(uuid(0x31)),
        lobby: Some(LobbyId(uuid(0x10B))),
        board: uuid(0x10B),
        metrics: BTreeMap::from([(MetricKey::try_new("laps").unwrap(), laps)]),
        score: score("80.125"),
        has_target: false,
        started_at: at(-300),
        ends_at: at(3_000),
        completed_at: None,
        status: AttemptStatus::InProgress,
        once: None,
    }
}

pub(super) fn leaderboard(reset: ResetCadence, segmented: bool) -> Leaderboard {
    let definition = LeaderboardDefinition {
        name: "Points".to_owned(),
        aggregation: Aggregation::Sum,
        order: SortOrder::Descending,
        reset,
        segmented,
        fill_bots_to: 0,
        bots: None,
        metadata: None,
        enabled: true,
    };
    let created_at = at(-86_400);
    let id = BoardId(uuid(0xB0A));
    Leaderboard { id, key: key("points"), definition, version: 1, created_at, updated_at: created_at }
}

/// The commands that a store was asked to settle.
pub(super) type Asked = Arc<Mutex<Vec<PlayCommand>>>;

/// A world whose store comes to `outcome`, whatever it is asked, and notes that.
pub(super) fn answering(outcome: PlayOutcome) -> (World, Asked) {
    let asked = Asked::default();
    let (mut play, noted) = (MockPlayStore::new(), asked.clone());
    play.expect_settle_play().returning(move |batch, _| {
        noted.lock().unwrap().extend(batch.commands().iter().cloned());
        let outcomes = batch.commands().iter().map(|_| outcome.clone()).collect();
        Ok(PlaySettlement { outcomes, ..PlaySettlement::default() })
    });
    (World { play, ..World::default() }, asked)
}

/// What a request is answered when the store comes to `answer`, and the one command that it made.
pub(super) async fn answered(answer: PlayAnswer, request: actix_web::test::TestRequest) -> (Reply, PlayCommand) {
    let (world, asked) = answering(Ok(answer));
    let reply = world.start().await.send(request).await;
    let mut commands = asked.lock().unwrap().clone();
    assert_eq!(commands.len(), 1, "{reply:?}");
    (reply, commands.pop().unwrap())
}

/// Checks that a POST is answered what each refusal says: its status, its code and the reason in its details.
pub(super) async fn check_refusals(path: &str, body: &str, expected: Vec<(PlayRefusal, u16, &str, Option<&str>)>) {
    for (refusal, status, code, reason) in expected {
        let (world, _) = answering(Err(refusal.clone()));
        let reply = world.start().await.send(post(path, body.to_owned())).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{refusal:?}");
        assert_eq!(reply.json()["error"]["details"]["reason"].as_str(), reason, "{refusal:?}");
    }
}

/// Sends every POST to a world whose stores must not be asked, and checks which fields are said to be wrong.
pub(super) async fn check_wrong_fields(posts: impl IntoIterator<Item = (String, String, Vec<&str>)>) {
    let routes = World::default().start().await;
    for (path, body, wrong) in posts {
        let reply = routes.send(post(&path, body.clone())).await;
        assert_eq!(reply.wrong_fields(), wrong, "{path} {body:.200}: {reply:?}");
    }
}
