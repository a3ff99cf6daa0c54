//! Endpoints in SQLite. One that was removed keeps its row until what waited for it is gone, and is not seen by anybody.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::tenancy::RealmId;
use domain::webhooks::{Endpoint, EndpointChange, EndpointId, EndpointRefusal, NewEndpoint};

use crate::rows::webhooks::{EndpointRow, SecretColumns, endpoint_of, trouble_columns};
use crate::sqlite::audit_log;
use crate::sqlite::economy::exactly_one;
use crate::sqlite::statement::statement;

type EndpointColumns = (
    (Binary, Text, Text, Text, Text),
    (Nullable<Text>, Nullable<BigInt>, Nullable<BigInt>),
    (Binary, Nullable<Binary>, Nullable<BigInt>),
    (Nullable<Binary>, Nullable<Binary>, Nullable<BigInt>),
    (BigInt, BigInt),
);

/// Endpoints that were not removed, in the order of [`EndpointRow`].
macro_rules! select_endpoints {
    () => {
        "SELECT id, url, description, dialect, events, disabled_reason, disabled_at, failing_since,
            secret, previous_secret, previous_secret_until,
            callback_key, previous_callback_key, previous_callback_key_until, created_at, updated_at
        FROM webhook_endpoints WHERE removed_at IS NULL AND realm = ? "
    };
}

statement! {
    /// An endpoint.
    FindEndpoint<'a> { realm: i64 => BigInt, id: &'a [u8] => Binary } -> EndpointColumns
    = concat!(select_endpoints!(), "AND id = ?")
}

statement! {
    /// All endpoints of a realm, newest first.
    EndpointsOfRealm { realm: i64 => BigInt } -> EndpointColumns = concat!(select_endpoints!(), "ORDER BY id DESC")
}

statement! {
    /// How many endpoints a realm has.
    CountEndpoints { realm: i64 => BigInt } -> (BigInt,)
    = "SELECT count(*) FROM webhook_endpoints WHERE realm = ? AND removed_at IS NULL"
}

statement! {
    /// Stores a new endpoint.
    InsertEndpoint<'a> {
        realm: i64 => BigInt, id: &'a [u8] => Binary, url: &'a str => Text, description: &'a str => Text,
        dialect: &'a str => Text, events: &'a str => Text, disabled_reason: Option<&'a str> => Nullable<Text>,
        disabled_at: Option<i64> => Nullable<BigInt>, failing_since: Option<i64> => Nullable<BigInt>,
        secret: Option<&'a [u8]> => Nullable<Binary>, previous_secret: Option<&'a [u8]> => Nullable<Binary>,
        previous_secret_until: Option<i64> => Nullable<BigInt>, callback_key: Option<&'a [u8]> => Nullable<Binary>,
        previous_callback_key: Option<&'a [u8]> => Nullable<Binary>,
        previous_callback_key_until: Option<i64> => Nullable<BigInt>,
        created_at: i64 => BigInt, updated_at: i64 => BigInt,
    }
    -> () = "INSERT INTO webhook_endpoints (realm, id, url, description, dialect, events, disabled_reason, disabled_at,
            failing_since, secret, previous_secret, previous_secret_until,
            callback_key, previous_callback_key, previous_callback_key_until, created_at, updated_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
}

statement! {
    /// Changes an endpoint.
    UpdateEndpoint<'a> {
        url: &'a str => Text, description: &'a str => Text, events: &'a str => Text,
        disabled_reason: Option<&'a str> => Nullable<Text>, disabled_at: Option<i64> => Nullable<BigInt>,
        failing_since: Option<i64> => Nullable<BigInt>,
        secret: Option<&'a [u8]> => Nullable<Binary>, previous_secret: Option<&'a [u8]> => Nullable<Binary>,
        previous_secret_until: Option<i64> => Nullable<BigInt>, callback_key: Option<&'a [u8]> => Nullable<Binary>,
        previous_callback_key: Option<&'a [u8]> => Nullable<Binary>,
        previous_callback_key_until: Option<i64> => Nullable<BigInt>,
        updated_at: i64 => BigInt, realm: i64 => BigInt, id: &'a [u8] => Binary,
    }
    -> () = "UPDATE webhook_endpoints SET url = ?, description = ?, events = ?, disabled_reason = ?, disabled_at = ?,
            failing_since = ?, secret = ?, previous_secret = ?, previous_secret_until = ?,
            callback_key = ?, previous_callback_key = ?, previous_callback_key_until = ?, updated_at = ?
        WHERE realm = ? AND id = ?"
}

statement! {
    /// Removes an endpoint, and its secrets at once.
    RemoveEndpoint<'a> { removed_at: i64 => BigInt, updated_at: i64 => BigInt, realm: i64 => BigInt, id: &'a [u8] => Binary }
    -> () = "UPDATE webhook_endpoints SET removed_at = ?, updated_at = ?, secret = x'',
            previous_secret = NULL, previous_secret_until = NULL,
            callback_key = NULL, previous_callback_key = NULL, previous_callback_key_until = NULL
        WHERE realm = ? AND id = ?"
}

