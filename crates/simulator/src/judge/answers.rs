//! Answers: each must be true of some moment between the question and itself, and the same to everyone who asks the same.

use anyhow::{Result, bail, ensure};
use domain::clock::Timestamp;
use domain::economy::{Asset, GrantStatus, Rejection, Repeat};
use domain::keys::RECORD_FRESH;
use domain::lobbies::{LobbyId, PlayRefusal};
use domain::players::{EraseOutcome, MergeRefusal, Merged, PlayerId};
use testkit::asset_key;

use super::play::has_attempt;
use super::{CallId, HeldKey, Judge, Standing};
use crate::intent::{Answer, Denial, Effect, Game, IntentId, KeyWish, Life, Name, Request, Row, Trade};
use crate::seen::Seen;

impl Judge {
    /// Hears the answer to a call.
    ///
    /// # Errors
    /// When it is not true.
    pub(crate) fn answered(&mut self, id: CallId, answer: &Answer, key: &str) -> Result<()> {
        let Some(call) = self.calls.get(id) else { bail!("an answer to a call that was not made") };
        let (intents, process, start, latest) = (call.intents.clone(), call.process, call.start, call.latest);
        let key_has_ended = call.key_has_ended;
        if matches!(answer, Answer::Unknown) {
            // Of an import whose outcome is unknown, some rows may still wait in other lanes.
            if self.is_import(&intents) {
                self.hung_up(id);
            } else {
                self.is_over(id);
            }
            return Ok(());
        }
        self.is_over(id);
        if let Answer::Denied(denial) = answer {
            return self.denied(*denial, key, start, latest);
        }
        ensure!(!key_has_ended, "a key that had ended was admitted");
        if let Answer::Imported(rows) = answer {
            ensure!(rows.len() == intents.len(), "{} rows got {} answers", intents.len(), rows.len());
            for (intent, row) in intents.iter().zip(rows) {
                match row {
                    Ok(repeat) => self.imported(*intent, *repeat)?,
                    Err(rejection) => self.rejected(*intent, rejection, start, latest)?,
                }
            }
            return Ok(());
        }
        let Some(intent) = intents.first().copied() else { return Ok(()) };
        self.heard(intent, answer, start, latest, process)
    }

    fn is_import(&self, intents: &[IntentId]) -> bool {
        let first = intents.first().and_then(|id| self.intents.get(*id));
        first.is_some_and(|intent| matches!(intent.sent.request, Request::Import(_)))
    }

