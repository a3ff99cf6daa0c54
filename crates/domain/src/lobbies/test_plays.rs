//! For the tests of this module: builders of configurations and commands.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::clock::Timestamp;
use crate::economy::test_books::{REALM, external_id, minute};
use crate::economy::{Fingerprint, KeyDigest, Once, Origin};
use crate::players::{ExternalId, PlayerId};
use crate::tenancy::RealmId;
use crate::text::JsonObject;

static COUNT: AtomicU64 = AtomicU64::new(1);

fn new_id() -> Uuid {
    Uuid::from_u128(COUNT.fetch_add(1, Ordering::Relaxed).into())
}

/// So many seconds after the beginning of the first window.
pub(super) fn second(number: u64) -> Timestamp {
    minute(0).plus(Duration::from_secs(number))
}

pub(super) fn key(text: &str) -> ConfigurationKey {
    ConfigurationKey::try_new(text).unwrap()
}

pub(super) fn metric_key(text: &str) -> MetricKey {
    MetricKey::try_new(text).unwrap()
}

pub(super) fn points(number: i64) -> Score {
    Score::restore(number * 1_000)
}

/// An event with windows of 1,000 seconds, one after the other, of up to four players, with bots, that form for 40 seconds.
pub(super) fn event(name: &str, mode: BoardMode) -> Event {
    let board = EventBoard {
        capacity: 4,
        fill_bots: true,
        fill_timeout_seconds: 40,
        aggregation: Aggregation::Best,
        order: SortOrder::Descending,
        bots: None,
    };
    let definition = EventDefinition {
        name: name.to_owned(),
        mode,
        board,
        windows: Windows::schedule(second(0), 1_000, 1_000).unwrap(),
        metrics: EventDefinition::default_metrics(),
        metadata: None,
        enabled: true,
    };
    let id = EventId(new_id());
    Event { id, key: key(name), definition, version: 1, created_at: second(0), updated_at: second(0) }
}

pub(super) fn leaderboard(name: &str, aggregation: Aggregation) -> Leaderboard {
    let definition = LeaderboardDefinition {
        name: name.to_owned(),
        aggregation,
        order: SortOrder::Descending,
        reset: ResetCadence::Never,
        segmented: false,
        fill_bots_to: 0,
        bots: None,
        metadata: None,
        enabled: true,
    };
    let id = BoardId(new_id());
    Leaderboard { id, key: key(name), definition, version: 1, created_at: second(0), updated_at: second(0) }
}

pub(super) fn newcomer(name: &str) -> Newcomer {
    Newcomer { external_id: external_id(name), id_if_new: PlayerId(new_id()) }
}

pub(super) fn push(event: &str, name: &str, players: &[&str]) -> PlayCommand {
    let players = players.iter().map(|player| newcomer(player)).collect();
    let (id, name) = (LobbyId(new_id()), LobbyKey::try_new(name).unwrap());
    let (capacity, fill_bots, metadata) = (None, None, None);
    command(Play::Push(Box::new(LobbyPush {
        event: key(event),
        key: name,
        players,
        capacity,
        fill_bots,
        metadata,
        id,
    })))
}

pub(super) fn join(lobby: LobbyId, player: &str) -> PlayCommand {
    command(Play::Join { lobby, player: newcomer(player) })
}

pub(super) fn leave(lobby: LobbyId, player: &str) -> PlayCommand {
    command(Play::Leave { lobby, player: external_id(player) })
}

pub(super) fn close(lobby: LobbyId) -> PlayCommand {
    command(Play::Close { lobby })
}

pub(super) fn start(event: &str, player: &str) -> PlayCommand {
    let (id, lobby_if_new) = (AttemptId(new_id()), LobbyId(new_id()));
    let (event, player, segment, once) = (key(event), newcomer(player), None, None);
    command(Play::Start(Box::new(AttemptStart { event, player, segment, once, id, lobby_if_new })))
}

pub(super) fn progress(event: &str, player: &str, attempt: AttemptId, mode: ProgressMode, value: i64) -> PlayCommand {
    let (event, player, primary) = (key(event), external_id(player), Some(points(value)));
    let (metrics, once) = (Vec::new(), None);
    command(Play::Progress(Box::new(AttemptProgress { event, player, attempt, mode, primary, metrics, once })))
}

pub(super) fn finish(event: &str, player: &str, attempt: AttemptId) -> PlayCommand {
    command(Play::Finish { event: key(event), player: external_id(player), attempt })
}

pub(super) fn score(board: &str, player: &str, value: i64) -> PlayCommand {
    let (board, player, value) = (key(board), external_id(player), points(value));
    command(Play::Score(Box::new(ScoreSubmission { board, player, value, segment: None, once: None })))
}

fn command(action: Play) -> PlayCommand {
    PlayCommand { realm: REALM, at: second(0), origin: Origin::Server, action }
}

