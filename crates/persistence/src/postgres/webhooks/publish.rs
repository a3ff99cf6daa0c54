//! Publishes events: each gets its place in the feed and its deliveries.
//!
//! Positions go on from the last one that the realm gave out, which outlives the events that had them. It is read and changed
//! under a lock, which one process at a time has in a realm until its commit can be seen, so that what is published later comes
//! later. Who does not get it leaves publishing to whoever has it.
//!
//! They also follow the clock, because a crash of the database may lose the last of these transactions, which are not waited for:
//! what is published anew must not get a position that somebody has read of another event. A transaction is on the disk within a
//! second, and the clock, in microseconds, is past whatever was given out before, so nothing is published slower for that.

use std::collections::{BTreeSet, HashMap, HashSet};

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::clock::Timestamp;
use domain::tenancy::{Realm, RealmId};
use domain::webhooks::{
    DeliveryId, Endpoint, FeedPosition, NewDelivery, OutboxEventId, Subscriber, TakeDue, ToldEvent, Undispatched,
    fan_out,
};
use uuid::Uuid;

use super::feed::{ToldColumns, event_columns, join_player, told_columns};
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::StoredUuid;
use crate::rows::webhooks::{ToldRow, told_event, undispatched};

/// How many events are published at once.
const AT_ONCE: i64 = 500;

/// The lock of a realm's publisher is this and the realm: any number that nothing else uses.
const PUBLISHER: i64 = 6_318_120_417_755_136_000;

statement! {
    /// The realms that have new events, of the first so many events.
    FindUnpublished { limit: i64 => BigInt } -> (BigInt, BigInt)
    = "SELECT waiting.realm, count(*)
        FROM (
            SELECT realm FROM outbox_events WHERE position IS NULL ORDER BY realm, occurred_at, id LIMIT $1
        ) AS waiting
        GROUP BY waiting.realm"
}

statement! {
    /// New events of a realm, oldest first, locked, if nobody else publishes there. What somebody else has locked, to blank it or
    /// to give it to another player, is left for the next time. To lock a row is to see whether it was published meanwhile.
    LockUnpublished { realm: i64 => BigInt, publisher: i64 => BigInt, limit: i64 => BigInt } -> ToldColumns
    = concat!("SELECT ", told_columns!(), "
        FROM (SELECT pg_try_advisory_xact_lock($2) AS is_ours OFFSET 0) AS publisher
        CROSS JOIN LATERAL (
            SELECT ", event_columns!(), " FROM outbox_events
            WHERE publisher.is_ours AND realm = $1 AND position IS NULL
            ORDER BY occurred_at, id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
        ) AS event", join_player!())
}

statement! {
    /// Waits until nobody publishes in a realm, and lets nobody until the transaction ends.
    WaitForPublisher { publisher: i64 => BigInt } -> (Text,) = "SELECT pg_advisory_xact_lock($1)::text"
}

statement! {
    /// Stores deliveries that are not there yet; those that were stored.
    InsertDeliveries<'a> {
        realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid>, endpoints: Vec<Uuid> => Array<SqlUuid>,
        events: Vec<Uuid> => Array<SqlUuid>, names: Vec<&'a str> => Array<Text>,
        occurred_at: Vec<i64> => Array<BigInt>, due_at: Vec<i64> => Array<BigInt>,
        claims: Vec<Option<Uuid>> => Array<Nullable<SqlUuid>>,
    }
    -> (SqlUuid,) = "INSERT INTO webhook_deliveries (realm, id, endpoint, event, name, occurred_at, status, attempts, tries,
            due_at, claim)
        SELECT $1, n.id, n.endpoint, n.event, n.name, n.occurred_at, 'pending', 0, 0, n.due_at, n.claim
        FROM unnest($2, $3, $4, $5, $6, $7, $8) AS n (id, endpoint, event, name, occurred_at, due_at, claim)
        ON CONFLICT (realm, id) DO NOTHING
        RETURNING id"
}

statement! {
    /// Gives events, in their order, the positions after the last one, by the clock if that is further on, and remembers the
    /// last of these.
    SetPositions { realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid>, now: i64 => BigInt } -> (SqlUuid, BigInt)
    = "WITH given AS (
            INSERT INTO outbox_positions (realm, last, published)
            SELECT $1, n.last, n.last FROM (SELECT greatest($3, 0) + cardinality($2) AS last) AS n
            ON CONFLICT (realm) DO UPDATE
            SET last = greatest(excluded.last, outbox_positions.last + cardinality($2)),
                published = greatest(excluded.last, outbox_positions.last + cardinality($2))
            RETURNING last - cardinality($2) AS before
        )
        UPDATE outbox_events SET position = (SELECT before FROM given) + array_position($2, id)
        WHERE realm = $1 AND id = ANY($2)
        RETURNING id, position"
}

/// Where there are new events.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// In these realms.
    pub(super) realms: BTreeSet<RealmId>,
    /// And more of them than are published at once.
    pub(super) is_more: bool,
}

/// A new event.
pub(super) struct Unpublished(ToldRow);

impl Unpublished {
    fn id(&self) -> Uuid {
        let Self(((_, id, ..), ..)) = self;
        id.0
    }

    fn undispatched(&self, realm: RealmId) -> Option<Undispatched> {
        let Self(((_, id, name, at), ..)) = self;
        undispatched(realm, (*id, name, *at))
    }
}

