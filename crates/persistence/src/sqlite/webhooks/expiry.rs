//! What time alone does: grants that expire unclaimed, and keys that are about to expire.
//!
//! What there is to tell is looked for on a reader's connection; the writer only looks again at what was found. A sweep looks
//! back over what the last one has passed, because a command that was decided before an instant may be stored after it.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::economy::GrantId;
use domain::keys::{ExpiryNotice, KeyRecord};
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::webhooks::{EventName, EventNames, OutboxEvent, occurrences};
use uuid::Uuid;

use super::outbox;
use crate::rows::time;
use crate::rows::webhooks::{count, micros};
use crate::sqlite::statement::statement;
use crate::sqlite::{SqliteStore, connection, economy, keys};

/// How far a sweep looks back over what the one before has passed.
const OVERLAP: Duration = Duration::from_secs(60);

/// How long ago a grant must have expired to be told of: whoever claimed it in time has been stored by then.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// How many grants are looked at in one statement.
const PAGE: u32 = 500;

statement! {
    /// Of which events each endpoint of each realm is told. Walks the endpoints, which are few.
    AllWanted {} -> (BigInt, Text) = "SELECT realm, events FROM webhook_endpoints WHERE removed_at IS NULL"
}

statement! {
    /// Up to when each realm's grants have been looked through.
    Sweeps {} -> (BigInt, BigInt) = "SELECT realm, swept_until FROM grant_expiry_sweeps"
}

statement! {
    /// Remembers up to when a realm's grants have been looked through.
    UpsertSweep { realm: i64 => BigInt, swept_until: i64 => BigInt }
    -> () = "INSERT INTO grant_expiry_sweeps (realm, swept_until) VALUES (?, ?)
        ON CONFLICT (realm) DO UPDATE SET swept_until = excluded.swept_until"
}

statement! {
    /// Forgets up to when a realm's grants have been looked through.
    DeleteSweep { realm: i64 => BigInt } -> () = "DELETE FROM grant_expiry_sweeps WHERE realm = ?"
}

statement! {
    /// The notices of a key's expiry that were given.
    GivenNotices<'a> { realm: i64 => BigInt, api_key: &'a [u8] => Binary } -> (BigInt, BigInt)
    = "SELECT expires_at, days FROM api_key_notices WHERE realm = ? AND api_key = ?"
}

statement! {
    /// Remembers a notice, unless it was given.
    InsertNotice<'a> {
        realm: i64 => BigInt, api_key: &'a [u8] => Binary, expires_at: i64 => BigInt, days: i64 => BigInt,
        noticed_at: i64 => BigInt,
    }
    -> () = "INSERT INTO api_key_notices (realm, api_key, expires_at, days, noticed_at) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (realm, api_key, expires_at, days) DO NOTHING"
}

/// What was found to be told.
#[derive(Debug, Default)]
struct Found {
    /// Realms whose grants were looked through once, and are not any more.
    forgotten: Vec<RealmId>,
    /// Up to when each realm's grants are looked through.
    swept: Vec<(RealmId, Timestamp)>,
    /// Grants that expired and were not told of.
    grants: Vec<(RealmId, GrantId)>,
    /// Realms with keys that will expire soon and were not told of.
    keys: Vec<RealmId>,
}

impl SqliteStore {
    /// Tells what expired by `now`, at most about `limit` events; how many.
    pub(super) async fn tell_what_expired(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let look = move |connection: &mut SqliteConnection| look(connection, now, limit);
        let found = self.readers.run(move |connection| connection::read(connection, look)).await?;
        if found.grants.is_empty() && found.keys.is_empty() {
            // How far a sweep came is found again.
            let write = move |connection: &mut SqliteConnection| remember(connection, &found);
            self.writer.run(move |connection| connection::write_lightly(connection, write)).await?;
            return Ok(0);
        }
        let write = move |connection: &mut SqliteConnection| {
            let told = tell(connection, &found, now)?;
            Ok((told, 0 < told))
        };
        self.write_and_ring(write).await
    }
}

