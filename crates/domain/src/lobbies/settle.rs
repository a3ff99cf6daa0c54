//! The rules: what each command of a batch does to lobbies, attempts and rankings, decided one after the other on values.
//!
//! Each rule is a list of refusals, the cheapest and most final first; below its last refusal nothing can fail. A rule that
//! touches a lobby first stores what the clock has made of it.

use super::aggregate::{Incoming, aggregate};
use super::batch::player_key;
use super::{
    Attempt, AttemptChange, AttemptProgress, AttemptStart, AttemptStatus, BoardMode, ConfigurationKey, EarlyEnd, Event,
    Fingerprinted, Lobby, LobbyChange, LobbyId, LobbyMode, LobbyPush, LobbyStatus, LobbyTransition, MetricKey,
    MetricValues, Newcomer, Participant, ParticipantChange, Place, PlaceChange, Play, PlayAnswer, PlayBatch,
    PlayCommand, PlayOutcome, PlayRefusal, PlaySettlement, PlaySnapshot, Ranking, RankingId, Score, ScoreOperation,
    ScoreRequest, ScoreRequestKey, ScoreResult, ScoreSubmission, Scored, Segment, Stage, WantedRank, Window,
};
use crate::clock::Timestamp;
use crate::economy::{Once, PlayerKey, Repeat, SEEN_EVERY};
use crate::players::{ExternalId, Player, PlayerId, require_not_banned};
use crate::tenancy::RealmId;
use crate::webhooks::{EventName, occurrences};

impl PlayBatch {
    /// Decides every command, in order, each on what the ones before it left behind. Pure and total: the same batch on the
    /// same snapshot always comes to the same settlement.
    ///
    /// Panics when `before` lacks what the first or the second look asks for.
    pub fn settle(&self, before: PlaySnapshot) -> PlaySettlement {
        let mut table = Table { now: before, settlement: PlaySettlement::default(), ranked: Vec::new() };
        for command in self.commands() {
            let outcome = table.decide(command);
            table.settlement.outcomes.push(outcome);
        }
        table.close()
    }
}

/// The state that the commands of a batch see and change, one after the other.
struct Table {
    now: PlaySnapshot,
    settlement: PlaySettlement,
    /// Which outcome wants which player's rank.
    ranked: Vec<(usize, RealmId, RankingId, PlayerKey)>,
}

/// An attempt that goes on, and whose it is.
struct Live {
    event: Event,
    player: PlayerKey,
    attempt: Attempt,
}

impl Table {
    fn decide(&mut self, command: &PlayCommand) -> PlayOutcome {
        if let Some(operation) = command.gated() {
            for player in command.players() {
                require_not_banned(operation, self.now.player(&player_key(command, player)))?;
            }
        }
        match &command.action {
            Play::Push(push) => self.push(command, push),
            Play::Join { lobby, player } => self.join(command, *lobby, player),
            Play::Leave { lobby, player } => self.leave(command, *lobby, player),
            Play::Close { lobby } => self.close_lobby(command, *lobby),
            Play::Start(start) => self.start(command, start),
            Play::Progress(progress) => self.progress(command, progress),
            Play::Finish { event, player, attempt } => {
                let Live { attempt, .. } = self.attempt_of(command, event, player, *attempt)?;
                Ok(self.finish(command, attempt))
            }
            Play::Score(score) => self.score(command, score),
        }
    }

