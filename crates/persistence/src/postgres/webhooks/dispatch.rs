//! Takes deliveries that are due, and publishes events on the way.
//!
//! One statement looks in all realms at once for where there is anything to do; the rest is done realm by realm, all realms
//! together. What is due is claimed by rows that nobody else has locked. An event that is new is published ([`super::publish`])
//! and, as far as there is room, its deliveries are stored as claimed already, which saves them a second version.
//!
//! No statement here waits for a lock that is held for long: players are not locked, events and deliveries that somebody else
//! has locked are left for the next time. So this transaction may touch rows in whatever order it finds them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::clock::Timestamp;
use domain::tenancy::{Realm, RealmId};
use domain::webhooks::{Assignment, DeliveryId, Dialect, Endpoint, EndpointId, NewDelivery, TakeDue, ToldEvent};
use futures_util::future::try_join_all;
use uuid::Uuid;

use super::feed::{ToldColumns, event_columns, join_player, told_columns};
use super::publish::{self, Unpublished};
use super::{endpoints, numbers};
use crate::postgres::attempts::TransactionId;
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::webhooks::{ToldRow, count, told_event};
use crate::rows::{StoredUuid, time};

statement! {
    /// When deliveries of enabled endpoints became due, the first so many of each endpoint, in all realms.
    FindDueDeliveries { now: i64 => BigInt, per_endpoint: i64 => BigInt, limit: i64 => BigInt } -> (BigInt, SqlUuid)
    = "SELECT target.realm, target.id
        FROM webhook_endpoints AS target
        CROSS JOIN LATERAL (
            SELECT due_at FROM webhook_deliveries
            WHERE realm = target.realm AND endpoint = target.id AND status = 'pending' AND due_at <= $1
            ORDER BY due_at LIMIT $2
        ) AS due
        WHERE target.disabled_at IS NULL AND target.removed_at IS NULL
        ORDER BY due.due_at LIMIT $3"
}

statement! {
    /// Takes deliveries of endpoints that are due and that nobody has locked, those first that have been longest, each with
    /// its event.
    ClaimDeliveries {
        realm: i64 => BigInt, endpoints: Vec<Uuid> => Array<SqlUuid>, room: Vec<i64> => Array<BigInt>,
        now: i64 => BigInt, until: i64 => BigInt, claim: Uuid => SqlUuid,
    }
    -> ((SqlUuid, SqlUuid, BigInt, BigInt, BigInt), ToldColumns)
    = concat!("WITH taken AS MATERIALIZED (
            SELECT due.* FROM unnest($2, $3) AS wanted (endpoint, room)
            CROSS JOIN LATERAL (
                SELECT id, endpoint, event, attempts, tries, due_at FROM webhook_deliveries
                WHERE realm = $1 AND endpoint = wanted.endpoint AND status = 'pending' AND due_at <= $4
                ORDER BY due_at LIMIT wanted.room FOR NO KEY UPDATE SKIP LOCKED
            ) AS due
        ), claimed AS (
            UPDATE webhook_deliveries SET due_at = $5, claim = $6 WHERE realm = $1 AND id = ANY(ARRAY(SELECT id FROM taken))
        )
        SELECT taken.id, taken.endpoint, taken.attempts, taken.tries, taken.due_at, ", told_columns!(), "
        FROM taken CROSS JOIN LATERAL (
            SELECT ", event_columns!(), " FROM outbox_events WHERE realm = $1 AND id = taken.event LIMIT 1
        ) AS event", join_player!())
}

/// What one call came to.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// What was taken, what has been due longest first.
    pub(super) assignments: Vec<Assignment>,
    /// Whether there are more events to be published than one call publishes.
    pub(super) is_more: bool,
    /// Whether new events were left alone, because somebody else published or had locked them.
    pub(super) is_held_up: bool,
}

/// Where there is something to do.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// How many deliveries to take of each endpoint.
    due: BTreeMap<(RealmId, EndpointId), i64>,
    /// In which realms there are new events.
    unpublished: publish::Waiting,
}

/// What one realm has.
struct OfRealm {
    realm: Realm,
    endpoints: Vec<Endpoint>,
    claimed: Vec<Claimed>,
    unpublished: Vec<Unpublished>,
}

