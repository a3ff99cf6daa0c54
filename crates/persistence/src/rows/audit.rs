//! Rows of the audit: every account with each of its entries, and how they are fed to it.

use diesel::prelude::*;
use domain::economy::{AccountId, Asset, AssetKey, AssetKind, Audit, AuditReport, AuditedAccount, AuditedEntry};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use uuid::Uuid;

use super::{StoredUuid, named};

/// An account with one of its entries, or with none.
#[derive(Queryable)]
pub(crate) struct AuditRow {
    realm: i64,
    account: StoredUuid,
    player: StoredUuid,
    kind: String,
    key: String,
    balance: i64,
    version: i64,
    sequence: Option<i64>,
    delta: Option<i64>,
    balance_after: Option<i64>,
}

/// An audit and the account that it is at.
pub(crate) struct OpenAudit {
    audit: Audit,
    account: Option<(i64, StoredUuid)>,
}

impl OpenAudit {
    /// Begins `audit`.
    pub(crate) fn new(audit: Audit) -> Self {
        Self { audit, account: None }
    }

    /// Takes in the next row. All rows of an account come after each other.
    pub(crate) fn row(&mut self, row: &AuditRow) -> QueryResult<()> {
        if self.account != Some((row.realm, row.account)) {
            self.account = Some((row.realm, row.account));
            self.audit.account(account_of(row)?);
        }
        if let (Some(sequence), Some(delta), Some(balance_after)) = (row.sequence, row.delta, row.balance_after) {
            self.audit.entry(AuditedEntry { sequence, delta, balance_after });
        }
        Ok(())
    }

    /// Takes in an account that has entries and does not exist.
    pub(crate) fn orphan(&mut self, realm: RealmId, id: AccountId) {
        self.audit.orphan(AuditedAccount {
            realm,
            id,
            player: PlayerId(Uuid::nil()),
            asset: Asset { kind: AssetKind::Currency, key: AssetKey::restore("?".to_owned()) },
            balance: 0,
            version: 0,
        });
    }

    /// Ends the audit.
    pub(crate) fn finish(self) -> AuditReport {
        self.audit.finish()
    }
}

fn account_of(row: &AuditRow) -> QueryResult<AuditedAccount> {
    Ok(AuditedAccount {
        realm: RealmId(row.realm),
        id: AccountId(row.account.0),
        player: PlayerId(row.player.0),
        asset: Asset {
            kind: named("kind of asset", &row.kind, AssetKind::parse)?,
            key: AssetKey::restore(row.key.clone()),
        },
        balance: row.balance,
        version: row.version,
    })
}
