//! Tells of what time alone did: grants that expired, and keys that will.
//!
//! Grants are looked through in the order of their expiry, a piece in a transaction, from a little before where the last look
//! ended: what was locked then, or came late, is found then. An event's id follows from what happened, so what is told
//! already is not told again, whoever tells.
//!
//! A grant is locked while its event is stored. An erasure or a merge of its player, which changes the grant first and then the
//! events that there are, waits for that; the other way around the grant is left for the next look.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::clock::Timestamp;
use domain::economy::Grant;
use domain::keys::{ExpiryNotice, KeyRecord};
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::webhooks::{EventName, EventNames, OutboxEvent, occurrences};
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use super::outbox;
use crate::postgres::PostgresStore;
use crate::postgres::economy::grants::{GrantColumns, grant_columns};
use crate::postgres::keys;
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::economy::GrantRow;
use crate::rows::webhooks::{count, micros};
use crate::rows::{StoredUuid, time};

/// How many grants are looked at in one transaction.
const PIECE: usize = 500;

/// How long after it expired a grant is told of: who still claims it has a clock that is late.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much of what was looked through is looked through again.
const OVERLAP: Duration = Duration::from_secs(60);

statement! {
    /// Of what all endpoints are told, in all realms.
    AllWanted {} -> (BigInt, Text) = "SELECT realm, events FROM webhook_endpoints WHERE removed_at IS NULL"
}

statement! {
    /// How far all realms were looked through.
    AllSweeps {} -> (BigInt, BigInt) = "SELECT realm, swept_until FROM grant_expiry_sweeps"
}

statement! {
    /// Notes how far a realm was looked through, unless that is further on already.
    MoveSweep { realm: i64 => BigInt, until: i64 => BigInt } -> ()
    = "INSERT INTO grant_expiry_sweeps (realm, swept_until) SELECT $1, n.swept_until FROM (VALUES ($2)) AS n (swept_until)
        ON CONFLICT (realm) DO UPDATE SET swept_until = greatest(grant_expiry_sweeps.swept_until, excluded.swept_until)"
}

statement! {
    /// Forgets how far a realm was looked through.
    DeleteSweep { realm: i64 => BigInt } -> () = "DELETE FROM grant_expiry_sweeps WHERE realm = $1"
}

