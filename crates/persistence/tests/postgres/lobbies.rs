//! Lobbies, attempts and rankings beside the adapter in memory: the same commands come to the same settlements, and reads
//! tell the same.

use std::time::Duration;

use domain::audit_log::{AuditAction, AuditEntry, AuditId};
use domain::clock::Timestamp;
use domain::economy::{Actor, Fingerprint, KeyDigest, Once, Origin};
use domain::ids::Ids;
use domain::lobbies::{
    Aggregation, AttemptId, AttemptProgress, AttemptStart, BoardId, BoardMode, ConfigurationKey, Event, EventBoard,
    EventDefinition, EventId, Leaderboard, LeaderboardDefinition, LobbyId, LobbyKey, LobbyPush, LobbyQuery,
    LobbyStatus, Metric, MetricKey, NewEvent, NewLeaderboard, Newcomer, Play, PlayAnswer, PlayBatch, PlayCommand,
    ProgressMode, RankingId, RankingSlice, ResetCadence, Score, ScoreSubmission, Segment, SortOrder, Windows,
};
use domain::players::{ExternalId, PlayerId};
use domain::tenancy::RealmId;
use testkit::contract::{Stores, World, run};
use testkit::{MemoryStore, START, SequentialIds, asset_key, erase, external_id, merge};

use crate::fixture::{PostgresFixture, stores};
use crate::outside::Outside;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    /// From 0, less than `end`.
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from((self.0 >> 16) % u64::from(end)).expect("less than a number of its type")
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let count = u32::try_from(all.len()).expect("few");
        (0 < count).then(|| &all[usize::try_from(self.below(count)).expect("small")])
    }
}

fn start() -> Timestamp {
    Timestamp::from_unix_micros(START)
}

fn audit(realm: RealmId, at: Timestamp, action: AuditAction) -> AuditEntry {
    AuditEntry::new(realm, AuditId(SequentialIds.next(at)), at, Actor::new("test"), action)
}

fn metric(key: &str, target: Option<i64>, cap: Option<i64>) -> Metric {
    let score = |whole: i64| Score::restore(whole * 1_000);
    Metric {
        key: MetricKey::restore(key.to_owned()),
        target: target.map(score),
        cap: cap.map(score),
        weight: Score::restore(500),
    }
}

fn event(mode: BoardMode, aggregation: Aggregation, order: SortOrder) -> Event {
    let board = EventBoard {
        capacity: 4,
        fill_bots: order == SortOrder::Descending,
        fill_timeout_seconds: 40,
        aggregation,
        order,
        bots: None,
    };
    let definition = EventDefinition {
        name: "An event".to_owned(),
        mode,
        board,
        windows: Windows::schedule(start(), 600, 500).expect("a schedule that is allowed"),
        metrics: vec![metric("laps", Some(40), None), metric("coins", None, Some(9))],
        metadata: None,
        enabled: true,
    };
    let (at, key) = (start(), asset_key(mode.as_str()));
    Event { id: EventId(SequentialIds.next(at)), key, definition, version: 1, created_at: at, updated_at: at }
}

fn leaderboard(key: &str, aggregation: Aggregation, order: SortOrder, segmented: bool) -> Leaderboard {
    let definition = LeaderboardDefinition {
        name: key.to_owned(),
        aggregation,
        order,
        reset: ResetCadence::Never,
        segmented,
        fill_bots_to: 0,
        bots: None,
        metadata: None,
        enabled: true,
    };
    let (at, key) = (start(), asset_key(key));
    Leaderboard { id: BoardId(SequentialIds.next(at)), key, definition, version: 1, created_at: at, updated_at: at }
}

async fn configure(stores: &Stores, realm: RealmId, events: &[Event], boards: &[Leaderboard]) {
    for event in events {
        let audit = audit(realm, start(), AuditAction::EventCreate);
        let created = stores.events.create_event(&NewEvent { realm, event: event.clone(), audit }).await;
        assert_eq!(created.expect("the store works"), Ok(()));
    }
    for leaderboard in boards {
        let audit = audit(realm, start(), AuditAction::LeaderboardCreate);
        let new = NewLeaderboard { realm, leaderboard: leaderboard.clone(), audit };
        assert_eq!(stores.leaderboards.create_leaderboard(&new).await.expect("the store works"), Ok(()));
    }
}

