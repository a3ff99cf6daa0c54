//! Deliveries as they are read: pages of an endpoint's, one with its attempts, and how the outbox stands.

use std::cmp::Reverse;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::economy::Page;
use domain::tenancy::RealmId;
use domain::webhooks::{Attempt, Delivery, DeliveryId, DeliveryQuery, DeliveryStatus, OutboxLag};
use uuid::Uuid;

use super::endpoints;
use crate::rows::webhooks::{AttemptRow, DeliveryRow};
use crate::rows::{named, time_if_any};
use crate::sqlite::statement::statement;

/// How many attempts of a delivery are read.
const ATTEMPTS_MAX: i64 = 100;

type DeliveryColumns = (Binary, Binary, Binary, Text, Text, BigInt, Nullable<BigInt>, BigInt, Nullable<BigInt>);

/// The columns of [`DeliveryRow`], in its order.
macro_rules! delivery_columns {
    () => {
        "id, endpoint, event, name, status, attempts, due_at, occurred_at, ended_at"
    };
}

statement! {
    /// Deliveries of an endpoint in one status before an id, newest first.
    PageOfDeliveries<'a> {
        realm: i64 => BigInt, endpoint: &'a [u8] => Binary, status: &'a str => Text, before: &'a [u8] => Binary,
        limit: i64 => BigInt,
    }
    -> DeliveryColumns
    = concat!("SELECT ", delivery_columns!(), " FROM webhook_deliveries INDEXED BY webhook_deliveries_by_status
        WHERE realm = ? AND endpoint = ? AND status = ? AND id < ? ORDER BY id DESC LIMIT ?")
}

statement! {
    /// A delivery.
    FindDelivery<'a> { realm: i64 => BigInt, id: &'a [u8] => Binary } -> DeliveryColumns
    = concat!("SELECT ", delivery_columns!(), " FROM webhook_deliveries WHERE realm = ? AND id = ?")
}

statement! {
    /// How far a delivery is.
    FindStatus<'a> { realm: i64 => BigInt, id: &'a [u8] => Binary } -> (Text,)
    = "SELECT status FROM webhook_deliveries WHERE realm = ? AND id = ?"
}

statement! {
    /// The latest attempts of a delivery, the last one first.
    LatestAttempts<'a> { realm: i64 => BigInt, delivery: &'a [u8] => Binary, limit: i64 => BigInt }
    -> (BigInt, BigInt, BigInt, Nullable<BigInt>, Nullable<Text>, Nullable<BigInt>, Nullable<Text>)
    = "SELECT number, attempted_at, took, answer_status, answer_body, retry_after, error
        FROM webhook_attempts WHERE realm = ? AND delivery = ? ORDER BY number DESC LIMIT ?"
}

statement! {
    /// How many deliveries of enabled endpoints wait, as far as is counted, and since when the oldest has been due. Walks the
    /// endpoints, which are few.
    Lag { limit: i64 => BigInt } -> (BigInt, Nullable<BigInt>)
    = "SELECT
        (SELECT count(*) FROM (
            SELECT 1 FROM webhook_endpoints e CROSS JOIN webhook_deliveries d INDEXED BY webhook_deliveries_due
                ON d.realm = e.realm AND d.endpoint = e.id AND d.status = 'pending'
            WHERE e.disabled_at IS NULL AND e.removed_at IS NULL LIMIT ?
        )),
        (SELECT min((
            SELECT d.due_at FROM webhook_deliveries d INDEXED BY webhook_deliveries_due
            WHERE d.realm = e.realm AND d.endpoint = e.id AND d.status = 'pending' ORDER BY d.due_at LIMIT 1
        )) FROM webhook_endpoints e WHERE e.disabled_at IS NULL AND e.removed_at IS NULL)"
}