    fn heard(&mut self, id: IntentId, answer: &Answer, start: usize, latest: Timestamp, process: usize) -> Result<()> {
        let Some(intent) = self.intents.get(id) else { return Ok(()) };
        let (request, effect) = (intent.sent.request.clone(), intent.effect.clone().map(|(_, effect)| effect));
        match answer {
            Answer::Adjusted { balance, repeat } => {
                ensure!(
                    effect == Some(Effect::Entry(*balance)),
                    "intent {id}: {answer:?}, and its effect is {effect:?}"
                );
                self.accepted(id, Some(*repeat))
            }
            Answer::Granted { grant, repeat } => {
                ensure!(effect == Some(Effect::Grant(*grant)), "intent {id}: {answer:?}, and its effect is {effect:?}");
                self.accepted(id, Some(*repeat))
            }
            Answer::Pushed { lobby, repeat } => {
                let Request::Play(Game::Push { lobby: key, .. }) = &request else { bail!("{request:?} made a lobby") };
                let now = self.now();
                let stored = now.lobbies.get(lobby).and_then(|lobby| lobby.key.as_ref());
                ensure!(stored.is_some_and(|stored| stored.as_str() == key), "intent {id} made another lobby");
                let is_new = *repeat == Repeat::Replay || self.lobby_firsts.insert(*lobby);
                ensure!(is_new, "a lobby was told twice to have been made just now");
                self.accepted(id, None)
            }
            Answer::Started { attempt, repeat } => {
                let expected = Some(Effect::Attempt(*attempt));
                ensure!(effect == expected, "intent {id}: {answer:?}, and its effect is {effect:?}");
                self.accepted(id, Some(*repeat))
            }
            Answer::Progressed { score, repeat } => {
                let Request::Play(Game::Progress { points, .. }) = &request else { bail!("{request:?} was progress") };
                let counts = (score.thousandths() / 1_000) & points != 0;
                ensure!(effect.is_some() && counts, "intent {id}: {answer:?}, without effect");
                self.accepted(id, Some(*repeat))
            }
            Answer::Scored { score, repeat } => {
                let Request::Play(Game::Score { points, .. }) = &request else { bail!("{request:?} was scored") };
                let counts = (score.thousandths() / 1_000) & points != 0;
                ensure!(effect.is_some() && counts, "intent {id}: {answer:?}, and its effect is {effect:?}");
                self.accepted(id, Some(*repeat))
            }
            Answer::Forming(lobby) => {
                let Request::Play(Game::Start { player, .. }) = &request else { bail!("{request:?} waits") };
                let waits = self.ever(start, |seen| is_in(seen, *lobby, player)) || self.may_leave_since(start, player);
                ensure!(waits, "intent {id}: nobody waits in {lobby:?}");
                // It began nothing yet: it is asked again once the lobby plays.
                self.turned_down(id)
            }
            Answer::Changed => self.moved(id, &request, start),
            Answer::Finished => self.accepted(id, None),
            Answer::Acked => {
                let Request::Trade(Trade::Ack { player, grant }) = &request else { bail!("{request:?} was acked") };
                let is_claimed = |seen: &Seen| {
                    let grant = seen.grants.get(grant);
                    grant.is_some_and(|grant| grant.claim.is_some() && seen.called(player) == Some(grant.player))
                };
                ensure!(self.ever(start, is_claimed), "intent {id}: the grant is not claimed");
                self.accepted(id, None)
            }
            Answer::Banned => {
                let Request::Life(Life::Ban { player, impose }) = &request else { bail!("{request:?} was a ban") };
                let holds = |seen: &Seen| seen.called(player).is_some() && seen.is_banned(player) == *impose;
                ensure!(self.ever(start, holds), "intent {id}: {answer:?}, and it never was so");
                self.accepted(id, None)
            }
            Answer::NoPlayer => {
                let Request::Life(Life::Ban { player, .. }) = &request else { bail!("{request:?} found nobody") };
                ensure!(self.ever(start, |seen| seen.called(player).is_none()), "intent {id}: {player} was there");
                self.turned_down(id)
            }
            Answer::Merged(merged) => self.merged(id, merged, effect.is_some()),
            Answer::Unmergeable(refusal) => self.unmergeable(id, refusal, &request, start),
            Answer::Erased(outcome) => self.erased(id, outcome, &request, start),
            Answer::Rejected(rejection) => self.rejected(id, rejection, start, latest),
            Answer::Refused(refusal) => self.refused(id, refusal, &request, start),
            Answer::KeyMade { text, id: key } => {
                let (text, ended_by) = (text.clone(), Default::default());
                self.keys.push(HeldKey { id: *key, text, ended_by });
                self.accepted(id, None)
            }
            Answer::KeyEnded => {
                let Request::Key(KeyWish::Revoke { key }) = &request else { bail!("{request:?} ended a key") };
                let is_over = self.now().keys.get(key).is_some_and(|key| key.revoked);
                ensure!(is_over, "intent {id}: the key is not revoked");
                for held in self.keys.iter_mut().filter(|held| held.id == *key) {
                    held.ended_by.insert(process);
                }
                self.accepted(id, None)
            }
            Answer::KeyRefused => self.turned_down(id),
            Answer::Unknown | Answer::Overloaded | Answer::Denied(_) | Answer::Imported(_) => Ok(()),
        }
    }

    fn accepted(&mut self, id: IntentId, repeat: Option<Repeat>) -> Result<()> {
        let Some(intent) = self.intents.get_mut(id) else { return Ok(()) };
        intent.standing = Standing::Accepted;
        intent.firsts += u32::from(repeat == Some(Repeat::First));
        ensure!(intent.firsts <= 1, "intent {id} was told twice that it took effect just now: {:?}", intent.sent);
        Ok(())
    }

