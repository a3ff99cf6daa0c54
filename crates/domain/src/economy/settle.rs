//! The rules: what each command of a batch does to the ledger, decided one after the other on values.
//!
//! Each rule is a list of refusals, the cheapest and most final first; below its last `?` nothing can fail. An overdraft
//! is refused where [`super::Balance::minus`] finds nothing to take.

use std::collections::HashMap;
use std::time::Duration;

use super::{
    AccountChange, AccountKey, AccountState, AckedBy, Action, Adjusted, Adjustment, Amount, Answer, Asset, Balance,
    Batch, Claim, ClaimedGrant, Command, Delivery, Direction, Entry, Grant, GrantCreated, GrantId, GrantKey,
    GrantStatus, ImportedPlayer, NewGrant, Once, OnceKey, Operation, Outcome, PlayerImport, PlayerKey, PostingIds,
    Rejection, Repeat, Settled, SettledResult, Settlement, Snapshot, StoredGrant,
};
use crate::players::{Player, PlayerId, require_not_banned};
use crate::text::{FreeText, JsonObject};
use crate::webhooks::{EventName, OutboxEvent, occurrences};

/// How often at most a player's `last_seen_at` is written: an exact one would cost a row write in every command.
pub const SEEN_EVERY: Duration = Duration::from_secs(5 * 60);

/// The reason on the ledger entries of a delivered grant.
pub const GRANT_DEPOSIT_REASON: &str = "grant_deposit";

impl Batch {
    /// Decides every command, in order, each on what the ones before it left behind. Pure and total: the same batch on the
    /// same snapshot always comes to the same settlement.
    ///
    /// Panics when `before` lacks a key of [`Batch::footprint`].
    pub fn settle(&self, before: Snapshot) -> Settlement {
        let mut ledger = Ledger::open(before, self.commands().len());
        for command in self.commands() {
            let outcome = ledger.decide(command);
            ledger.settlement.outcomes.push(outcome);
        }
        ledger.close()
    }
}

/// The state that the commands of a batch see and change, one after the other.
struct Ledger {
    now: Snapshot,
    settlement: Settlement,
    /// Where in `settlement.accounts` an account that changed is.
    changed: HashMap<AccountKey, usize>,
}

/// One change of one account, checked against its balance but not made yet.
struct Posting<'a> {
    asset: Asset,
    delta: i64,
    balance_after: Balance,
    operation: Operation,
    reason: Option<FreeText>,
    source_ref: Option<&'a FreeText>,
    parameters: Option<&'a JsonObject>,
    grant: Option<GrantId>,
    once: Option<Once>,
    ids: PostingIds,
}

impl Ledger {
    fn open(before: Snapshot, commands: usize) -> Self {
        let mut settlement = Settlement::default();
        settlement.outcomes.reserve_exact(commands);
        settlement.entries.reserve(commands);
        settlement.accounts.reserve(commands);
        Self { now: before, settlement, changed: HashMap::with_capacity(commands) }
    }

    fn close(self) -> Settlement {
        self.settlement
    }

    fn decide(&mut self, command: &Command) -> Outcome {
        if let Some(operation) = command.gated() {
            require_not_banned(operation, self.now.player(&player_key(command)))?;
        }
        match &command.action {
            Action::Adjust(adjustment) => self.adjust(command, adjustment).map(Answer::Adjusted),
            Action::CreateGrant(grant) => self.create_grant(command, grant).map(Answer::GrantCreated),
            Action::AckGrant(id) => self.ack_grant(command, *id).map(Answer::GrantAcked),
            Action::ImportPlayer(import) => self.import_player(command, import).map(Answer::PlayerImported),
        }
    }

    fn adjust(&mut self, command: &Command, adjustment: &Adjustment) -> Result<Adjusted, Rejection> {
        let operation = adjustment.kind.operation();
        let key = adjustment.key.clone();
        match self.settled_before(command, operation, adjustment.once)? {
            None => {}
            Some(SettledResult::Adjusted(balance)) => return Ok(Adjusted { key, balance, repeat: Repeat::Replay }),
            Some(SettledResult::Granted(_) | SettledResult::Imported) => {
                unreachable!("no adjustment shares its operation with a grant or an import of a player")
            }
        }
        let asset = adjustment.asset();
        let current = self.balance(command, &asset);
        let balance_after = match adjustment.kind.direction() {
            Direction::In => add(current, adjustment.amount)?,
            Direction::Out => take(current, adjustment.amount)?,
        };
        // Nothing below can fail.
        let delta = balance_after.get() - current.get();
        let (reason, source_ref) = (adjustment.reason.clone(), adjustment.source_ref.as_ref());
        let posting = Posting {
            asset,
            delta,
            balance_after,
            operation,
            reason,
            source_ref,
            parameters: adjustment.parameters.as_ref(),
            grant: None,
            once: adjustment.once,
            ids: adjustment.ids,
        };
        let player = self.meet(command);
        self.post(command, player, posting);
        if let Some(once) = adjustment.once {
            self.remember(command, operation, once, SettledResult::Adjusted(balance_after));
        }
        Ok(Adjusted { key, balance: balance_after, repeat: Repeat::First })
    }