/// What random commands are made of, and what they have led to.
struct Game {
    dice: Dice,
    realm: RealmId,
    at: Timestamp,
    events: Vec<ConfigurationKey>,
    boards: Vec<ConfigurationKey>,
    lobbies: Vec<LobbyId>,
    attempts: Vec<(ConfigurationKey, ExternalId, AttemptId)>,
    rankings: Vec<RankingId>,
}

fn events() -> [Event; 4] {
    [
        event(BoardMode::Global, Aggregation::Best, SortOrder::Descending),
        event(BoardMode::GlobalSegmented, Aggregation::Sum, SortOrder::Ascending),
        event(BoardMode::Grouped, Aggregation::Latest, SortOrder::Descending),
        event(BoardMode::LobbyMatched, Aggregation::Sum, SortOrder::Descending),
    ]
}

fn leaderboards() -> [Leaderboard; 2] {
    [
        leaderboard("laps", Aggregation::Best, SortOrder::Ascending, false),
        leaderboard("segmented", Aggregation::Sum, SortOrder::Descending, true),
    ]
}

impl Game {
    fn new(seed: u64, realm: RealmId) -> Self {
        Self {
            dice: Dice(seed),
            realm,
            at: start(),
            events: BoardMode::ALL.map(|mode| asset_key(mode.as_str())).to_vec(),
            boards: ["laps", "segmented"].map(asset_key).to_vec(),
            lobbies: Vec::new(),
            attempts: Vec::new(),
            rankings: Vec::new(),
        }
    }

    fn player(&mut self) -> ExternalId {
        external_id(&format!("p{}", self.dice.below(14)))
    }

    fn newcomer(&mut self) -> Newcomer {
        Newcomer { external_id: self.player(), id_if_new: PlayerId(SequentialIds.next(self.at)) }
    }

    fn segment(&mut self, of: &ConfigurationKey) -> Option<Segment> {
        let names = ["gold", "silver"];
        of.as_str()
            .contains("segmented")
            .then(|| Segment::restore((*self.dice.of(&names).expect("there are some")).to_owned()))
    }

    /// Often none; of the others some are the same, and of these some are of another request.
    fn once(&mut self) -> Option<Once> {
        let key = KeyDigest::of(&format!("key-{}", self.dice.below(60))).expect("a key that is allowed");
        let fingerprint = Fingerprint([u8::from(self.dice.below(9) == 0); 32]);
        (self.dice.below(3) == 0).then_some(Once { key, fingerprint })
    }

    fn score(&mut self) -> Score {
        Score::restore(i64::from(self.dice.below(30)) * 500)
    }

    fn push(&mut self) -> Play {
        let mut players: Vec<Newcomer> = (0..1 + self.dice.below(4)).map(|_| self.newcomer()).collect();
        players.sort_by(|one, other| one.external_id.cmp(&other.external_id));
        players.dedup_by(|one, other| one.external_id == other.external_id);
        Play::Push(Box::new(LobbyPush {
            event: asset_key(BoardMode::LobbyMatched.as_str()),
            key: LobbyKey::restore(format!("match-{}", self.dice.below(40))),
            players,
            capacity: None,
            fill_bots: None,
            metadata: None,
            id: LobbyId(SequentialIds.next(self.at)),
        }))
    }