    fn turned_down(&mut self, id: IntentId) -> Result<()> {
        if let Some(intent) = self.intents.get_mut(id).filter(|intent| intent.standing == Standing::Open) {
            intent.standing = Standing::Refused;
        }
        Ok(())
    }

    fn imported(&mut self, id: IntentId, repeat: Repeat) -> Result<()> {
        let Some(intent) = self.intents.get(id) else { return Ok(()) };
        let leaves_an_entry = intent.sent.request.posting().is_some();
        ensure!(intent.effect.is_some() || !leaves_an_entry, "intent {id} was imported without effect");
        self.accepted(id, Some(repeat))
    }

    fn rejected(&mut self, id: IntentId, rejection: &Rejection, start: usize, latest: Timestamp) -> Result<()> {
        let Some(intent) = self.intents.get(id) else { return Ok(()) };
        let had_effect = intent.effect.as_ref().is_some_and(|(tick, _)| *tick <= start);
        let request = intent.sent.request.clone();
        let is_spending = matches!(request, Request::Trade(Trade::Spend { .. }));
        // A ban comes before all else: the client learns nothing of what it did before.
        let is_ban = is_spending && matches!(rejection, Rejection::PlayerBanned(_));
        ensure!(!had_effect || is_ban, "intent {id} took effect before, and now it is {rejection:?}");
        let holds = match rejection {
            // The import of a player leaves nothing that is sure to be seen.
            Rejection::IdempotencyConflict => {
                self.rival_with_effect(id).is_some() || matches!(request, Request::Import(Row::Player { .. }))
            }
            Rejection::InsufficientFunds { current, required } => {
                current.get() < required.get() && self.ever_held(&request, current.get(), start)
            }
            Rejection::BalanceLimit { current, .. } => {
                let is_grant = request.posting().is_none();
                is_grant || self.ever_held(&request, current.get(), start)
            }
            Rejection::PlayerBanned(_) => request
                .posting()
                .is_some_and(|(player, ..)| is_spending && self.ever(start, |seen| seen.is_banned(player))),
            Rejection::GrantNotFound | Rejection::GrantExpired { .. } => {
                self.ack_fails(&request, rejection, start, latest)
            }
        };
        ensure!(holds, "intent {id} is {request:?}, and {rejection:?} was never true of it");
        self.turned_down(id)
    }

    fn ever_held(&self, request: &Request, amount: i64, start: usize) -> bool {
        let Some((player, kind, key, ..)) = request.posting() else { return false };
        let asset = Asset { kind, key: asset_key(key) };
        self.ever(start, |seen| seen.balance(player, &asset) == amount) || self.passed_by(player, &asset, amount, start)
    }

    /// Whether a player held so much between two commands of one batch.
    fn passed_by(&self, player: Name, asset: &Asset, amount: i64, start: usize) -> bool {
        self.history.iter().skip(start).any(|seen| {
            let mut held = seen.accounts.iter().filter(|(_, account)| account.asset == *asset);
            let account = held.find(|(_, account)| !account.closed && seen.called(player) == Some(account.owner));
            account.is_some_and(|(id, _)| {
                let known = self.history.get(start).and_then(|seen| seen.accounts.get(id));
                let since = known.map_or(0, |known| known.version);
                let mut rows = self.entries.get(id).into_iter().flatten().filter(|row| since < row.sequence);
                rows.any(|row| row.balance_after.get() == amount)
            })
        })
    }

    fn ack_fails(&self, request: &Request, rejection: &Rejection, start: usize, latest: Timestamp) -> bool {
        let Request::Trade(Trade::Ack { player, grant }) = request else { return false };
        let of = |seen: &Seen| seen.grants.get(grant).filter(|of| seen.called(player) == Some(of.player)).cloned();
        if let Rejection::GrantNotFound = rejection {
            return self.ever(start, |seen| of(seen).is_none());
        }
        self.ever(start, |seen| of(seen).is_some_and(|grant| grant.status_at(latest) == GrantStatus::Expired))
    }

