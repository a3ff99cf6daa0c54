//! Grants in SQLite.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::economy::{ClaimedGrant, Fingerprint, Grant, GrantId, GrantStatus, KeyDigest, StoredGrant};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use domain::text::{FreeText, JsonObject};
use uuid::Uuid;

use super::save::exactly_one;
use crate::rows::StoredDigest;
use crate::rows::economy::{GrantRow, grant_entries_to_json};
use crate::sqlite::statement::statement;

type GrantColumns = (
    Binary,
    Binary,
    Text,
    Text,
    Text,
    Nullable<Text>,
    Nullable<Text>,
    Text,
    Nullable<BigInt>,
    Nullable<Text>,
    Nullable<BigInt>,
    BigInt,
);

/// The columns of [`GrantRow`], in its order.
macro_rules! grant_columns {
    () => {
        "id, player, kind, entries, source_kind, source_ref, metadata, delivery, claimed_at, acked_by, expires_at, created_at"
    };
}

statement! {
    /// A grant by its id.
    FindGrant<'a> { realm: i64 => BigInt, id: &'a [u8] => Binary } -> GrantColumns
    = concat!("SELECT ", grant_columns!(), " FROM grants WHERE realm = ? AND id = ?")
}

statement! {
    /// The grant that was created under an idempotency key.
    FindGrantOnce<'a> { realm: i64 => BigInt, key: &'a [u8] => Binary } -> (Binary, GrantColumns)
    = concat!("SELECT fingerprint, ", grant_columns!(), " FROM grants WHERE realm = ? AND idempotency_key = ?")
}

statement! {
    /// A player's grants before an id, newest first, in any of the wanted states at an instant. The index is named, as in
    /// [`CountGrants`]: the table's own order would be that of the ids as well, over everybody's grants.
    PageOfGrants<'a> {
        realm: i64 => BigInt, player: &'a [u8] => Binary, before: &'a [u8] => Binary, state: &'a str => Text,
        claimed: &'a str => Text, now: i64 => BigInt, expired: &'a str => Text, pending: &'a str => Text,
        limit: i64 => BigInt,
    }
    -> GrantColumns
    = concat!("SELECT ", grant_columns!(), " FROM grants INDEXED BY grants_by_player
        WHERE realm = ? AND player = ? AND id < ? AND ? IN ('', CASE
            WHEN claimed_at IS NOT NULL THEN ?
            WHEN expires_at <= ? THEN ?
            ELSE ? END)
        ORDER BY id DESC LIMIT ?")
}

statement! {
    /// How many grants a player has, and how many of them are pending at an instant. The index is named because SQLite,
    /// which takes a realm for something small, prefers the table's own order.
    CountGrants<'a> { now: i64 => BigInt, realm: i64 => BigInt, player: &'a [u8] => Binary } -> (BigInt, BigInt)
    = "SELECT count(*), count(*) FILTER (WHERE claimed_at IS NULL AND (expires_at IS NULL OR expires_at > ?))
        FROM grants INDEXED BY grants_by_player WHERE realm = ? AND player = ?"
}

statement! {
    /// Grants that expired unclaimed, in the order in which they did.
    ExpiredGrants<'a> {
        realm: i64 => BigInt, expires_at: i64 => BigInt, id: &'a [u8] => Binary, until: i64 => BigInt, limit: i64 => BigInt,
    }
    -> GrantColumns
    = concat!("SELECT ", grant_columns!(), " FROM grants INDEXED BY grants_by_expiry
        WHERE realm = ? AND claimed_at IS NULL AND expires_at IS NOT NULL
        AND (expires_at, id) > (?, ?) AND expires_at <= ? ORDER BY expires_at, id LIMIT ?")
}

statement! {
    /// Stores a new grant.
    InsertGrant<'a> {
        realm: i64 => BigInt, id: &'a [u8] => Binary, player: &'a [u8] => Binary, kind: &'a str => Text,
        entries: &'a str => Text, source_kind: &'a str => Text, source_ref: Option<&'a str> => Nullable<Text>,
        metadata: Option<&'a str> => Nullable<Text>, delivery: &'a str => Text, claimed_at: Option<i64> => Nullable<BigInt>,
        acked_by: Option<&'a str> => Nullable<Text>, expires_at: Option<i64> => Nullable<BigInt>, created_at: i64 => BigInt,
        actor: &'a str => Text, idempotency_key: &'a [u8] => Binary, fingerprint: &'a [u8] => Binary,
    }
    -> () = "INSERT INTO grants (realm, id, player, kind, entries, source_kind, source_ref, metadata, delivery, claimed_at,
        acked_by, expires_at, created_at, actor, idempotency_key, fingerprint)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
}

statement! {
    /// Marks a grant as claimed, which happens once.
    ClaimGrant<'a> { at: i64 => BigInt, by: &'a str => Text, realm: i64 => BigInt, id: &'a [u8] => Binary }
    -> () = "UPDATE grants SET claimed_at = ?, acked_by = ? WHERE realm = ? AND id = ? AND claimed_at IS NULL"
}

/// A grant by its id.
pub(in crate::sqlite) fn find(
    connection: &mut SqliteConnection,
    realm: RealmId,
    id: GrantId,
) -> QueryResult<Option<Grant>> {
    let statement = FindGrant { realm: realm.0, id: id.0.as_bytes() };
    statement.get_result::<GrantRow>(connection).optional()?.map(Grant::try_from).transpose()
}

