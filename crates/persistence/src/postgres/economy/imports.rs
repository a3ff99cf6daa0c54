//! Imports of players in PostgreSQL.

use std::collections::BTreeMap;

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Binary, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::economy::{ImportedPlayer, OnceKey};
use domain::tenancy::RealmId;
use uuid::Uuid;

use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::StoredDigest;

statement! {
    /// Imports by their idempotency keys, each with its number among the wanted ones (from 1).
    FindImportsOnce<'a> { realm: i64 => BigInt, keys: Vec<&'a [u8]> => Array<Binary> } -> (BigInt, Binary)
    = "SELECT wanted.number, import.fingerprint FROM unnest($2) WITH ORDINALITY AS wanted (key, number)
        CROSS JOIN LATERAL (
            SELECT fingerprint FROM player_imports WHERE realm = $1 AND idempotency_key = wanted.key LIMIT 1
        ) AS import"
}

statement! {
    /// Stores imports.
    InsertImports<'a> {
        realm: i64 => BigInt, idempotency_keys: Vec<&'a [u8]> => Array<Binary>,
        fingerprints: Vec<&'a [u8]> => Array<Binary>, players: Vec<Uuid> => Array<SqlUuid>,
        created_at: Vec<i64> => Array<BigInt>,
    }
    -> () = "INSERT INTO player_imports (realm, idempotency_key, fingerprint, player, created_at)
        SELECT $1, n.idempotency_key, n.fingerprint, n.player, n.created_at
        FROM unnest($2, $3, $4, $5) AS n (idempotency_key, fingerprint, player, created_at)"
}

statement! {
    /// Replaces what is known of players.
    UpdateContexts<'a> {
        realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid>, contexts: Vec<&'a str> => Array<Text>,
    }
    -> () = "UPDATE players SET context_snapshot = ($3)[array_position($2, id)]::json WHERE realm = $1 AND id = ANY($2)"
}

/// The fingerprints of the imports that were made under the `wanted` idempotency keys, each with its number among them
/// (from 1).
pub(super) async fn find_once(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &[OnceKey],
) -> QueryResult<Vec<(i64, StoredDigest)>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let keys = wanted.iter().map(|once| once.key.0.as_slice()).collect();
    FindImportsOnce { realm: realm.0, keys }.load(&mut connection).await
}

/// Stores imports, in the order of their idempotency keys, in which two processes that meet the same ones wait for each
/// other without a deadlock.
pub(super) async fn insert(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    imports: &[&ImportedPlayer],
) -> Result<(), Trouble> {
    if imports.is_empty() {
        return Ok(());
    }
    let mut sorted = imports.to_vec();
    sorted.sort_unstable_by_key(|import| import.once.key);
    let statement = InsertImports {
        realm: realm.0,
        idempotency_keys: sorted.iter().map(|import| import.once.key.0.as_slice()).collect(),
        fingerprints: sorted.iter().map(|import| import.once.fingerprint.0.as_slice()).collect(),
        players: sorted.iter().map(|import| import.player.0).collect(),
        created_at: sorted.iter().map(|import| import.at.unix_micros()).collect(),
    };
    Ok(statement.execute(&mut connection).await.map(drop)?)
}

/// Replaces what is known of the players whose imports say something of them. They are locked or new.
pub(super) async fn update_contexts(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    imports: &[&ImportedPlayer],
) -> Result<(), Trouble> {
    // Of several of one player the last is right.
    let told = imports.iter().filter_map(|import| Some((import.player.0, import.context_snapshot.as_ref()?.as_json())));
    let latest: BTreeMap<Uuid, &str> = told.collect();
    if latest.is_empty() {
        return Ok(());
    }
    let (ids, contexts) = latest.into_iter().unzip();
    let statement = UpdateContexts { realm: realm.0, ids, contexts };
    Ok(statement.execute(&mut connection).await.map(drop)?)
}
