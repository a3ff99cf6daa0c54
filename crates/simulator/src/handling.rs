//! How a process carries out what it is sent: from what is wanted to the use cases and back.

use std::time::Duration;

use domain::economy::{
    AccountId, Action, AdjustRequest, Adjustment, AdjustmentKind, Amount, Answer as Settled, AssetKey, Command,
    Delivery, EntryId, Failure, GrantEntries, GrantEntry, GrantKind, GrantRequest, GrantSource, Import, ImportRow,
    Once, Origin, PostingIds,
};
use domain::keys::{Caller, KeyError, NewKey, PermissionSet};
use domain::limits::KeyLimits;
use domain::lobbies::{
    AttemptProgress, LobbyKey, MetricKey, PlayFailure, ProgressMode, PushRequest, Score, ScoreSubmission, StartAnswer,
};
use domain::players::{BanChange, ExternalId, LegalBasis, PlayerId};
use domain::tenancy::Realm;
use domain::text::FreeText;
use testkit::{asset_key, external_id, text};

use crate::intent::{Answer, BOARD, Game, KeyWish, Life, Request, Row, Trade};
use crate::process::{Process, Sent};

impl Process {
    pub(crate) async fn trade(&self, caller: &Caller, sent: &Sent, trade: &Trade) -> Result<Answer, Failure> {
        let once = sent.once();
        let words = Some(text(&sent.words));
        Ok(match trade {
            Trade::Adjust { player, kind, asset, amount } => {
                let request = AdjustRequest {
                    player: external_id(player),
                    kind: *kind,
                    key: asset_key(asset),
                    amount: amount_of(*amount),
                    reason: words.clone(),
                    source_ref: words,
                    once,
                };
                let adjusted = self.economy.adjust(caller, request).await?;
                Answer::Adjusted { balance: adjusted.balance.get(), repeat: adjusted.repeat }
            }
            Trade::Spend { player, asset, amount } => {
                let command = self.spending(caller, external_id(player), asset_key(asset), *amount, words, once);
                match self.queue.submit(command).await?? {
                    Settled::Adjusted(adjusted) => {
                        Answer::Adjusted { balance: adjusted.balance.get(), repeat: adjusted.repeat }
                    }
                    Settled::GrantCreated(_) | Settled::GrantAcked(_) | Settled::PlayerImported(_) => {
                        unreachable!("an adjustment is answered as one")
                    }
                }
            }
            Trade::Grant { player, amounts, immediate, expires_at } => {
                let entry = |(asset, amount): &(&str, i64)| GrantEntry::Currency {
                    key: asset_key(asset),
                    amount: amount_of(*amount),
                };
                let request = GrantRequest {
                    player: external_id(player),
                    kind: GrantKind::Reward,
                    entries: GrantEntries::restore(amounts.iter().map(entry).collect()),
                    source: GrantSource::Api,
                    source_ref: words,
                    metadata: Some(sent.object()),
                    expires_at: *expires_at,
                    delivery: if *immediate { Delivery::Immediate } else { Delivery::Claim },
                    once: once.expect("a grant is sent with a key"),
                };
                let created = self.economy.create_grant(caller, request).await?;
                Answer::Granted { grant: created.grant.id, repeat: created.repeat }
            }
            Trade::Ack { player, grant } => {
                drop(self.economy.ack_grant(caller, external_id(player), *grant).await?);
                Answer::Acked
            }
        })
    }

    fn spending(
        &self,
        caller: &Caller,
        player: ExternalId,
        key: AssetKey,
        amount: i64,
        reason: Option<FreeText>,
        once: Option<Once>,
    ) -> Command {
        let at = self.clock.now();
        let ids = PostingIds { account_if_new: AccountId(self.ids.next(at)), entry: EntryId(self.ids.next(at)) };
        let adjustment = Adjustment {
            kind: AdjustmentKind::WalletDebit,
            key,
            amount: amount_of(amount),
            source_ref: reason.clone(),
            reason,
            parameters: None,
            once,
            ids,
        };
        Command {
            realm: caller.realm.id,
            at,
            actor: caller.actor.clone(),
            origin: Origin::Client,
            player,
            player_if_new: PlayerId(self.ids.next(at)),
            action: Action::Adjust(adjustment),
        }
    }

    pub(crate) async fn import(&self, caller: &Caller, sent: &[Sent]) -> Answer {
        let rows = sent.iter().filter_map(|row| {
            let (once, reason) = (row.once()?, Some(text(&row.words)));
            let Request::Import(wanted) = &row.request else { return None };
            let (player, import) = match wanted {
                Row::Items { player, asset, amount } => {
                    let (key, quantity) = (asset_key(asset), amount_of(*amount));
                    (player, Import::Items { key, quantity, parameters: Some(row.object()), reason })
                }
                Row::Currency { player, asset, amount } => {
                    (player, Import::Currency { key: asset_key(asset), amount: amount_of(*amount), reason })
                }
                Row::Player { player } => (player, Import::Player { context_snapshot: Some(row.object()) }),
            };
            Some(ImportRow { player: external_id(player), once, import })
        });
        let imported = self.economy.import(caller, rows.collect()).await;
        imported.map_or_else(|failure| refused(&failure), Answer::Imported)
    }