    fn push(&mut self, command: &PlayCommand, push: &LobbyPush) -> PlayOutcome {
        let (realm, at) = (command.realm, command.at);
        let event = self.now.event(realm, &push.event).ok_or(PlayRefusal::EventNotFound)?;
        if let Some(id) = self.now.lobby_of_key(realm, &push.key) {
            let known = self.now.lobby(realm, id).filter(|lobby| lobby.event == event.id);
            let lobby = known.ok_or(PlayRefusal::IdempotencyConflict)?;
            return Ok(PlayAnswer::Pushed { lobby: Box::new(lobby.at(at)), repeat: Repeat::Replay });
        }
        if !event.definition.enabled {
            return Err(PlayRefusal::EventDisabled);
        }
        match event.definition.mode {
            BoardMode::LobbyMatched => {}
            mode @ (BoardMode::Global | BoardMode::GlobalSegmented | BoardMode::Grouped) => {
                return Err(PlayRefusal::WrongMode { mode });
            }
        }
        let window = event.definition.windows.active_at(event.id, at).ok_or(PlayRefusal::NoActiveWindow)?;
        let capacity = push.capacity.unwrap_or(event.definition.board.capacity);
        let count = push.players.len();
        let too_many = PlayRefusal::TooManyPlayers { capacity, players: count };
        let players = u32::try_from(count).ok().filter(|players| *players <= capacity).ok_or(too_many)?;
        // Nothing below can fail.
        let fill_bots = push.fill_bots.unwrap_or(event.definition.board.fill_bots);
        let event = event.clone();
        let (key, metadata) = (Some(push.key.clone()), push.metadata.clone());
        let empty = empty_lobby(push.id, &event, &window, at);
        // It never forms: nobody but the studio's matchmaker chooses who plays.
        let lobby = Lobby { capacity, fill_bots, key, players, metadata, fill_by: None, ..empty };
        self.open_lobby(realm, &lobby, at);
        let lobby = lobby.started(at);
        self.told(realm, &lobby, at);
        for newcomer in &push.players {
            self.seat(command, &lobby, newcomer);
        }
        self.now.set_lobby_key(realm, push.key.clone(), lobby.id);
        self.now.set_lobby(realm, lobby.clone());
        Ok(PlayAnswer::Pushed { lobby: Box::new(lobby), repeat: Repeat::First })
    }

    fn join(&mut self, command: &PlayCommand, id: LobbyId, newcomer: &Newcomer) -> PlayOutcome {
        let (realm, at) = (command.realm, command.at);
        let lobby = self.lobby_by_now(realm, id, at)?;
        let player = player_key(command, &newcomer.external_id);
        if self.now.participant(realm, id, &player).is_some() {
            return Ok(PlayAnswer::Lobby { lobby: Box::new(lobby), applied: false });
        }
        if lobby.status() == LobbyStatus::Closed {
            return Err(PlayRefusal::LobbyClosed { lobby: id });
        }
        let joined = lobby.joined(at).ok_or(PlayRefusal::LobbyFull { capacity: lobby.capacity })?;
        // Nothing below can fail.
        let lobby = self.enter(command, joined, newcomer);
        Ok(PlayAnswer::Lobby { lobby: Box::new(lobby), applied: true })
    }

    fn leave(&mut self, command: &PlayCommand, id: LobbyId, player: &ExternalId) -> PlayOutcome {
        let (realm, at) = (command.realm, command.at);
        let lobby = self.lobby_by_now(realm, id, at)?;
        let player = player_key(command, player);
        let Some(participant) = self.now.participant(realm, id, &player) else {
            return Ok(PlayAnswer::Lobby { lobby: Box::new(lobby), applied: false });
        };
        if lobby.status() == LobbyStatus::Closed {
            return Err(PlayRefusal::LobbyClosed { lobby: id });
        }
        // Nothing below can fail.
        let lobby = lobby.left(at);
        self.now.set_lobby(realm, lobby.clone());
        self.now.unset_membership(&player, lobby.window, id);
        self.now.set_participant(realm, id, player, None);
        self.end_early(EarlyEnd { realm, lobby: id, player: Some(participant.player), at });
        Ok(PlayAnswer::Lobby { lobby: Box::new(lobby), applied: true })
    }

    fn close_lobby(&mut self, command: &PlayCommand, id: LobbyId) -> PlayOutcome {
        let (realm, at) = (command.realm, command.at);
        let lobby = self.lobby_by_now(realm, id, at)?;
        if lobby.status() == LobbyStatus::Closed {
            return Ok(PlayAnswer::Lobby { lobby: Box::new(lobby), applied: false });
        }
        // Nothing below can fail.
        let lobby = lobby.closed(at);
        self.now.set_lobby(realm, lobby.clone());
        self.told(realm, &lobby, at);
        self.end_early(EarlyEnd { realm, lobby: id, player: None, at });
        Ok(PlayAnswer::Lobby { lobby: Box::new(lobby), applied: true })
    }

