//! Builders of what is configured and played: `start("duel", "p1").keyed("k1").in_realm(realm)`.
//!
//! Like those of the ledger's commands, a draft can be completed many times: every completion has new identifiers, and the
//! same idempotency key and fingerprint.

use std::time::Duration;

use domain::audit_log::{AuditAction, AuditEntry, AuditId};
use domain::clock::Timestamp;
use domain::economy::{Actor, Fingerprinter, KeyDigest, Once, Origin};
use domain::ids::Ids;
use domain::lobbies::{
    Aggregation, AttemptId, AttemptProgress, AttemptStart, BoardId, BoardMode, Event, EventBoard, EventChange,
    EventDefinition, EventId, EventRevision, Leaderboard, LeaderboardChange, LeaderboardDefinition,
    LeaderboardRevision, LobbyId, LobbyKey, LobbyPush, MetricKey, NewEvent, NewLeaderboard, Newcomer, Play,
    PlayCommand, ProgressMode, ResetCadence, Score, ScoreSubmission, Segment, SortOrder, Windows,
};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use domain::text::JsonObject;
use serde_json::Value;

use crate::clock::START;
use crate::ids::SequentialIds;
use crate::tenants::{asset_key, external_id};

/// A command without its realm and its identifiers.
#[derive(Debug, Clone)]
pub struct PlayDraft {
    at: Timestamp,
    origin: Origin,
    key: Option<String>,
    segment: Option<String>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Push { event: String, key: String, players: Vec<String>, size: Option<(u32, bool)>, metadata: Option<JsonObject> },
    Join { lobby: LobbyId, player: String },
    Leave { lobby: LobbyId, player: String },
    Close(LobbyId),
    Start { event: String, player: String },
    Progress { event: String, player: String, attempt: AttemptId, mode: ProgressMode, metrics: Vec<(String, i64)> },
    Finish { event: String, player: String, attempt: AttemptId },
    Score { board: String, player: String, value: Score },
}

/// So many whole points.
pub fn points(number: i64) -> Score {
    Score::restore(number * 1_000)
}

/// An event of up to four players, with bots, that is always open and forms for 40 seconds; more is better, and the best
/// attempt counts.
pub fn event(name: &str, mode: BoardMode) -> Event {
    let board = EventBoard {
        capacity: 4,
        fill_bots: true,
        fill_timeout_seconds: 40,
        aggregation: Aggregation::Best,
        order: SortOrder::Descending,
        bots: None,
    };
    let week = 7 * 86_400;
    let definition = EventDefinition {
        name: name.to_owned(),
        mode,
        board,
        windows: Windows::schedule(start_of_tests(), week, week).expect("a week is a length"),
        metrics: EventDefinition::default_metrics(),
        metadata: None,
        enabled: true,
    };
    let (at, id) = (start_of_tests(), EventId(SequentialIds.next(start_of_tests())));
    Event { id, key: asset_key(name), definition, version: 1, created_at: at, updated_at: at }
}

/// A leaderboard without segments and bots that never begins anew; more is better, and the best score counts.
pub fn leaderboard(name: &str) -> Leaderboard {
    let definition = LeaderboardDefinition {
        name: name.to_owned(),
        aggregation: Aggregation::Best,
        order: SortOrder::Descending,
        reset: ResetCadence::Never,
        segmented: false,
        fill_bots_to: 0,
        bots: None,
        metadata: None,
        enabled: true,
    };
    let (at, id) = (start_of_tests(), BoardId(SequentialIds.next(start_of_tests())));
    Leaderboard { id, key: asset_key(name), definition, version: 1, created_at: at, updated_at: at }
}

/// What stores `event`.
pub fn new_event(realm: RealmId, event: &Event) -> NewEvent {
    let audit = audit(realm, event.created_at, AuditAction::EventCreate);
    NewEvent { realm, event: event.clone(), audit }
}

/// What changes the event named `name`, so long after [`START`].
pub fn event_change(realm: RealmId, name: &str, after: Duration, revision: EventRevision) -> EventChange {
    let at = start_of_tests().plus(after);
    EventChange { realm, at, key: asset_key(name), revision, audit: audit(realm, at, AuditAction::EventChange) }
}

