//! Grants in PostgreSQL.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::clock::Timestamp;
use domain::economy::{ClaimedGrant, Fingerprint, Grant, GrantId, GrantKey, GrantStatus, OnceKey, StoredGrant};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use domain::text::{FreeText, JsonObject};
use uuid::Uuid;

use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::StoredDigest;
use crate::rows::economy::{GrantRow, grant_entries_to_json};

/// The SQL types of [`GrantRow`].
pub(in crate::postgres) type GrantColumns = (
    SqlUuid,
    SqlUuid,
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
        "id, player, kind, entries::text AS entries, source_kind, source_ref, metadata::text AS metadata, delivery,
        claimed_at, acked_by, expires_at, created_at"
    };
}

pub(in crate::postgres) use grant_columns;

statement! {
    /// Grants by their ids.
    FindGrants { realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid> } -> GrantColumns
    = concat!("SELECT found.* FROM unnest($2) AS wanted (id)
        CROSS JOIN LATERAL (SELECT ", grant_columns!(), " FROM grants WHERE realm = $1 AND id = wanted.id LIMIT 1) AS found")
}

statement! {
    /// Grants by the idempotency keys under which they were created, each with its number among the wanted ones (from 1).
    FindGrantsOnce<'a> { realm: i64 => BigInt, keys: Vec<&'a [u8]> => Array<Binary> } -> (BigInt, Binary, GrantColumns)
    = concat!("SELECT wanted.number, found.* FROM unnest($2) WITH ORDINALITY AS wanted (key, number)
        CROSS JOIN LATERAL (SELECT fingerprint, ", grant_columns!(), " FROM grants
            WHERE realm = $1 AND idempotency_key = wanted.key LIMIT 1) AS found")
}

statement! {
    /// A player's grants before an id, newest first, in any of the wanted states at an instant.
    PageOfGrants<'a> {
        realm: i64 => BigInt, player: Uuid => SqlUuid, before: Uuid => SqlUuid, state: &'a str => Text,
        claimed: &'a str => Text, now: i64 => BigInt, expired: &'a str => Text, pending: &'a str => Text,
        limit: i64 => BigInt,
    }
    -> GrantColumns
    = concat!("SELECT ", grant_columns!(), " FROM grants
        WHERE realm = $1 AND player = $2 AND id < $3 AND $4 IN ('', CASE
            WHEN claimed_at IS NOT NULL THEN $5
            WHEN expires_at <= $6 THEN $7
            ELSE $8 END)
        ORDER BY id DESC LIMIT $9")
}

statement! {
    /// How many grants a player has, and how many of them are pending at an instant.
    CountGrants { realm: i64 => BigInt, player: Uuid => SqlUuid, now: i64 => BigInt } -> (BigInt, BigInt)
    = "SELECT count(*), count(*) FILTER (WHERE claimed_at IS NULL AND (expires_at IS NULL OR expires_at > $3))
        FROM grants WHERE realm = $1 AND player = $2"
}

statement! {
    /// Stores new grants.
    InsertGrants<'a> {
        realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid>, players: Vec<Uuid> => Array<SqlUuid>,
        kinds: Vec<&'a str> => Array<Text>, entries: Vec<String> => Array<Text>,
        source_kinds: Vec<&'a str> => Array<Text>, source_refs: Vec<Option<&'a str>> => Array<Nullable<Text>>,
        metadata: Vec<Option<&'a str>> => Array<Nullable<Text>>, deliveries: Vec<&'a str> => Array<Text>,
        claimed_at: Vec<Option<i64>> => Array<Nullable<BigInt>>, acked_by: Vec<Option<&'a str>> => Array<Nullable<Text>>,
        expires_at: Vec<Option<i64>> => Array<Nullable<BigInt>>, created_at: Vec<i64> => Array<BigInt>,
        actors: Vec<&'a str> => Array<Text>, idempotency_keys: Vec<&'a [u8]> => Array<Binary>,
        fingerprints: Vec<&'a [u8]> => Array<Binary>,
    }
    -> () = "INSERT INTO grants (realm, id, player, kind, entries, source_kind, source_ref, metadata, delivery, claimed_at,
            acked_by, expires_at, created_at, actor, idempotency_key, fingerprint)
        SELECT $1, n.id, n.player, n.kind, n.entries::json, n.source_kind, n.source_ref, n.metadata::json, n.delivery,
            n.claimed_at, n.acked_by, n.expires_at, n.created_at, n.actor, n.idempotency_key, n.fingerprint
        FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) AS n (id, player, kind, entries,
            source_kind, source_ref, metadata, delivery, claimed_at, acked_by, expires_at, created_at, actor,
            idempotency_key, fingerprint)"
}

statement! {
    /// Marks grants as claimed, which happens once.
    ClaimGrants<'a> {
        realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid>, at: Vec<i64> => Array<BigInt>,
        by: Vec<&'a str> => Array<Text>,
    }
    -> () = "UPDATE grants SET claimed_at = ($3)[array_position($2, id)], acked_by = ($4)[array_position($2, id)]
        WHERE realm = $1 AND id = ANY($2) AND claimed_at IS NULL"
}

/// Those of the `wanted` grants that exist.
pub(super) async fn find(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &[GrantKey],
) -> QueryResult<Vec<Grant>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let statement = FindGrants { realm: realm.0, ids: wanted.iter().map(|grant| grant.id.0).collect() };
    let rows: Vec<GrantRow> = statement.load(&mut connection).await?;
    rows.into_iter().map(Grant::try_from).collect()
}

