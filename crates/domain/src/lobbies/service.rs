//! The use cases of events, lobbies and leaderboards: complete a request with time and identity, put it on the queue, hand
//! back its answer.

use std::sync::Arc;

use thiserror::Error;

use super::{
    AttemptId, AttemptProgress, AttemptStart, BoardId, ConfigurationKey, ConfigurationRefusal, Event, EventChange,
    EventDefinition, EventId, EventRevision, EventStore, Leaderboard, LeaderboardChange, LeaderboardDefinition,
    LeaderboardRevision, LeaderboardStore, Lobby, LobbyDetail, LobbyId, LobbyPush, LobbyQuery, LobbyReads, LobbyStatus,
    LobbyTransition, NewEvent, NewLeaderboard, Newcomer, Play, PlayAnswer, PlayCommand, PlayQueue, PlayRefusal,
    PlayStore, RankingBoard, RankingBots, RankingId, RankingReads, RankingSlice, Score, ScoreSubmission, Segment,
    VISIBLE_SCORES_MAX,
};
use crate::audit_log::{AuditAction, AuditEntry, AuditId};
use crate::clock::{Clock, Timestamp};
use crate::economy::{Once, Origin, Page, Repeat};
use crate::ids::Ids;
use crate::keys::Caller;
use crate::players::{ExternalId, PlayerId};
use crate::queue::QueueError;
use crate::store::StoreError;
use crate::text::JsonObject;

/// Why a use case gave no answer.
#[derive(Debug, Error)]
pub enum PlayFailure {
    /// The rules said no.
    #[error(transparent)]
    Refused(#[from] PlayRefusal),
    /// The configuration cannot be stored.
    #[error(transparent)]
    Configuration(#[from] ConfigurationRefusal),
    /// There is no such ranking.
    #[error("there is no such leaderboard")]
    RankingNotFound,
    /// Too much is waiting; nothing was done.
    #[error("too many requests are waiting")]
    Overloaded,
    /// The outcome of a write is unknown. The cause was reported where it happened.
    #[error("the outcome is unknown")]
    Unknown,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<QueueError> for PlayFailure {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Overloaded => Self::Overloaded,
            QueueError::Unknown => Self::Unknown,
        }
    }
}

impl From<StoreError> for PlayFailure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded => Self::Overloaded,
            StoreError::Unavailable(_) => Self::Store(error),
        }
    }
}

/// The ports that the use cases stand on.
#[derive(Clone)]
pub struct PlayPorts {
    /// Keeps the configuration of events.
    pub events: Arc<dyn EventStore>,
    /// Keeps the configuration of leaderboards.
    pub leaderboards: Arc<dyn LeaderboardStore>,
    /// Keeps lobbies, attempts and rankings.
    pub play: Arc<dyn PlayStore>,
    /// Reads lobbies.
    pub lobbies: Arc<dyn LobbyReads>,
    /// Reads rankings.
    pub rankings: Arc<dyn RankingReads>,
}

/// A push, as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushRequest {
    /// Which event it plays.
    pub event: ConfigurationKey,
    /// The studio's name for the lobby.
    pub key: super::LobbyKey,
    /// Its players, each once.
    pub players: Vec<ExternalId>,
    /// How many play together; as the event says if `None`.
    pub capacity: Option<u32>,
    /// Whether bots take the other places; as the event says if `None`.
    pub fill_bots: Option<bool>,
    /// The studio's own data.
    pub metadata: Option<JsonObject>,
}

/// A lobby, and whether a request changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobbyAnswer {
    /// The lobby.
    pub lobby: Lobby,
    /// Whether anything changed.
    pub applied: bool,
}

/// What became of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartAnswer {
    /// The attempt began.
    Started(Box<super::Attempt>, Repeat),
    /// The player waits in a lobby that is still forming.
    Forming(Box<Lobby>),
}

/// What became of a score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreAnswer {
    /// The ranking that it counts in.
    pub ranking: RankingId,
    /// What counts of the player right after it.
    pub score: Score,
    /// The player's rank now, bots included; `None` when they are no longer in the ranking.
    pub rank: Option<u64>,
    /// Whether it came in now.
    pub repeat: Repeat,
}