    fn start(&mut self, command: &PlayCommand, start: &AttemptStart) -> PlayOutcome {
        let (realm, at) = (command.realm, command.at);
        if let Some(attempt) = self.started_before(command, start)? {
            return Ok(PlayAnswer::Started { attempt: Box::new(attempt), repeat: Repeat::Replay });
        }
        let event = self.now.event(realm, &start.event).ok_or(PlayRefusal::EventNotFound)?.clone();
        if !event.definition.enabled {
            return Err(PlayRefusal::EventDisabled);
        }
        let window = event.definition.windows.active_at(event.id, at).ok_or(PlayRefusal::NoActiveWindow)?;
        let segment = check_segment(start.segment.as_ref(), event.definition.mode == BoardMode::GlobalSegmented)?;
        let (lobby, board, ends_at) = match event.definition.mode {
            BoardMode::Global | BoardMode::GlobalSegmented => {
                let ranking = event_ranking(&event, &window, segment);
                let board = ranking.id.0;
                self.settlement.rankings.push((realm, ranking));
                (None, board, window.ends_at)
            }
            BoardMode::Grouped | BoardMode::LobbyMatched => {
                let lobby = self.matched(command, start, &event, &window)?;
                match lobby.stage {
                    Stage::Forming => return Ok(PlayAnswer::Forming(Box::new(lobby))),
                    Stage::Active { .. } => (Some(lobby.id), lobby.id.0, lobby.ends_at),
                    Stage::Closed { .. } => return Err(PlayRefusal::LobbyClosed { lobby: lobby.id }),
                }
            }
        };
        // Nothing below can fail.
        let player = self.meet(command, &start.player);
        let attempt = Attempt {
            id: start.id,
            player,
            event: event.id,
            window: window.id,
            lobby,
            board,
            metrics: MetricValues::new(),
            score: Score::ZERO,
            has_target: event.definition.metrics.iter().any(|metric| metric.target.is_some()),
            started_at: at,
            ends_at,
            completed_at: None,
            status: AttemptStatus::InProgress,
            once: start.once,
        };
        if let Some(once) = start.once {
            let known = Fingerprinted { fingerprint: once.fingerprint, result: attempt.id };
            self.now.set_start(realm, once.key, known);
        }
        self.now.set_attempt(realm, attempt.clone());
        Ok(PlayAnswer::Started { attempt: Box::new(attempt), repeat: Repeat::First })
    }

    /// The attempt that an earlier request with the same idempotency key started, as it was started.
    fn started_before(&self, command: &PlayCommand, start: &AttemptStart) -> Result<Option<Attempt>, PlayRefusal> {
        let Some(once) = start.once else { return Ok(None) };
        let Some(known) = self.now.start(command.realm, once.key) else { return Ok(None) };
        if known.fingerprint != once.fingerprint {
            return Err(PlayRefusal::IdempotencyConflict);
        }
        let attempt = self.now.attempt(command.realm, known.result).expect("a start refers to an attempt");
        Ok(Some(Attempt {
            metrics: MetricValues::new(),
            score: Score::ZERO,
            completed_at: None,
            status: AttemptStatus::InProgress,
            ..attempt.clone()
        }))
    }

    /// The lobby that the player plays `window` in: the one they are in, the one that is open, or a new one.
    fn matched(
        &mut self,
        command: &PlayCommand,
        start: &AttemptStart,
        event: &Event,
        window: &Window,
    ) -> Result<Lobby, PlayRefusal> {
        let (realm, at) = (command.realm, command.at);
        let player = player_key(command, &start.player.external_id);
        for id in self.now.memberships(&player, window.id) {
            let lobby = self.lobby_by_now(realm, id, at)?;
            if lobby.status() != LobbyStatus::Closed {
                return Ok(lobby);
            }
        }
        for id in self.now.open_lobbies(realm, event.id, window.id) {
            let open = Some(self.lobby_by_now(realm, id, at)?).filter(Lobby::is_open);
            if let Some(lobby) = open.and_then(|lobby| lobby.joined(at)) {
                return Ok(self.enter(command, lobby, &start.player));
            }
        }
        let lobby = empty_lobby(start.lobby_if_new, event, window, at);
        self.open_lobby(realm, &lobby, at);
        let lobby = Lobby { players: 1, ..lobby };
        let lobby = match lobby.mode {
            LobbyMode::Matched => lobby,
            LobbyMode::Grouped => {
                let lobby = lobby.started(at);
                self.told(realm, &lobby, at);
                lobby
            }
        };
        Ok(self.enter(command, lobby, &start.player))
    }