/// Looks in which realms there are new events.
pub(super) async fn waiting(mut connection: &AsyncPgConnection) -> QueryResult<Waiting> {
    let rows: Vec<(i64, i64)> = FindUnpublished { limit: AT_ONCE }.load(&mut connection).await?;
    let is_more = AT_ONCE <= rows.iter().map(|(_, events)| events).sum();
    Ok(Waiting { realms: rows.into_iter().map(|(realm, _)| RealmId(realm)).collect(), is_more })
}

/// The lock of whoever publishes in `realm`.
fn publisher(realm: RealmId) -> i64 {
    PUBLISHER.wrapping_add(realm.0)
}

/// Waits until nobody publishes in `realm`, and lets nobody until the transaction ends.
pub(super) async fn wait(mut connection: &AsyncPgConnection, realm: RealmId) -> QueryResult<()> {
    let statement = WaitForPublisher { publisher: publisher(realm) };
    statement.get_result::<(String,)>(&mut connection).await.map(drop)
}

/// New events of `realm`, oldest first, if it is known that there are any and nobody else publishes them.
pub(super) async fn lock(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    has_any: bool,
) -> QueryResult<Vec<Unpublished>> {
    if !has_any {
        return Ok(Vec::new());
    }
    let statement = LockUnpublished { realm: realm.0, publisher: publisher(realm), limit: AT_ONCE };
    let rows: Vec<ToldRow> = statement.load(&mut connection).await?;
    Ok(rows.into_iter().map(Unpublished).collect())
}

/// Who is told of these events.
pub(super) fn deliveries(realm: RealmId, endpoints: &[Endpoint], unpublished: &[Unpublished]) -> Vec<NewDelivery> {
    let events = unpublished.iter().filter_map(|event| event.undispatched(realm));
    let subscribers = endpoints.iter().map(|endpoint| Subscriber {
        realm,
        id: endpoint.id,
        events: endpoint.events,
        is_disabled: endpoint.disabled.is_some(),
    });
    fan_out(&events.collect::<Vec<_>>(), &subscribers.collect::<Vec<_>>())
}

/// What was published.
#[derive(Default)]
pub(super) struct Published {
    events: HashMap<OutboxEventId, ToldEvent>,
    stored: HashSet<DeliveryId>,
}

impl Published {
    /// The event of a delivery that was stored. One that was there before, because somebody asked for it, is due in its own time.
    pub(super) fn told(&self, delivery: &NewDelivery) -> Option<ToldEvent> {
        self.stored.contains(&delivery.id).then(|| self.events.get(&delivery.event).cloned()).flatten()
    }
}

/// Publishes events with their deliveries, of which those that `is_taken` says are taken at once.
pub(super) async fn store(
    connection: &AsyncPgConnection,
    realm: Realm,
    ask: &TakeDue,
    unpublished: Vec<Unpublished>,
    new: &[NewDelivery],
    is_taken: &[bool],
) -> Result<Published, Trouble> {
    if unpublished.is_empty() {
        return Ok(Published::default());
    }
    let ids = unpublished.iter().map(Unpublished::id).collect();
    let (stored, positions) = tokio::try_join!(
        biased;
        insert(connection, realm.id, ask, new, is_taken),
        set_positions(connection, realm.id, ids, ask.now),
    )?;
    let mut events = HashMap::with_capacity(unpublished.len());
    let told: HashSet<OutboxEventId> = new.iter().map(|delivery| delivery.event).collect();
    for event in unpublished.into_iter().filter(|event| told.contains(&OutboxEventId(event.id()))) {
        let position = positions.get(&event.id()).copied().unwrap_or_default();
        let event = ToldEvent { position: FeedPosition(position), ..told_event(event.0, &realm)? };
        events.insert(event.id, event);
    }
    Ok(Published { events, stored })
}

async fn insert(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    ask: &TakeDue,
    new: &[NewDelivery],
    is_taken: &[bool],
) -> Result<HashSet<DeliveryId>, Trouble> {
    if new.is_empty() {
        return Ok(HashSet::new());
    }
    let due_at = |is_taken: &bool| if *is_taken { ask.until } else { ask.now };
    let statement = InsertDeliveries {
        realm: realm.0,
        ids: new.iter().map(|delivery| delivery.id.0).collect(),
        endpoints: new.iter().map(|delivery| delivery.endpoint.0).collect(),
        events: new.iter().map(|delivery| delivery.event.0).collect(),
        names: new.iter().map(|delivery| delivery.name.as_str()).collect(),
        occurred_at: new.iter().map(|delivery| delivery.occurred_at.unix_micros()).collect(),
        due_at: is_taken.iter().map(|is_taken| due_at(is_taken).unix_micros()).collect(),
        claims: is_taken.iter().map(|is_taken| is_taken.then_some(ask.claim.0)).collect(),
    };
    let stored: Vec<(StoredUuid,)> = statement.load(&mut connection).await?;
    Ok(stored.into_iter().map(|(id,)| DeliveryId(id.0)).collect())
}

async fn set_positions(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    ids: Vec<Uuid>,
    now: Timestamp,
) -> Result<HashMap<Uuid, i64>, Trouble> {
    let statement = SetPositions { realm: realm.0, ids, now: now.unix_micros() };
    let rows: Vec<(StoredUuid, i64)> = statement.load(&mut connection).await?;
    Ok(rows.into_iter().map(|(id, position)| (id.0, position)).collect())
}