statement! {
    /// How many events have no deliveries yet, as far as is counted, and when the first of these happened.
    Unpublished { limit: i64 => BigInt } -> (BigInt, Nullable<BigInt>)
    = "SELECT count(*), min(occurred_at) FROM (
            SELECT e.occurred_at FROM outbox_positions p
            CROSS JOIN outbox_events e INDEXED BY outbox_events_by_position
                ON e.realm = p.realm AND e.position > p.published
            WHERE p.published < p.last LIMIT ?
        )"
}

/// A page of an endpoint's deliveries, newest first.
pub(super) fn page(connection: &mut SqliteConnection, query: &DeliveryQuery) -> QueryResult<Page<Delivery>> {
    let mut found = Vec::new();
    if endpoints::find(connection, query.realm, query.endpoint)?.is_some() {
        let statuses = DeliveryStatus::ALL.into_iter();
        for status in statuses.filter(|status| query.status.is_none_or(|wanted| wanted == *status)) {
            found.extend(page_of(connection, query, status)?);
        }
    }
    found.sort_unstable_by_key(|delivery| Reverse(delivery.id));
    Ok(Page::of(found, query.limit))
}

fn page_of(
    connection: &mut SqliteConnection,
    query: &DeliveryQuery,
    status: DeliveryStatus,
) -> QueryResult<Vec<Delivery>> {
    let before = query.after.map_or(Uuid::max(), |delivery| delivery.0);
    let statement = PageOfDeliveries {
        realm: query.realm.0,
        endpoint: query.endpoint.0.as_bytes(),
        status: status.as_str(),
        before: before.as_bytes(),
        limit: i64::from(query.limit) + 1,
    };
    statement.load::<DeliveryRow>(connection)?.into_iter().map(Delivery::try_from).collect()
}

/// The delivery of that id, of an endpoint that was not removed.
pub(super) fn find(connection: &mut SqliteConnection, realm: RealmId, id: DeliveryId) -> QueryResult<Option<Delivery>> {
    let found =
        FindDelivery { realm: realm.0, id: id.0.as_bytes() }.get_result::<DeliveryRow>(connection).optional()?;
    let Some(delivery) = found.map(Delivery::try_from).transpose()? else { return Ok(None) };
    Ok(endpoints::find(connection, realm, delivery.endpoint)?.map(|_| delivery))
}

/// How far the delivery of that id is.
pub(super) fn status(
    connection: &mut SqliteConnection,
    realm: RealmId,
    id: DeliveryId,
) -> QueryResult<Option<DeliveryStatus>> {
    let found = FindStatus { realm: realm.0, id: id.0.as_bytes() }.get_result::<(String,)>(connection).optional()?;
    found.map(|(status,)| named("status of a delivery", &status, DeliveryStatus::parse)).transpose()
}

/// The delivery of that id with its latest attempts, oldest first.
pub(super) fn with_attempts(
    connection: &mut SqliteConnection,
    realm: RealmId,
    id: DeliveryId,
) -> QueryResult<Option<(Delivery, Vec<Attempt>)>> {
    let Some(delivery) = find(connection, realm, id)? else { return Ok(None) };
    let statement = LatestAttempts { realm: realm.0, delivery: id.0.as_bytes(), limit: ATTEMPTS_MAX };
    let rows = statement.load::<AttemptRow>(connection)?.into_iter().rev();
    let attempts: QueryResult<Vec<Attempt>> = rows.map(Attempt::try_from).collect();
    Ok(Some((delivery, attempts?)))
}

/// How the outbox stands.
pub(super) fn lag(connection: &mut SqliteConnection) -> QueryResult<OutboxLag> {
    let limit = i64::from(OutboxLag::COUNT_MAX);
    let lag = |(count, oldest): (i64, Option<i64>)| OutboxLag {
        pending: u64::try_from(count).unwrap_or(0),
        oldest_due_at: time_if_any(oldest),
    };
    Ok(lag(Lag { limit }.get_result(connection)?).plus(lag(Unpublished { limit }.get_result(connection)?)))
}