/// A delivery that was taken.
struct Claimed {
    id: DeliveryId,
    endpoint: EndpointId,
    attempts: u32,
    tries: u32,
    due_at: Timestamp,
    event: ToldEvent,
}

/// How many deliveries may still be taken.
struct Room<'a> {
    ask: &'a TakeDue,
    taken: HashMap<(RealmId, EndpointId), u32>,
    left: u32,
}

impl<'a> Room<'a> {
    fn of(ask: &'a TakeDue) -> Self {
        Self { ask, taken: HashMap::new(), left: ask.limit }
    }

    /// Takes the place of one more delivery, if there is one.
    fn take(&mut self, realm: RealmId, endpoint: EndpointId) -> bool {
        let held = self.ask.held.get(&(realm, endpoint)).copied().unwrap_or_default();
        let taken = self.taken.entry((realm, endpoint)).or_default();
        let has_room = 0 < self.left && held.saturating_add(*taken) < self.ask.per_endpoint;
        if has_room {
            *taken += 1;
            self.left -= 1;
        }
        has_room
    }
}

/// Looks where there is something to do.
pub(super) async fn look(connection: &AsyncPgConnection, ask: &TakeDue) -> QueryResult<(TransactionId, Look)> {
    let (unpublished, due) = tokio::try_join!(biased; publish::waiting(connection), find_due(connection, ask))?;
    Ok((TransactionId::default(), Look { due, unpublished }))
}

/// How many deliveries of each endpoint may be taken of those that are due.
async fn find_due(
    mut connection: &AsyncPgConnection,
    ask: &TakeDue,
) -> QueryResult<BTreeMap<(RealmId, EndpointId), i64>> {
    // Those for which there is no room are found as well, and must not hide the others.
    let held: u32 = ask.held.values().fold(0, |sum, held| sum.saturating_add(*held));
    let statement = FindDueDeliveries {
        now: ask.now.unix_micros(),
        per_endpoint: i64::from(ask.per_endpoint),
        limit: i64::from(ask.limit) + i64::from(held),
    };
    let rows: Vec<(i64, StoredUuid)> = statement.load(&mut connection).await?;
    let mut room = Room::of(ask);
    let mut due = BTreeMap::new();
    for (realm, endpoint) in rows {
        let (realm, endpoint) = (RealmId(realm), EndpointId(endpoint.0));
        if room.take(realm, endpoint) {
            *due.entry((realm, endpoint)).or_default() += 1;
        }
    }
    Ok(due)
}

/// Does what `look` found.
pub(super) async fn take(connection: &AsyncPgConnection, ask: &TakeDue, look: Look) -> Result<Taken, Trouble> {
    let due = look.due.keys().map(|(realm, _)| *realm);
    let realms: BTreeSet<RealmId> = due.chain(look.unpublished.realms.iter().copied()).collect();
    let loads = realms.iter().map(|realm| load(connection, *realm, ask, &look));
    let loaded = try_join_all(loads).await?;
    let is_held_up = loaded
        .iter()
        .any(|of_realm| of_realm.unpublished.is_empty() && look.unpublished.realms.contains(&of_realm.realm.id));
    let mut room = Room::of(ask);
    for of_realm in &loaded {
        for claimed in &of_realm.claimed {
            room.take(of_realm.realm.id, claimed.endpoint);
        }
    }
    let published = loaded.into_iter().map(|of_realm| {
        let new = publish::deliveries(of_realm.realm.id, &of_realm.endpoints, &of_realm.unpublished);
        let is_taken = |delivery: &NewDelivery| room.take(delivery.realm, delivery.endpoint);
        let is_taken: Vec<bool> = new.iter().map(is_taken).collect();
        (of_realm, new, is_taken)
    });
    let published: Vec<_> = published.collect();
    let stores =
        published.into_iter().map(|(of_realm, new, is_taken)| finish(connection, ask, of_realm, new, is_taken));
    let mut taken: Vec<(Timestamp, Assignment)> = try_join_all(stores).await?.into_iter().flatten().collect();
    taken.sort_by_key(|(due_at, assignment)| (*due_at, assignment.event.at, assignment.delivery));
    let assignments = taken.into_iter().map(|(_, assignment)| assignment).collect();
    Ok(Taken { assignments, is_more: look.unpublished.is_more, is_held_up })
}