/// The grant that was created under an idempotency key, with the fingerprint of that request.
pub(super) fn find_once(
    connection: &mut SqliteConnection,
    realm: RealmId,
    key: KeyDigest,
) -> QueryResult<Option<(Fingerprint, Grant)>> {
    let statement = FindGrantOnce { realm: realm.0, key: &key.0 };
    let found = statement.get_result::<(StoredDigest, GrantRow)>(connection).optional()?;
    found.map(|(fingerprint, row)| Ok((Fingerprint(fingerprint.0), Grant::try_from(row)?))).transpose()
}

/// Which of a player's grants to read, newest first.
pub(in crate::sqlite) struct GrantFilter {
    /// Only those in this state at `now`.
    pub(in crate::sqlite) status: Option<GrantStatus>,
    /// Only those older than this one.
    pub(in crate::sqlite) after: Option<GrantId>,
    /// At most so many.
    pub(in crate::sqlite) limit: i64,
    /// The instant at which expiry is judged.
    pub(in crate::sqlite) now: Timestamp,
}

/// The grants of a player that `filter` lets through.
pub(in crate::sqlite) fn grants_of(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
    filter: &GrantFilter,
) -> QueryResult<Vec<Grant>> {
    let before = filter.after.map_or(Uuid::max(), |grant| grant.0);
    let statement = PageOfGrants {
        realm: realm.0,
        player: player.0.as_bytes(),
        before: before.as_bytes(),
        state: filter.status.map_or("", GrantStatus::as_str),
        claimed: GrantStatus::Claimed.as_str(),
        now: filter.now.unix_micros(),
        expired: GrantStatus::Expired.as_str(),
        pending: GrantStatus::Pending.as_str(),
        limit: filter.limit,
    };
    statement.load::<GrantRow>(connection)?.into_iter().map(Grant::try_from).collect()
}

/// At most `limit` grants that expired unclaimed up to `until`, past the place (expiry, id) `after`, in that order.
pub(in crate::sqlite) fn expired(
    connection: &mut SqliteConnection,
    realm: RealmId,
    (expires_at, id): (Timestamp, Uuid),
    until: Timestamp,
    limit: u32,
) -> QueryResult<Vec<Grant>> {
    let statement = ExpiredGrants {
        realm: realm.0,
        expires_at: expires_at.unix_micros(),
        id: id.as_bytes(),
        until: until.unix_micros(),
        limit: i64::from(limit),
    };
    statement.load::<GrantRow>(connection)?.into_iter().map(Grant::try_from).collect()
}

/// How many grants a player has.
pub(in crate::sqlite) struct GrantCounts {
    /// In any state.
    pub(in crate::sqlite) all: u64,
    /// Pending.
    pub(in crate::sqlite) pending: u64,
}

/// Counts a player's grants at the instant `now`.
pub(in crate::sqlite) fn grant_counts(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
    now: Timestamp,
) -> QueryResult<GrantCounts> {
    let statement = CountGrants { now: now.unix_micros(), realm: realm.0, player: player.0.as_bytes() };
    let (all, pending) = statement.get_result::<(i64, i64)>(connection)?;
    Ok(GrantCounts { all: u64::try_from(all).unwrap_or(0), pending: u64::try_from(pending).unwrap_or(0) })
}

/// Stores a new grant.
pub(super) fn insert(connection: &mut SqliteConnection, stored: &StoredGrant) -> QueryResult<()> {
    let StoredGrant { realm, grant, actor, once } = stored;
    let statement = InsertGrant {
        realm: realm.0,
        id: grant.id.0.as_bytes(),
        player: grant.player.0.as_bytes(),
        kind: grant.kind.as_str(),
        entries: &grant_entries_to_json(&grant.entries),
        source_kind: grant.source.as_str(),
        source_ref: grant.source_ref.as_ref().map(FreeText::as_str),
        metadata: grant.metadata.as_ref().map(JsonObject::as_json),
        delivery: grant.delivery.as_str(),
        claimed_at: grant.claim.map(|claim| claim.at.unix_micros()),
        acked_by: grant.claim.map(|claim| claim.by.as_str()),
        expires_at: grant.expires_at.map(Timestamp::unix_micros),
        created_at: grant.created_at.unix_micros(),
        actor: actor.as_str(),
        idempotency_key: &once.key.0,
        fingerprint: &once.fingerprint.0,
    };
    exactly_one(statement.execute(connection)?)
}

/// Marks a grant as claimed.
pub(super) fn claim(connection: &mut SqliteConnection, claimed: &ClaimedGrant) -> QueryResult<()> {
    let ClaimedGrant { realm, id, at, by } = claimed;
    let statement = ClaimGrant { at: at.unix_micros(), by: by.as_str(), realm: realm.0, id: id.0.as_bytes() };
    exactly_one(statement.execute(connection)?)
}

/// The statement behind [`expired`], to be explained.
#[cfg(test)]
pub(in crate::sqlite) fn sql_of_expired() -> String {
    let (id, until) = (Uuid::nil(), 0);
    let statement = ExpiredGrants { realm: 1, expires_at: 0, id: id.as_bytes(), until, limit: 1 };
    diesel::debug_query::<diesel::sqlite::Sqlite, _>(&statement).to_string()
}
