//! Rows of the audit: every account with each of its entries, and how they are fed to it.

use diesel::prelude::*;
use domain::economy::{
    AccountId, Asset, AssetKey, AssetKind, Audit, AuditReport, AuditedAccount, AuditedEntry, SpotCheck,
};
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

/// An account without its entries.
#[derive(Queryable)]
pub(crate) struct SpotRow {
    pub(crate) realm: i64,
    pub(crate) account: StoredUuid,
    player: StoredUuid,
    kind: String,
    key: String,
    balance: i64,
    version: i64,
}

/// An entry of such an account: sequence, delta, balance after.
pub(crate) type SpotEntry = (i64, i64, i64);

/// A spot check under way.
#[derive(Default)]
pub(crate) struct OpenSpotCheck {
    audit: Audit,
    last: Option<(RealmId, AccountId)>,
}

impl OpenSpotCheck {
    /// Takes in an account with its latest entries, newest first.
    pub(crate) fn account(&mut self, row: SpotRow, newest_first: Vec<SpotEntry>) -> QueryResult<()> {
        let (realm, id) = (RealmId(row.realm), AccountId(row.account.0));
        let kind = named("kind of asset", &row.kind, AssetKind::parse)?;
        let entry = |(sequence, delta, balance_after)| AuditedEntry { sequence, delta, balance_after };
        let entries: Vec<AuditedEntry> = newest_first.into_iter().rev().map(entry).collect();
        let account = AuditedAccount {
            realm,
            id,
            player: PlayerId(row.player.0),
            asset: Asset { kind, key: AssetKey::restore(row.key) },
            balance: row.balance,
            version: row.version,
        };
        self.audit.latest(account, &entries);
        self.last = Some((realm, id));
        Ok(())
    }

    /// Ends it.
    pub(crate) fn finish(self) -> SpotCheck {
        SpotCheck { report: self.audit.finish(), next: self.last }
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
