//! What is played by chance, the same for the same seed: few players, lobbies and keys, so that they meet.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::clock::Timestamp;
use domain::economy::{Fingerprint, KeyDigest, Once, Origin};
use domain::ids::Ids;
use domain::lobbies::{
    Aggregation, AttemptId, AttemptProgress, AttemptStart, BoardId, BoardMode, ConfigurationKey, Event, EventBoard,
    EventDefinition, EventId, Leaderboard, LeaderboardDefinition, LobbyId, LobbyKey, LobbyPush, Metric, MetricKey,
    Newcomer, Play, PlayAnswer, PlayBatch, PlayCommand, PlaySettlement, ProgressMode, ResetCadence, Score,
    ScoreSubmission, Segment, SortOrder, Windows,
};
use domain::players::{ExternalId, PlayerId};
use domain::tenancy::RealmId;
use uuid::Uuid;

use crate::clock::START;
use crate::ids::SequentialIds;
use crate::tenants::{asset_key, external_id};

const EVENTS: [(&str, BoardMode, Aggregation, bool); 5] = [
    ("open", BoardMode::Global, Aggregation::Sum, false),
    ("leagues", BoardMode::GlobalSegmented, Aggregation::Best, false),
    ("groups", BoardMode::Grouped, Aggregation::Latest, true),
    ("races", BoardMode::LobbyMatched, Aggregation::Best, true),
    ("duels", BoardMode::LobbyMatched, Aggregation::Sum, false),
];

const BOARDS: [(&str, Aggregation, SortOrder, bool); 3] = [
    ("points", Aggregation::Sum, SortOrder::Descending, false),
    ("laps", Aggregation::Best, SortOrder::Ascending, true),
    ("form", Aggregation::Latest, SortOrder::Descending, false),
];

/// An attempt that was started: at which event, and by whom.
#[derive(Debug, Clone)]
struct Started {
    event: ConfigurationKey,
    player: ExternalId,
    attempt: AttemptId,
}

/// Draws what is played. Tell it how that ended, so that it goes on with the lobbies and attempts that were made.
pub struct PlayWorkload {
    state: u64,
    /// The time by now, which moves with what is drawn.
    pub now: Timestamp,
    lobbies: BTreeSet<LobbyId>,
    attempts: Vec<Started>,
}

impl PlayWorkload {
    /// How many players there are.
    pub const PLAYERS: u64 = 14;
    /// How many of the newest lobbies and attempts go on.
    const RECENT: usize = 8;

    /// A workload of its own for each `seed`.
    pub fn new(seed: u64) -> Self {
        let (lobbies, attempts) = (BTreeSet::new(), Vec::new());
        Self { state: seed, now: Timestamp::from_unix_micros(START), lobbies, attempts }
    }

    /// An event of every kind.
    pub fn events(&self) -> Vec<Event> {
        let event = |(key, mode, aggregation, fill_bots)| Event {
            id: EventId(SequentialIds.next(self.now)),
            key: asset_key(key),
            definition: event_definition(key, mode, aggregation, fill_bots),
            version: 1,
            created_at: self.now,
            updated_at: self.now,
        };
        EVENTS.into_iter().map(event).collect()
    }

    /// A leaderboard of every kind.
    pub fn leaderboards(&self) -> Vec<Leaderboard> {
        let leaderboard = |(key, aggregation, order, segmented): (&str, _, _, _)| Leaderboard {
            id: BoardId(SequentialIds.next(self.now)),
            key: asset_key(key),
            definition: LeaderboardDefinition {
                name: key.to_owned(),
                aggregation,
                order,
                reset: ResetCadence::Daily,
                segmented,
                fill_bots_to: 0,
                bots: None,
                metadata: None,
                enabled: true,
            },
            version: 1,
            created_at: self.now,
            updated_at: self.now,
        };
        BOARDS.into_iter().map(leaderboard).collect()
    }

    /// The next 1 to `max` commands, some seconds apart.
    pub fn batch(&mut self, realm: RealmId, max: u64) -> PlayBatch {
        let count = self.below(max);
        let mut commands = Vec::new();
        for _ in 0..=count {
            self.now = self.now.plus(Duration::from_millis(self.below(4_000)));
            let origin = if self.below(2) == 0 { Origin::Server } else { Origin::Client };
            commands.push(PlayCommand { realm, at: self.now, origin, action: self.action() });
        }
        PlayBatch::new(commands)
    }

    /// Takes in how a batch ended.
    pub fn learn(&mut self, batch: &PlayBatch, settled: &PlaySettlement) {
        self.lobbies.extend(settled.lobbies.iter().map(|change| change.lobby.id));
        for (command, outcome) in batch.commands().iter().zip(&settled.outcomes) {
            if let (Play::Start(start), Ok(PlayAnswer::Started { attempt, .. })) = (&command.action, outcome) {
                let (event, player) = (start.event.clone(), start.player.external_id.clone());
                self.attempts.push(Started { event, player, attempt: attempt.id });
            }
        }
    }

    /// The name of a player.
    pub fn player(&mut self) -> ExternalId {
        external_id(&format!("p{}", self.below(Self::PLAYERS)))
    }

