//! Builders of commands: `credit("p1", "gold", 5).keyed("k1").in_realm(realm)`.
//!
//! A draft can be cloned and completed many times, as a client repeats a request: every completion has new identifiers,
//! and the same idempotency key and fingerprint.

use std::time::Duration;

use domain::clock::Timestamp;
use domain::economy::{
    AccountId, Action, Actor, Adjustment, AdjustmentKind, Amount, Command, Delivery, EntryId, Fingerprint,
    Fingerprinter, GrantEntries, GrantEntry, GrantId, GrantKind, GrantSource, KeyDigest, NewGrant, Once, Operation,
    Origin, PlayerImport, PostingIds,
};
use domain::ids::Ids;
use domain::players::{ExternalId, PlayerId};
use domain::tenancy::RealmId;
use domain::text::{FreeText, JsonObject};
use serde_json::Value;

use crate::clock::START;
use crate::ids::SequentialIds;
use crate::tenants::{asset_key, external_id, text};

/// A command without its realm and its identifiers.
#[derive(Debug, Clone)]
pub struct Draft {
    player: ExternalId,
    at: Timestamp,
    actor: Actor,
    origin: Origin,
    key: Option<String>,
    source_ref: Option<FreeText>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Adjust { kind: AdjustmentKind, key: String, amount: i64, reason: Option<FreeText>, parameters: Option<JsonObject> },
    Grant(GrantDraft),
    Ack(GrantId),
    Import { context_snapshot: Option<JsonObject> },
}

#[derive(Debug, Clone)]
struct GrantDraft {
    kind: GrantKind,
    entries: Vec<GrantEntry>,
    source: GrantSource,
    metadata: Option<JsonObject>,
    expires_at: Option<Timestamp>,
    delivery: Delivery,
}

/// Mints currency.
pub fn credit(player: &str, key: &str, amount: i64) -> Draft {
    adjust(AdjustmentKind::WalletCredit, player, key, amount)
}

/// Takes currency.
pub fn debit(player: &str, key: &str, amount: i64) -> Draft {
    adjust(AdjustmentKind::WalletDebit, player, key, amount)
}

/// Adds items.
pub fn grant_item(player: &str, key: &str, quantity: i64) -> Draft {
    adjust(AdjustmentKind::InventoryGrant, player, key, quantity)
}

/// Takes items.
pub fn revoke_item(player: &str, key: &str, quantity: i64) -> Draft {
    adjust(AdjustmentKind::InventoryRevoke, player, key, quantity)
}

/// Brings in currency from another platform.
pub fn import_currency(player: &str, key: &str, amount: i64) -> Draft {
    adjust(AdjustmentKind::WalletImport, player, key, amount)
}

/// Brings in items from another platform.
pub fn import_items(player: &str, key: &str, quantity: i64) -> Draft {
    adjust(AdjustmentKind::InventoryImport, player, key, quantity)
}

/// Brings in a player from another platform. `key` is its idempotency key, which every import has.
pub fn import_player(player: &str, key: &str) -> Draft {
    draft(player, What::Import { context_snapshot: None }).keyed(key)
}

/// Creates a grant that waits to be claimed. `key` is its idempotency key, which every grant has.
pub fn create_grant(player: &str, key: &str, entries: Vec<GrantEntry>) -> Draft {
    grant(player, key, entries, Delivery::Claim)
}

/// Creates a grant that is delivered at once. `key` is its idempotency key, which every grant has.
pub fn immediate_grant(player: &str, key: &str, entries: Vec<GrantEntry>) -> Draft {
    grant(player, key, entries, Delivery::Immediate)
}

/// Marks a grant as claimed.
pub fn ack(player: &str, grant: GrantId) -> Draft {
    draft(player, What::Ack(grant))
}

/// An entry of a grant: some of a currency.
pub fn coins(key: &str, amount: i64) -> GrantEntry {
    GrantEntry::Currency { key: asset_key(key), amount: amount_of(amount) }
}

/// An entry of a grant: some of an item.
pub fn items(key: &str, quantity: i64) -> GrantEntry {
    GrantEntry::Item { key: asset_key(key), quantity: amount_of(quantity), parameters: None }
}

/// An entry of a grant: crates to be opened later.
pub fn crates(key: &str, quantity: i64) -> GrantEntry {
    GrantEntry::Crate { key: asset_key(key), quantity: amount_of(quantity) }
}