    fn create_grant(&mut self, command: &Command, new: &NewGrant) -> Result<GrantCreated, Rejection> {
        match self.settled_before(command, Operation::GrantCreate, Some(new.once))? {
            None => {}
            Some(SettledResult::Granted(grant)) => {
                return Ok(GrantCreated { grant: Box::new(grant.as_created()), repeat: Repeat::Replay });
            }
            Some(SettledResult::Adjusted(_) | SettledResult::Imported) => {
                unreachable!("no grant shares its operation with anything else")
            }
        }
        let deposits = match new.delivery {
            Delivery::Claim => Vec::new(),
            Delivery::Immediate => self.deposits(command, new)?,
        };
        // Nothing below can fail.
        let player = self.meet(command);
        let grant = grant_of(command, new, player);
        self.tell(command, EventName::GrantCreated, || occurrences::grant_created(command.realm, &grant));
        for posting in deposits {
            self.post(command, player, posting);
        }
        let created = Box::new(grant.clone());
        self.now.put_grant(GrantKey { realm: command.realm, id: grant.id }, Some(grant.clone()));
        self.remember(command, Operation::GrantCreate, new.once, SettledResult::Granted(created.clone()));
        let actor = command.actor.clone();
        self.settlement.new_grants.push(StoredGrant { realm: command.realm, grant, actor, once: new.once });
        Ok(GrantCreated { grant: created, repeat: Repeat::First })
    }

    fn ack_grant(&mut self, command: &Command, id: GrantId) -> Result<Box<Grant>, Rejection> {
        let key = GrantKey { realm: command.realm, id };
        let mut grant = self.now.grant(&key).cloned().ok_or(Rejection::GrantNotFound)?;
        let player = self.now.player(&player_key(command)).ok_or(Rejection::GrantNotFound)?;
        if player.id != grant.player {
            return Err(Rejection::GrantNotFound);
        }
        match grant.status_at(command.at) {
            GrantStatus::Claimed => return Ok(Box::new(grant)),
            GrantStatus::Expired => return Err(Rejection::GrantExpired { expires_at: grant.expires_at }),
            GrantStatus::Pending => {}
        }
        // Nothing below can fail.
        let claim = Claim { at: command.at, by: AckedBy::ServerApi };
        grant.claim = Some(claim);
        self.settlement.claimed_grants.push(ClaimedGrant { realm: command.realm, id, at: claim.at, by: claim.by });
        self.now.put_grant(key, Some(grant.clone()));
        let (realm, at) = (command.realm, command.at);
        self.tell(command, EventName::GrantClaimed, || occurrences::grant_claimed(realm, &grant, at));
        self.meet(command);
        Ok(Box::new(grant))
    }

    fn import_player(&mut self, command: &Command, import: &PlayerImport) -> Result<Repeat, Rejection> {
        let PlayerImport { context_snapshot, once } = import;
        if self.settled_before(command, Operation::MigratePlayers, Some(*once))?.is_some() {
            return Ok(Repeat::Replay);
        }
        // Nothing below can fail.
        let player = self.meet(command);
        let (realm, at, context_snapshot, once) = (command.realm, command.at, context_snapshot.clone(), *once);
        self.settlement.imported_players.push(ImportedPlayer { realm, player, context_snapshot, once, at });
        self.remember(command, Operation::MigratePlayers, once, SettledResult::Imported);
        Ok(Repeat::First)
    }

    /// What an earlier request with the same idempotency key did, if there was one.
    fn settled_before(
        &self,
        command: &Command,
        operation: Operation,
        once: Option<Once>,
    ) -> Result<Option<SettledResult>, Rejection> {
        let Some(once) = once else { return Ok(None) };
        let key = OnceKey { realm: command.realm, operation, key: once.key };
        match self.now.settled(&key) {
            None => Ok(None),
            Some(settled) if settled.fingerprint == once.fingerprint => Ok(Some(settled.result.clone())),
            Some(_) => Err(Rejection::IdempotencyConflict),
        }
    }

