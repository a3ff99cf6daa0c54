//! Lobbies, attempts and scores. Points are powers of two, each asked for once, so that a sum says which of them count in it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use domain::lobbies::{Attempt, AttemptId, AttemptStatus, Lobby, LobbyId};
use domain::players::PlayerId;
use domain::webhooks::EventName;

use super::{Change, Judge};
use crate::intent::{Effect, Game, IntentId, Name, Request};
use crate::process::Sent;
use crate::seen::Seen;

impl Judge {
    pub(super) fn judge_play(&mut self, change: &mut Change) -> Result<()> {
        self.judge_lobbies(change)?;
        self.judge_participants(change)?;
        self.judge_attempts(change)?;
        self.judge_scores(change)
    }

    fn judge_lobbies(&mut self, change: &mut Change) -> Result<()> {
        let (before, after) = (change.before.clone(), change.after.clone());
        let mut keys = BTreeSet::new();
        for (id, lobby) in &after.lobbies {
            let bots = u32::try_from(lobby.bots.len()).unwrap_or(u32::MAX);
            ensure!(lobby.players + bots <= lobby.capacity, "lobby {} has more in it than fit: {lobby:?}", id.0);
            let seated = after.participants.iter().filter(|(of, _)| of == id).count();
            ensure!(usize::try_from(lobby.players) == Ok(seated), "lobby {} has {seated} players: {lobby:?}", id.0);
            ensure!(lobby.key.as_ref().is_none_or(|key| keys.insert(key.clone())), "two lobbies are {:?}", lobby.key);
            let known = before.lobbies.get(id);
            match known {
                Some(known) => judge_move(known, lobby)?,
                None => self.judge_new_lobby(change, lobby)?,
            }
            let subject = id.0.to_string();
            if known.is_none() {
                change.news.push((EventName::LobbyCreated, subject.clone()));
            }
            if lobby.started_at().is_some() && known.is_none_or(|known| known.started_at().is_none()) {
                change.news.push((EventName::LobbyStarted, subject.clone()));
            }
            if lobby.closed_at().is_some() && known.is_none_or(|known| known.closed_at().is_none()) {
                change.news.push((EventName::LobbyClosed, subject));
            }
        }
        let lost = before.lobbies.keys().find(|id| !after.lobbies.contains_key(id));
        ensure!(lost.is_none(), "lobby {lost:?} is gone");
        Ok(())
    }

    fn judge_new_lobby(&mut self, change: &Change, new: &Lobby) -> Result<()> {
        let is_wanted = |game: &Game| match &new.key {
            Some(key) => matches!(game, Game::Push { lobby, .. } if lobby == key.as_str()),
            None => matches!(game, Game::Start { event: "duel", .. }),
        };
        let found = self.games().find(|(id, game)| is_wanted(game) && self.is_live(*id)).map(|(id, _)| id);
        let intent = found.with_context(|| format!("nobody asked for {new:?}"))?;
        if new.key.is_some() {
            self.took_effect(intent, change.tick, Effect::Lobby(new.id))?;
        }
        Ok(())
    }

    fn judge_participants(&self, change: &Change) -> Result<()> {
        let (before, after) = (&change.before, &change.after);
        for (lobby, player) in after.participants.difference(&before.participants) {
            let joined = self.games().any(|(id, game)| self.is_live(id) && seats(game, after, *lobby, *player));
            let merged = change
                .merged
                .is_some_and(|(source, target)| target == *player && before.participants.contains(&(*lobby, source)));
            ensure!(joined || merged, "player {} is in lobby {}, which nobody asked for", player.0, lobby.0);
        }
        for (lobby, player) in before.participants.difference(&after.participants) {
            let left = self.games().any(|(id, game)| {
                let Game::Leave { lobby: of, player: name } = game else { return false };
                of == lobby && after.called(name) == Some(*player) && self.is_live(id)
            });
            let merged = change.merged.is_some_and(|(source, _)| source == *player);
            ensure!(left || merged, "player {} left lobby {}, which nobody asked for", player.0, lobby.0);
        }
        Ok(())
    }

    fn judge_attempts(&mut self, change: &mut Change) -> Result<()> {
        let (before, after) = (change.before.clone(), change.after.clone());
        for (id, attempt) in &after.attempts {
            let points = match before.attempts.get(id) {
                None => {
                    self.judge_start(change, attempt)?;
                    0
                }
                Some(known) => {
                    let handed_over = change.merged == Some((known.player, attempt.player));
                    ensure!(known.player == attempt.player || handed_over, "an attempt changed hands");
                    let is_reopened = known.status != AttemptStatus::InProgress && known.status != attempt.status;
                    ensure!(!is_reopened, "an attempt that had ended is {:?}", attempt.status);
                    whole(known.score.thousandths())
                }
            };
            self.judge_points(change, points, whole(attempt.score.thousandths()), |game| {
                let Game::Progress { attempt: of, player, points, .. } = game else { return None };
                (of == id && after.called(player) == Some(attempt.player)).then_some(*points)
            })?;
        }
        let lost = before.attempts.keys().find(|id| !after.attempts.contains_key(id));
        ensure!(lost.is_none(), "attempt {lost:?} is gone");
        Ok(())
    }