/// What stores `leaderboard`.
pub fn new_leaderboard(realm: RealmId, leaderboard: &Leaderboard) -> NewLeaderboard {
    let audit = audit(realm, leaderboard.created_at, AuditAction::LeaderboardCreate);
    NewLeaderboard { realm, leaderboard: leaderboard.clone(), audit }
}

/// What changes the leaderboard named `name`, so long after [`START`].
pub fn leaderboard_change(
    realm: RealmId,
    name: &str,
    after: Duration,
    revision: LeaderboardRevision,
) -> LeaderboardChange {
    let at = start_of_tests().plus(after);
    let audit = audit(realm, at, AuditAction::LeaderboardChange);
    LeaderboardChange { realm, at, key: asset_key(name), revision, audit }
}

/// Pushes a lobby. `key` is the studio's name for it.
pub fn push(event: &str, key: &str, players: &[&str]) -> PlayDraft {
    let players = players.iter().map(|player| (*player).to_owned()).collect();
    draft(What::Push { event: event.to_owned(), key: key.to_owned(), players, size: None, metadata: None })
}

/// Puts a player into a lobby.
pub fn join(lobby: LobbyId, player: &str) -> PlayDraft {
    draft(What::Join { lobby, player: player.to_owned() })
}

/// Takes a player out of a lobby.
pub fn leave(lobby: LobbyId, player: &str) -> PlayDraft {
    draft(What::Leave { lobby, player: player.to_owned() })
}

/// Ends a lobby.
pub fn close(lobby: LobbyId) -> PlayDraft {
    draft(What::Close(lobby))
}

/// Starts an attempt.
pub fn start(event: &str, player: &str) -> PlayDraft {
    draft(What::Start { event: event.to_owned(), player: player.to_owned() })
}

/// Adds so many points to the metric that events have without saying so.
pub fn increment(event: &str, player: &str, attempt: AttemptId, value: i64) -> PlayDraft {
    let metrics = vec![(MetricKey::DEFAULT.to_owned(), value)];
    let (event, player) = (event.to_owned(), player.to_owned());
    draft(What::Progress { event, player, attempt, mode: ProgressMode::Increment, metrics })
}

/// Reports whole points of metrics in place of those reported before.
pub fn set_metrics(event: &str, player: &str, attempt: AttemptId, metrics: &[(&str, i64)]) -> PlayDraft {
    let metrics = metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let (event, player) = (event.to_owned(), player.to_owned());
    draft(What::Progress { event, player, attempt, mode: ProgressMode::Set, metrics })
}

/// Ends an attempt.
pub fn finish(event: &str, player: &str, attempt: AttemptId) -> PlayDraft {
    draft(What::Finish { event: event.to_owned(), player: player.to_owned(), attempt })
}

/// Puts whole points on a leaderboard.
pub fn score(board: &str, player: &str, value: i64) -> PlayDraft {
    exact_score(board, player, points(value))
}

/// Puts a score on a leaderboard.
pub fn exact_score(board: &str, player: &str, value: Score) -> PlayDraft {
    draft(What::Score { board: board.to_owned(), player: player.to_owned(), value })
}

impl PlayDraft {
    /// Gives it an idempotency key, which a start, progress and a score can have.
    #[must_use]
    pub fn keyed(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// Names the segment of a start or a score.
    #[must_use]
    pub fn in_segment(self, name: &str) -> Self {
        Self { segment: Some(name.to_owned()), ..self }
    }

    /// Gives a push a capacity of its own, and says whether bots fill it.
    #[must_use]
    pub fn sized(mut self, capacity: u32, fill_bots: bool) -> Self {
        let What::Push { size, .. } = &mut self.what else { panic!("only a push has a size") };
        *size = Some((capacity, fill_bots));
        self
    }

    /// Gives a push metadata, a JSON object.
    #[must_use]
    pub fn with_metadata(mut self, object: &Value) -> Self {
        let What::Push { metadata, .. } = &mut self.what else { panic!("only a push has metadata") };
        *metadata = Some(JsonObject::try_new(object).expect("the test gives metadata that are allowed"));
        self
    }

    /// Asks for it so long after [`START`].
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { at: start_of_tests().plus(delay), ..self }
    }

