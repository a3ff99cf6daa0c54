//! Events: exactly one of everything that happened and is wanted, none of what did not.

use anyhow::{Context, Result, ensure};
use domain::economy::GrantId;
use domain::webhooks::{EventName, EventNames, ToldEvent};
use serde_json::Value;

use super::{Change, Judge, News};
use crate::chaos::at_once;
use crate::seen::EVERYTHING;

impl Judge {
    pub(super) fn judge_news(&mut self, change: &Change) -> Result<()> {
        let page = at_once(self.stores.feed.feed(self.realm, self.fed, EventNames::ALL, EVERYTHING))?;
        let mut expected: Vec<News> =
            change.news.iter().filter(|(name, _)| self.wanted.contains(*name)).cloned().collect();
        for event in page.rows {
            self.fed = event.position;
            let news = (event.name, subject(&event)?);
            let known = self.told.insert(event.id, news.clone());
            ensure!(known.is_none(), "two events are {}: {known:?} and {news:?}", event.id.0);
            ensure!(self.wanted.contains(event.name), "nobody wants to be told of {news:?}");
            if event.name == EventName::GrantExpired {
                self.judge_expiry(change, &news)?;
                continue;
            }
            match expected.iter().position(|of| *of == news) {
                Some(index) => drop(expected.swap_remove(index)),
                None => ensure!(change.maybe.contains(&news), "{news:?} is told and did not happen"),
            }
        }
        ensure!(expected.is_empty(), "{expected:?} happened and will not be told");
        Ok(())
    }

    fn judge_expiry(&mut self, change: &Change, (_, subject): &News) -> Result<()> {
        let grant = change.after.grants.values().find(|grant| grant.id.0.to_string() == *subject);
        let grant = grant.context("an expiry of a grant that is not there")?;
        ensure!(grant.claim.is_none(), "grant {subject} was claimed, and is told to have expired");
        ensure!(grant.expires_at.is_some_and(|at| at <= change.after.clock), "grant {subject} has not expired yet");
        ensure!(self.expiries_told.insert(grant.id), "grant {subject} expired twice");
        Ok(())
    }

    /// The grants that were told to have expired.
    pub(super) fn is_told_expired(&self, grant: GrantId) -> bool {
        self.expiries_told.contains(&grant)
    }
}

/// What an event is about.
fn subject(event: &ToldEvent) -> Result<String> {
    let data: Value = serde_json::from_str(event.data.as_json())?;
    let text = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
    let player = || event.player.as_ref().map(|(player, _)| player.0.to_string());
    let found = match event.name {
        EventName::GrantCreated | EventName::GrantClaimed | EventName::GrantExpired => text("grantId"),
        EventName::InventoryChanged => text("ledgerId").or_else(|| Some(format!("moved {}", text("itemKey")?))),
        EventName::WalletChanged => text("ledgerId").or_else(|| Some(format!("moved {}", text("economyKey")?))),
        EventName::PlayerMerged => text("mergedPlayerId"),
        EventName::PlayerRegistered
        | EventName::PlayerBanned
        | EventName::PlayerUnbanned
        | EventName::PlayerDeleted => player(),
        EventName::LobbyCreated | EventName::LobbyStarted | EventName::LobbyClosed => text("lobbyId"),
        EventName::ApiKeyExpiring => text("keyId"),
    };
    found.with_context(|| format!("an event about nothing: {event:?}"))
}
