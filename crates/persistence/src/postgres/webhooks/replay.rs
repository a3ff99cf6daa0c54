//! Queues deliveries again.
//!
//! Nobody publishes in the realm meanwhile, because a publisher may be storing the same deliveries, in another order. What waits
//! already is left alone, so a delivery that is being attempted is not touched, nor waited for.

use std::collections::HashMap;

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::clock::Timestamp;
use domain::tenancy::RealmId;
use domain::webhooks::{
    Delivery, DeliveryId, DeliveryStatus, Endpoint, EventNames, NewDelivery, Replay, ReplayRange, Undispatched,
};
use uuid::Uuid;

use super::{deliveries, endpoints, publish};
use crate::postgres::attempts::{TransactionId, transaction_id};
use crate::postgres::audit_log;
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::webhooks::{after_all_before, before_all_of, in_both, known_names, undispatched};
use crate::rows::{StoredUuid, named};

/// How many events are looked at together.
const PIECE: usize = 1_000;

statement! {
    /// Events of these names of a time, past an id, in the order of their ids, which is that of time.
    EventsBetween<'a> {
        realm: i64 => BigInt, after: Uuid => SqlUuid, before: Uuid => SqlUuid, since: i64 => BigInt,
        until: i64 => BigInt, names: Vec<&'a str> => Array<Text>, limit: i64 => BigInt,
    }
    -> (SqlUuid, Text, BigInt)
    = "SELECT id, name, occurred_at FROM outbox_events
        WHERE realm = $1 AND id > $2 AND id < $3 AND occurred_at >= $4 AND occurred_at < $5 AND name = ANY($6)
        ORDER BY id LIMIT $7"
}

statement! {
    /// How far deliveries are.
    FindStatuses { realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid> } -> (SqlUuid, Text)
    = "SELECT found.* FROM unnest($2) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT id, status FROM webhook_deliveries WHERE realm = $1 AND id = wanted.id LIMIT 1
        ) AS found"
}

statement! {
    /// Queues deliveries, new ones and those that do not wait.
    QueueDeliveries<'a> {
        realm: i64 => BigInt, endpoint: Uuid => SqlUuid, ids: Vec<Uuid> => Array<SqlUuid>,
        events: Vec<Uuid> => Array<SqlUuid>, names: Vec<&'a str> => Array<Text>,
        occurred_at: Vec<i64> => Array<BigInt>, due_at: i64 => BigInt,
    }
    -> () = "INSERT INTO webhook_deliveries (realm, id, endpoint, event, name, occurred_at, status, attempts, tries, due_at)
        SELECT $1, n.id, $2, n.event, n.name, n.occurred_at, 'pending', 0, 0, $7
        FROM unnest($3, $4, $5, $6) AS n (id, event, name, occurred_at)
        ON CONFLICT (realm, id) DO UPDATE
        SET status = 'pending', tries = 0, due_at = excluded.due_at, claim = NULL, ended_at = NULL
        WHERE webhook_deliveries.status <> 'pending'"
}

statement! {
    /// Makes a delivery due that waits and is not being attempted.
    MakeDue { realm: i64 => BigInt, id: Uuid => SqlUuid, due_at: i64 => BigInt } -> ()
    = "UPDATE webhook_deliveries SET due_at = $3, tries = 0
        WHERE realm = $1 AND id = $2 AND status = 'pending' AND claim IS NULL"
}

/// What a replay is about.
pub(super) enum Subject {
    /// One delivery.
    Delivery(Delivery),
    /// Events of an endpoint.
    Endpoint(Endpoint),
}

/// What the replay is about, if there is such a thing.
pub(super) async fn load(
    connection: &AsyncPgConnection,
    replay: &Replay,
) -> QueryResult<(TransactionId, Option<Subject>)> {
    // In this order on the wire: what is polled first is sent first.
    let ((), transaction) =
        tokio::try_join!(biased; publish::wait(connection, replay.realm), transaction_id(connection))?;
    let subject = match &replay.range {
        ReplayRange::One(id) => {
            let delivery = deliveries::find(connection, replay.realm, *id).await?;
            delivery.filter(|delivery| delivery.endpoint == replay.endpoint).map(Subject::Delivery)
        }
        ReplayRange::Between { .. } => {
            endpoints::find(connection, replay.realm, replay.endpoint).await?.map(Subject::Endpoint)
        }
    };
    Ok((transaction, subject))
}

/// Queues what is to be queued; how many.
pub(super) async fn store(
    connection: &AsyncPgConnection,
    replay: &Replay,
    subject: Option<Subject>,
) -> Result<Option<u32>, Trouble> {
    let queued = match (subject, &replay.range) {
        (None, _) => return Ok(None),
        (Some(Subject::Delivery(delivery)), _) => one(connection, replay, &delivery).await?,
        (Some(Subject::Endpoint(endpoint)), ReplayRange::Between { since, until, names, only_failed }) => {
            let names = in_both(*names, endpoint.events);
            between(connection, replay, (*since, *until), names, *only_failed).await?
        }
        (Some(Subject::Endpoint(_)), ReplayRange::One(_)) => return Ok(None),
    };
    audit_log::insert(connection, &replay.audit).await?;
    Ok(Some(u32::try_from(queued).unwrap_or(u32::MAX)))
}

