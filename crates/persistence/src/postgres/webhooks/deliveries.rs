//! Deliveries as they are read.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::economy::Page;
use domain::tenancy::RealmId;
use domain::webhooks::{Attempt, Delivery, DeliveryId, DeliveryQuery, DeliveryStatus, OutboxLag};
use uuid::Uuid;

use crate::postgres::statement::statement;
use crate::rows::time_if_any;
use crate::rows::webhooks::{AttemptRow, DeliveryRow};

/// The SQL types of [`DeliveryRow`].
type DeliveryColumns = (SqlUuid, SqlUuid, SqlUuid, Text, Text, BigInt, Nullable<BigInt>, BigInt, Nullable<BigInt>);

/// The SQL types of [`AttemptRow`].
type AttemptColumns = (BigInt, BigInt, BigInt, Nullable<BigInt>, Nullable<Text>, Nullable<BigInt>, Nullable<Text>);

/// How many attempts of a delivery are read.
const ATTEMPTS_MAX: i64 = 100;

/// The columns of [`DeliveryRow`], in its order.
macro_rules! delivery_columns {
    () => {
        "id, endpoint, event, name, status, attempts, due_at, occurred_at, ended_at"
    };
}

statement! {
    /// Deliveries of an endpoint before an id, newest first, that are any of this.
    PageOfDeliveries<'a> {
        realm: i64 => BigInt, endpoint: Uuid => SqlUuid, statuses: Vec<&'a str> => Array<Text>,
        before: Uuid => SqlUuid, limit: i64 => BigInt,
    }
    -> DeliveryColumns
    = concat!("SELECT delivery.*
        FROM (SELECT id FROM webhook_endpoints WHERE realm = $1 AND id = $2 AND removed_at IS NULL) AS target
        CROSS JOIN unnest($3) AS wanted (status)
        CROSS JOIN LATERAL (
            SELECT ", delivery_columns!(), " FROM webhook_deliveries
            WHERE realm = $1 AND endpoint = target.id AND status = wanted.status AND id < $4 ORDER BY id DESC LIMIT $5
        ) AS delivery
        ORDER BY delivery.id DESC LIMIT $5")
}

statement! {
    /// A delivery of an endpoint that was not removed.
    FindDelivery { realm: i64 => BigInt, id: Uuid => SqlUuid } -> DeliveryColumns
    = concat!("SELECT delivery.*
        FROM (
            SELECT ", delivery_columns!(), " FROM webhook_deliveries WHERE realm = $1 AND id = $2
        ) AS delivery
        CROSS JOIN LATERAL (
            SELECT FROM webhook_endpoints WHERE realm = $1 AND id = delivery.endpoint AND removed_at IS NULL OFFSET 0
        ) AS target")
}

statement! {
    /// The latest attempts of a delivery, newest first.
    AttemptsOfDelivery { realm: i64 => BigInt, delivery: Uuid => SqlUuid, limit: i64 => BigInt } -> AttemptColumns
    = "SELECT number, attempted_at, took, answer_status, answer_body, retry_after, error FROM webhook_attempts
        WHERE realm = $1 AND delivery = $2 ORDER BY number DESC LIMIT $3"
}

statement! {
    /// How many deliveries of enabled endpoints wait, in all realms, as far as is counted.
    CountPending { limit: i64 => BigInt } -> (BigInt,)
    = "SELECT count(*) FROM (
            SELECT FROM webhook_endpoints AS target
            CROSS JOIN LATERAL (
                SELECT FROM webhook_deliveries
                WHERE realm = target.realm AND endpoint = target.id AND status = 'pending' LIMIT $1
            ) AS pending
            WHERE target.disabled_at IS NULL AND target.removed_at IS NULL LIMIT $1
        ) AS counted"
}

statement! {
    /// When the first of those was due.
    FirstDue {} -> (Nullable<BigInt>,)
    = "SELECT min(pending.oldest)
        FROM webhook_endpoints AS target
        CROSS JOIN LATERAL (
            SELECT min(due_at) AS oldest FROM webhook_deliveries
            WHERE realm = target.realm AND endpoint = target.id AND status = 'pending'
        ) AS pending
        WHERE target.disabled_at IS NULL AND target.removed_at IS NULL"
}

statement! {
    /// How many events are not published, in all realms, as far as is counted, and when the first of these happened.
    CountUnpublished { limit: i64 => BigInt } -> (BigInt, Nullable<BigInt>)
    = "SELECT count(*), min(waiting.occurred_at) FROM (
            SELECT occurred_at FROM outbox_events WHERE position IS NULL ORDER BY realm, occurred_at, id LIMIT $1
        ) AS waiting"
}

/// A page of an endpoint's deliveries, newest first.
pub(super) async fn page(mut connection: &AsyncPgConnection, query: &DeliveryQuery) -> QueryResult<Page<Delivery>> {
    let statuses: Vec<DeliveryStatus> = query.status.map_or(DeliveryStatus::ALL.to_vec(), |status| vec![status]);
    let statement = PageOfDeliveries {
        realm: query.realm.0,
        endpoint: query.endpoint.0,
        statuses: statuses.into_iter().map(DeliveryStatus::as_str).collect(),
        before: query.after.map_or(Uuid::max(), |after| after.0),
        limit: i64::from(query.limit) + 1,
    };
    let rows: Vec<DeliveryRow> = statement.load(&mut connection).await?;
    let deliveries = rows.into_iter().map(Delivery::try_from).collect::<QueryResult<_>>()?;
    Ok(Page::of(deliveries, query.limit))
}

/// The delivery of that id.
pub(super) async fn find(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    id: DeliveryId,
) -> QueryResult<Option<Delivery>> {
    let row: Option<DeliveryRow> =
        FindDelivery { realm: realm.0, id: id.0 }.get_result(&mut connection).await.optional()?;
    row.map(Delivery::try_from).transpose()
}

/// The delivery of that id with its latest attempts, oldest first.
pub(super) async fn find_with_attempts(
    connection: &AsyncPgConnection,
    realm: RealmId,
    id: DeliveryId,
) -> QueryResult<Option<(Delivery, Vec<Attempt>)>> {
    let (delivery, attempts) = tokio::try_join!(find(connection, realm, id), attempts_of(connection, realm, id))?;
    Ok(delivery.map(|delivery| (delivery, attempts)))
}

async fn attempts_of(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    delivery: DeliveryId,
) -> QueryResult<Vec<Attempt>> {
    let statement = AttemptsOfDelivery { realm: realm.0, delivery: delivery.0, limit: ATTEMPTS_MAX };
    let rows: Vec<AttemptRow> = statement.load(&mut connection).await?;
    rows.into_iter().rev().map(Attempt::try_from).collect()
}

/// How the outbox stands.
pub(super) async fn lag(mut connection: &AsyncPgConnection) -> QueryResult<OutboxLag> {
    let limit = i64::from(OutboxLag::COUNT_MAX);
    let lag = |count: i64, oldest: Option<i64>| OutboxLag {
        pending: u64::try_from(count).unwrap_or_default(),
        oldest_due_at: time_if_any(oldest),
    };
    let (pending,) = CountPending { limit }.get_result::<(i64,)>(&mut connection).await?;
    let (first_due,) = FirstDue {}.get_result::<(Option<i64>,)>(&mut connection).await?;
    let (unpublished, first) = CountUnpublished { limit }.get_result::<(i64, Option<i64>)>(&mut connection).await?;
    Ok(lag(pending, first_due).plus(lag(unpublished, first)))
}