    fn merged(&mut self, id: IntentId, merged: &Merged, had_effect: bool) -> Result<()> {
        let pair = (merged.merge.source, merged.merge.target);
        let is_known = self.merges.iter().any(|(_, source, target)| (*source, *target) == pair);
        ensure!(is_known, "intent {id}: a merge that did not happen");
        if !merged.earlier {
            ensure!(had_effect, "intent {id}: somebody else's merge");
            ensure!(self.merge_firsts.insert(pair.0), "a merge was told twice to have happened just now");
        }
        self.accepted(id, None)
    }

    fn unmergeable(&mut self, id: IntentId, refusal: &MergeRefusal, request: &Request, start: usize) -> Result<()> {
        let Request::Life(Life::Merge { source, target }) = request else { bail!("{request:?} was no merge") };
        let lacks = |name: Name| self.ever(start, |seen| seen.called(name).is_none());
        let holds = match refusal {
            MergeRefusal::SourceNotFound => lacks(source),
            MergeRefusal::TargetNotFound => lacks(target),
            MergeRefusal::TargetErased => lacks(target) && !self.erasures.is_empty(),
            MergeRefusal::TargetBanned => self.ever(start, |seen| seen.is_banned(target)),
            MergeRefusal::SamePlayer => source == target,
            MergeRefusal::BalanceLimit { asset, current, .. } => {
                self.ever(start, |seen| seen.balance(target, asset) == current.get())
            }
        };
        ensure!(holds, "intent {id} is {request:?}, and {refusal:?} was never true of it");
        self.turned_down(id)
    }

    fn erased(&mut self, id: IntentId, outcome: &EraseOutcome, request: &Request, start: usize) -> Result<()> {
        let Request::Life(Life::Erase { player }) = request else { bail!("{request:?} erased somebody") };
        let happened = |of: PlayerId| self.erasures.iter().any(|(_, player)| *player == of);
        match outcome {
            EraseOutcome::Erased(erased) => {
                ensure!(happened(erased.erasure.player), "intent {id}: an erasure that did not happen");
                let is_first = self.erasure_firsts.insert(erased.erasure.player);
                ensure!(is_first, "an erasure was told twice to have happened just now");
            }
            EraseOutcome::AlreadyErased(erasure) => {
                ensure!(happened(erasure.player), "intent {id}: an erasure that did not happen");
            }
            EraseOutcome::NeverExisted { .. } => {
                ensure!(self.ever(start, |seen| seen.called(player).is_none()), "intent {id}: {player} was there");
            }
        }
        self.accepted(id, None)
    }

    fn moved(&mut self, id: IntentId, request: &Request, start: usize) -> Result<()> {
        let Request::Play(game) = request else { bail!("{request:?} changed a lobby") };
        let holds = if let Game::Join { lobby, player } = game {
            self.ever(start, |seen| is_in(seen, *lobby, player)) || self.may_leave_since(start, player)
        } else if let Game::Leave { lobby, player } = game {
            self.ever(start, |seen| !is_in(seen, *lobby, player)) || self.may_come_since(start, player)
        } else if let Game::Close { lobby } = game {
            self.ever(start, |seen| seen.lobbies.get(lobby).is_some_and(|lobby| lobby.closed_at().is_some()))
        } else {
            false
        };
        ensure!(holds, "intent {id} is {request:?}, was accepted, and never was so");
        self.accepted(id, None)
    }

    /// Whether `player` may have left a lobby within a batch, where nobody can see it.
    fn may_leave_since(&self, start: usize, player: Name) -> bool {
        self.is_asked_since(start, |game| matches!(game, Game::Leave { player: of, .. } if *of == player))
    }

    /// Whether `player` may have come into a lobby within a batch, where nobody can see it.
    fn may_come_since(&self, start: usize, player: Name) -> bool {
        let makes = |game: &Game| Request::Play(game.clone()).makes().contains(&player);
        self.is_asked_since(start, makes)
    }

