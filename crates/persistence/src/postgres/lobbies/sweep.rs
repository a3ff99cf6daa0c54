//! Stores what the clock has made of lobbies.
//!
//! What is due is found in all realms at once, and locked realm by realm. A lobby that somebody else has locked is left out:
//! whoever holds it stores that step too, be it another sweep or a batch.

use std::collections::BTreeMap;

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::clock::Timestamp;
use domain::lobbies::{Lobby, LobbyChange, LobbyTransition, transitions};
use domain::tenancy::RealmId;
use domain::webhooks::{EventNames, OutboxEvent, occurrences};
use uuid::Uuid;

use super::lobby::{self, LobbyColumns, lobby_columns};
use crate::postgres::attempts::{TransactionId, transaction_id};
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::postgres::webhooks::{endpoints, outbox};
use crate::rows::StoredUuid;
use crate::rows::lobbies::LobbyRow;

statement! {
    /// The lobbies that are due longest, in all realms.
    FindDue { now: i64 => BigInt, limit: i64 => BigInt } -> (BigInt, SqlUuid)
    = "SELECT realm, id FROM lobbies WHERE due_at <= $1 ORDER BY due_at, realm, id LIMIT $2"
}

statement! {
    /// Those of these lobbies that nobody has locked, locked.
    LockDue { realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid> } -> LobbyColumns
    = concat!("SELECT locked.* FROM unnest($2) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT ", lobby_columns!(), " FROM lobbies
            WHERE realm = $1 AND id = wanted.id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
        ) AS locked")
}

/// What a sweep stores.
#[derive(Debug, Default)]
pub(super) struct Swept {
    lobbies: Vec<LobbyChange>,
    /// How these moved on.
    pub(super) transitions: Vec<LobbyTransition>,
    /// The same as events, of those that are wanted.
    pub(super) events: Vec<OutboxEvent>,
}

/// A lobby, locked, with the events that some endpoint of its realm is told of.
pub(super) type Locked = (RealmId, EventNames, Lobby);

/// The lobbies that are due at `now`, locked.
pub(super) async fn load(
    connection: &AsyncPgConnection,
    now: Timestamp,
    limit: u32,
) -> QueryResult<(TransactionId, Vec<Locked>)> {
    let (transaction, due) = tokio::try_join!(biased; transaction_id(connection), find_due(connection, now, limit))?;
    let mut locked = Vec::with_capacity(due.len());
    for (realm, ids) in due {
        let (lobbies, wanted) =
            tokio::try_join!(biased; lock_due(connection, realm, ids), endpoints::wanted(connection, realm))?;
        locked.extend(lobbies.into_iter().map(|lobby| (realm, wanted, lobby)));
    }
    Ok((transaction, locked))
}

async fn find_due(
    mut connection: &AsyncPgConnection,
    now: Timestamp,
    limit: u32,
) -> QueryResult<BTreeMap<RealmId, Vec<Uuid>>> {
    let statement = FindDue { now: now.unix_micros(), limit: i64::from(limit) };
    let rows: Vec<(i64, StoredUuid)> = statement.load(&mut connection).await?;
    let mut due: BTreeMap<RealmId, Vec<Uuid>> = BTreeMap::new();
    for (realm, id) in rows {
        due.entry(RealmId(realm)).or_default().push(id.0);
    }
    Ok(due)
}

async fn lock_due(mut connection: &AsyncPgConnection, realm: RealmId, ids: Vec<Uuid>) -> QueryResult<Vec<Lobby>> {
    let rows: Vec<LobbyRow> = LockDue { realm: realm.0, ids }.load(&mut connection).await?;
    rows.into_iter().map(Lobby::try_from).collect()
}

/// Stores every step that the clock took these lobbies through, if any.
pub(super) async fn store(
    connection: &AsyncPgConnection,
    locked: Vec<Locked>,
    now: Timestamp,
) -> Result<Swept, Trouble> {
    let mut swept = Swept::default();
    for (realm, wanted, stored) in locked {
        let steps = stored.steps(now);
        swept.transitions.extend(transitions(realm, &steps));
        swept.events.extend(occurrences::lobby_steps(wanted, realm, &steps));
        if let Some(last) = steps.into_iter().last() {
            let lobby = Lobby { version: stored.version + 1, ..last };
            swept.lobbies.push(LobbyChange { realm, lobby, version_before: Some(stored.version) });
        }
    }
    let mut realms: BTreeMap<RealmId, Vec<&LobbyChange>> = BTreeMap::new();
    for change in &swept.lobbies {
        realms.entry(change.realm).or_default().push(change);
    }
    for (realm, changes) in realms {
        lobby::store(connection, realm, &changes).await?;
    }
    outbox::insert_all(connection, &swept.events).await?;
    Ok(swept)
}

/// Whether it is stored, as the version of a lobby shows that was locked for it.
pub(super) async fn is_kept(connection: &AsyncPgConnection, swept: &Swept) -> QueryResult<bool> {
    let [LobbyChange { realm, lobby, .. }, ..] = swept.lobbies.as_slice() else { return Ok(false) };
    let stored = lobby::lock(connection, *realm, &[lobby.id].into()).await?;
    Ok(stored.iter().any(|stored| lobby.version <= stored.version))
}
