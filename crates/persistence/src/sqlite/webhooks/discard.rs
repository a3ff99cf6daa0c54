//! Removes what is kept no longer, a bounded piece at a time.
//!
//! Ids of events and deliveries begin with the time of the event, and attempts are kept under that of their delivery: what
//! happened before an instant is a range of each table.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;

use crate::rows::StoredUuid;
use crate::rows::webhooks::first_id_of;
use crate::sqlite::statement::statement;

statement! {
    /// All realms.
    AllRealms {} -> (BigInt,) = "SELECT id FROM realms ORDER BY id"
}

statement! {
    /// Endpoints that were removed. Walks the endpoints, which are few.
    RemovedEndpoints {} -> (BigInt, Binary) = "SELECT realm, id FROM webhook_endpoints WHERE removed_at IS NOT NULL"
}

statement! {
    /// Deliveries of an endpoint, however far they are.
    DeliveriesOf<'a> { realm: i64 => BigInt, endpoint: &'a [u8] => Binary, limit: i64 => BigInt } -> (Binary,)
    = "SELECT id FROM webhook_deliveries INDEXED BY webhook_deliveries_by_status
        WHERE realm = ? AND endpoint = ? LIMIT ?"
}

statement! {
    /// Removes the attempts of a delivery.
    DeleteAttempts<'a> { realm: i64 => BigInt, delivery: &'a [u8] => Binary }
    -> () = "DELETE FROM webhook_attempts WHERE realm = ? AND delivery = ?"
}

statement! {
    /// Removes a delivery.
    DeleteDelivery<'a> { realm: i64 => BigInt, id: &'a [u8] => Binary }
    -> () = "DELETE FROM webhook_deliveries WHERE realm = ? AND id = ?"
}

statement! {
    /// Removes an endpoint.
    DeleteEndpoint<'a> { realm: i64 => BigInt, id: &'a [u8] => Binary }
    -> () = "DELETE FROM webhook_endpoints WHERE realm = ? AND id = ?"
}

statement! {
    /// Removes old attempts, the oldest first.
    DeleteOldAttempts<'a> { realm: i64 => BigInt, of_realm: i64 => BigInt, before: &'a [u8] => Binary, limit: i64 => BigInt }
    -> () = "DELETE FROM webhook_attempts WHERE realm = ? AND (delivery, number) IN (
            SELECT delivery, number FROM webhook_attempts WHERE realm = ? AND delivery < ? ORDER BY delivery, number LIMIT ?)"
}

statement! {
    /// Removes old deliveries, the oldest first.
    DeleteOldDeliveries<'a> { realm: i64 => BigInt, of_realm: i64 => BigInt, before: &'a [u8] => Binary, limit: i64 => BigInt }
    -> () = "DELETE FROM webhook_deliveries WHERE realm = ? AND id IN (
            SELECT id FROM webhook_deliveries WHERE realm = ? AND id < ? ORDER BY id LIMIT ?)"
}

statement! {
    /// Removes old events, the oldest first.
    DeleteOldEvents<'a> { realm: i64 => BigInt, of_realm: i64 => BigInt, before: &'a [u8] => Binary, limit: i64 => BigInt }
    -> () = "DELETE FROM outbox_events WHERE realm = ? AND id IN (
            SELECT id FROM outbox_events WHERE realm = ? AND id < ? ORDER BY id LIMIT ?)"
}

/// Removes what is left of removed endpoints and what happened before `before`, at most about `limit` rows; how many.
pub(super) fn discard(connection: &mut SqliteConnection, before: Timestamp, limit: u32) -> QueryResult<u32> {
    let limit = i64::from(limit);
    let mut removed = left_overs(connection, limit)?;
    let before = first_id_of(before);
    let before = before.as_bytes().as_slice();
    for (realm,) in (AllRealms {}).load::<(i64,)>(connection)? {
        let left = limit - removed;
        if left <= 0 {
            break;
        }
        removed += removed_by(DeleteOldAttempts { realm, of_realm: realm, before, limit: left }.execute(connection)?);
        let left = limit - removed;
        removed += removed_by(DeleteOldDeliveries { realm, of_realm: realm, before, limit: left }.execute(connection)?);
        let left = limit - removed;
        removed += removed_by(DeleteOldEvents { realm, of_realm: realm, before, limit: left }.execute(connection)?);
    }
    Ok(u32::try_from(removed).unwrap_or(u32::MAX))
}

/// Removes what is left of removed endpoints.
fn left_overs(connection: &mut SqliteConnection, limit: i64) -> QueryResult<i64> {
    let mut removed = 0;
    for (realm, endpoint) in (RemovedEndpoints {}).load::<(i64, StoredUuid)>(connection)? {
        let endpoint = endpoint.0.as_bytes().as_slice();
        let deliveries = DeliveriesOf { realm, endpoint, limit: limit - removed };
        for (delivery,) in deliveries.load::<(StoredUuid,)>(connection)? {
            let id = delivery.0.as_bytes().as_slice();
            removed += removed_by(DeleteAttempts { realm, delivery: id }.execute(connection)?);
            removed += removed_by(DeleteDelivery { realm, id }.execute(connection)?);
        }
        if limit <= removed {
            break;
        }
        removed += removed_by(DeleteEndpoint { realm, id: endpoint }.execute(connection)?);
    }
    Ok(removed)
}

fn removed_by(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