    pub(crate) async fn live(&self, caller: &Caller, sent: &Sent, life: &Life) -> Answer {
        let key = sent.digest();
        let answered = match life {
            Life::Ban { player, impose } => {
                let reason = text(&sent.words);
                let change = if *impose { BanChange::Impose { reason } } else { BanChange::Lift };
                self.players.change_ban(caller, external_id(player), change).await.map(|_| Answer::Banned)
            }
            Life::Merge { source, target } => {
                let merged = self.players.merge(caller, external_id(source), external_id(target), key).await;
                merged.map(|merged| Answer::Merged(Box::new(merged)))
            }
            Life::Erase { player } => {
                let erased = self.players.erase(caller, external_id(player), LegalBasis::GdprErasure, key).await;
                erased.map(Answer::Erased)
            }
        };
        answered.unwrap_or_else(|failure| refused(&failure))
    }

    pub(crate) async fn play(&self, caller: &Caller, sent: &Sent, game: &Game) -> Result<Answer, PlayFailure> {
        let (lobbies, once) = (&self.lobbies, sent.once());
        Ok(match game {
            Game::Push { lobby, players } => {
                let request = PushRequest {
                    event: asset_key("duel"),
                    key: LobbyKey::restore(lobby.clone()),
                    players: players.iter().map(|player| external_id(player)).collect(),
                    capacity: None,
                    fill_bots: None,
                    metadata: None,
                };
                let (lobby, repeat) = lobbies.push(caller, request).await?;
                Answer::Pushed { lobby: lobby.id, repeat }
            }
            Game::Join { lobby, player } => {
                drop(lobbies.join(caller, *lobby, external_id(player)).await?);
                Answer::Changed
            }
            Game::Leave { lobby, player } => {
                drop(lobbies.leave(caller, *lobby, external_id(player)).await?);
                Answer::Changed
            }
            Game::Close { lobby } => {
                drop(lobbies.close(caller, *lobby).await?);
                Answer::Changed
            }
            Game::Start { event, player } => {
                match lobbies.start(caller, asset_key(event), external_id(player), None, once).await? {
                    StartAnswer::Started(attempt, repeat) => Answer::Started { attempt: attempt.id, repeat },
                    StartAnswer::Forming(lobby) => Answer::Forming(lobby.id),
                }
            }
            Game::Progress { event, player, attempt, points } => {
                let value = Score::restore(*points * 1_000);
                let progress = AttemptProgress {
                    event: asset_key(event),
                    player: external_id(player),
                    attempt: *attempt,
                    mode: ProgressMode::Increment,
                    primary: None,
                    metrics: vec![(MetricKey::restore(MetricKey::DEFAULT.to_owned()), value)],
                    once,
                };
                let (attempt, repeat) = lobbies.progress(caller, progress).await?;
                Answer::Progressed { score: attempt.score, repeat }
            }
            Game::Finish { event, player, attempt } => {
                drop(lobbies.finish(caller, asset_key(event), external_id(player), *attempt).await?);
                Answer::Finished
            }
            Game::Score { player, points } => {
                let submission = ScoreSubmission {
                    board: asset_key(BOARD),
                    player: external_id(player),
                    value: Score::restore(*points * 1_000),
                    segment: None,
                    once,
                };
                let scored = lobbies.score(caller, submission).await?;
                Answer::Scored { score: scored.score, repeat: scored.repeat }
            }
        })
    }

    pub(crate) async fn change_key(&self, caller: &Caller, wish: &KeyWish) -> Answer {
        let (actor, realm) = (&caller.actor, Some(caller.realm.id));
        let made = match wish {
            KeyWish::Issue { seconds } => {
                self.keys.issue(actor, new_key(caller.realm, seconds.map(Duration::from_secs))).await
            }
            KeyWish::Rotate { key, overlap_seconds } => {
                self.keys.rotate(actor, realm, key.0, Duration::from_secs(*overlap_seconds)).await
            }
            KeyWish::Revoke { key } => match self.keys.revoke(actor, realm, key.0, None).await {
                Ok(_) => return Answer::KeyEnded,
                Err(error) => Err(error),
            },
        };
        match made {
            Ok((minted, record)) => Answer::KeyMade { text: minted.reveal().to_owned(), id: record.id },
            Err(KeyError::Store(_)) => Answer::Unknown,
            Err(KeyError::NotFound | KeyError::Revoked | KeyError::Expired) => Answer::KeyRefused,
        }
    }
}

pub(crate) fn new_key(realm: Realm, lifetime: Option<Duration>) -> NewKey {
    let limits = KeyLimits::default();
    NewKey { realm, name: text("simulated"), permissions: PermissionSet::ServerIntegration, limits, lifetime }
}

fn amount_of(number: i64) -> Amount {
    Amount::try_new(number).expect("amounts are drawn from what is allowed")
}

pub(crate) fn refused(failure: &Failure) -> Answer {
    match failure {
        Failure::Rejected(rejection) => Answer::Rejected(rejection.clone()),
        Failure::PlayerNotFound => Answer::NoPlayer,
        Failure::Unmergeable(refusal) => Answer::Unmergeable(refusal.clone()),
        Failure::Overloaded => Answer::Overloaded,
        Failure::ExportInterrupted(_) | Failure::Unknown | Failure::Store(_) => Answer::Unknown,
    }
}

pub(crate) fn turned_down(failure: &PlayFailure) -> Answer {
    match failure {
        PlayFailure::Refused(refusal) => Answer::Refused(refusal.clone()),
        PlayFailure::Overloaded => Answer::Overloaded,
        PlayFailure::Unknown | PlayFailure::Store(_) => Answer::Unknown,
        PlayFailure::Configuration(_) | PlayFailure::RankingNotFound => unreachable!("nothing of that was asked for"),
    }
}