impl Draft {
    /// Gives it an idempotency key.
    #[must_use]
    pub fn keyed(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// Gives it a source reference.
    #[must_use]
    pub fn sourced(self, source_ref: &str) -> Self {
        Self { source_ref: Some(text(source_ref)), ..self }
    }

    /// Gives an adjustment a reason.
    #[must_use]
    pub fn because(mut self, because: &str) -> Self {
        let What::Adjust { reason, .. } = &mut self.what else { panic!("only an adjustment has a reason") };
        *reason = Some(text(because));
        self
    }

    /// Gives an adjustment parameters, a JSON object.
    #[must_use]
    pub fn with_parameters(mut self, object: &Value) -> Self {
        let What::Adjust { parameters, .. } = &mut self.what else { panic!("only an adjustment has parameters") };
        *parameters = Some(JsonObject::try_new(object).expect("the test gives parameters that are allowed"));
        self
    }

    /// Gives an import of a player a context, a JSON object.
    #[must_use]
    pub fn with_context(mut self, object: &Value) -> Self {
        let What::Import { context_snapshot } = &mut self.what else { panic!("only an import has a context") };
        *context_snapshot = Some(JsonObject::try_new(object).expect("the test gives a context that is allowed"));
        self
    }

    /// Gives a grant metadata, a JSON object.
    #[must_use]
    pub fn with_metadata(self, object: &Value) -> Self {
        let metadata = Some(JsonObject::try_new(object).expect("the test gives metadata that are allowed"));
        self.with_grant(|grant| grant.metadata = metadata)
    }

    /// Ends a grant at this instant.
    #[must_use]
    pub fn expiring(self, at: Timestamp) -> Self {
        self.with_grant(|grant| grant.expires_at = Some(at))
    }

    /// Makes a grant a crate, granted by an operator.
    #[must_use]
    pub fn as_crate_by_admin(self) -> Self {
        self.with_grant(|grant| (grant.kind, grant.source) = (GrantKind::Crate, GrantSource::Admin))
    }

    /// Asks for it at this instant; without this it is asked for at [`START`].
    #[must_use]
    pub fn at(self, at: Timestamp) -> Self {
        Self { at, ..self }
    }

    /// Asks for it so long after [`START`].
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        self.at(Timestamp::from_unix_micros(START).plus(delay))
    }

    /// Asks for it in the name of `actor`, for `origin`.
    #[must_use]
    pub fn by(self, actor: &str, origin: Origin) -> Self {
        Self { actor: Actor::new(actor), origin, ..self }
    }

    /// The whole command.
    pub fn in_realm(&self, realm: RealmId) -> Command {
        Command {
            realm,
            at: self.at,
            actor: self.actor.clone(),
            origin: self.origin,
            player: self.player.clone(),
            player_if_new: PlayerId(SequentialIds.next(self.at)),
            action: self.action(),
        }
    }

    fn action(&self) -> Action {
        match &self.what {
            What::Adjust { kind, key, amount, reason, parameters } => Action::Adjust(Adjustment {
                kind: *kind,
                key: asset_key(key),
                amount: amount_of(*amount),
                reason: reason.clone(),
                source_ref: self.source_ref.clone(),
                parameters: parameters.clone(),
                once: self.once(kind.operation()),
                ids: self.posting_ids(),
            }),
            What::Grant(grant) => Action::CreateGrant(Box::new(self.new_grant(grant))),
            What::Ack(id) => Action::AckGrant(*id),
            What::Import { context_snapshot } => Action::ImportPlayer(PlayerImport {
                context_snapshot: context_snapshot.clone(),
                once: self.once(Operation::MigratePlayers).expect("every import is drafted with a key"),
            }),
        }
    }

    fn new_grant(&self, grant: &GrantDraft) -> NewGrant {
        let deposit_ids = match grant.delivery {
            Delivery::Claim => Vec::new(),
            Delivery::Immediate => grant.entries.iter().map(|_| self.posting_ids()).collect(),
        };
        NewGrant {
            id: GrantId(SequentialIds.next(self.at)),
            kind: grant.kind,
            entries: GrantEntries::try_new(grant.entries.clone()).expect("the test gives 1 to 100 entries"),
            source: grant.source,
            source_ref: self.source_ref.clone(),
            metadata: grant.metadata.clone(),
            expires_at: grant.expires_at,
            delivery: grant.delivery,
            once: self.once(Operation::GrantCreate).expect("every grant is drafted with a key"),
            deposit_ids,
        }
    }

    fn once(&self, operation: Operation) -> Option<Once> {
        let key = KeyDigest::of(self.key.as_ref()?).expect("the test gives an idempotency key that is allowed");
        Some(Once { key, fingerprint: self.fingerprint(operation) })
    }

    /// What the transport takes in: the path and the body, without the idempotency key.
    fn fingerprint(&self, operation: Operation) -> Fingerprint {
        let mut parts = Fingerprinter::new(operation);
        parts.text(self.player.as_str());
        parts.text(&format!("{:?} {:?}", self.source_ref, self.what));
        parts.finish()
    }

    fn posting_ids(&self) -> PostingIds {
        let next = || SequentialIds.next(self.at);
        PostingIds { account_if_new: AccountId(next()), entry: EntryId(next()) }
    }

    fn with_grant(mut self, change: impl FnOnce(&mut GrantDraft)) -> Self {
        let What::Grant(grant) = &mut self.what else { panic!("only a grant has this") };
        change(grant);
        self
    }
}

fn adjust(kind: AdjustmentKind, player: &str, key: &str, amount: i64) -> Draft {
    draft(player, What::Adjust { kind, key: key.to_owned(), amount, reason: None, parameters: None })
}

fn grant(player: &str, key: &str, entries: Vec<GrantEntry>, delivery: Delivery) -> Draft {
    let (kind, source) = (GrantKind::Reward, GrantSource::Api);
    let grant = GrantDraft { kind, entries, source, metadata: None, expires_at: None, delivery };
    draft(player, What::Grant(grant)).keyed(key)
}

fn draft(player: &str, what: What) -> Draft {
    Draft {
        player: external_id(player),
        at: Timestamp::from_unix_micros(START),
        actor: Actor::new("ks_sandbox_test000000"),
        origin: Origin::Server,
        key: None,
        source_ref: None,
        what,
    }
}

fn amount_of(number: i64) -> Amount {
    Amount::try_new(number).expect("the test gives an amount that is allowed")
}