impl PlayCommand {
    /// Asks for it so many seconds after the beginning.
    pub(super) fn at(self, number: u64) -> Self {
        Self { at: second(number), ..self }
    }

    pub(super) fn by_client(self) -> Self {
        Self { origin: Origin::Client, ..self }
    }

    pub(super) fn in_realm(self, realm: RealmId) -> Self {
        Self { realm, ..self }
    }

    /// Gives it an idempotency key; requests of different `body` are different requests.
    pub(super) fn keyed(mut self, text: &str, body: u8) -> Self {
        let given = Some(Once { key: KeyDigest::of(text).unwrap(), fingerprint: Fingerprint([body; 32]) });
        match &mut self.action {
            Play::Start(start) => start.once = given,
            Play::Progress(progress) => progress.once = given,
            Play::Score(score) => score.once = given,
            Play::Push(_) | Play::Join { .. } | Play::Leave { .. } | Play::Close { .. } | Play::Finish { .. } => {
                panic!("it has no idempotency key")
            }
        }
        self
    }

    /// Names the segment of a start or a score.
    pub(super) fn in_segment(mut self, name: &str) -> Self {
        let given = Some(Segment::try_new(name).unwrap());
        match &mut self.action {
            Play::Start(start) => start.segment = given,
            Play::Score(score) => score.segment = given,
            Play::Push(_)
            | Play::Join { .. }
            | Play::Leave { .. }
            | Play::Close { .. }
            | Play::Progress(_)
            | Play::Finish { .. } => panic!("it has no segment"),
        }
        self
    }

    /// Gives a push another capacity, and says whether bots fill it.
    pub(super) fn sized(mut self, capacity: u32, fill_bots: bool) -> Self {
        let Play::Push(push) = &mut self.action else { panic!("only a push has a size") };
        (push.capacity, push.fill_bots) = (Some(capacity), Some(fill_bots));
        self
    }

    /// Gives progress values of named metrics, and none of the primary one.
    pub(super) fn of_metrics(mut self, values: &[(&str, i64)]) -> Self {
        let Play::Progress(progress) = &mut self.action else { panic!("only progress has metrics") };
        progress.primary = None;
        progress.metrics = values.iter().map(|(name, value)| (metric_key(name), points(*value))).collect();
        self
    }

    /// The lobby that it makes, if it makes one.
    pub(super) fn lobby_id(&self) -> Option<LobbyId> {
        match &self.action {
            Play::Push(push) => Some(push.id),
            Play::Start(start) => Some(start.lobby_if_new),
            Play::Join { .. }
            | Play::Leave { .. }
            | Play::Close { .. }
            | Play::Progress(_)
            | Play::Finish { .. }
            | Play::Score(_) => None,
        }
    }

    /// The attempt that it starts, if it starts one.
    pub(super) fn attempt_id(&self) -> Option<(ConfigurationKey, ExternalId, AttemptId)> {
        let Play::Start(start) = &self.action else { return None };
        Some((start.event.clone(), start.player.external_id.clone(), start.id))
    }
}

pub(super) fn pushed(outcome: &PlayOutcome) -> Lobby {
    let Ok(PlayAnswer::Pushed { lobby, .. }) = outcome else { panic!("not a push: {outcome:?}") };
    (**lobby).clone()
}

pub(super) fn changed(outcome: &PlayOutcome) -> (Lobby, bool) {
    let Ok(PlayAnswer::Lobby { lobby, applied }) = outcome else { panic!("not a change of a lobby: {outcome:?}") };
    ((**lobby).clone(), *applied)
}

pub(super) fn started(outcome: &PlayOutcome) -> Attempt {
    let Ok(PlayAnswer::Started { attempt, .. }) = outcome else { panic!("not a start: {outcome:?}") };
    (**attempt).clone()
}

pub(super) fn forming(outcome: &PlayOutcome) -> Lobby {
    let Ok(PlayAnswer::Forming(lobby)) = outcome else { panic!("not a player who waits: {outcome:?}") };
    (**lobby).clone()
}

pub(super) fn progressed(outcome: &PlayOutcome) -> Attempt {
    let Ok(PlayAnswer::Progressed { attempt, .. }) = outcome else { panic!("not progress: {outcome:?}") };
    (**attempt).clone()
}

pub(super) fn refused(outcome: PlayOutcome) -> PlayRefusal {
    outcome.expect_err("it was to be refused")
}

/// A plan whose bots have `score` at once.
pub(super) fn bots_with(score: i64) -> JsonObject {
    let plan = serde_json::json!({
        "behaviours": [{ "type": "single", "block": { "type": "complete", "score": score } }],
    });
    BotPlan::try_new(&plan).unwrap();
    JsonObject::restore(plan.to_string())
}