    fn progress(&mut self, command: &PlayCommand, progress: &AttemptProgress) -> PlayOutcome {
        let (realm, at) = (command.realm, command.at);
        let (operation, once) = (ScoreOperation::AttemptProgress, progress.once);
        let replay = self.scored_before(command, operation, once)?;
        let Live { event, player, attempt } =
            self.attempt_of(command, &progress.event, &progress.player, progress.attempt)?;
        match replay {
            None => {}
            Some(ScoreResult::Progressed { metrics, score, status, completed_at }) => {
                let attempt = Attempt { metrics, score, status, completed_at, ..attempt };
                return Ok(PlayAnswer::Progressed { attempt: Box::new(attempt), repeat: Repeat::Replay });
            }
            Some(ScoreResult::Counted(_)) => unreachable!("progress shares its operation with nothing else"),
        }
        if attempt.status_at(at) != AttemptStatus::InProgress {
            return Err(PlayRefusal::AttemptFinished);
        }
        let values = named_values(&event, progress)?;
        let after = attempt.progressed(&event.definition, progress.mode, &values, at);
        let after = after.map_err(|_| PlayRefusal::ScoreLimit)?;
        let incoming = Incoming { score: after.score, replaces: Some(attempt.score), at };
        match attempt.lobby {
            Some(lobby) => self.score_in_lobby(realm, lobby, player, incoming)?,
            None => self.score_in_ranking(realm, RankingId(attempt.board), player, incoming)?,
        }
        // Nothing below can fail.
        self.now.set_attempt(realm, after.clone());
        let Attempt { metrics, score, status, completed_at, .. } = after.clone();
        self.remember(command, operation, once, ScoreResult::Progressed { metrics, score, status, completed_at });
        Ok(PlayAnswer::Progressed { attempt: Box::new(after), repeat: Repeat::First })
    }

    fn finish(&mut self, command: &PlayCommand, attempt: Attempt) -> PlayAnswer {
        if attempt.status_at(command.at) != AttemptStatus::InProgress {
            return PlayAnswer::Finished(Box::new(attempt));
        }
        let attempt = attempt.finished(command.at);
        self.now.set_attempt(command.realm, attempt.clone());
        PlayAnswer::Finished(Box::new(attempt))
    }

    fn score(&mut self, command: &PlayCommand, submission: &ScoreSubmission) -> PlayOutcome {
        let (realm, at) = (command.realm, command.at);
        let (operation, once) = (ScoreOperation::LeaderboardScore, submission.once);
        let replay = self.scored_before(command, operation, once)?;
        let board = self.now.leaderboard(realm, &submission.board).ok_or(PlayRefusal::LeaderboardNotFound)?.clone();
        let segment = check_segment(submission.segment.as_ref(), board.definition.segmented)?;
        let ranking = board.ranking(segment, at);
        let key = player_key(command, &submission.player);
        let (score, repeat) = match replay {
            Some(ScoreResult::Counted(score)) => (score, Repeat::Replay),
            Some(ScoreResult::Progressed { .. }) => unreachable!("a score shares its operation with nothing else"),
            None => {
                if !board.definition.enabled {
                    return Err(PlayRefusal::LeaderboardDisabled);
                }
                let player = self.now.player(&key).ok_or(PlayRefusal::PlayerNotFound)?.id;
                let incoming = Incoming { score: submission.value, replaces: None, at };
                let score = self.place(realm, &ranking, player, &key, incoming)?;
                (score, Repeat::First)
            }
        };
        // Nothing below can fail.
        if repeat == Repeat::First {
            self.mark_seen(command, &key);
            self.remember(command, operation, once, ScoreResult::Counted(score));
        }
        self.ranked.push((self.settlement.outcomes.len(), realm, ranking.id, key));
        Ok(PlayAnswer::Scored { leaderboard: Box::new(board), ranking, score, rank: None, repeat })
    }