/// A part of a board and who is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardQuery {
    /// Which part.
    pub slice: RankingSlice,
    /// Whose own entry is wanted besides.
    pub own: Option<ExternalId>,
}

/// A board that is known by its id alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyBoard {
    /// That of a lobby.
    Lobby(Box<LobbyDetail>),
    /// A ranking of an event's window.
    Event(Box<Event>, Box<RankingBoard>),
    /// A ranking of a leaderboard.
    Leaderboard(Box<Leaderboard>, Box<RankingBoard>),
}

/// The use cases of events, lobbies and leaderboards.
pub struct Lobbies {
    queue: PlayQueue,
    ports: PlayPorts,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Lobbies {
    /// How many lobbies a sweep moves on at most.
    pub const SWEEP_MAX: u32 = 500;

    /// Puts the use cases on the queue and their ports.
    pub fn new(queue: PlayQueue, ports: PlayPorts, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { queue, ports, clock, ids }
    }

    /// The instant at which what is read holds.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Makes an event.
    ///
    /// # Errors
    /// When its key is taken or it makes no sense; otherwise the store's.
    pub async fn create_event(
        &self,
        caller: &Caller,
        key: ConfigurationKey,
        definition: EventDefinition,
    ) -> Result<Event, PlayFailure> {
        let definition = definition.checked().map_err(ConfigurationRefusal::Invalid)?;
        let at = self.clock.now();
        let id = EventId(self.ids.next(at));
        let audit = self.audited(caller, at, AuditAction::EventCreate, &key);
        let event = Event { id, key, definition, version: 1, created_at: at, updated_at: at };
        let new = NewEvent { realm: caller.realm.id, event: event.clone(), audit };
        self.ports.events.create_event(&new).await??;
        Ok(event)
    }

    /// Changes an event.
    ///
    /// # Errors
    /// When there is none, or it would make no sense; otherwise the store's.
    pub async fn change_event(
        &self,
        caller: &Caller,
        key: ConfigurationKey,
        revision: EventRevision,
    ) -> Result<Event, PlayFailure> {
        let at = self.clock.now();
        let audit = self.audited(caller, at, AuditAction::EventChange, &key);
        let change = EventChange { realm: caller.realm.id, at, key, revision, audit };
        Ok(self.ports.events.change_event(&change).await??)
    }

    /// The event of that key.
    ///
    /// # Errors
    /// When there is none; otherwise the store's.
    pub async fn event(&self, caller: &Caller, key: &ConfigurationKey) -> Result<Event, PlayFailure> {
        let found = self.ports.events.event(caller.realm.id, key).await?;
        Ok(found.ok_or(PlayRefusal::EventNotFound)?)
    }

    /// A page of events, newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn events(
        &self,
        caller: &Caller,
        after: Option<EventId>,
        limit: u32,
    ) -> Result<Page<Event>, PlayFailure> {
        Ok(self.ports.events.events(caller.realm.id, after, limit).await?)
    }

    /// Makes a leaderboard.
    ///
    /// # Errors
    /// When its key is taken or it makes no sense; otherwise the store's.
    pub async fn create_leaderboard(
        &self,
        caller: &Caller,
        key: ConfigurationKey,
        definition: LeaderboardDefinition,
    ) -> Result<Leaderboard, PlayFailure> {
        let definition = definition.checked().map_err(ConfigurationRefusal::Invalid)?;
        let at = self.clock.now();
        let id = BoardId(self.ids.next(at));
        let audit = self.audited(caller, at, AuditAction::LeaderboardCreate, &key);
        let leaderboard = Leaderboard { id, key, definition, version: 1, created_at: at, updated_at: at };
        let new = NewLeaderboard { realm: caller.realm.id, leaderboard: leaderboard.clone(), audit };
        self.ports.leaderboards.create_leaderboard(&new).await??;
        Ok(leaderboard)
    }

    /// Changes a leaderboard.
    ///
    /// # Errors
    /// When there is none, or it would make no sense; otherwise the store's.
    pub async fn change_leaderboard(
        &self,
        caller: &Caller,
        key: ConfigurationKey,
        revision: LeaderboardRevision,
    ) -> Result<Leaderboard, PlayFailure> {
        let at = self.clock.now();
        let audit = self.audited(caller, at, AuditAction::LeaderboardChange, &key);
        let change = LeaderboardChange { realm: caller.realm.id, at, key, revision, audit };
        Ok(self.ports.leaderboards.change_leaderboard(&change).await??)
    }