/// The grants that were created under the `wanted` idempotency keys, each with its number among them (from 1) and the
/// fingerprint of its request.
pub(super) async fn find_once(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &[OnceKey],
) -> QueryResult<Vec<(i64, Fingerprint, Grant)>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let statement = FindGrantsOnce { realm: realm.0, keys: wanted.iter().map(|once| once.key.0.as_slice()).collect() };
    let rows: Vec<(i64, StoredDigest, GrantRow)> = statement.load(&mut connection).await?;
    let found = rows
        .into_iter()
        .map(|(number, fingerprint, row)| Ok((number, Fingerprint(fingerprint.0), Grant::try_from(row)?)));
    found.collect()
}

/// Which of a player's grants to read, newest first.
pub(in crate::postgres) struct GrantFilter {
    /// Only those in this state at `now`.
    pub(in crate::postgres) status: Option<GrantStatus>,
    /// Only those older than this one.
    pub(in crate::postgres) after: Option<GrantId>,
    /// At most so many.
    pub(in crate::postgres) limit: i64,
    /// The instant at which expiry is judged.
    pub(in crate::postgres) now: Timestamp,
}

/// The grants of a player that `filter` lets through.
pub(in crate::postgres) async fn grants_of(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
    filter: &GrantFilter,
) -> QueryResult<Vec<Grant>> {
    let statement = PageOfGrants {
        realm: realm.0,
        player: player.0,
        before: filter.after.map_or(Uuid::max(), |grant| grant.0),
        state: filter.status.map_or("", GrantStatus::as_str),
        claimed: GrantStatus::Claimed.as_str(),
        now: filter.now.unix_micros(),
        expired: GrantStatus::Expired.as_str(),
        pending: GrantStatus::Pending.as_str(),
        limit: filter.limit,
    };
    let rows: Vec<GrantRow> = statement.load(&mut connection).await?;
    rows.into_iter().map(Grant::try_from).collect()
}

/// How many grants a player has.
pub(in crate::postgres) struct GrantCounts {
    /// In any state.
    pub(in crate::postgres) all: u64,
    /// Pending.
    pub(in crate::postgres) pending: u64,
}

/// Counts a player's grants at the instant `now`.
pub(in crate::postgres) async fn grant_counts(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
    now: Timestamp,
) -> QueryResult<GrantCounts> {
    let statement = CountGrants { realm: realm.0, player: player.0, now: now.unix_micros() };
    let (all, pending) = statement.get_result::<(i64, i64)>(&mut connection).await?;
    Ok(GrantCounts { all: u64::try_from(all).unwrap_or(0), pending: u64::try_from(pending).unwrap_or(0) })
}

/// Stores new grants, in the order of their idempotency keys, in which two processes that meet the same ones wait for each
/// other without a deadlock.
pub(super) async fn insert(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    grants: &[&StoredGrant],
) -> Result<(), Trouble> {
    if grants.is_empty() {
        return Ok(());
    }
    let mut sorted = grants.to_vec();
    sorted.sort_unstable_by_key(|stored| stored.once.key);
    let grants = || sorted.iter().map(|stored| &stored.grant);
    let statement = InsertGrants {
        realm: realm.0,
        ids: grants().map(|grant| grant.id.0).collect(),
        players: grants().map(|grant| grant.player.0).collect(),
        kinds: grants().map(|grant| grant.kind.as_str()).collect(),
        entries: grants().map(|grant| grant_entries_to_json(&grant.entries)).collect(),
        source_kinds: grants().map(|grant| grant.source.as_str()).collect(),
        source_refs: grants().map(|grant| grant.source_ref.as_ref().map(FreeText::as_str)).collect(),
        metadata: grants().map(|grant| grant.metadata.as_ref().map(JsonObject::as_json)).collect(),
        deliveries: grants().map(|grant| grant.delivery.as_str()).collect(),
        claimed_at: grants().map(|grant| grant.claim.map(|claim| claim.at.unix_micros())).collect(),
        acked_by: grants().map(|grant| grant.claim.map(|claim| claim.by.as_str())).collect(),
        expires_at: grants().map(|grant| grant.expires_at.map(Timestamp::unix_micros)).collect(),
        created_at: grants().map(|grant| grant.created_at.unix_micros()).collect(),
        actors: sorted.iter().map(|stored| stored.actor.as_str()).collect(),
        idempotency_keys: sorted.iter().map(|stored| stored.once.key.0.as_slice()).collect(),
        fingerprints: sorted.iter().map(|stored| stored.once.fingerprint.0.as_slice()).collect(),
    };
    Ok(statement.execute(&mut connection).await.map(drop)?)
}

/// Marks grants as claimed.
pub(super) async fn claim(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    claimed: &[&ClaimedGrant],
) -> Result<(), Trouble> {
    if claimed.is_empty() {
        return Ok(());
    }
    let statement = ClaimGrants {
        realm: realm.0,
        ids: claimed.iter().map(|grant| grant.id.0).collect(),
        at: claimed.iter().map(|grant| grant.at.unix_micros()).collect(),
        by: claimed.iter().map(|grant| grant.by.as_str()).collect(),
    };
    let changed = statement.execute(&mut connection).await?;
    if changed == claimed.len() { Ok(()) } else { Err(Trouble::Stale { what: "a grant" }) }
}