    /// The attempt that `command` is about.
    fn attempt_of(
        &self,
        command: &PlayCommand,
        event: &ConfigurationKey,
        player: &ExternalId,
        attempt: super::AttemptId,
    ) -> Result<Live, PlayRefusal> {
        let realm = command.realm;
        let event = self.now.event(realm, event).ok_or(PlayRefusal::EventNotFound)?;
        let key = player_key(command, player);
        let player = self.now.player(&key).ok_or(PlayRefusal::PlayerNotFound)?;
        let attempt = self.now.attempt(realm, attempt).filter(|of| of.player == player.id && of.event == event.id);
        let attempt = attempt.ok_or(PlayRefusal::AttemptNotFound)?;
        Ok(Live { event: event.clone(), player: key, attempt: attempt.clone() })
    }

    fn score_in_lobby(
        &mut self,
        realm: RealmId,
        id: LobbyId,
        player: PlayerKey,
        incoming: Incoming,
    ) -> Result<(), PlayRefusal> {
        let lobby = self.lobby_by_now(realm, id, incoming.at)?;
        if lobby.status() == LobbyStatus::Closed {
            return Err(PlayRefusal::AttemptFinished);
        }
        let participant = self.now.participant(realm, id, &player).ok_or(PlayRefusal::AttemptFinished)?;
        let scored = aggregate(lobby.aggregation, lobby.order, participant.scored, incoming);
        let scored = Some(scored.map_err(|_| PlayRefusal::ScoreLimit)?);
        self.now.set_participant(realm, id, player, Some(Participant { scored, ..participant }));
        Ok(())
    }

    fn score_in_ranking(
        &mut self,
        realm: RealmId,
        id: RankingId,
        key: PlayerKey,
        incoming: Incoming,
    ) -> Result<(), PlayRefusal> {
        let ranking = self.now.ranking(realm, id).ok_or(PlayRefusal::AttemptFinished)?.clone();
        let player = self.now.player(&key).ok_or(PlayRefusal::PlayerNotFound)?.id;
        self.place(realm, &ranking, player, &key, incoming).map(drop)
    }

    /// Puts `incoming` on `ranking`; what counts of the player from now on.
    fn place(
        &mut self,
        realm: RealmId,
        ranking: &Ranking,
        player: PlayerId,
        key: &PlayerKey,
        incoming: Incoming,
    ) -> Result<Score, PlayRefusal> {
        let order = ranking.order;
        let current = self.now.place(realm, ranking.id, key);
        let counted =
            current.map(|place| Scored { score: order.score_of(place.order_key), achieved_at: place.achieved_at });
        let scored = aggregate(ranking.aggregation, order, counted, incoming).map_err(|_| PlayRefusal::ScoreLimit)?;
        let place = Place { order_key: order.key_of(scored.score), achieved_at: scored.achieved_at, player };
        self.now.set_place(realm, ranking.id, key.clone(), place);
        self.settlement.rankings.push((realm, ranking.clone()));
        Ok(scored.score)
    }

    /// What an earlier request with the same idempotency key did.
    fn scored_before(
        &self,
        command: &PlayCommand,
        operation: ScoreOperation,
        once: Option<Once>,
    ) -> Result<Option<ScoreResult>, PlayRefusal> {
        let Some(once) = once else { return Ok(None) };
        let key = ScoreRequestKey { realm: command.realm, operation, key: once.key };
        match self.now.request(&key) {
            None => Ok(None),
            Some(known) if known.fingerprint == once.fingerprint => Ok(Some(known.result.clone())),
            Some(_) => Err(PlayRefusal::IdempotencyConflict),
        }
    }

    fn remember(&mut self, command: &PlayCommand, operation: ScoreOperation, once: Option<Once>, result: ScoreResult) {
        let Some(once) = once else { return };
        let (realm, at) = (command.realm, command.at);
        let key = ScoreRequestKey { realm, operation, key: once.key };
        self.now.set_request(key, Fingerprinted { fingerprint: once.fingerprint, result: result.clone() });
        self.settlement.requests.push(ScoreRequest { realm, operation, once, result, at });
    }