async fn one(mut connection: &AsyncPgConnection, replay: &Replay, delivery: &Delivery) -> Result<usize, Trouble> {
    if delivery.status == DeliveryStatus::Pending {
        let (realm, due_at) = (replay.realm.0, replay.at.unix_micros());
        return Ok(MakeDue { realm, id: delivery.id.0, due_at }.execute(&mut connection).await?);
    }
    let again = NewDelivery {
        realm: replay.realm,
        id: delivery.id,
        endpoint: delivery.endpoint,
        event: delivery.event,
        name: delivery.name,
        occurred_at: delivery.occurred_at,
    };
    queue(connection, replay, &[again]).await
}

async fn between(
    connection: &AsyncPgConnection,
    replay: &Replay,
    (since, until): (Timestamp, Timestamp),
    names: EventNames,
    only_failed: bool,
) -> Result<usize, Trouble> {
    let room_max = usize::try_from(Replay::COUNT_MAX).unwrap_or(usize::MAX);
    let mut queued = 0;
    let mut after = before_all_of(since);
    loop {
        let events = events_between(connection, replay.realm, after, (since, until), names).await?;
        let Some(last) = events.last() else { return Ok(queued) };
        after = last.id.0;
        let is_last = events.len() < PIECE;
        let candidates: Vec<NewDelivery> = events.into_iter().map(|event| delivery_of(replay, &event)).collect();
        let mut statuses = statuses(connection, replay.realm, &candidates).await?;
        let is_wanted = |delivery: &NewDelivery| match statuses.remove(&delivery.id) {
            None | Some(DeliveryStatus::Failed) => true,
            Some(DeliveryStatus::Delivered) => !only_failed,
            Some(DeliveryStatus::Pending) => false,
        };
        let wanted: Vec<NewDelivery> = candidates.into_iter().filter(is_wanted).take(room_max - queued).collect();
        queued += queue(connection, replay, &wanted).await?;
        if is_last || room_max <= queued {
            return Ok(queued);
        }
    }
}

/// The delivery of `event` to the endpoint of the replay.
fn delivery_of(replay: &Replay, event: &Undispatched) -> NewDelivery {
    NewDelivery {
        realm: replay.realm,
        id: DeliveryId::of(replay.endpoint, event.id, event.at),
        endpoint: replay.endpoint,
        event: event.id,
        name: event.name,
        occurred_at: event.at,
    }
}

/// The next events.
async fn events_between(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    after: Uuid,
    (since, until): (Timestamp, Timestamp),
    names: EventNames,
) -> Result<Vec<Undispatched>, Trouble> {
    let statement = EventsBetween {
        realm: realm.0,
        after,
        before: after_all_before(until),
        since: since.unix_micros(),
        until: until.unix_micros(),
        names: known_names(names).collect(),
        limit: i64::try_from(PIECE).unwrap_or(i64::MAX),
    };
    let rows: Vec<(StoredUuid, String, i64)> = statement.load(&mut connection).await?;
    Ok(rows.iter().filter_map(|(id, name, at)| undispatched(realm, (*id, name, *at))).collect())
}

async fn statuses(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    deliveries: &[NewDelivery],
) -> Result<HashMap<DeliveryId, DeliveryStatus>, Trouble> {
    let statement = FindStatuses { realm: realm.0, ids: deliveries.iter().map(|delivery| delivery.id.0).collect() };
    let rows: Vec<(StoredUuid, String)> = statement.load(&mut connection).await?;
    let statuses = rows
        .into_iter()
        .map(|(id, status)| Ok((DeliveryId(id.0), named("status of a delivery", &status, DeliveryStatus::parse)?)));
    Ok(statuses.collect::<QueryResult<_>>()?)
}

async fn queue(
    mut connection: &AsyncPgConnection,
    replay: &Replay,
    deliveries: &[NewDelivery],
) -> Result<usize, Trouble> {
    if deliveries.is_empty() {
        return Ok(0);
    }
    let statement = QueueDeliveries {
        realm: replay.realm.0,
        endpoint: replay.endpoint.0,
        ids: deliveries.iter().map(|delivery| delivery.id.0).collect(),
        events: deliveries.iter().map(|delivery| delivery.event.0).collect(),
        names: deliveries.iter().map(|delivery| delivery.name.as_str()).collect(),
        occurred_at: deliveries.iter().map(|delivery| delivery.occurred_at.unix_micros()).collect(),
        due_at: replay.at.unix_micros(),
    };
    Ok(statement.execute(&mut connection).await?)
}
