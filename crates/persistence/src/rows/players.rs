//! Rows of what happened to players, and of their accounts.

use diesel::Queryable;
use diesel::result::Error;
use domain::economy::{AccountId, AccountState, Asset, AssetKey, AssetKind, Balance, KeyDigest};
use domain::players::{Erasure, ExportAccount, HeldAccount, IdentityDigest, Merge, PlayerId};

use super::{StoredDigest, StoredUuid, named, time};

/// A merge, without the digests that it was found by.
pub(crate) type MergeRow = (StoredUuid, StoredUuid, Option<StoredDigest>, i64);

/// Reads a merge back that was found by the digests of source and target.
pub(crate) fn merge_of(row: MergeRow, source_digest: IdentityDigest, target_digest: IdentityDigest) -> Merge {
    let (source, target, key, at) = row;
    Merge {
        source: PlayerId(source.0),
        source_digest,
        target: PlayerId(target.0),
        target_digest,
        key: key.map(|key| KeyDigest(key.0)),
        at: time(at),
    }
}

/// An erasure, without the digest that it was found by.
pub(crate) type ErasureRow = (StoredUuid, Option<StoredDigest>, i64);

/// Reads an erasure back that was found by its digest.
pub(crate) fn erasure_of(row: ErasureRow, digest: IdentityDigest) -> Erasure {
    let (player, key, at) = row;
    Erasure { player: PlayerId(player.0), digest, key: key.map(|key| KeyDigest(key.0)), at: time(at) }
}

/// An open account: id, kind, key, balance, version.
pub(crate) type HeldRow = (StoredUuid, String, String, i64, i64);

/// Reads an open account back.
pub(crate) fn held_account((id, kind, key, balance, version): HeldRow) -> Result<HeldAccount, Error> {
    let state = AccountState { id: AccountId(id.0), balance: Balance::restore(balance), version };
    Ok(HeldAccount { asset: asset(&kind, key)?, state })
}

/// An account as it is exported.
#[derive(Queryable)]
pub(crate) struct ExportAccountRow {
    id: StoredUuid,
    kind: String,
    key: String,
    balance: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

/// Reads an account back, which a merge `closed` or not.
pub(crate) fn export_account(row: ExportAccountRow, closed: bool) -> Result<ExportAccount, Error> {
    Ok(ExportAccount {
        id: AccountId(row.id.0),
        asset: asset(&row.kind, row.key)?,
        balance: Balance::restore(row.balance),
        version: row.version,
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
        closed,
    })
}

fn asset(kind: &str, key: String) -> Result<Asset, Error> {
    Ok(Asset { kind: named("kind of asset", kind, AssetKind::parse)?, key: AssetKey::restore(key) })
}