    /// The lobby as the clock has made it by now, which is stored with whatever else becomes of it.
    fn lobby_by_now(&mut self, realm: RealmId, id: LobbyId, at: Timestamp) -> Result<Lobby, PlayRefusal> {
        let stored = self.now.lobby(realm, id).ok_or(PlayRefusal::LobbyNotFound)?.clone();
        let steps = stored.steps(at);
        self.settlement.transitions.extend(transitions(realm, &steps));
        self.settlement.events.extend(occurrences::lobby_steps(self.now.wanted(realm), realm, &steps));
        let lobby = steps.into_iter().last().unwrap_or(stored);
        self.now.set_lobby(realm, lobby.clone());
        Ok(lobby)
    }

    fn open_lobby(&mut self, realm: RealmId, lobby: &Lobby, at: Timestamp) {
        self.now.set_lobby(realm, lobby.clone());
        self.told(realm, lobby, at);
    }

    /// Notes that `lobby` moved to the status that it has.
    fn told(&mut self, realm: RealmId, lobby: &Lobby, at: Timestamp) {
        let status = lobby.status();
        self.settlement.transitions.push(LobbyTransition { realm, lobby: lobby.id, status, at });
        if self.now.wanted(realm).contains(occurrences::move_to(status)) {
            self.settlement.events.push(occurrences::lobby_moved(realm, lobby, at));
        }
    }

    /// Attempts in a lobby end early: those that are known here, and those that are only stored.
    fn end_early(&mut self, early_end: EarlyEnd) {
        let EarlyEnd { realm, lobby, player, at } = early_end;
        self.now.end_attempts(realm, lobby, player, at);
        self.settlement.early_ends.push(early_end);
    }

    /// Takes `newcomer`, who is counted already, into `lobby`, which starts if it is full by that or does not wait.
    fn enter(&mut self, command: &PlayCommand, lobby: Lobby, newcomer: &Newcomer) -> Lobby {
        let (realm, at) = (command.realm, command.at);
        self.seat(command, &lobby, newcomer);
        let is_complete = lobby.room_at(at) == 0 || lobby.due_at().is_some_and(|due_at| due_at <= at);
        let lobby = if lobby.status() == LobbyStatus::Forming && is_complete {
            let lobby = lobby.started(at);
            self.told(realm, &lobby, at);
            lobby
        } else {
            lobby
        };
        self.now.set_lobby(realm, lobby.clone());
        lobby
    }

    fn seat(&mut self, command: &PlayCommand, lobby: &Lobby, newcomer: &Newcomer) {
        let player = self.meet(command, newcomer);
        let participant = Participant { lobby: lobby.id, player, joined_at: command.at, scored: None };
        let key = player_key(command, &newcomer.external_id);
        self.now.set_membership(&key, lobby.window, lobby.id);
        self.now.set_participant(command.realm, lobby.id, key, Some(participant));
    }

    /// The player of that name, made on first contact.
    fn meet(&mut self, command: &PlayCommand, newcomer: &Newcomer) -> PlayerId {
        let key = player_key(command, &newcomer.external_id);
        if let Some(player) = self.now.player(&key) {
            let id = player.id;
            self.mark_seen(command, &key);
            return id;
        }
        let player = Player {
            id: newcomer.id_if_new,
            external_id: newcomer.external_id.clone(),
            created_at: command.at,
            last_seen_at: command.at,
            banned_at: None,
        };
        self.now.set_player(key, player.clone());
        if self.now.wanted(command.realm).contains(EventName::PlayerRegistered) {
            self.settlement.events.push(occurrences::player_registered(command.realm, &player));
        }
        self.settlement.new_players.push((command.realm, player));
        newcomer.id_if_new
    }

    fn mark_seen(&mut self, command: &PlayCommand, key: &PlayerKey) {
        let stale = self.now.player(key).filter(|player| SEEN_EVERY <= command.at.since(player.last_seen_at));
        if let Some(player) = stale {
            let player = Player { last_seen_at: command.at, ..player.clone() };
            self.now.set_player(key.clone(), player.clone());
            self.settlement.seen_players.push((command.realm, player));
        }
    }