    fn action(&mut self) -> Play {
        let lobby = self.dice.of(&self.lobbies).copied().unwrap_or(LobbyId(SequentialIds.next(self.at)));
        let attempt = self.dice.of(&self.attempts).cloned();
        match self.dice.below(12) {
            0 => self.push(),
            1 => Play::Join { lobby, player: self.newcomer() },
            2 => Play::Leave { lobby, player: self.player() },
            3 if self.dice.below(4) == 0 => Play::Close { lobby },
            4..=6 => {
                let event = self.dice.of(&self.events).cloned().expect("there are some");
                Play::Start(Box::new(AttemptStart {
                    player: self.newcomer(),
                    segment: self.segment(&event),
                    event,
                    once: self.once(),
                    id: AttemptId(SequentialIds.next(self.at)),
                    lobby_if_new: LobbyId(SequentialIds.next(self.at)),
                }))
            }
            7..=9 if attempt.is_some() => {
                let (event, player, attempt) = attempt.expect("it is there");
                if self.dice.below(8) == 0 {
                    return Play::Finish { event, player, attempt };
                }
                Play::Progress(Box::new(AttemptProgress {
                    event,
                    player,
                    attempt,
                    mode: if self.dice.below(2) == 0 { ProgressMode::Set } else { ProgressMode::Increment },
                    primary: Some(self.score()),
                    metrics: vec![(MetricKey::restore("coins".to_owned()), self.score())],
                    once: self.once(),
                }))
            }
            _ => {
                let board = self.dice.of(&self.boards).cloned().expect("there are some");
                Play::Score(Box::new(ScoreSubmission {
                    segment: self.segment(&board),
                    board,
                    player: self.player(),
                    value: self.score(),
                    once: self.once(),
                }))
            }
        }
    }

    fn batch(&mut self) -> PlayBatch {
        let commands = (0..1 + self.dice.below(8)).map(|_| {
            self.at = self.at.plus(Duration::from_millis(u64::from(self.dice.below(9_000))));
            PlayCommand { realm: self.realm, at: self.at, origin: Origin::Server, action: self.action() }
        });
        PlayBatch::new(commands.collect())
    }

    fn learn(&mut self, command: &PlayCommand, answer: &PlayAnswer) {
        match answer {
            PlayAnswer::Pushed { lobby, .. } | PlayAnswer::Forming(lobby) => self.lobbies.push(lobby.id),
            PlayAnswer::Started { attempt, .. } => {
                self.lobbies.extend(attempt.lobby);
                if attempt.lobby.is_none() {
                    self.rankings.push(RankingId(attempt.board));
                }
                if let Play::Start(start) = &command.action {
                    self.attempts.push((start.event.clone(), start.player.external_id.clone(), attempt.id));
                }
            }
            PlayAnswer::Scored { ranking, .. } => self.rankings.push(ranking.id),
            PlayAnswer::Lobby { .. } | PlayAnswer::Progressed { .. } | PlayAnswer::Finished(_) => {}
        }
        let surplus = self.lobbies.len().saturating_sub(12);
        self.lobbies.drain(..surplus);
        let surplus = self.attempts.len().saturating_sub(20);
        self.attempts.drain(..surplus);
    }
}

#[test]
fn the_same_commands_come_to_the_same_as_in_memory() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let fixture = runtime.block_on(PostgresFixture::create());
    let url = fixture.url();
    run(async { fixture }, async |world: World| {
        let (realm, memory) = (world.realm, MemoryStore::new().stores());
        let (events, boards) = (events(), leaderboards());
        for stores in [&world.stores, &memory] {
            configure(stores, realm, &events, &boards).await;
        }
        let mut game = Game::new(11, realm);
        let mut rankings = Vec::new();
        let (mut applied, mut transitions, mut merged) = (0, 0, 0);
        // Two handles on one database, whose connections have prepared different statements.
        let other = stores(&url, persistence::postgres::PostgresOptions::default());
        for step in 0..400 {
            let batch = game.batch();
            let store = if game.dice.below(2) == 0 { &world.stores } else { &other };
            let expected = memory.settle_play(&batch).await;
            let settled = store.settle_play(&batch).await;
            assert_eq!(settled, expected, "step {step}: {batch:#?}");
            for (command, outcome) in batch.commands().iter().zip(&expected.outcomes) {
                if let Ok(answer) = outcome {
                    game.learn(command, answer);
                    applied += 1;
                }
            }
            rankings.append(&mut game.rankings);
            if game.dice.below(6) == 0 {
                let limit = 1 + game.dice.below(4);
                let mut told = store.play.sweep_lobbies(game.at, limit).await.expect("the store works");
                let mut expected = memory.play.sweep_lobbies(game.at, limit).await.expect("memory works");
                let order = |one: &domain::lobbies::LobbyTransition| (one.lobby, one.at);
                told.sort_by_key(order);
                expected.sort_by_key(order);
                assert_eq!(told, expected, "step {step}");
                transitions += told.len();
            }
            if game.dice.below(25) == 0 {
                let (source, target) = (game.player(), game.player());
                let draft = merge(source.as_str(), target.as_str()).after(game.at.since(start()));
                if source != target {
                    let command = draft.in_realm(realm);
                    let told = store.lives.merge(&command).await.expect("the store works");
                    let expected = memory.lives.merge(&command).await.expect("memory works");
                    merged += told.as_ref().map_or(0, |told| told.counts.play.lobbies);
                    assert_eq!(told, expected, "step {step}");
                }
            }
            if step % 40 == 39 {
                let erased = game.player();
                let command = erase(erased.as_str()).after(game.at.since(start())).in_realm(realm);
                let told = store.lives.erase(&command).await.expect("the store works");
                assert_eq!(told, memory.lives.erase(&command).await.expect("memory works"), "step {step}");
                rankings.sort();
                rankings.dedup();
                same_reads(&world.stores, &memory, &game, &events, &rankings).await;
            }
        }
        assert!(600 < applied && 30 < transitions && 3 < merged, "{applied}, {transitions}, {merged}");
    });
}

