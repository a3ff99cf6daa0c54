//! What is stored at one moment, read through the ports alone, so that the same checks hold for every adapter.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use domain::clock::Timestamp;
use domain::economy::{AccountId, Asset, Grant, GrantId, LedgerRow, Position};
use domain::keys::KeyId;
use domain::lobbies::{Attempt, AttemptId, ConfigurationKey, Lobby, LobbyId, LobbyQuery, RankingId};
use domain::players::{ExportAccount, ExportHead, ExternalId, PlayerId};
use domain::tenancy::RealmId;
use testkit::contract::Stores;
use testkit::{asset_key, external_id};

use crate::chaos::at_once;
use crate::intent::{EVENTS, Name, PLAYERS};

/// More rows than a run makes of anything.
pub(crate) const EVERYTHING: u32 = 10_000;

/// What became of a player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The studio calls them this.
    Called(Name),
    /// They are part of somebody else.
    Merged,
    /// Nobody knows who they were.
    Erased,
}

/// A player, as far as it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenPlayer {
    pub(crate) fate: Fate,
    pub(crate) banned_at: Option<Timestamp>,
    /// What another platform knew of them.
    pub(crate) context: Option<String>,
}

/// An account, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenAccount {
    pub(crate) owner: PlayerId,
    pub(crate) asset: Asset,
    pub(crate) balance: i64,
    pub(crate) version: i64,
    pub(crate) closed: bool,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenKey {
    pub(crate) revoked: bool,
    pub(crate) expires_at: Option<Timestamp>,
}

/// Everything but ledger entries and events, of which there are ever more.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) clock: Timestamp,
    pub(crate) players: BTreeMap<PlayerId, SeenPlayer>,
    pub(crate) accounts: BTreeMap<AccountId, SeenAccount>,
    pub(crate) grants: BTreeMap<GrantId, Grant>,
    pub(crate) attempts: BTreeMap<AttemptId, Attempt>,
    pub(crate) ranked: BTreeMap<(PlayerId, RankingId), i64>,
    pub(crate) lobbies: BTreeMap<LobbyId, Lobby>,
    pub(crate) participants: BTreeSet<(LobbyId, PlayerId)>,
    pub(crate) keys: BTreeMap<KeyId, SeenKey>,
}

impl Seen {
    /// Nothing.
    pub(crate) fn nothing(clock: Timestamp) -> Self {
        Self {
            clock,
            players: BTreeMap::new(),
            accounts: BTreeMap::new(),
            grants: BTreeMap::new(),
            attempts: BTreeMap::new(),
            ranked: BTreeMap::new(),
            lobbies: BTreeMap::new(),
            participants: BTreeSet::new(),
            keys: BTreeMap::new(),
        }
    }

    /// All that is stored of `realm` now: of the players that have a name, and of those that `before` knew.
    pub(crate) fn read(stores: &Stores, realm: RealmId, clock: Timestamp, before: &Self) -> Result<Self> {
        let mut seen = Self::nothing(clock);
        for name in PLAYERS {
            if let Some(head) = head_of(stores, realm, &external_id(name))? {
                seen.add_player(stores, realm, Fate::Called(name), head)?;
            }
        }
        for id in before.players.keys() {
            if seen.players.contains_key(id) {
                continue;
            }
            let merged = head_of(stores, realm, &ExternalId::restore(format!("__merged_{}__", id.0)))?;
            let erased = head_of(stores, realm, &ExternalId::restore(format!("__deleted_{}__", id.0)))?;
            let found = merged.map(|head| (Fate::Merged, head)).or(erased.map(|head| (Fate::Erased, head)));
            let (fate, head) = found.with_context(|| format!("player {} is gone without a trace", id.0))?;
            seen.add_player(stores, realm, fate, head)?;
        }
        seen.add_lobbies(stores, realm, clock)?;
        for key in at_once(stores.keys.all())? {
            let state = SeenKey { revoked: key.revocation.is_some(), expires_at: key.expires_at };
            seen.keys.insert(key.id, state);
        }
        Ok(seen)
    }

    /// Who is called `name`.
    pub(crate) fn called(&self, name: Name) -> Option<PlayerId> {
        let named = self.players.iter().find(|(_, player)| player.fate == Fate::Called(name));
        named.map(|(id, _)| *id)
    }

    /// Whether `name` is banned.
    pub(crate) fn is_banned(&self, name: Name) -> bool {
        let player = self.called(name).and_then(|id| self.players.get(&id));
        player.is_some_and(|player| player.banned_at.is_some())
    }

    /// The open account of a player in an asset.
    pub(crate) fn account(&self, owner: PlayerId, asset: &Asset) -> Option<&SeenAccount> {
        let mut open = self.accounts.values().filter(|account| !account.closed);
        open.find(|account| account.owner == owner && account.asset == *asset)
    }

    /// What a player has of an asset.
    pub(crate) fn balance(&self, name: Name, asset: &Asset) -> i64 {
        let account = self.called(name).and_then(|id| self.account(id, asset));
        account.map_or(0, |account| account.balance)
    }

    fn add_player(&mut self, stores: &Stores, realm: RealmId, fate: Fate, head: ExportHead) -> Result<()> {
        let id = head.player.id;
        let context = head.last_context_snapshot.map(|context| context.as_json().to_owned());
        self.players.insert(id, SeenPlayer { fate, banned_at: head.player.banned_at, context });
        for ExportAccount { id: account, asset, balance, version, closed, .. } in head.accounts {
            let balance = balance.get();
            self.accounts.insert(account, SeenAccount { owner: id, asset, balance, version, closed });
        }
        for grant in at_once(stores.players.export_grants(realm, id, None, EVERYTHING))? {
            self.grants.insert(grant.id, grant);
        }
        for attempt in at_once(stores.records.attempts_of(realm, id, None, EVERYTHING))? {
            self.attempts.insert(attempt.id, attempt);
        }
        for ranked in at_once(stores.records.rankings_of(realm, id, None, EVERYTHING))? {
            self.ranked.insert((id, ranked.ranking.id), ranked.score.thousandths());
        }
        for membership in at_once(stores.records.lobbies_of(realm, id, None, EVERYTHING))? {
            self.participants.insert((membership.lobby.id, id));
        }
        Ok(())
    }

    fn add_lobbies(&mut self, stores: &Stores, realm: RealmId, now: Timestamp) -> Result<()> {
        for key in EVENTS {
            let key: ConfigurationKey = asset_key(key);
            let Some(event) = at_once(stores.events.event(realm, &key))? else { continue };
            let (status, after, limit) = (None, None, EVERYTHING);
            let query = LobbyQuery { realm, event: event.id, status, after, limit, now };
            for lobby in at_once(stores.lobbies.lobbies(&query))?.rows {
                self.lobbies.insert(lobby.id, lobby);
            }
        }
        Ok(())
    }
}

/// Entries of an account past `after`.
pub(crate) fn entries_of(
    stores: &Stores,
    realm: RealmId,
    id: AccountId,
    account: &SeenAccount,
    after: Position,
) -> Result<Vec<LedgerRow>> {
    let at = Timestamp::EPOCH;
    let account = ExportAccount {
        id,
        asset: account.asset.clone(),
        balance: domain::economy::Balance::restore(account.balance),
        version: account.version,
        created_at: at,
        updated_at: at,
        closed: account.closed,
    };
    Ok(at_once(stores.players.export_entries(realm, &account, after, EVERYTHING))?)
}

fn head_of(stores: &Stores, realm: RealmId, name: &ExternalId) -> Result<Option<ExportHead>> {
    Ok(at_once(stores.players.export_head(realm, name))?)
}
