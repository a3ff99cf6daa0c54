//! The ports of players.

use async_trait::async_trait;
use domain::clock::Timestamp;
use domain::economy::{AccountId, AssetKind, Grant, GrantId, GrantStatus, LedgerRow, Page, Position};
use domain::players::{
    BanCommand, BanOutcome, EraseCommand, EraseOutcome, ExportAccount, ExportHead, ExternalId, IdentityDigest,
    MergeCommand, MergeRefusal, Merged, PlayerId, PlayerReads, PlayerStore, Profile, UnknownPlayer,
};
use domain::store::StoreError;
use domain::tenancy::RealmId;

use super::MemoryStore;
use super::books::Account;
use super::economy::{holdings, row};

#[async_trait]
impl PlayerStore for MemoryStore {
    async fn change_ban(&self, command: &BanCommand) -> Result<Result<BanOutcome, UnknownPlayer>, StoreError> {
        let books = &mut self.lock().books;
        let wanted = books.outgoing.wanted(command.realm);
        let decided = command.decide(books.player(command.realm, &command.player), wanted);
        Ok(decided.map(|decision| {
            if let Some(effect) = &decision.effect {
                books.save_ban(command, effect);
                self.ring_if(effect.event.is_some());
            }
            decision.outcome
        }))
    }

    async fn merge(&self, command: &MergeCommand) -> Result<Result<Merged, MergeRefusal>, StoreError> {
        let books = &mut self.lock().books;
        let decided = command.decide(&books.merge_view(command));
        Ok(decided.map(|decision| {
            if let Some(effect) = &decision.effect {
                books.save_merge(command, effect);
                self.ring_if(!effect.events.is_empty());
            }
            decision.outcome
        }))
    }

    async fn erase(&self, command: &EraseCommand) -> Result<EraseOutcome, StoreError> {
        let books = &mut self.lock().books;
        let decision = command.decide(&books.erase_view(command));
        if let Some(effect) = &decision.effect {
            books.save_erasure(command, effect);
            self.ring_if(effect.event.is_some());
        }
        Ok(decision.outcome)
    }

    async fn agree_on_secret(&self, check: IdentityDigest) -> Result<IdentityDigest, StoreError> {
        Ok(*self.lock().secret_check.get_or_insert(check))
    }

    async fn replace_secret(&self, check: IdentityDigest) -> Result<(), StoreError> {
        self.lock().secret_check = Some(check);
        Ok(())
    }
}

#[async_trait]
impl PlayerReads for MemoryStore {
    async fn profile(
        &self,
        realm: RealmId,
        player: &ExternalId,
        limit: u32,
        now: Timestamp,
    ) -> Result<Option<Profile>, StoreError> {
        let books = &self.lock().books;
        let Some(player) = books.player(realm, player) else { return Ok(None) };
        let grants: Vec<Grant> = books.grants_of(realm, player.id).cloned().collect();
        let pending = grants.iter().filter(|grant| grant.status_at(now) == GrantStatus::Pending);
        let mut inventory = holdings(books, realm, player.id, AssetKind::Item);
        inventory.retain(|holding| 0 < holding.balance.get());
        let (attempts, lobbies) = (books.play.attempts_of(realm, player.id), books.play.lobbies_of(realm, player.id));
        Ok(Some(Profile {
            player: player.clone(),
            last_context_snapshot: books.context(player.id).cloned(),
            ban_reason: books.ban_reason(player.id).cloned(),
            grants: count(grants.len()),
            pending_grants: count(pending.count()),
            recent_grants: Page::of(grants, limit).rows,
            attempts: count(attempts.len()),
            recent_attempts: Page::of(attempts, limit).rows,
            lobbies: count(lobbies.len()),
            recent_lobbies: Page::of(lobbies, limit).rows,
            inventory,
            wallet: holdings(books, realm, player.id, AssetKind::Currency),
        }))
    }

    async fn export_head(&self, realm: RealmId, player: &ExternalId) -> Result<Option<ExportHead>, StoreError> {
        let books = &self.lock().books;
        let Some(player) = books.player(realm, player) else { return Ok(None) };
        let (open, closed) = (books.open_accounts(realm, player.id), books.closed_accounts(realm, player.id));
        let accounts = open.into_iter().chain(closed).map(|(id, account)| export_account(id, account));
        Ok(Some(ExportHead {
            player: player.clone(),
            last_context_snapshot: books.context(player.id).cloned(),
            ban_reason: books.ban_reason(player.id).cloned(),
            accounts: accounts.collect(),
        }))
    }

    async fn export_entries(
        &self,
        realm: RealmId,
        account: &ExportAccount,
        after: Position,
        limit: u32,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        let books = &self.lock().books;
        let Some(known) = books.accounts.get(&account.id).filter(|known| known.realm == realm) else {
            return Ok(Vec::new());
        };
        let of_view = known.entries.iter().filter(|entry| entry.sequence <= account.version && after < entry.position);
        Ok(Page::of(of_view.map(|entry| row(&known.asset, entry)).collect(), limit).rows)
    }

    async fn export_grants(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<GrantId>,
        limit: u32,
    ) -> Result<Vec<Grant>, StoreError> {
        let books = &self.lock().books;
        let older = books.grants_of(realm, player).filter(|grant| after.is_none_or(|after| grant.id < after));
        Ok(Page::of(older.cloned().collect(), limit).rows)
    }
}

fn export_account(id: AccountId, account: &Account) -> ExportAccount {
    ExportAccount {
        id,
        asset: account.asset.clone(),
        balance: account.balance,
        version: account.version(),
        created_at: account.opened_at,
        updated_at: account.changed_at,
        closed: account.closed,
    }
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).expect("a test has few rows")
}