/// Reads everything that there is, from both stores.
async fn same_reads(stores: &Stores, memory: &Stores, game: &Game, events: &[Event], rankings: &[RankingId]) {
    let (realm, now) = (game.realm, game.at);
    let mut seen = 0;
    for event in events {
        for status in [None, Some(LobbyStatus::Forming), Some(LobbyStatus::Active), Some(LobbyStatus::Closed)] {
            let mut query = LobbyQuery { realm, event: event.id, status, after: None, limit: 3, now };
            loop {
                let page = stores.lobbies.lobbies(&query).await.expect("the store works");
                let expected = memory.lobbies.lobbies(&query).await.expect("memory works");
                assert_eq!(page, expected, "{query:?}");
                for lobby in &page.rows {
                    let detail = stores.lobbies.lobby(realm, lobby.id).await.expect("the store works");
                    assert_eq!(detail, memory.lobbies.lobby(realm, lobby.id).await.expect("memory works"));
                    seen += 1;
                }
                query.after = page.rows.last().map(|lobby| lobby.id);
                if !page.more {
                    break;
                }
            }
        }
        assert_eq!(stores.events.event(realm, &event.key).await.expect("the store works").as_ref(), Some(event));
    }
    assert!(3 < seen);
    for ranking in rankings {
        let told = stores.rankings.ranking(realm, *ranking).await.expect("the store works");
        assert_eq!(told, memory.rankings.ranking(realm, *ranking).await.expect("memory works"));
        for player in (0..14).map(|number| external_id(&format!("p{number}"))) {
            for slice in [RankingSlice::Top(3), RankingSlice::Around(player.clone(), 2)] {
                let own = Some(player.clone());
                let page = stores.rankings.ranking_page(realm, *ranking, &slice, own.clone()).await.expect("it works");
                let expected = memory.rankings.ranking_page(realm, *ranking, &slice, own).await.expect("it works");
                assert_eq!(page, expected, "{slice:?}");
            }
        }
    }
    for player in (0..14).map(|number| external_id(&format!("p{number}"))) {
        let profile = stores.players.profile(realm, &player, 3, now).await.expect("the store works");
        assert_eq!(profile, memory.players.profile(realm, &player, 3, now).await.expect("memory works"));
        let Some(id) = profile.map(|profile| profile.player.id) else { continue };
        let attempts = stores.records.attempts_of(realm, id, None, 500).await.expect("the store works");
        assert_eq!(attempts, memory.records.attempts_of(realm, id, None, 500).await.expect("memory works"));
        let after = attempts.get(1).map(|attempt| attempt.id);
        let attempts = stores.records.attempts_of(realm, id, after, 2).await.expect("the store works");
        assert_eq!(attempts, memory.records.attempts_of(realm, id, after, 2).await.expect("memory works"));
        let lobbies = stores.records.lobbies_of(realm, id, None, 500).await.expect("the store works");
        assert_eq!(lobbies, memory.records.lobbies_of(realm, id, None, 500).await.expect("memory works"));
        let rankings = stores.records.rankings_of(realm, id, None, 500).await.expect("the store works");
        assert_eq!(rankings, memory.records.rankings_of(realm, id, None, 500).await.expect("memory works"));
    }
}