    /// The leaderboard of that key.
    ///
    /// # Errors
    /// When there is none; otherwise the store's.
    pub async fn leaderboard(&self, caller: &Caller, key: &ConfigurationKey) -> Result<Leaderboard, PlayFailure> {
        let found = self.ports.leaderboards.leaderboard(caller.realm.id, key).await?;
        Ok(found.ok_or(PlayRefusal::LeaderboardNotFound)?)
    }

    /// A page of leaderboards, newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn leaderboards(
        &self,
        caller: &Caller,
        after: Option<BoardId>,
        limit: u32,
    ) -> Result<Page<Leaderboard>, PlayFailure> {
        Ok(self.ports.leaderboards.leaderboards(caller.realm.id, after, limit).await?)
    }

    /// Makes a lobby of players that the studio's matchmaker put together; the lobby as it is now if there is one of that
    /// name.
    ///
    /// # Errors
    /// The rules' or the store's.
    pub async fn push(&self, caller: &Caller, request: PushRequest) -> Result<(Lobby, Repeat), PlayFailure> {
        let at = self.clock.now();
        let PushRequest { event, key, players, capacity, fill_bots, metadata } = request;
        let players = players.into_iter().map(|player| self.newcomer(at, player)).collect();
        let id = LobbyId(self.ids.next(at));
        let push = LobbyPush { event, key, players, capacity, fill_bots, metadata, id };
        let PlayAnswer::Pushed { lobby, repeat } = self.submit(caller, at, Play::Push(Box::new(push))).await? else {
            unreachable!("a push is answered as one")
        };
        Ok((*lobby, repeat))
    }

    /// Puts a player into a lobby.
    ///
    /// # Errors
    /// The rules' or the store's.
    pub async fn join(&self, caller: &Caller, lobby: LobbyId, player: ExternalId) -> Result<LobbyAnswer, PlayFailure> {
        let at = self.clock.now();
        let player = self.newcomer(at, player);
        self.change_lobby(caller, at, Play::Join { lobby, player }).await
    }

    /// Takes a player out of a lobby.
    ///
    /// # Errors
    /// The rules' or the store's.
    pub async fn leave(&self, caller: &Caller, lobby: LobbyId, player: ExternalId) -> Result<LobbyAnswer, PlayFailure> {
        self.change_lobby(caller, self.clock.now(), Play::Leave { lobby, player }).await
    }

    /// Ends a lobby before its time.
    ///
    /// # Errors
    /// The rules' or the store's.
    pub async fn close(&self, caller: &Caller, lobby: LobbyId) -> Result<LobbyAnswer, PlayFailure> {
        self.change_lobby(caller, self.clock.now(), Play::Close { lobby }).await
    }

    /// A lobby with its event and its players.
    ///
    /// # Errors
    /// When there is none; otherwise the store's.
    pub async fn lobby(&self, caller: &Caller, id: LobbyId) -> Result<LobbyDetail, PlayFailure> {
        let found = self.ports.lobbies.lobby(caller.realm.id, id).await?;
        Ok(found.ok_or(PlayRefusal::LobbyNotFound)?)
    }

    /// A page of an event's lobbies, newest first, with the instant at which their states hold.
    ///
    /// # Errors
    /// When there is no such event; otherwise the store's.
    pub async fn lobbies(
        &self,
        caller: &Caller,
        event: &ConfigurationKey,
        status: Option<LobbyStatus>,
        after: Option<LobbyId>,
        limit: u32,
    ) -> Result<(Page<Lobby>, Timestamp), PlayFailure> {
        let event = self.event(caller, event).await?.id;
        let (realm, now) = (caller.realm.id, self.clock.now());
        let page = self.ports.lobbies.lobbies(&LobbyQuery { realm, event, status, after, limit, now }).await?;
        Ok((page, now))
    }

    /// Starts an attempt at an event.
    ///
    /// # Errors
    /// The rules' or the store's.
    pub async fn start(
        &self,
        caller: &Caller,
        event: ConfigurationKey,
        player: ExternalId,
        segment: Option<Segment>,
        once: Option<Once>,
    ) -> Result<StartAnswer, PlayFailure> {
        let at = self.clock.now();
        let player = self.newcomer(at, player);
        let (id, lobby_if_new) = (AttemptId(self.ids.next(at)), LobbyId(self.ids.next(at)));
        let start = AttemptStart { event, player, segment, once, id, lobby_if_new };
        match self.submit(caller, at, Play::Start(Box::new(start))).await? {
            PlayAnswer::Started { attempt, repeat } => Ok(StartAnswer::Started(attempt, repeat)),
            PlayAnswer::Forming(lobby) => Ok(StartAnswer::Forming(lobby)),
            PlayAnswer::Pushed { .. }
            | PlayAnswer::Lobby { .. }
            | PlayAnswer::Progressed { .. }
            | PlayAnswer::Finished(_)
            | PlayAnswer::Scored { .. } => unreachable!("a start is answered as one"),
        }
    }

    /// Reports what is counted in an attempt.
    ///
    /// # Errors
    /// The rules' or the store's.
    pub async fn progress(
        &self,
        caller: &Caller,
        progress: AttemptProgress,
    ) -> Result<(super::Attempt, Repeat), PlayFailure> {
        let PlayAnswer::Progressed { attempt, repeat } =
            self.submit(caller, self.clock.now(), Play::Progress(Box::new(progress))).await?
        else {
            unreachable!("progress is answered as progress")
        };
        Ok((*attempt, repeat))
    }

    /// Ends an attempt; the attempt as it ended, now or before.
    ///
    /// # Errors
    /// The rules' or the store's.
    pub async fn finish(
        &self,
        caller: &Caller,
        event: ConfigurationKey,
        player: ExternalId,
        attempt: AttemptId,
    ) -> Result<super::Attempt, PlayFailure> {
        let action = Play::Finish { event, player, attempt };
        let PlayAnswer::Finished(attempt) = self.submit(caller, self.clock.now(), action).await? else {
            unreachable!("an end is answered as one")
        };
        Ok(*attempt)
    }

    /// Puts a score on a leaderboard.
    ///
    /// # Errors
    /// The rules' or the store's.
    pub async fn score(&self, caller: &Caller, submission: ScoreSubmission) -> Result<ScoreAnswer, PlayFailure> {
        let at = self.clock.now();
        let PlayAnswer::Scored { leaderboard, ranking, score, rank, repeat } =
            self.submit(caller, at, Play::Score(Box::new(submission))).await?
        else {
            unreachable!("a score is answered as one")
        };
        let mut ahead = 0;
        let bots = RankingBots::of_leaderboard(&leaderboard, &ranking, at).zip(rank);
        if let Some((bots, rank)) = bots.filter(|(bots, rank)| bots.have_room_beside(rank.players)) {
            let visible = self.visible_scores(caller, &ranking).await?;
            ahead = bots.ahead_of(ranking.order, rank.players, &visible, score);
        }
        Ok(ScoreAnswer { ranking: ranking.id, score, rank: rank.map(|rank| rank.rank + ahead), repeat })
    }

    /// A part of a leaderboard in the period that holds `period`, or the present one.
    ///
    /// # Errors
    /// When there is none, or its segment is missing or too much; otherwise the store's.
    pub async fn board(
        &self,
        caller: &Caller,
        key: &ConfigurationKey,
        segment: Option<Segment>,
        period: Option<Timestamp>,
        query: BoardQuery,
    ) -> Result<(Leaderboard, RankingBoard), PlayFailure> {
        let leaderboard = self.leaderboard(caller, key).await?;
        match (&segment, leaderboard.definition.segmented) {
            (Some(_), false) => return Err(PlayRefusal::SegmentUnexpected.into()),
            (None, true) => return Err(PlayRefusal::SegmentRequired.into()),
            (Some(_), true) | (None, false) => {}
        }
        let now = self.clock.now();
        let ranking = leaderboard.ranking(segment.unwrap_or_default(), period.unwrap_or(now));
        let bots = RankingBots::of_leaderboard(&leaderboard, &ranking, now);
        let board = self.mixed(caller, ranking, bots, query).await?;
        Ok((leaderboard, board))
    }

    /// The board of that id: a lobby's, or a part of a ranking.
    ///
    /// # Errors
    /// When there is none; otherwise the store's.
    pub async fn board_by_id(
        &self,
        caller: &Caller,
        id: uuid::Uuid,
        query: BoardQuery,
    ) -> Result<AnyBoard, PlayFailure> {
        let (realm, now) = (caller.realm.id, self.clock.now());
        if let Some(lobby) = self.ports.lobbies.lobby(realm, LobbyId(id)).await? {
            return Ok(AnyBoard::Lobby(Box::new(lobby)));
        }
        let ranking = self.ports.rankings.ranking(realm, RankingId(id)).await?.ok_or(PlayFailure::RankingNotFound)?;
        if let Some(event) = self.ports.events.event_by_id(realm, EventId(ranking.board.0)).await? {
            let window = event.definition.windows.active_at(event.id, ranking.period_starts_at);
            let ends_at = window.map_or(ranking.period_starts_at, |window| window.ends_at);
            let bots = RankingBots::of_event(&event, &ranking, ends_at, now);
            let board = self.mixed(caller, ranking, bots, query).await?;
            return Ok(AnyBoard::Event(Box::new(event), Box::new(board)));
        }
        let found = self.ports.leaderboards.leaderboard_by_id(realm, ranking.board).await?;
        let leaderboard = found.ok_or(PlayFailure::RankingNotFound)?;
        let bots = RankingBots::of_leaderboard(&leaderboard, &ranking, now);
        let board = self.mixed(caller, ranking, bots, query).await?;
        Ok(AnyBoard::Leaderboard(Box::new(leaderboard), Box::new(board)))
    }

    /// Stores what the clock has made of lobbies that nobody has touched since; how they moved on.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep(&self) -> Result<Vec<LobbyTransition>, PlayFailure> {
        Ok(self.ports.play.sweep_lobbies(self.clock.now(), Self::SWEEP_MAX).await?)
    }

    async fn mixed(
        &self,
        caller: &Caller,
        ranking: super::Ranking,
        bots: Option<RankingBots>,
        query: BoardQuery,
    ) -> Result<RankingBoard, PlayFailure> {
        let BoardQuery { slice, own } = query;
        let page = self.ports.rankings.ranking_page(caller.realm.id, ranking.id, &slice, own).await?;
        let bots = bots.filter(|bots| bots.have_room_beside(page.players));
        let visible = match &bots {
            Some(_) => self.visible_scores(caller, &ranking).await?,
            None => Vec::new(),
        };
        Ok(RankingBoard::mixed(ranking, page, &slice, bots.as_ref(), &visible))
    }

    /// The best players' scores of a ranking, best first, which its bots look at.
    async fn visible_scores(&self, caller: &Caller, ranking: &super::Ranking) -> Result<Vec<Score>, PlayFailure> {
        let top = RankingSlice::Top(VISIBLE_SCORES_MAX);
        let page = self.ports.rankings.ranking_page(caller.realm.id, ranking.id, &top, None).await?;
        Ok(page.entries.iter().map(|entry| ranking.order.score_of(entry.place.order_key)).collect())
    }

    async fn change_lobby(&self, caller: &Caller, at: Timestamp, action: Play) -> Result<LobbyAnswer, PlayFailure> {
        let PlayAnswer::Lobby { lobby, applied } = self.submit(caller, at, action).await? else {
            unreachable!("a change of a lobby is answered as one")
        };
        Ok(LobbyAnswer { lobby: *lobby, applied })
    }

    async fn submit(&self, caller: &Caller, at: Timestamp, action: Play) -> Result<PlayAnswer, PlayFailure> {
        let command = PlayCommand { realm: caller.realm.id, at, origin: Origin::Server, action };
        Ok(self.queue.submit(command).await??)
    }

    fn newcomer(&self, at: Timestamp, external_id: ExternalId) -> Newcomer {
        Newcomer { external_id, id_if_new: PlayerId(self.ids.next(at)) }
    }

    fn audited(&self, caller: &Caller, at: Timestamp, action: AuditAction, key: &ConfigurationKey) -> AuditEntry {
        let entry = AuditEntry::new(caller.realm.id, AuditId(self.ids.next(at)), at, caller.actor.clone(), action);
        let details = serde_json::json!({ "key": key.as_str() });
        AuditEntry { details: Some(JsonObject::restore(details.to_string())), ..entry }
    }
}
