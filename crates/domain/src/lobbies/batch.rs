//! A batch of commands, and what must be seen to decide it. It is looked for in two steps, because what the second step looks
//! for (the lobby of an attempt, the window of an event) is only known after the first.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{
    AttemptId, BoardMode, ConfigurationKey, EventId, Leaderboard, LobbyId, LobbyKey, Play, PlayCommand, PlaySnapshot,
    RankingId, ScoreOperation, ScoreSubmission, Window, WindowId,
};
use crate::economy::{KeyDigest, PlayerKey};
use crate::queue::BATCH_MAX;
use crate::tenancy::RealmId;

/// Commands that are decided and stored together, in this order. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayBatch {
    commands: Arc<[PlayCommand]>,
}

/// An idempotency key of a score, in its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScoreRequestKey {
    /// The realm.
    pub realm: RealmId,
    /// The operation.
    pub operation: ScoreOperation,
    /// The digest of the idempotency key.
    pub key: KeyDigest,
}

/// What must be looked for first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FirstLook {
    /// Every realm touched: of which events some endpoint of it is told.
    pub realms: BTreeSet<RealmId>,
    /// Players by name, in the order in which they may be locked.
    pub players: BTreeSet<PlayerKey>,
    /// Events by key.
    pub events: BTreeSet<(RealmId, ConfigurationKey)>,
    /// Leaderboards by key.
    pub leaderboards: BTreeSet<(RealmId, ConfigurationKey)>,
    /// Attempts by id.
    pub attempts: BTreeSet<(RealmId, AttemptId)>,
    /// Attempts by the idempotency key of their start. Each that is found belongs among the attempts too.
    pub starts: BTreeSet<(RealmId, KeyDigest)>,
    /// Records of scores.
    pub requests: BTreeSet<ScoreRequestKey>,
    /// Lobbies by id.
    pub lobbies: BTreeSet<(RealmId, LobbyId)>,
    /// Lobbies by the studio's name. Each that is found belongs among the lobbies too.
    pub lobby_keys: BTreeSet<(RealmId, LobbyKey)>,
}

/// What must be looked for after that. Whatever lobby is found belongs among the lobbies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecondLook {
    /// Of each player, the newest lobby of that window that they are in and that is not stored as closed.
    pub memberships: BTreeSet<(PlayerKey, EventId, Window)>,
    /// The oldest lobby of that window that is open ([`super::Lobby::is_open`]).
    pub open: BTreeSet<(RealmId, EventId, WindowId)>,
    /// Lobbies of attempts.
    pub lobbies: BTreeSet<(RealmId, LobbyId)>,
    /// Players in lobbies.
    pub participants: BTreeSet<(RealmId, LobbyId, PlayerKey)>,
    /// Rankings of attempts.
    pub rankings: BTreeSet<(RealmId, RankingId)>,
    /// Places of players in rankings, which must not change until the batch is stored. The ranking may not be stored yet.
    pub places: BTreeSet<(RealmId, RankingId, PlayerKey)>,
}

impl PlayBatch {
    /// A batch of `commands`, at most [`BATCH_MAX`].
    pub fn new(commands: Vec<PlayCommand>) -> Self {
        assert!(commands.len() <= BATCH_MAX, "a batch of {} commands is larger than {BATCH_MAX}", commands.len());
        Self { commands: commands.into() }
    }

    /// The commands, in order.
    pub fn commands(&self) -> &[PlayCommand] {
        &self.commands
    }

    /// What must be looked for first, whatever is stored.
    pub fn first_look(&self) -> FirstLook {
        let mut look = FirstLook::default();
        for command in self.commands.iter() {
            look.add(command);
        }
        look
    }

    /// What must be looked for once `seen` has the whole first look.
    pub fn second_look(&self, seen: &PlaySnapshot) -> SecondLook {
        let mut look = SecondLook::default();
        for command in self.commands.iter() {
            look.add(command, seen);
        }
        look
    }

    /// Places that the second look will be for, as far as leaderboards known from before tell and have not changed since: who
    /// remembers them can look for these places together with the first look.
    pub fn likely_places<'b>(
        &self,
        remembered: impl Fn(RealmId, &ConfigurationKey) -> Option<&'b Leaderboard>,
    ) -> BTreeSet<(RealmId, RankingId, PlayerKey)> {
        let places = self.commands.iter().filter_map(|command| {
            let Play::Score(score) = &command.action else { return None };
            Some(place_of(command, score, remembered(command.realm, &score.board)?))
        });
        places.collect()
    }
}

/// Where a score of `board` puts its player.
fn place_of(command: &PlayCommand, score: &ScoreSubmission, board: &Leaderboard) -> (RealmId, RankingId, PlayerKey) {
    let ranking = board.ranking(score.segment.clone().unwrap_or_default(), command.at);
    (command.realm, ranking.id, player_key(command, &score.player))
}