    /// The deposits of a grant that is delivered at once, all of which fit, or the refusal of the first that does not.
    fn deposits<'a>(&self, command: &Command, new: &'a NewGrant) -> Result<Vec<Posting<'a>>, Rejection> {
        let mut postings: Vec<Posting<'a>> = Vec::with_capacity(new.deposit_ids.len());
        for (entry, ids) in new.entries.as_slice().iter().zip(&new.deposit_ids) {
            let Some((asset, amount)) = entry.deposit() else { continue };
            let earlier = postings.iter().rev().find(|posting| posting.asset == asset);
            let current = earlier.map_or_else(|| self.balance(command, &asset), |posting| posting.balance_after);
            postings.push(Posting {
                asset,
                delta: amount.get(),
                balance_after: add(current, amount)?,
                operation: Operation::GrantCreate,
                reason: Some(FreeText::restore(GRANT_DEPOSIT_REASON.to_owned())),
                source_ref: new.source_ref.as_ref(),
                parameters: None,
                grant: Some(new.id),
                once: None,
                ids: *ids,
            });
        }
        Ok(postings)
    }

    fn balance(&self, command: &Command, asset: &Asset) -> Balance {
        let key = AccountKey { player: player_key(command), asset: asset.clone() };
        self.now.account(&key).map_or(Balance::ZERO, |account| account.balance)
    }

    /// The player of an accepted command: created on first contact, marked as seen otherwise.
    fn meet(&mut self, command: &Command) -> PlayerId {
        let key = player_key(command);
        let Some(known) = self.now.player(&key) else {
            let (created_at, last_seen_at) = (command.at, command.at);
            let (id, external_id, banned_at) = (command.player_if_new, command.player.clone(), None);
            let player = Player { id, external_id, created_at, last_seen_at, banned_at };
            let (realm, name) = (command.realm, EventName::PlayerRegistered);
            self.tell(command, name, || occurrences::player_registered(realm, &player));
            self.settlement.new_players.push((command.realm, player.clone()));
            self.now.put_player(key, Some(player));
            return command.player_if_new;
        };
        let id = known.id;
        if SEEN_EVERY <= command.at.since(known.last_seen_at) {
            let seen = self.now.mark_seen(&key, command.at);
            self.settlement.seen_players.push((command.realm, seen));
        }
        id
    }

    /// Makes a change that was checked before.
    fn post(&mut self, command: &Command, player: PlayerId, posting: Posting<'_>) {
        let key = AccountKey { player: player_key(command), asset: posting.asset };
        let before = self.now.account(&key);
        let before =
            before.unwrap_or(AccountState { id: posting.ids.account_if_new, balance: Balance::ZERO, version: 0 });
        assert!(posting.delta != 0, "an entry that changes nothing is not an entry");
        assert!(
            before.balance.get() + posting.delta == posting.balance_after.get(),
            "a posting was checked on another balance"
        );
        let after = AccountState { id: before.id, balance: posting.balance_after, version: before.version + 1 };
        let entry = Entry {
            realm: command.realm,
            account: after.id,
            position: self.now.next_position(command.realm),
            sequence: after.version,
            id: posting.ids.entry,
            delta: posting.delta,
            balance_after: after.balance,
            operation: posting.operation,
            origin: command.origin,
            actor: command.actor.clone(),
            reason: posting.reason,
            source_ref: posting.source_ref.cloned(),
            parameters: posting.parameters.cloned(),
            grant: posting.grant,
            once: posting.once,
            at: command.at,
        };
        let asset = &key.asset;
        self.tell(command, occurrences::change_of(asset.kind), || occurrences::entry_made(player, asset, &entry));
        self.settlement.entries.push(entry);
        self.change(command, player, &key, before, after);
        self.now.put_account(key, Some(after));
    }

    /// Notes that an account changed: once in a settlement, with its last state.
    fn change(
        &mut self,
        command: &Command,
        player: PlayerId,
        key: &AccountKey,
        before: AccountState,
        after: AccountState,
    ) {
        let known = self.changed.get(key).and_then(|index| self.settlement.accounts.get_mut(*index));
        if let Some(change) = known {
            (change.balance, change.version, change.at) = (after.balance, after.version, command.at);
            return;
        }
        self.changed.insert(key.clone(), self.settlement.accounts.len());
        self.settlement.accounts.push(AccountChange {
            realm: command.realm,
            id: after.id,
            player,
            asset: key.asset.clone(),
            balance: after.balance,
            version: after.version,
            version_before: before.version,
            first_at: command.at,
            at: command.at,
        });
    }

    /// Notes what happened, if somebody wants to be told of it. An import from another platform is told to nobody.
    fn tell(&mut self, command: &Command, name: EventName, event: impl FnOnce() -> OutboxEvent) {
        if !command.is_import() && self.now.wants(command.realm, name) {
            self.settlement.events.push(event());
        }
    }

    fn remember(&mut self, command: &Command, operation: Operation, once: Once, result: SettledResult) {
        let key = OnceKey { realm: command.realm, operation, key: once.key };
        self.now.put_once(key, Some(Settled { fingerprint: once.fingerprint, result }));
    }
}

fn add(current: Balance, amount: Amount) -> Result<Balance, Rejection> {
    current.plus(amount).ok_or(Rejection::BalanceLimit { current, amount })
}

fn take(current: Balance, amount: Amount) -> Result<Balance, Rejection> {
    current.minus(amount).ok_or(Rejection::InsufficientFunds { current, required: amount })
}

fn player_key(command: &Command) -> PlayerKey {
    PlayerKey { realm: command.realm, external_id: command.player.clone() }
}

fn grant_of(command: &Command, new: &NewGrant, player: PlayerId) -> Grant {
    let claim = match new.delivery {
        Delivery::Claim => None,
        Delivery::Immediate => Some(Claim { at: command.at, by: AckedBy::Delivery }),
    };
    Grant {
        id: new.id,
        player,
        kind: new.kind,
        entries: new.entries.clone(),
        source: new.source,
        source_ref: new.source_ref.clone(),
        metadata: new.metadata.clone(),
        delivery: new.delivery,
        claim,
        expires_at: new.expires_at,
        created_at: command.at,
    }
}
