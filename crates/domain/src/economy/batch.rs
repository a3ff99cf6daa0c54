//! A batch: the commands that arrived while the last batch was being stored, and the footprint of what they must see.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Action, Asset, BATCH_MAX, Command, GrantId, KeyDigest, Operation};
use crate::players::ExternalId;
use crate::tenancy::RealmId;

/// Commands that are decided and stored together, in this order. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    commands: Arc<[Command]>,
}

impl Batch {
    /// A batch of `commands`, at most [`BATCH_MAX`].
    pub fn new(commands: Vec<Command>) -> Self {
        assert!(commands.len() <= BATCH_MAX, "a batch of {} commands is larger than {BATCH_MAX}", commands.len());
        Self { commands: commands.into() }
    }

    /// The commands, in order.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Every key that [`Batch::settle`] looks at, each once, in ascending order (the order in which an adapter may lock).
    pub fn footprint(&self) -> Footprint {
        let mut footprint = Footprint::default();
        for command in self.commands.iter() {
            footprint.add(command);
        }
        footprint
    }
}

/// A player, by the studio's name for them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlayerKey {
    /// The realm.
    pub realm: RealmId,
    /// The studio's id for the player.
    pub external_id: ExternalId,
}

/// An account, by its owner and asset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey {
    /// Who holds it.
    pub player: PlayerKey,
    /// What is held.
    pub asset: Asset,
}

/// A request that happens once: its idempotency key in its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OnceKey {
    /// The realm.
    pub realm: RealmId,
    /// The operation.
    pub operation: Operation,
    /// The digest of the idempotency key.
    pub key: KeyDigest,
}

/// A grant, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantKey {
    /// The realm.
    pub realm: RealmId,
    /// The grant.
    pub id: GrantId,
}

/// What must be loaded to decide a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Footprint {
    /// Every realm touched.
    pub realms: BTreeSet<RealmId>,
    /// Every player named.
    pub players: BTreeSet<PlayerKey>,
    /// Every account that may change.
    pub accounts: BTreeSet<AccountKey>,
    /// Every idempotency key used.
    pub once: BTreeSet<OnceKey>,
    /// Every grant named by its id.
    pub grants: BTreeSet<GrantKey>,
}

impl Footprint {
    fn add(&mut self, command: &Command) {
        let realm = command.realm;
        let player = PlayerKey { realm, external_id: command.player.clone() };
        self.realms.insert(realm);
        match &command.action {
            Action::Adjust(adjustment) => {
                let operation = adjustment.kind.operation();
                self.once.extend(adjustment.once.map(|once| OnceKey { realm, operation, key: once.key }));
                self.accounts.insert(AccountKey { player: player.clone(), asset: adjustment.asset() });
            }
            Action::CreateGrant(grant) => {
                self.once.insert(OnceKey { realm, operation: Operation::GrantCreate, key: grant.once.key });
                let deposited = grant.entries.as_slice().iter().take(grant.deposit_ids.len());
                let assets = deposited.filter_map(|entry| entry.deposit());
                self.accounts.extend(assets.map(|(asset, _)| AccountKey { player: player.clone(), asset }));
            }
            Action::AckGrant(id) => {
                self.grants.insert(GrantKey { realm, id: *id });
            }
            Action::ImportPlayer(import) => {
                self.once.insert(OnceKey { realm, operation: Operation::MigratePlayers, key: import.once.key });
            }
        }
        self.players.insert(player);
    }
}