statement! {
    /// Grants that nobody claimed, by their expiry, past one of them up to an instant, locked unless somebody else has.
    LockExpired {
        realm: i64 => BigInt, after: i64 => BigInt, after_id: Uuid => SqlUuid, until: i64 => BigInt, limit: i64 => BigInt,
    }
    -> GrantColumns
    = concat!("SELECT ", grant_columns!(), " FROM grants
        WHERE realm = $1 AND (expires_at, id) > ($2, $3) AND expires_at <= $4
            AND claimed_at IS NULL AND expires_at IS NOT NULL
        ORDER BY expires_at, id LIMIT $5 FOR SHARE SKIP LOCKED")
}

statement! {
    /// The notices that were given of keys.
    FindNotices { realm: i64 => BigInt, keys: Vec<Uuid> => Array<SqlUuid> } -> (SqlUuid, BigInt, BigInt)
    = "SELECT notice.* FROM unnest($2) AS wanted (api_key)
        CROSS JOIN LATERAL (
            SELECT api_key, expires_at, days FROM api_key_notices
            WHERE realm = $1 AND api_key = wanted.api_key OFFSET 0
        ) AS notice"
}

statement! {
    /// Notes that a notice was given, unless it was before.
    InsertNotice {
        realm: i64 => BigInt, key: Uuid => SqlUuid, expires_at: i64 => BigInt, days: i64 => BigInt,
        noticed_at: i64 => BigInt,
    }
    -> () = "INSERT INTO api_key_notices (realm, api_key, expires_at, days, noticed_at)
        SELECT $1, n.api_key, n.expires_at, n.days, n.noticed_at
        FROM (VALUES ($2, $3, $4, $5)) AS n (api_key, expires_at, days, noticed_at)
        ON CONFLICT DO NOTHING"
}

/// Who wants to be told, and how far it was told.
struct Standing {
    wanted: BTreeMap<RealmId, EventNames>,
    swept: BTreeMap<RealmId, Timestamp>,
}

impl Standing {
    fn wants(&self, realm: RealmId, name: EventName) -> bool {
        self.wanted.get(&realm).is_some_and(|wanted| wanted.contains(name))
    }

    /// The realms that want to be told of `name`.
    fn who_want(&self, name: EventName) -> Vec<RealmId> {
        self.wanted.iter().filter(|(_, wanted)| wanted.contains(name)).map(|(realm, _)| *realm).collect()
    }
}

/// Stores the events of what expired, and will, by `now`; how many. About `limit` at most.
pub(super) async fn tell(store: &PostgresStore, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
    let standing = store.readers.view(|connection| standing(connection).scope_boxed()).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut told = 0;
    for realm in standing.swept.keys().filter(|realm| !standing.wants(**realm, EventName::GrantExpired)) {
        // Who wants to be told again some day is not told of what happened in between.
        store.lanes.save(|connection, ()| forget(connection, *realm).scope_boxed()).await?;
    }
    for realm in standing.who_want(EventName::GrantExpired) {
        if limit <= told {
            break;
        }
        match standing.swept.get(&realm) {
            Some(swept) => told += tell_of_grants(store, realm, *swept, now, limit - told).await?,
            // Nothing is told of what was before.
            None => move_sweep(store, realm, now.plus(OVERLAP)).await?,
        }
    }
    if told < limit && !standing.who_want(EventName::ApiKeyExpiring).is_empty() {
        told += tell_of_keys(store, &standing, now, limit - told).await?;
    }
    Ok(u32::try_from(told).unwrap_or(u32::MAX))
}

async fn standing(connection: &AsyncPgConnection) -> QueryResult<Standing> {
    let (wanted, swept) = tokio::try_join!(
        async {
            let mut connection = connection;
            AllWanted {}.load::<(i64, String)>(&mut connection).await
        },
        async {
            let mut connection = connection;
            AllSweeps {}.load::<(i64, i64)>(&mut connection).await
        },
    )?;
    let mut by_realm: BTreeMap<RealmId, EventNames> = BTreeMap::new();
    for (realm, events) in wanted {
        let wanted = by_realm.entry(RealmId(realm)).or_default();
        *wanted = wanted.union(EventNames::restore(&events));
    }
    let swept = swept.into_iter().map(|(realm, until)| (RealmId(realm), time(until))).collect();
    Ok(Standing { wanted: by_realm, swept })
}

async fn forget(mut connection: &AsyncPgConnection, realm: RealmId) -> Result<(), Trouble> {
    Ok(DeleteSweep { realm: realm.0 }.execute(&mut connection).await.map(drop)?)
}

async fn move_sweep(store: &PostgresStore, realm: RealmId, until: Timestamp) -> Result<(), StoreError> {
    let save = store.lanes.save(|connection, ()| {
        async move {
            let mut connection = connection;
            let statement = MoveSweep { realm: realm.0, until: until.unix_micros() };
            Ok(statement.execute(&mut connection).await.map(drop)?)
        }
        .scope_boxed()
    });
    save.await
}

/// Tells of the grants of a realm that expired since it was looked through until `swept`, at most about `limit`.
async fn tell_of_grants(
    store: &PostgresStore,
    realm: RealmId,
    swept: Timestamp,
    now: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    let until = earlier(now, PATIENCE);
    // Past everything of that instant.
    let mut after = (earlier(swept, OVERLAP), Uuid::max());
    let mut told = 0;
    while told < limit {
        let from = after;
        let piece = store.lanes.save(|connection, ()| tell_piece(connection, realm, from, until).scope_boxed()).await?;
        told += piece.told;
        match piece.last {
            Some(last) => after = last,
            None => {
                move_sweep(store, realm, until).await?;
                return Ok(told);
            }
        }
    }
    move_sweep(store, realm, after.0).await?;
    Ok(told)
}

/// What one transaction told.
struct Piece {
    told: usize,
    /// The last grant that it looked at, if there may be more.
    last: Option<(Timestamp, Uuid)>,
}

async fn tell_piece(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    (after, after_id): (Timestamp, Uuid),
    until: Timestamp,
) -> Result<Piece, Trouble> {
    let statement = LockExpired {
        realm: realm.0,
        after: after.unix_micros(),
        after_id,
        until: until.unix_micros(),
        limit: i64::try_from(PIECE).unwrap_or(i64::MAX),
    };
    let rows: Vec<GrantRow> = statement.load(&mut connection).await?;
    let grants = rows.into_iter().map(Grant::try_from).collect::<QueryResult<Vec<Grant>>>()?;
    let events: Vec<OutboxEvent> = grants.iter().filter_map(|grant| occurrences::grant_expired(realm, grant)).collect();
    let told = outbox::insert_unknown(connection, realm, &events).await?;
    let last = grants.last().filter(|_| PIECE <= grants.len());
    let last = last.and_then(|grant| Some((grant.expires_at?, grant.id.0)));
    Ok(Piece { told, last })
}

/// Tells of keys that will expire, at most `limit`.
async fn tell_of_keys(
    store: &PostgresStore,
    standing: &Standing,
    now: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    let keys = store.readers.read(|connection| keys::all(connection).scope_boxed()).await?;
    let mut due: BTreeMap<RealmId, Vec<KeyRecord>> = BTreeMap::new();
    for key in keys {
        if standing.wants(key.realm.id, EventName::ApiKeyExpiring) && key.notice_due(&[], now).is_some() {
            due.entry(key.realm.id).or_default().push(key);
        }
    }
    let mut told = 0;
    for (realm, keys) in due {
        let ids: &Vec<Uuid> = &keys.iter().map(|key| key.id.0).collect();
        let known = store.readers.read(|connection| notices(connection, realm, ids).scope_boxed()).await?;
        for key in keys {
            let given = known.get(&key.id.0).map_or([].as_slice(), Vec::as_slice);
            let Some(notice) = key.notice_due(given, now).filter(|_| told < limit) else { continue };
            let key = &key;
            told += store.lanes.save(|connection, ()| tell_of_key(connection, key, notice, now).scope_boxed()).await?;
        }
    }
    Ok(told)
}

async fn notices(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    keys: &[Uuid],
) -> QueryResult<BTreeMap<Uuid, Vec<ExpiryNotice>>> {
    let rows: Vec<(StoredUuid, i64, i64)> =
        FindNotices { realm: realm.0, keys: keys.to_vec() }.load(&mut connection).await?;
    let mut given: BTreeMap<Uuid, Vec<ExpiryNotice>> = BTreeMap::new();
    for (key, expires_at, days) in rows {
        let notice = ExpiryNotice { expires_at: time(expires_at), days: count("number of days", days)? };
        given.entry(key.0).or_default().push(notice);
    }
    Ok(given)
}

/// Whoever notes it first tells of it.
async fn tell_of_key(
    mut connection: &AsyncPgConnection,
    key: &KeyRecord,
    notice: ExpiryNotice,
    now: Timestamp,
) -> Result<usize, Trouble> {
    let realm = key.realm.id;
    let statement = InsertNotice {
        realm: realm.0,
        key: key.id.0,
        expires_at: notice.expires_at.unix_micros(),
        days: i64::from(notice.days),
        noticed_at: now.unix_micros(),
    };
    if statement.execute(&mut connection).await? == 0 {
        return Ok(0);
    }
    outbox::insert_unknown(connection, realm, &[occurrences::key_expiring(key, &notice, now)]).await
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_unix_micros(at.unix_micros().saturating_sub(micros(by)))
}