    /// Asks for it so many seconds after [`START`].
    #[must_use]
    pub fn after_seconds(self, seconds: u64) -> Self {
        self.after(Duration::from_secs(seconds))
    }

    /// Asks for it as the player's game client.
    #[must_use]
    pub fn by_client(self) -> Self {
        Self { origin: Origin::Client, ..self }
    }

    /// The whole command.
    pub fn in_realm(&self, realm: RealmId) -> PlayCommand {
        PlayCommand { realm, at: self.at, origin: self.origin, action: self.action() }
    }

    fn action(&self) -> Play {
        match &self.what {
            What::Push { event, key, players, size, metadata } => Play::Push(Box::new(LobbyPush {
                event: asset_key(event),
                key: LobbyKey::try_new(key).expect("the test gives a key that is allowed"),
                players: players.iter().map(|player| self.newcomer(player)).collect(),
                capacity: size.map(|(capacity, _)| capacity),
                fill_bots: size.map(|(_, fill_bots)| fill_bots),
                metadata: metadata.clone(),
                id: LobbyId(self.new_id()),
            })),
            What::Join { lobby, player } => Play::Join { lobby: *lobby, player: self.newcomer(player) },
            What::Leave { lobby, player } => Play::Leave { lobby: *lobby, player: external_id(player) },
            What::Close(lobby) => Play::Close { lobby: *lobby },
            What::Start { event, player } => Play::Start(Box::new(AttemptStart {
                event: asset_key(event),
                player: self.newcomer(player),
                segment: self.segment(),
                once: self.once(),
                id: AttemptId(self.new_id()),
                lobby_if_new: LobbyId(self.new_id()),
            })),
            What::Progress { event, player, attempt, mode, metrics } => Play::Progress(Box::new(AttemptProgress {
                event: asset_key(event),
                player: external_id(player),
                attempt: *attempt,
                mode: *mode,
                primary: None,
                metrics: metrics.iter().map(|(name, value)| (metric_key(name), points(*value))).collect(),
                once: self.once(),
            })),
            What::Finish { event, player, attempt } => {
                Play::Finish { event: asset_key(event), player: external_id(player), attempt: *attempt }
            }
            What::Score { board, player, value } => Play::Score(Box::new(ScoreSubmission {
                board: asset_key(board),
                player: external_id(player),
                value: *value,
                segment: self.segment(),
                once: self.once(),
            })),
        }
    }

    fn newcomer(&self, player: &str) -> Newcomer {
        Newcomer { external_id: external_id(player), id_if_new: PlayerId(self.new_id()) }
    }

    fn segment(&self) -> Option<Segment> {
        self.segment.as_deref().map(|name| Segment::try_new(name).expect("the test gives a segment that is allowed"))
    }

    fn once(&self) -> Option<Once> {
        let key = KeyDigest::of(self.key.as_deref()?).expect("the test gives an idempotency key that is allowed");
        let mut parts = Fingerprinter::named("play");
        parts.text(&format!("{:?} {:?}", self.segment, self.what));
        Some(Once { key, fingerprint: parts.finish() })
    }

    fn new_id(&self) -> uuid::Uuid {
        SequentialIds.next(self.at)
    }
}

/// The name of a metric.
pub fn metric_key(name: &str) -> MetricKey {
    MetricKey::try_new(name).expect("the test gives a metric that is allowed")
}

fn draft(what: What) -> PlayDraft {
    PlayDraft { at: start_of_tests(), origin: Origin::Server, key: None, segment: None, what }
}

fn audit(realm: RealmId, at: Timestamp, action: AuditAction) -> AuditEntry {
    AuditEntry::new(realm, AuditId(SequentialIds.next(at)), at, Actor::new("kp_sandbox_test00000"), action)
}

fn start_of_tests() -> Timestamp {
    Timestamp::from_unix_micros(START)
}
