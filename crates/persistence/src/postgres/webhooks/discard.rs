//! Removes what is too old to be kept, and what is left of removed endpoints, in pieces, each a short transaction.
//!
//! What somebody else has locked is left for the next time, so nobody waits here while others wait for what was removed.

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::clock::Timestamp;
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::webhooks::EndpointId;
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use crate::postgres::PostgresStore;
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::StoredUuid;
use crate::rows::webhooks::first_id_of;

/// How many rows of a table are removed in one transaction.
const PIECE: usize = 1_000;

statement! {
    /// The realms that have anything older than an id.
    FindOld { before: Uuid => SqlUuid } -> (BigInt,)
    = "SELECT realms.id FROM realms CROSS JOIN LATERAL (
            (SELECT FROM outbox_events WHERE realm = realms.id AND id < $1 LIMIT 1)
            UNION ALL
            (SELECT FROM webhook_deliveries WHERE realm = realms.id AND id < $1 LIMIT 1)
            UNION ALL
            (SELECT FROM webhook_attempts WHERE realm = realms.id AND delivery < $1 LIMIT 1)
            LIMIT 1
        ) AS old
        ORDER BY realms.id"
}

statement! {
    /// Removes events older than an id.
    DeleteEvents { realm: i64 => BigInt, before: Uuid => SqlUuid, limit: i64 => BigInt } -> ()
    = "DELETE FROM outbox_events WHERE realm = $1 AND id = ANY(ARRAY(
            SELECT id FROM outbox_events WHERE realm = $1 AND id < $2 ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
        ))"
}

statement! {
    /// Removes deliveries older than an id.
    DeleteDeliveries { realm: i64 => BigInt, before: Uuid => SqlUuid, limit: i64 => BigInt } -> ()
    = "DELETE FROM webhook_deliveries WHERE realm = $1 AND id = ANY(ARRAY(
            SELECT id FROM webhook_deliveries WHERE realm = $1 AND id < $2 ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
        ))"
}

statement! {
    /// Removes attempts of deliveries older than an id, those of the oldest ones.
    DeleteAttempts { realm: i64 => BigInt, before: Uuid => SqlUuid, limit: i64 => BigInt } -> ()
    = "DELETE FROM webhook_attempts WHERE realm = $1 AND delivery = ANY(ARRAY(
            SELECT delivery FROM webhook_attempts WHERE realm = $1 AND delivery < $2
            ORDER BY delivery LIMIT $3 FOR UPDATE SKIP LOCKED
        ))"
}

statement! {
    /// Endpoints that were removed, in all realms.
    FindRemoved {} -> (BigInt, SqlUuid)
    = "SELECT realm, id FROM webhook_endpoints WHERE removed_at IS NOT NULL ORDER BY realm, id"
}

statement! {
    /// Removes deliveries of an endpoint; which.
    DeleteDeliveriesOf { realm: i64 => BigInt, endpoint: Uuid => SqlUuid, limit: i64 => BigInt } -> (SqlUuid,)
    = "DELETE FROM webhook_deliveries WHERE realm = $1 AND id = ANY(ARRAY(
            SELECT id FROM webhook_deliveries WHERE realm = $1 AND endpoint = $2
            LIMIT $3 FOR UPDATE SKIP LOCKED
        )) RETURNING id"
}

statement! {
    /// Removes all attempts of deliveries.
    DeleteAttemptsOf { realm: i64 => BigInt, deliveries: Vec<Uuid> => Array<SqlUuid> } -> ()
    = "DELETE FROM webhook_attempts WHERE realm = $1 AND delivery = ANY($2)"
}

statement! {
    /// Removes what is left of a removed endpoint, when nothing refers to it.
    DeleteEndpoint { realm: i64 => BigInt, id: Uuid => SqlUuid } -> ()
    = "DELETE FROM webhook_endpoints WHERE realm = $1 AND id = $2 AND (
            SELECT id FROM webhook_deliveries WHERE realm = $1 AND endpoint = $2 ORDER BY status, id LIMIT 1
        ) IS NULL"
}

/// Removes what happened before `before`, and what is left of removed endpoints; how many rows. About `limit` at most.
pub(super) async fn discard(store: &PostgresStore, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let before = first_id_of(before);
    let mut gone = 0;
    for (realm, endpoint) in store.readers.read(|connection| removed(connection).scope_boxed()).await? {
        while gone < limit {
            let piece = PIECE.min(limit - gone);
            let removed = store.lanes.save(|connection, ()| remove(connection, realm, endpoint, piece).scope_boxed());
            let removed = removed.await?;
            gone += removed;
            if removed < piece {
                break;
            }
        }
    }
    for realm in store.readers.read(|connection| old(connection, before).scope_boxed()).await? {
        while gone < limit {
            let piece = PIECE.min(limit - gone);
            let removed = store.lanes.save(|connection, ()| remove_old(connection, realm, before, piece).scope_boxed());
            let removed = removed.await?;
            gone += removed;
            if removed < piece {
                break;
            }
        }
    }
    Ok(u32::try_from(gone).unwrap_or(u32::MAX))
}

async fn removed(mut connection: &AsyncPgConnection) -> QueryResult<Vec<(RealmId, EndpointId)>> {
    let rows: Vec<(i64, StoredUuid)> = FindRemoved {}.load(&mut connection).await?;
    Ok(rows.into_iter().map(|(realm, id)| (RealmId(realm), EndpointId(id.0))).collect())
}

async fn old(mut connection: &AsyncPgConnection, before: Uuid) -> QueryResult<Vec<RealmId>> {
    let rows: Vec<(i64,)> = FindOld { before }.load(&mut connection).await?;
    Ok(rows.into_iter().map(|(realm,)| RealmId(realm)).collect())
}

/// Removes the next deliveries of a removed endpoint with their attempts, and then the endpoint.
async fn remove(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    endpoint: EndpointId,
    limit: usize,
) -> Result<usize, Trouble> {
    let statement = DeleteDeliveriesOf { realm: realm.0, endpoint: endpoint.0, limit: count(limit) };
    let rows: Vec<(StoredUuid,)> = statement.load(&mut connection).await?;
    let deliveries: Vec<Uuid> = rows.into_iter().map(|(id,)| id.0).collect();
    let gone = deliveries.len();
    if limit <= gone {
        return Ok(gone + DeleteAttemptsOf { realm: realm.0, deliveries }.execute(&mut connection).await?);
    }
    let attempts = DeleteAttemptsOf { realm: realm.0, deliveries }.execute(&mut connection).await?;
    let endpoints = DeleteEndpoint { realm: realm.0, id: endpoint.0 }.execute(&mut connection).await?;
    Ok(gone + attempts + endpoints)
}

/// Removes the oldest events, deliveries and attempts of a realm.
async fn remove_old(
    connection: &AsyncPgConnection,
    realm: RealmId,
    before: Uuid,
    limit: usize,
) -> Result<usize, Trouble> {
    let (realm, limit) = (realm.0, count(limit));
    let (events, deliveries, attempts) = tokio::try_join!(
        async {
            let mut connection = connection;
            DeleteEvents { realm, before, limit }.execute(&mut connection).await
        },
        async {
            let mut connection = connection;
            DeleteDeliveries { realm, before, limit }.execute(&mut connection).await
        },
        async {
            let mut connection = connection;
            DeleteAttempts { realm, before, limit }.execute(&mut connection).await
        },
    )?;
    Ok(events + deliveries + attempts)
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