/// The endpoint of that id.
pub(super) fn find(connection: &mut SqliteConnection, realm: RealmId, id: EndpointId) -> QueryResult<Option<Endpoint>> {
    let statement = FindEndpoint { realm: realm.0, id: id.0.as_bytes() };
    statement.get_result::<EndpointRow>(connection).optional()?.map(endpoint_of).transpose()
}

/// All endpoints of `realm`, newest first.
pub(super) fn of_realm(connection: &mut SqliteConnection, realm: RealmId) -> QueryResult<Vec<Endpoint>> {
    let rows = EndpointsOfRealm { realm: realm.0 }.load::<EndpointRow>(connection)?;
    rows.into_iter().map(endpoint_of).collect()
}

/// Stores a new endpoint unless the realm has as many as it can have.
pub(super) fn create(connection: &mut SqliteConnection, new: &NewEndpoint) -> QueryResult<Result<(), EndpointRefusal>> {
    let (count,) = CountEndpoints { realm: new.realm.0 }.get_result::<(i64,)>(connection)?;
    if i64::from(Endpoint::COUNT_MAX) <= count {
        return Ok(Err(EndpointRefusal::TooMany));
    }
    insert(connection, new.realm, &new.endpoint)?;
    audit_log::insert(connection, &new.audit)?;
    Ok(Ok(()))
}

/// Lets `change` decide on the endpoint as stored, and stores what it comes to.
pub(super) fn change(
    connection: &mut SqliteConnection,
    change: &EndpointChange,
) -> QueryResult<Result<Endpoint, EndpointRefusal>> {
    let stored = find(connection, change.realm, change.id)?;
    let after = match (change.decide(stored.as_ref()), stored) {
        (Err(refusal), _) => return Ok(Err(refusal)),
        (Ok(Some(after)), _) => {
            update(connection, change.realm, &after)?;
            after
        }
        (Ok(None), Some(removed)) => {
            remove(connection, change.realm, change.id, change.at)?;
            removed
        }
        (Ok(None), None) => return Ok(Err(EndpointRefusal::NotFound)),
    };
    audit_log::insert(connection, &change.audit)?;
    Ok(Ok(after))
}

fn insert(connection: &mut SqliteConnection, realm: RealmId, endpoint: &Endpoint) -> QueryResult<()> {
    let (disabled_reason, disabled_at, failing_since) = trouble_columns(endpoint);
    let secret = SecretColumns::of(Some(&endpoint.secret));
    let callback_key = SecretColumns::of(endpoint.callback_key.as_ref());
    let statement = InsertEndpoint {
        realm: realm.0,
        id: endpoint.id.0.as_bytes(),
        url: endpoint.url.as_str(),
        description: endpoint.description.as_str(),
        dialect: endpoint.dialect.as_str(),
        events: &endpoint.events.to_stored(),
        disabled_reason,
        disabled_at,
        failing_since,
        secret: secret.current,
        previous_secret: secret.previous,
        previous_secret_until: secret.until,
        callback_key: callback_key.current,
        previous_callback_key: callback_key.previous,
        previous_callback_key_until: callback_key.until,
        created_at: endpoint.created_at.unix_micros(),
        updated_at: endpoint.updated_at.unix_micros(),
    };
    exactly_one(statement.execute(connection)?)
}

/// Stores `endpoint` as it is now.
pub(super) fn update(connection: &mut SqliteConnection, realm: RealmId, endpoint: &Endpoint) -> QueryResult<()> {
    let (disabled_reason, disabled_at, failing_since) = trouble_columns(endpoint);
    let secret = SecretColumns::of(Some(&endpoint.secret));
    let callback_key = SecretColumns::of(endpoint.callback_key.as_ref());
    let statement = UpdateEndpoint {
        url: endpoint.url.as_str(),
        description: endpoint.description.as_str(),
        events: &endpoint.events.to_stored(),
        disabled_reason,
        disabled_at,
        failing_since,
        secret: secret.current,
        previous_secret: secret.previous,
        previous_secret_until: secret.until,
        callback_key: callback_key.current,
        previous_callback_key: callback_key.previous,
        previous_callback_key_until: callback_key.until,
        updated_at: endpoint.updated_at.unix_micros(),
        realm: realm.0,
        id: endpoint.id.0.as_bytes(),
    };
    exactly_one(statement.execute(connection)?)
}

fn remove(connection: &mut SqliteConnection, realm: RealmId, id: EndpointId, at: Timestamp) -> QueryResult<()> {
    let at = at.unix_micros();
    let statement = RemoveEndpoint { removed_at: at, updated_at: at, realm: realm.0, id: id.0.as_bytes() };
    exactly_one(statement.execute(connection)?)
}
