//! The end of a run: nothing is under way, every question has its answer, and what is stored is what was answered, no more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use domain::economy::{Asset, AssetKind, GrantStatus};
use domain::players::PlayerId;
use domain::webhooks::{EndpointId, EventName, EventNames, OutboxEventId};
use testkit::asset_key;

use super::{Intent, Judge, Standing};
use crate::chaos::at_once;
use crate::intent::{Game, Request, Trade};
use crate::seen::{Fate, entries_of};

/// How long after its expiry a grant may be stored, because its request waited, and still be told of.
const LOOKS_BACK: Duration = Duration::from_secs(60);

impl Judge {
    /// The last look.
    ///
    /// # Errors
    /// What was lost, invented, or is not told.
    pub(crate) fn end(
        &mut self,
        heard: &BTreeSet<(EndpointId, OutboxEventId)>,
        endpoints: &[(EndpointId, EventNames)],
        values: Option<&str>,
    ) -> Result<()> {
        for (id, intent) in self.intents.iter().enumerate() {
            ensure!(
                intent.standing != Standing::Open || !is_safe(intent),
                "intent {id} got no answer: {:?}",
                intent.sent
            );
            let leaves_no_effect = intent.effect.is_none() && leaves_an_effect(&intent.sent.request);
            let is_lost = intent.standing == Standing::Accepted && leaves_no_effect;
            ensure!(!is_lost, "intent {id} was accepted and left nothing: {:?}", intent.sent);
        }
        self.end_of_books()?;
        self.end_of_balances()?;
        if let Some(values) = values {
            let left = self.forgotten.iter().find(|words| values.contains(words.as_str()));
            ensure!(left.is_none(), "{left:?} was said of a player who was erased, and came back");
        }
        for (endpoint, names) in endpoints {
            let wanted = self.told.iter().filter(|(_, (name, _))| names.contains(*name));
            let mut unheard = wanted.filter(|(id, _)| !heard.contains(&(*endpoint, **id)));
            let missed = unheard.next();
            ensure!(missed.is_none(), "endpoint {} was never told of {missed:?}", endpoint.0);
        }
        self.end_of_grants()
    }

    /// Every entry is still what it was, but for what a person wrote about somebody who was erased.
    fn end_of_books(&self) -> Result<()> {
        let now = self.now();
        for (id, account) in &now.accounts {
            let known = self.entries.get(id).map_or(&[][..], Vec::as_slice);
            let stored = entries_of(&self.stores, self.realm, *id, account, 0)?;
            ensure!(
                known.len() == stored.len(),
                "account {} had {} entries, and has {}",
                id.0,
                known.len(),
                stored.len()
            );
            let is_erased = now.players.get(&account.owner).is_some_and(|owner| owner.fate == Fate::Erased);
            for (before, after) in known.iter().zip(&stored) {
                let mut before = before.clone();
                if is_erased {
                    (before.reason, before.source_ref, before.parameters) = (None, None, None);
                }
                ensure!(before == *after, "an entry was {before:?} and is {after:?}");
            }
        }
        let report = at_once(self.stores.audit.audit())?;
        ensure!(report.differences_count == 0, "the books do not add up: {:?}", report.differences);
        Ok(())
    }

    /// What everybody holds is the sum of what took effect, wherever merges took it.
    fn end_of_balances(&self) -> Result<()> {
        let mut expected = BTreeMap::<(PlayerId, Asset), i64>::new();
        for intent in self.intents.iter().filter(|intent| intent.effect.is_some()) {
            let Some(owner) = intent.owner.map(|owner| self.now_part_of(owner)) else { continue };
            let mut add = |kind: AssetKind, key: &str, delta: i64| {
                *expected.entry((owner, Asset { kind, key: asset_key(key) })).or_default() += delta;
            };
            if let Some((_, kind, key, delta, _)) = intent.sent.request.posting() {
                add(kind, key, delta);
            }
            if let Request::Trade(Trade::Grant { amounts, immediate: true, .. }) = &intent.sent.request {
                amounts.iter().for_each(|(key, amount)| add(AssetKind::Currency, key, *amount));
            }
        }
        let now = self.now();
        for account in now.accounts.values().filter(|account| !account.closed) {
            let held = expected.remove(&(account.owner, account.asset.clone())).unwrap_or(0);
            ensure!(held == account.balance, "{account:?} should hold {held}");
        }
        expected.retain(|_, held| *held != 0);
        ensure!(expected.is_empty(), "nobody holds {expected:?}");
        Ok(())
    }

    /// Who a player is part of by now.
    fn now_part_of(&self, player: PlayerId) -> PlayerId {
        let mut owner = player;
        for (_, source, target) in &self.merges {
            owner = if owner == *source { *target } else { owner };
        }
        owner
    }

    /// Every grant that expired was told of, unless the clock was set back, after which a grant may expire in the past.
    fn end_of_grants(&self) -> Result<()> {
        if !self.setbacks.is_empty() || !self.wanted.contains(EventName::GrantExpired) {
            return Ok(());
        }
        let now = self.now();
        for grant in now.grants.values() {
            let is_over = grant.status_at(now.clock) == GrantStatus::Expired;
            let stored = self.history.iter().find(|seen| seen.grants.contains_key(&grant.id));
            let came_late = stored.zip(grant.expires_at).is_some_and(|(seen, at)| LOOKS_BACK <= seen.clock.since(at));
            ensure!(!is_over || came_late || self.is_told_expired(grant.id), "nobody was told that {grant:?} expired");
        }
        Ok(())
    }
}

/// Whether a studio may ask again without fear.
pub(crate) fn is_safe(intent: &Intent) -> bool {
    let is_key = matches!(intent.sent.request, Request::Key(_));
    !is_key && (intent.sent.key.is_some() || intent.sent.request.scope().is_none())
}

fn leaves_an_effect(request: &Request) -> bool {
    let is_played = matches!(request, Request::Play(Game::Start { .. } | Game::Progress { .. } | Game::Score { .. }));
    request.posting().is_some() || is_played || matches!(request, Request::Trade(Trade::Grant { .. }))
}