async fn load(connection: &AsyncPgConnection, realm: RealmId, ask: &TakeDue, look: &Look) -> QueryResult<OfRealm> {
    let due = look.due.range((realm, EndpointId(Uuid::nil()))..=(realm, EndpointId(Uuid::max())));
    let due = due.map(|((_, endpoint), room)| (endpoint.0, *room)).unzip();
    let has_new = look.unpublished.realms.contains(&realm);
    let (realm, endpoints, claimed, unpublished) = tokio::try_join!(
        biased;
        endpoints::realm(connection, realm),
        endpoints::of_realm(connection, realm),
        claim(connection, realm, due, ask),
        publish::lock(connection, realm, has_new),
    )?;
    let claimed = claimed.into_iter().map(|row| claimed_of(row, realm)).collect::<QueryResult<_>>()?;
    Ok(OfRealm { realm, endpoints, claimed, unpublished })
}

/// A row of [`ClaimDeliveries`].
type ClaimedRow = ((StoredUuid, StoredUuid, i64, i64, i64), ToldRow);

async fn claim(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    (endpoints, room): (Vec<Uuid>, Vec<i64>),
    ask: &TakeDue,
) -> QueryResult<Vec<ClaimedRow>> {
    if endpoints.is_empty() {
        return Ok(Vec::new());
    }
    let (now, until, claim) = (ask.now.unix_micros(), ask.until.unix_micros(), ask.claim.0);
    let statement = ClaimDeliveries { realm: realm.0, endpoints, room, now, until, claim };
    statement.load(&mut connection).await
}

fn claimed_of(((id, endpoint, attempts, tries, due_at), event): ClaimedRow, realm: Realm) -> QueryResult<Claimed> {
    Ok(Claimed {
        id: DeliveryId(id.0),
        endpoint: EndpointId(endpoint.0),
        attempts: count("number of attempts", attempts)?,
        tries: count("number of attempts", tries)?,
        due_at: time(due_at),
        event: told_event(event, &realm)?,
    })
}

/// Publishes what is new in one realm, and makes assignments of all that was taken there.
async fn finish(
    connection: &AsyncPgConnection,
    ask: &TakeDue,
    of_realm: OfRealm,
    new: Vec<NewDelivery>,
    is_taken: Vec<bool>,
) -> Result<Vec<(Timestamp, Assignment)>, Trouble> {
    let OfRealm { realm, endpoints, mut claimed, unpublished } = of_realm;
    let published = publish::store(connection, realm, ask, unpublished, &new, &is_taken).await?;
    claimed.extend(new.iter().zip(is_taken).filter(|(_, is_taken)| *is_taken).filter_map(|(delivery, _)| {
        let event = published.told(delivery)?;
        let (id, endpoint, due_at) = (delivery.id, delivery.endpoint, ask.now);
        Some(Claimed { id, endpoint, attempts: 0, tries: 0, due_at, event })
    }));
    let endpoints: HashMap<EndpointId, &Endpoint> = endpoints.iter().map(|endpoint| (endpoint.id, endpoint)).collect();
    // An endpoint that was disabled or removed since is not told; what was taken of it is due again.
    let endpoint_of = |id: EndpointId| endpoints.get(&id).copied().filter(|endpoint| endpoint.disabled.is_none());
    let of_numbered = claimed.iter().filter_map(|claimed| {
        let endpoint = endpoint_of(claimed.endpoint)?;
        let (player, _) = claimed.event.player.as_ref()?;
        needs_number(endpoint.dialect).then_some(*player)
    });
    let numbers = numbers::of(connection, realm.id, of_numbered.collect()).await?;
    let assignments = claimed.into_iter().filter_map(|claimed| {
        let Claimed { id, endpoint, attempts, tries, due_at, event } = claimed;
        let endpoint = endpoint_of(endpoint)?.clone();
        let player = event.player.as_ref().filter(|_| needs_number(endpoint.dialect));
        let player_number = player.and_then(|(player, _)| numbers.get(player).copied());
        let assignment = Assignment { delivery: id, claim: ask.claim, attempts, tries, endpoint, event, player_number };
        Some((due_at, assignment))
    });
    Ok(assignments.collect())
}

/// Whether a form needs numbers that stand for players.
fn needs_number(dialect: Dialect) -> bool {
    match dialect {
        Dialect::Json => false,
        Dialect::Kongregate => true,
    }
}