    fn close(self) -> PlaySettlement {
        let Self { now, mut settlement, ranked } = self;
        settlement.lobbies = now
            .changed_lobbies()
            .map(|(realm, before, lobby)| {
                let version_before = before.map(|before| before.version);
                let lobby = Lobby { version: version_before.unwrap_or(0) + 1, ..lobby.clone() };
                LobbyChange { realm, lobby, version_before }
            })
            .collect();
        let participants = now.changed_participants();
        settlement.participants = participants
            .map(|(realm, before, after)| ParticipantChange { realm, before: before.copied(), after: after.copied() })
            .collect();
        let attempts = now.changed_attempts();
        settlement.attempts = attempts
            .map(|(realm, before, attempt)| AttemptChange { realm, attempt: attempt.clone(), is_new: before.is_none() })
            .collect();
        let places = now.changed_places().map(|(realm, ranking, before, after)| {
            (realm, PlaceChange { ranking, before: before.copied(), after: after.copied() })
        });
        settlement.places = places.collect();
        let wanted = ranked.into_iter().filter_map(|(outcome, realm, ranking, key)| {
            let place = now.place(realm, ranking, &key)?;
            Some(WantedRank { outcome, realm, ranking, place })
        });
        settlement.ranks = wanted.collect();
        settlement.rankings.sort();
        settlement.rankings.dedup();
        settlement
    }
}

/// How a lobby moved on through `steps` ([`Lobby::steps`]).
pub fn transitions(realm: RealmId, steps: &[Lobby]) -> impl Iterator<Item = LobbyTransition> {
    steps.iter().filter_map(move |lobby| {
        let at = lobby.moved_at()?;
        Some(LobbyTransition { realm, lobby: lobby.id, status: lobby.status(), at })
    })
}

/// A lobby of `event` with nobody in it, as the event says.
fn empty_lobby(id: LobbyId, event: &Event, window: &Window, at: Timestamp) -> Lobby {
    let board = &event.definition.board;
    let timeout = std::time::Duration::from_secs(u64::from(board.fill_timeout_seconds));
    let mode = match event.definition.mode {
        BoardMode::Grouped => LobbyMode::Grouped,
        BoardMode::Global | BoardMode::GlobalSegmented | BoardMode::LobbyMatched => LobbyMode::Matched,
    };
    let fill_by = match mode {
        LobbyMode::Grouped => None,
        LobbyMode::Matched => Some(at.plus(timeout).min(window.ends_at)),
    };
    Lobby {
        id,
        event: event.id,
        window: window.id,
        key: None,
        mode,
        aggregation: board.aggregation,
        order: board.order,
        capacity: board.capacity,
        fill_bots: board.fill_bots,
        bots: Vec::new(),
        players: 0,
        metadata: None,
        stage: Stage::Forming,
        created_at: at,
        fill_by,
        ends_at: window.ends_at,
        version: 1,
    }
}

/// The ranking of `segment` of a window of `event`.
pub(super) fn event_ranking(event: &Event, window: &Window, segment: Segment) -> Ranking {
    let board = &event.definition.board;
    Ranking::of(super::BoardId(event.id.0), window.starts_at, segment, board.aggregation, board.order)
}

fn check_segment(segment: Option<&Segment>, segmented: bool) -> Result<Segment, PlayRefusal> {
    match (segment, segmented) {
        (Some(segment), true) => Ok(segment.clone()),
        (None, false) => Ok(Segment::default()),
        (None, true) => Err(PlayRefusal::SegmentRequired),
        (Some(_), false) => Err(PlayRefusal::SegmentUnexpected),
    }
}

/// What was reported, by the names of the event's metrics.
fn named_values(event: &Event, progress: &AttemptProgress) -> Result<Vec<(MetricKey, Score)>, PlayRefusal> {
    let known = &event.definition.metrics;
    let is_unknown = |key: &&MetricKey| known.iter().all(|metric| metric.key != **key);
    let unknown: Vec<MetricKey> = progress.metrics.iter().map(|(key, _)| key).filter(is_unknown).cloned().collect();
    if !unknown.is_empty() {
        return Err(PlayRefusal::UnknownMetrics { metrics: unknown });
    }
    let primary = known.first().zip(progress.primary).map(|(metric, value)| (metric.key.clone(), value));
    Ok(primary.into_iter().chain(progress.metrics.iter().cloned()).collect())
}