    /// Whether a call for such a game was open at some time since `start`.
    fn is_asked_since(&self, start: usize, is_such: impl Fn(&Game) -> bool) -> bool {
        let mut intents = self.calls.iter().filter(|call| start <= call.end).flat_map(|call| &call.intents);
        intents.any(|id| {
            let request = self.intents.get(*id).map(|intent| &intent.sent.request);
            matches!(request, Some(Request::Play(game)) if is_such(game))
        })
    }

    fn refused(&mut self, id: IntentId, refusal: &PlayRefusal, request: &Request, start: usize) -> Result<()> {
        let had_effect =
            self.intents.get(id).is_some_and(|intent| intent.effect.as_ref().is_some_and(|(tick, _)| *tick <= start));
        let holds = match refusal {
            PlayRefusal::IdempotencyConflict => self.rival_with_effect(id).is_some(),
            PlayRefusal::PlayerNotFound | PlayRefusal::AttemptNotFound => self.play_fails(request, start),
            PlayRefusal::LobbyFull { .. } | PlayRefusal::LobbyClosed { .. } | PlayRefusal::AttemptFinished => {
                !had_effect
            }
            PlayRefusal::EventNotFound
            | PlayRefusal::EventDisabled
            | PlayRefusal::WrongMode { .. }
            | PlayRefusal::NoActiveWindow
            | PlayRefusal::TooManyPlayers { .. }
            | PlayRefusal::LobbyNotFound
            | PlayRefusal::UnknownMetrics { .. }
            | PlayRefusal::ScoreLimit
            | PlayRefusal::LeaderboardNotFound
            | PlayRefusal::LeaderboardDisabled
            | PlayRefusal::SegmentRequired
            | PlayRefusal::SegmentUnexpected
            | PlayRefusal::PlayerBanned(_) => false,
        };
        ensure!(holds, "intent {id} is {request:?}, and {refusal:?} was never true of it");
        self.turned_down(id)
    }

    fn play_fails(&self, request: &Request, start: usize) -> bool {
        let Request::Play(game) = request else { return false };
        if let Game::Progress { player, attempt, .. } | Game::Finish { player, attempt, .. } = game {
            return self.ever(start, |seen| !has_attempt(seen, player, *attempt));
        }
        if let Game::Score { player, .. } = game {
            self.ever(start, |seen| seen.called(player).is_none())
        } else {
            false
        }
    }

    /// A key was refused: it must have been revoked or expired.
    fn denied(&self, denial: Denial, key: &str, start: usize, latest: Timestamp) -> Result<()> {
        let Some(held) = self.keys.iter().find(|held| held.text == key) else { return Ok(()) };
        let is = |seen: &Seen| {
            let stored = seen.keys.get(&held.id);
            stored.is_some_and(|stored| match denial {
                Denial::Invalid => false,
                Denial::Revoked => stored.revoked,
                Denial::Expired => stored.expires_at.is_some_and(|at| at <= latest),
            })
        };
        ensure!(self.ever(start, is), "key {} was refused as {denial:?}, and it is not", held.id.0);
        Ok(())
    }

    /// Whether `process` must refuse a key at `now`: because it ended it itself, or because that is long enough ago.
    pub(super) fn has_ended(&self, process: usize, key: &str, now: Timestamp) -> bool {
        let Some(held) = self.keys.iter().find(|held| held.text == key) else { return false };
        if held.ended_by.contains(&process) {
            return true;
        }
        let since = self.setbacks.last().copied().unwrap_or(0);
        let is_set_back = |tick: usize| tick < since;
        self.history.iter().enumerate().any(|(tick, seen)| {
            let Some(stored) = seen.keys.get(&held.id) else { return false };
            let is_known = !is_set_back(tick) && RECORD_FRESH <= now.since(seen.clock);
            let has_expired = stored.expires_at.is_some_and(|at| RECORD_FRESH <= now.since(at));
            is_known && (stored.revoked || has_expired)
        })
    }
}

fn is_in(seen: &Seen, lobby: LobbyId, player: Name) -> bool {
    seen.called(player).is_some_and(|player| seen.participants.contains(&(lobby, player)))
}