    /// A number below `limit` (SplitMix64).
    pub fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn action(&mut self) -> Play {
        match (self.below(16), self.started()) {
            (0, _) => self.push(),
            (1, _) => Play::Join { lobby: self.lobby(), player: self.newcomer() },
            (2, _) => Play::Leave { lobby: self.lobby(), player: self.player() },
            (3, _) if self.below(3) == 0 => Play::Close { lobby: self.lobby() },
            (3..=7, _) => self.start(),
            (8, Some(Started { event, player, attempt })) => Play::Finish { event, player, attempt },
            (9..=12, Some(started)) => self.progress(started),
            (_, _) => self.score(),
        }
    }

    fn push(&mut self) -> Play {
        let count = self.below(5);
        let names: BTreeSet<ExternalId> = (0..count).map(|_| self.player()).collect();
        let players = names.into_iter().map(|name| self.called(name)).collect();
        let key = format!("match-{}", self.below(40));
        Play::Push(Box::new(LobbyPush {
            event: self.event(),
            key: LobbyKey::try_new(&key).expect("a lobby's key"),
            players,
            capacity: None,
            fill_bots: None,
            metadata: None,
            id: LobbyId(SequentialIds.next(self.now)),
        }))
    }

    fn start(&mut self) -> Play {
        let event = self.event();
        Play::Start(Box::new(AttemptStart {
            player: self.newcomer(),
            segment: (event.as_str() == "leagues").then(|| segment("gold")),
            event,
            once: self.once(),
            id: AttemptId(SequentialIds.next(self.now)),
            lobby_if_new: LobbyId(SequentialIds.next(self.now)),
        }))
    }

    fn progress(&mut self, Started { event, player, attempt }: Started) -> Play {
        Play::Progress(Box::new(AttemptProgress {
            event,
            player,
            attempt,
            mode: if self.below(2) == 0 { ProgressMode::Set } else { ProgressMode::Increment },
            primary: Some(self.value()),
            metrics: vec![(metric_key("stars"), self.value())],
            once: self.once(),
        }))
    }

    fn score(&mut self) -> Play {
        let (key, _, _, segmented) = self.of(&BOARDS).expect("there are leaderboards");
        Play::Score(Box::new(ScoreSubmission {
            board: asset_key(key),
            player: self.player(),
            value: self.value(),
            segment: segmented.then(|| segment("north")),
            once: self.once(),
        }))
    }

    fn event(&mut self) -> ConfigurationKey {
        let (key, _, _, _) = self.of(&EVENTS).expect("there are events");
        asset_key(key)
    }

    fn newcomer(&mut self) -> Newcomer {
        let name = self.player();
        self.called(name)
    }

    fn called(&self, external_id: ExternalId) -> Newcomer {
        Newcomer { external_id, id_if_new: PlayerId(SequentialIds.next(self.now)) }
    }

    /// One of the newest lobbies; one that there is not while there are none.
    fn lobby(&mut self) -> LobbyId {
        let recent: Vec<LobbyId> = self.lobbies.iter().rev().take(Self::RECENT).copied().collect();
        self.of(&recent).unwrap_or(LobbyId(Uuid::nil()))
    }

    fn started(&mut self) -> Option<Started> {
        let recent: Vec<Started> = self.attempts.iter().rev().take(Self::RECENT).cloned().collect();
        self.of(&recent)
    }

    fn value(&mut self) -> Score {
        Score::restore(i64::try_from(self.below(20)).expect("it is small") * 500)
    }

    /// Once in a while an idempotency key, which may be known, of a request like this one or of another.
    fn once(&mut self) -> Option<Once> {
        let mut byte = |limit| u8::try_from(self.below(limit)).expect("it is small");
        let once = Once { key: KeyDigest([byte(60); 32]), fingerprint: Fingerprint([byte(2); 32]) };
        (self.below(3) == 0).then_some(once)
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> Option<T> {
        let count = u64::try_from(choices.len()).expect("a length fits 64 bits").max(1);
        let index = usize::try_from(self.below(count)).expect("it is below a length");
        choices.get(index).cloned()
    }
}

fn event_definition(key: &str, mode: BoardMode, aggregation: Aggregation, fill_bots: bool) -> EventDefinition {
    let metric = |key: &str, target| Metric {
        key: metric_key(key),
        target,
        cap: Some(Score::restore(8_000)),
        weight: Score::restore(1_500),
    };
    let target = (key == "duels").then_some(Score::restore(9_000));
    let (capacity, fill_timeout_seconds, order) = (4, 40, SortOrder::Descending);
    let starts_at = Timestamp::from_unix_micros(START);
    EventDefinition {
        name: key.to_owned(),
        mode,
        board: EventBoard { capacity, fill_bots, fill_timeout_seconds, aggregation, order, bots: None },
        windows: Windows::schedule(starts_at, 1_200, 900).expect("a window fits"),
        metrics: vec![metric("laps", target), metric("stars", None)],
        metadata: None,
        enabled: true,
    }
}

fn metric_key(text: &str) -> MetricKey {
    MetricKey::try_new(text).expect("a metric's key")
}

fn segment(text: &str) -> Segment {
    Segment::try_new(text).expect("a segment")
}