    fn judge_start(&mut self, change: &Change, new: &Attempt) -> Result<()> {
        let key = new.once.context("an attempt without an idempotency key")?.key;
        let is_wanted = |id: &IntentId, game: &Game| {
            let Game::Start { event, player } = game else { return false };
            let sent = self.intents.get(*id).map(|intent| &intent.sent);
            (*event == "duel") == new.lobby.is_some()
                && change.after.called(player) == Some(new.player)
                && sent.and_then(Sent::digest) == Some(key)
        };
        let found = self.games().find(|(id, game)| is_wanted(id, game) && self.is_live(*id)).map(|(id, _)| id);
        let intent = found.with_context(|| format!("nobody asked for {new:?}"))?;
        self.took_effect(intent, change.tick, Effect::Attempt(new.id))
    }

    /// What counts on the leaderboard and in the rankings of events.
    fn judge_scores(&mut self, change: &mut Change) -> Result<()> {
        let (before, after) = (change.before.clone(), change.after.clone());
        let board = self.board;
        let counted = |seen: &Seen, player: PlayerId| seen.ranked.get(&(player, board)).copied().map_or(0, whole);
        for player in after.players.keys().copied() {
            let mut known = counted(&before, player);
            if let Some((source, target)) = change.merged {
                known = if player == target { known + counted(&before, source) } else { known };
                known = if player == source { 0 } else { known };
            }
            self.judge_points(change, known, counted(&after, player), |game| {
                let Game::Score { player: name, points } = game else { return None };
                (after.called(name) == Some(player)).then_some(*points)
            })?;
        }
        let mut sums = BTreeMap::<_, i64>::new();
        for attempt in after.attempts.values().filter(|attempt| attempt.lobby.is_none()) {
            *sums.entry((attempt.player, attempt.board)).or_default() += attempt.score.thousandths();
        }
        for ((player, ranking), sum) in sums {
            let found = after.ranked.iter().find(|((of, id), _)| (*of, id.0) == (player, ranking));
            let found = found.map_or(0, |(_, score)| *score);
            ensure!(found == sum, "the attempts of player {} make {sum}, and {found} is ranked", player.0);
        }
        Ok(())
    }

    /// Each power of two that is in `after` and was not in `before` was wanted, and none is gone.
    fn judge_points(
        &mut self,
        change: &Change,
        before: i64,
        after: i64,
        wanted: impl Fn(&Game) -> Option<i64>,
    ) -> Result<()> {
        if before == after {
            return Ok(());
        }
        ensure!(before & !after == 0, "points that counted are gone or count twice: {before} became {after}");
        let new = after & !before;
        let found: Vec<(IntentId, i64)> = self
            .games()
            .filter_map(|(id, game)| Some((id, wanted(game).filter(|points| points & new != 0)?)))
            .collect();
        let sum = found.iter().fold(0, |sum, (_, points)| sum | points);
        ensure!(sum == new, "{before} became {after} points, of which {sum} were asked for");
        found.into_iter().try_for_each(|(id, _)| self.took_effect(id, change.tick, Effect::Points))
    }

    /// The intents that are something to be played.
    fn games(&self) -> impl Iterator<Item = (IntentId, &Game)> {
        self.intents.iter().enumerate().filter_map(|(id, intent)| match &intent.sent.request {
            Request::Play(game) => Some((id, game)),
            Request::Trade(_) | Request::Import(_) | Request::Life(_) | Request::Key(_) => None,
        })
    }
}

/// A lobby stays what it is, and never goes back.
fn judge_move(known: &Lobby, lobby: &Lobby) -> Result<()> {
    let same = (known.capacity, &known.key, known.event, known.window)
        == (lobby.capacity, &lobby.key, lobby.event, lobby.window);
    ensure!(same, "a lobby became another: {known:?} and {lobby:?}");
    ensure!(known.status() <= lobby.status(), "lobby {} went back to {}", lobby.id.0, lobby.status());
    ensure!(known.version <= lobby.version, "lobby {} was overwritten", lobby.id.0);
    Ok(())
}

/// Whether `game` puts `player` into `lobby`.
fn seats(game: &Game, after: &Seen, lobby: LobbyId, player: PlayerId) -> bool {
    let is = |name: &Name| after.called(name) == Some(player);
    if let Game::Join { lobby: of, player } = game {
        return *of == lobby && is(player);
    }
    if let Game::Push { lobby: key, players } = game {
        let of = after.lobbies.get(&lobby).and_then(|lobby| lobby.key.as_ref());
        return of.is_some_and(|of| of.as_str() == key) && players.iter().any(is);
    }
    matches!(game, Game::Start { player, .. } if is(player))
}

fn whole(thousandths: i64) -> i64 {
    thousandths / 1_000
}

/// Whether an attempt is among those that `seen` has of `player`.
pub(super) fn has_attempt(seen: &Seen, player: Name, attempt: AttemptId) -> bool {
    seen.attempts.get(&attempt).is_some_and(|of| Some(of.player) == seen.called(player))
}