/// The player that `command` calls so.
pub(super) fn player_key(command: &PlayCommand, external_id: &crate::players::ExternalId) -> PlayerKey {
    PlayerKey { realm: command.realm, external_id: external_id.clone() }
}

impl FirstLook {
    fn add(&mut self, command: &PlayCommand) {
        let realm = command.realm;
        self.realms.insert(realm);
        self.players.extend(command.players().into_iter().map(|player| player_key(command, player)));
        match &command.action {
            Play::Push(push) => {
                self.events.insert((realm, push.event.clone()));
                self.lobby_keys.insert((realm, push.key.clone()));
            }
            Play::Join { lobby, .. } | Play::Leave { lobby, .. } | Play::Close { lobby } => {
                self.lobbies.insert((realm, *lobby));
            }
            Play::Start(start) => {
                self.events.insert((realm, start.event.clone()));
                self.starts.extend(start.once.map(|once| (realm, once.key)));
            }
            Play::Progress(progress) => {
                self.events.insert((realm, progress.event.clone()));
                self.attempts.insert((realm, progress.attempt));
                let operation = ScoreOperation::AttemptProgress;
                let once = progress.once.map(|once| ScoreRequestKey { realm, operation, key: once.key });
                self.requests.extend(once);
            }
            Play::Finish { event, attempt, .. } => {
                self.events.insert((realm, event.clone()));
                self.attempts.insert((realm, *attempt));
            }
            Play::Score(score) => {
                self.leaderboards.insert((realm, score.board.clone()));
                let operation = ScoreOperation::LeaderboardScore;
                self.requests.extend(score.once.map(|once| ScoreRequestKey { realm, operation, key: once.key }));
            }
        }
    }
}

impl SecondLook {
    fn add(&mut self, command: &PlayCommand, seen: &PlaySnapshot) {
        let realm = command.realm;
        match &command.action {
            Play::Push(_) | Play::Close { .. } => {}
            Play::Join { lobby, player: super::Newcomer { external_id, .. } }
            | Play::Leave { lobby, player: external_id } => {
                self.participants.insert((realm, *lobby, player_key(command, external_id)));
            }
            Play::Start(start) => {
                let Some(event) = seen.event(realm, &start.event) else { return };
                let Some(window) = event.definition.windows.active_at(event.id, command.at) else { return };
                match event.definition.mode {
                    BoardMode::Global | BoardMode::GlobalSegmented => {}
                    BoardMode::Grouped | BoardMode::LobbyMatched => {
                        let player = player_key(command, &start.player.external_id);
                        self.memberships.insert((player, event.id, window));
                        self.open.insert((realm, event.id, window.id));
                    }
                }
            }
            Play::Progress(progress) => {
                let Some(attempt) = seen.attempt(realm, progress.attempt) else { return };
                let player = player_key(command, &progress.player);
                match attempt.lobby {
                    Some(lobby) => {
                        self.lobbies.insert((realm, lobby));
                        self.participants.insert((realm, lobby, player));
                    }
                    None => {
                        let ranking = RankingId(attempt.board);
                        self.rankings.insert((realm, ranking));
                        self.places.insert((realm, ranking, player));
                    }
                }
            }
            Play::Finish { attempt, .. } => {
                let lobby = seen.attempt(realm, *attempt).and_then(|attempt| attempt.lobby);
                self.lobbies.extend(lobby.map(|lobby| (realm, lobby)));
            }
            Play::Score(score) => {
                let Some(board) = seen.leaderboard(realm, &score.board) else { return };
                self.places.insert(place_of(command, score, board));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_plays::{leaderboard, score};
    use super::super::{Aggregation, PlaySnapshot};
    use super::*;

    #[test]
    fn places_are_likely_where_remembered_leaderboards_put_scores_and_that_is_where_the_second_look_is_for() {
        let board = leaderboard("board", Aggregation::Latest);
        let batch = PlayBatch::new(vec![score("board", "ann", 1), score("other", "ben", 2), score("board", "cid", 3)]);
        let remembered = |_, key: &ConfigurationKey| (*key == board.key).then_some(&board);
        let likely = batch.likely_places(remembered);
        let names: Vec<_> = likely.iter().map(|(_, _, player)| player.external_id.as_str()).collect();
        assert_eq!(names, ["ann", "cid"]);
        let mut seen = PlaySnapshot::default();
        for (realm, key) in batch.first_look().leaderboards {
            let known = (key == board.key).then(|| board.clone());
            seen.put_leaderboard(realm, key, known);
        }
        assert_eq!(batch.second_look(&seen).places, likely);
        assert_eq!(batch.likely_places(|_, _| None), BTreeSet::new());
    }
}
