//! Deliveries that are queued again.
//!
//! A range is looked through on a reader's connection and queued in short transactions, so that nobody waits for a long one.
//! Its entry in the audit log is stored with the first of them.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::webhooks::{
    DeliveryId, DeliveryStatus, Endpoint, EventNames, NewDelivery, Replay, ReplayRange, Undispatched,
};
use uuid::Uuid;

use super::{deliveries, dispatch, endpoints};
use crate::rows::StoredUuid;
use crate::rows::webhooks::{after_all_before, before_all_of, between_spaces, in_both, undispatched};
use crate::sqlite::statement::statement;
use crate::sqlite::{SqliteStore, audit_log, connection};

/// How many events are looked at, and queued, in one transaction.
const PIECE: u32 = 500;

statement! {
    /// Events of some names past an id that happened from one instant on and before another.
    EventsBetween<'a> {
        realm: i64 => BigInt, after: &'a [u8] => Binary, before: &'a [u8] => Binary, since: i64 => BigInt,
        until: i64 => BigInt, names: &'a str => Text, limit: i64 => BigInt,
    }
    -> (Binary, Text, BigInt)
    = "SELECT id, name, occurred_at FROM outbox_events
        WHERE realm = ? AND id > ? AND id < ? AND occurred_at >= ? AND occurred_at < ?
        AND instr(?, ' ' || name || ' ') > 0 ORDER BY id LIMIT ?"
}

statement! {
    /// Queues a delivery again.
    Requeue<'a> { due_at: i64 => BigInt, realm: i64 => BigInt, id: &'a [u8] => Binary }
    -> () = "UPDATE webhook_deliveries SET status = 'pending', tries = 0, due_at = ?, claim = NULL, ended_at = NULL
        WHERE realm = ? AND id = ? AND (status <> 'pending' OR claim IS NULL)"
}

impl SqliteStore {
    /// Queues what `replay` asks for; how many. `None` when there is no such delivery or endpoint.
    pub(super) async fn replay_in_pieces(&self, replay: Replay) -> Result<Option<u32>, StoreError> {
        match replay.range {
            ReplayRange::One(id) => {
                let write = move |connection: &mut SqliteConnection| one(connection, &replay, id);
                self.write_and_ring(move |connection| Ok((write(connection)?, true))).await
            }
            ReplayRange::Between { since, until, names, only_failed } => {
                self.replay_between(&replay, Between { since, until, names, only_failed }).await
            }
        }
    }

    async fn replay_between(&self, replay: &Replay, range: Between) -> Result<Option<u32>, StoreError> {
        let (mut after, mut queued, mut first) = (before_all_of(range.since), 0, true);
        loop {
            let (realm, endpoint, look) = (replay.realm, replay.endpoint, after);
            let read = move |connection: &mut SqliteConnection| match endpoints::find(connection, realm, endpoint)? {
                Some(endpoint) => range.events(connection, realm.0, &endpoint, look).map(Some),
                None => Ok(None),
            };
            let Some(events) = self.readers.run(move |connection| connection::read(connection, read)).await? else {
                return Ok((!first).then_some(queued));
            };
            let is_last = events.len() < usize::try_from(PIECE).unwrap_or(usize::MAX);
            after = events.last().map_or(after, |event| event.id.0);
            let (replay, left) = (replay.clone(), Replay::COUNT_MAX - queued);
            let write = move |connection: &mut SqliteConnection| {
                if first {
                    audit_log::insert(connection, &replay.audit)?;
                }
                piece(connection, &replay, &events, range.only_failed, left)
            };
            queued += self.write_and_ring(move |connection| Ok((write(connection)?, true))).await?;
            first = false;
            if is_last || Replay::COUNT_MAX <= queued {
                return Ok(Some(queued));
            }
        }
    }
}

/// A range of events.
#[derive(Debug, Clone, Copy)]
struct Between {
    since: Timestamp,
    until: Timestamp,
    names: EventNames,
    only_failed: bool,
}

impl Between {
    /// The next events past `after` that `endpoint` is told of.
    fn events(
        &self,
        connection: &mut SqliteConnection,
        realm: i64,
        endpoint: &Endpoint,
        after: Uuid,
    ) -> QueryResult<Vec<Undispatched>> {
        let names = between_spaces(in_both(self.names, endpoint.events));
        let before = after_all_before(self.until);
        let statement = EventsBetween {
            realm,
            after: after.as_bytes(),
            before: before.as_bytes(),
            since: self.since.unix_micros(),
            until: self.until.unix_micros(),
            names: &names,
            limit: i64::from(PIECE),
        };
        let rows = statement.load::<(StoredUuid, String, i64)>(connection)?;
        let known = rows.iter().filter_map(|(id, name, at)| undispatched(RealmId(realm), (*id, name, *at)));
        Ok(known.collect())
    }
}

fn one(connection: &mut SqliteConnection, replay: &Replay, id: DeliveryId) -> QueryResult<Option<u32>> {
    let found = deliveries::find(connection, replay.realm, id)?;
    if found.is_none_or(|delivery| delivery.endpoint != replay.endpoint) {
        return Ok(None);
    }
    let queued = requeue(connection, replay, id)?;
    audit_log::insert(connection, &replay.audit)?;
    Ok(Some(u32::from(queued)))
}

/// Queues those of `events` that are neither waiting nor to be left alone, at most `left`; how many.
fn piece(
    connection: &mut SqliteConnection,
    replay: &Replay,
    events: &[Undispatched],
    only_failed: bool,
    left: u32,
) -> QueryResult<u32> {
    let (realm, endpoint) = (replay.realm, replay.endpoint);
    let mut queued = 0;
    if endpoints::find(connection, realm, endpoint)?.is_none() {
        return Ok(queued);
    }
    for Undispatched { id: event, name, at: occurred_at, .. } in events.iter().copied() {
        if left <= queued {
            break;
        }
        let id = DeliveryId::of(endpoint, event, occurred_at);
        match deliveries::status(connection, realm, id)? {
            Some(DeliveryStatus::Pending) => continue,
            Some(DeliveryStatus::Delivered) if only_failed => continue,
            Some(DeliveryStatus::Delivered | DeliveryStatus::Failed) => {
                requeue(connection, replay, id)?;
            }
            None => {
                dispatch::queue(connection, &NewDelivery { realm, id, endpoint, event, name, occurred_at }, replay.at)?;
            }
        }
        queued += 1;
    }
    Ok(queued)
}

/// Makes a delivery due; whether it did. One that is being attempted is left to whoever does.
fn requeue(connection: &mut SqliteConnection, replay: &Replay, id: DeliveryId) -> QueryResult<bool> {
    let due_at = replay.at.unix_micros();
    let statement = Requeue { due_at, realm: replay.realm.0, id: id.0.as_bytes() };
    Ok(statement.execute(connection)? == 1)
}