/// Looks for what there is to tell.
fn look(connection: &mut SqliteConnection, now: Timestamp, limit: u32) -> QueryResult<Found> {
    let mut found = Found::default();
    let mut wanted: BTreeMap<RealmId, EventNames> = BTreeMap::new();
    for (realm, events) in (AllWanted {}).load::<(i64, String)>(connection)? {
        let of_realm = wanted.entry(RealmId(realm)).or_default();
        *of_realm = of_realm.union(EventNames::restore(&events));
    }
    let wants = |realm: &RealmId, name| wanted.get(realm).is_some_and(|wanted| wanted.contains(name));
    let sweeps = (Sweeps {}).load::<(i64, i64)>(connection)?;
    let sweeps: BTreeMap<RealmId, Timestamp> =
        sweeps.into_iter().map(|(realm, until)| (RealmId(realm), time(until))).collect();
    found.forgotten.extend(sweeps.keys().filter(|realm| !wants(realm, EventName::GrantExpired)).copied());
    for realm in wanted.keys().copied() {
        if wants(&realm, EventName::ApiKeyExpiring) && !due_notices(connection, realm, now)?.is_empty() {
            found.keys.push(realm);
        }
        if wants(&realm, EventName::GrantExpired) {
            match sweeps.get(&realm) {
                Some(until) => look_through(connection, realm, (*until, now), limit, &mut found)?,
                // The first sweep tells nothing of the past, nor does the second by looking back.
                None => found.swept.push((realm, now.plus(OVERLAP))),
            }
        }
    }
    Ok(found)
}

/// Adds to `found` what expired in `realm`, until there are `limit` grants in it.
fn look_through(
    connection: &mut SqliteConnection,
    realm: RealmId,
    (swept_until, now): (Timestamp, Timestamp),
    limit: u32,
    found: &mut Found,
) -> QueryResult<()> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (until, mut after) = (earlier(now, SETTLED_AFTER), (earlier(swept_until, OVERLAP), Uuid::max()));
    let mut reached = until;
    'pages: loop {
        let page = economy::expired_grants(connection, realm, after, until, PAGE)?;
        let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        for grant in &page {
            let (Some(expires_at), Some(event)) = (grant.expires_at, occurrences::grant_expired(realm, grant)) else {
                continue;
            };
            if limit <= found.grants.len() {
                reached = expires_at;
                break 'pages;
            }
            if !outbox::is_stored(connection, &event)? {
                found.grants.push((realm, grant.id));
            }
            after = (expires_at, grant.id.0);
        }
        if is_last {
            break;
        }
    }
    found.swept.push((realm, swept_until.max(reached)));
    Ok(())
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_unix_micros(at.unix_micros().saturating_sub(micros(by)))
}

/// The keys of `realm` whose expiry is to be told at `now`.
fn due_notices(
    connection: &mut SqliteConnection,
    realm: RealmId,
    now: Timestamp,
) -> QueryResult<Vec<(KeyRecord, ExpiryNotice)>> {
    let mut due = Vec::new();
    for key in keys::of_realm_that_expire(connection, realm)? {
        let given = GivenNotices { realm: realm.0, api_key: key.id.0.as_bytes() }.load::<(i64, i64)>(connection)?;
        let given = given.into_iter().map(|(expires_at, days)| {
            Ok(ExpiryNotice { expires_at: time(expires_at), days: count("number of days", days)? })
        });
        let given: QueryResult<Vec<ExpiryNotice>> = given.collect();
        if let Some(notice) = key.notice_due(&given?, now) {
            due.push((key, notice));
        }
    }
    Ok(due)
}

fn remember(connection: &mut SqliteConnection, found: &Found) -> QueryResult<()> {
    for realm in &found.forgotten {
        DeleteSweep { realm: realm.0 }.execute(connection)?;
    }
    for (realm, until) in &found.swept {
        UpsertSweep { realm: realm.0, swept_until: until.unix_micros() }.execute(connection)?;
    }
    Ok(())
}

/// Stores the events of what was `found`, as far as it is still so; how many.
fn tell(connection: &mut SqliteConnection, found: &Found, now: Timestamp) -> QueryResult<u32> {
    let mut events: Vec<OutboxEvent> = Vec::new();
    for realm in &found.keys {
        for (key, notice) in due_notices(connection, *realm, now)? {
            let statement = InsertNotice {
                realm: realm.0,
                api_key: key.id.0.as_bytes(),
                expires_at: notice.expires_at.unix_micros(),
                days: i64::from(notice.days),
                noticed_at: now.unix_micros(),
            };
            if statement.execute(connection)? == 1 {
                events.push(occurrences::key_expiring(&key, &notice, now));
            }
        }
    }
    for (realm, id) in &found.grants {
        let grant = economy::find_grant(connection, *realm, *id)?.filter(|grant| grant.claim.is_none());
        let Some(event) = grant.and_then(|grant| occurrences::grant_expired(*realm, &grant)) else { continue };
        if !outbox::is_stored(connection, &event)? {
            events.push(event);
        }
    }
    outbox::store(connection, &events)?;
    remember(connection, found)?;
    Ok(u32::try_from(events.len()).unwrap_or(u32::MAX))
}