/// What no lobby and no ranking may be after all of it, whoever wrote it: a lobby that is not closed or has other players
/// than it counts, a ranking that has other entries than its blocks or its sections count.
const WRONG: &str = "
    SELECT 'lobby ' || id AS text FROM lobbies
        WHERE status <> 'closed' OR participants <> (SELECT count(*) FROM lobby_participants p WHERE (p.realm, p.lobby) = (lobbies.realm, id))
    UNION ALL
    SELECT 'ranking ' || id FROM rankings
        WHERE (SELECT coalesce(sum(entries), 0) FROM ranking_blocks b WHERE (b.realm, b.ranking) = (rankings.realm, id))
            <> (SELECT count(*) FROM ranking_entries e WHERE (e.realm, e.ranking) = (rankings.realm, id))
            OR (SELECT coalesce(sum(entries), 0) FROM ranking_sections s WHERE (s.realm, s.ranking) = (rankings.realm, id))
            <> (SELECT count(*) FROM ranking_entries e WHERE (e.realm, e.ranking) = (rankings.realm, id))";

#[test]
fn those_who_play_at_the_same_time_wait_for_each_other_and_lose_nothing() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let fixture = runtime.block_on(PostgresFixture::create());
    let url = fixture.url();
    run(async { fixture }, async |world: World| {
        configure(&world.stores, world.realm, &events(), &leaderboards()).await;
        let realm = world.realm;
        let playing = (1..=4_u64).map(|seed| {
            let stores = stores(&url, persistence::postgres::PostgresOptions::default());
            tokio::spawn(async move {
                let mut game = Game::new(seed, realm);
                let mut told = Vec::new();
                for _ in 0..60 {
                    let batch = game.batch();
                    let settled = stores.settle_play(&batch).await;
                    for (command, outcome) in batch.commands().iter().zip(&settled.outcomes) {
                        outcome.iter().for_each(|answer| game.learn(command, answer));
                    }
                    told.extend(settled.transitions);
                    told.extend(stores.play.sweep_lobbies(game.at, 3).await.expect("the store works"));
                    if game.dice.below(10) == 0 {
                        let (source, target) = (game.player(), game.player());
                        let draft = merge(source.as_str(), target.as_str()).after(game.at.since(start()));
                        drop(stores.lives.merge(&draft.in_realm(realm)).await.expect("the store works"));
                    }
                }
                told
            })
        });
        let mut told = Vec::new();
        for task in playing.collect::<Vec<_>>() {
            told.extend(task.await.expect("it did not panic"));
        }
        // Then the rest, by several at once.
        let end = start().plus(Duration::from_secs(1_000_000));
        let sweeping = (0..4).map(|_| {
            let play = world.stores.play.clone();
            tokio::spawn(async move {
                let mut told = Vec::new();
                for _ in 0..40 {
                    told.extend(play.sweep_lobbies(end, 5).await.expect("the store works"));
                }
                told
            })
        });
        for task in sweeping.collect::<Vec<_>>() {
            told.extend(task.await.expect("it did not panic"));
        }
        let all = told.len();
        let mut told: Vec<_> = told.into_iter().map(|told| (told.lobby, told.status)).collect();
        told.sort_unstable();
        told.dedup();
        assert_eq!(told.len(), all, "each transition is told once");
        assert!(60 < all);
        let mut outside = Outside::connect(&url).await;
        assert_eq!(outside.texts(WRONG).await, Vec::<String>::new());
        let circles = "SELECT deadlocks::text AS text FROM pg_stat_database WHERE datname = current_database()";
        assert_eq!(outside.texts(circles).await, ["0"], "nobody waits in a circle");
    });
}
