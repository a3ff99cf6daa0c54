//! Endpoints in PostgreSQL: each change locks the row that it is decided on.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::tenancy::{Realm, RealmId};
use domain::webhooks::{Endpoint, EndpointChange, EndpointId, EndpointRefusal, EventNames, NewEndpoint};
use uuid::Uuid;

use crate::postgres::attempts::{TransactionId, transaction_id};
use crate::postgres::audit_log;
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::webhooks::{EndpointRow, RealmRow, SecretColumns, endpoint_of, realm_of, trouble_columns};

/// The SQL types of [`EndpointRow`].
pub(in crate::postgres) type EndpointColumns = (
    (SqlUuid, Text, Text, Text, Text),
    (Nullable<Text>, Nullable<BigInt>, Nullable<BigInt>),
    (Binary, Nullable<Binary>, Nullable<BigInt>),
    (Nullable<Binary>, Nullable<Binary>, Nullable<BigInt>),
    (BigInt, BigInt),
);

/// The columns of [`EndpointRow`], in its order.
macro_rules! endpoint_columns {
    () => {
        "id, url, description, dialect, events, disabled_reason, disabled_at, failing_since, secret, previous_secret,
        previous_secret_until, callback_key, previous_callback_key, previous_callback_key_until, created_at, updated_at"
    };
}

pub(super) use endpoint_columns;

statement! {
    /// A realm that is locked, so that endpoints are added to it one after the other, with how many it has.
    LockRealm { realm: i64 => BigInt } -> (BigInt,) = "SELECT id FROM realms WHERE id = $1 FOR NO KEY UPDATE"
}

statement! {
    /// What a realm is.
    FindRealmOf { realm: i64 => BigInt } -> (SqlUuid, SqlUuid, Text)
    = "SELECT g.studio, g.id, r.environment FROM realms r JOIN games g ON g.id = r.game WHERE r.id = $1"
}

statement! {
    /// The endpoints of a realm, newest first. They are few.
    FindEndpoints { realm: i64 => BigInt } -> EndpointColumns
    = concat!("SELECT ", endpoint_columns!(), " FROM webhook_endpoints
        WHERE realm = $1 AND removed_at IS NULL ORDER BY id DESC")
}

statement! {
    /// What the endpoints of a realm are told of. They are few.
    FindWanted { realm: i64 => BigInt } -> (Text,)
    = "SELECT events FROM webhook_endpoints WHERE realm = $1 AND removed_at IS NULL"
}

statement! {
    /// An endpoint by its id.
    FindEndpoint { realm: i64 => BigInt, id: Uuid => SqlUuid } -> EndpointColumns
    = concat!("SELECT ", endpoint_columns!(), " FROM webhook_endpoints
        WHERE realm = $1 AND id = $2 AND removed_at IS NULL")
}

statement! {
    /// An endpoint by its id, locked.
    LockEndpoint { realm: i64 => BigInt, id: Uuid => SqlUuid } -> EndpointColumns
    = concat!("SELECT ", endpoint_columns!(), " FROM webhook_endpoints
        WHERE realm = $1 AND id = $2 AND removed_at IS NULL FOR NO KEY UPDATE")
}

statement! {
    /// Stores a new endpoint, or an endpoint as it is after a change.
    UpsertEndpoint<'a> {
        realm: i64 => BigInt, id: Uuid => SqlUuid, url: &'a str => Text, description: &'a str => Text,
        dialect: &'a str => Text, events: String => Text, disabled_reason: Option<&'a str> => Nullable<Text>,
        disabled_at: Option<i64> => Nullable<BigInt>, failing_since: Option<i64> => Nullable<BigInt>,
        secret: Option<&'a [u8]> => Nullable<Binary>, previous_secret: Option<&'a [u8]> => Nullable<Binary>,
        previous_secret_until: Option<i64> => Nullable<BigInt>, callback_key: Option<&'a [u8]> => Nullable<Binary>,
        previous_callback_key: Option<&'a [u8]> => Nullable<Binary>,
        previous_callback_key_until: Option<i64> => Nullable<BigInt>, created_at: i64 => BigInt,
        updated_at: i64 => BigInt,
    }
    -> () = "INSERT INTO webhook_endpoints (realm, id, url, description, dialect, events, disabled_reason, disabled_at,
            failing_since, secret, previous_secret, previous_secret_until, callback_key, previous_callback_key,
            previous_callback_key_until, created_at, updated_at)
        SELECT $1, n.* FROM (VALUES ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)) AS n
        ON CONFLICT (realm, id) DO UPDATE
        SET url = excluded.url, description = excluded.description, events = excluded.events,
            disabled_reason = excluded.disabled_reason, disabled_at = excluded.disabled_at,
            failing_since = excluded.failing_since, secret = excluded.secret, previous_secret = excluded.previous_secret,
            previous_secret_until = excluded.previous_secret_until, callback_key = excluded.callback_key,
            previous_callback_key = excluded.previous_callback_key,
            previous_callback_key_until = excluded.previous_callback_key_until, updated_at = excluded.updated_at"
}

statement! {
    /// Removes an endpoint for everybody to see, and its secrets for good.
    RemoveEndpoint { realm: i64 => BigInt, id: Uuid => SqlUuid, at: i64 => BigInt } -> ()
    = "UPDATE webhook_endpoints
        SET removed_at = $3, updated_at = $3, secret = '', previous_secret = NULL, previous_secret_until = NULL,
            callback_key = NULL, previous_callback_key = NULL, previous_callback_key_until = NULL
        WHERE realm = $1 AND id = $2"
}

/// Of which events some endpoint of `realm` is told.
pub(in crate::postgres) async fn wanted(mut connection: &AsyncPgConnection, realm: RealmId) -> QueryResult<EventNames> {
    let rows: Vec<(String,)> = FindWanted { realm: realm.0 }.load(&mut connection).await?;
    Ok(rows.iter().fold(EventNames::NONE, |wanted, (events,)| wanted.union(EventNames::restore(events))))
}

/// The realm of that id.
pub(super) async fn realm(mut connection: &AsyncPgConnection, id: RealmId) -> QueryResult<Realm> {
    let row: RealmRow = FindRealmOf { realm: id.0 }.get_result(&mut connection).await?;
    realm_of(row, id)
}

/// All endpoints of `realm`, newest first.
pub(super) async fn of_realm(mut connection: &AsyncPgConnection, realm: RealmId) -> QueryResult<Vec<Endpoint>> {
    let rows: Vec<EndpointRow> = FindEndpoints { realm: realm.0 }.load(&mut connection).await?;
    rows.into_iter().map(endpoint_of).collect()
}

/// The endpoint of that id.
pub(super) async fn find(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    id: EndpointId,
) -> QueryResult<Option<Endpoint>> {
    let row: Option<EndpointRow> =
        FindEndpoint { realm: realm.0, id: id.0 }.get_result(&mut connection).await.optional()?;
    row.map(endpoint_of).transpose()
}

/// The endpoint of that id, locked.
async fn lock(mut connection: &AsyncPgConnection, realm: RealmId, id: EndpointId) -> QueryResult<Option<Endpoint>> {
    let row: Option<EndpointRow> =
        LockEndpoint { realm: realm.0, id: id.0 }.get_result(&mut connection).await.optional()?;
    row.map(endpoint_of).transpose()
}

/// Locks the realm of a new endpoint.
pub(super) async fn load_realm(connection: &AsyncPgConnection, realm: RealmId) -> QueryResult<(TransactionId, ())> {
    let lock = async {
        let mut connection = connection;
        LockRealm { realm: realm.0 }.get_result::<(i64,)>(&mut connection).await
    };
    let (_, transaction) = tokio::try_join!(biased; lock, transaction_id(connection))?;
    Ok((transaction, ()))
}

/// Stores a new endpoint if the realm has room for it.
pub(super) async fn create(
    mut connection: &AsyncPgConnection,
    new: &NewEndpoint,
) -> Result<Result<(), EndpointRefusal>, Trouble> {
    let known: Vec<(String,)> = FindWanted { realm: new.realm.0 }.load(&mut connection).await?;
    if usize::try_from(Endpoint::COUNT_MAX).is_ok_and(|max| max <= known.len()) {
        return Ok(Err(EndpointRefusal::TooMany));
    }
    tokio::try_join!(store(connection, new.realm, &new.endpoint), audit_log::insert(connection, &new.audit),)?;
    Ok(Ok(()))
}

/// The endpoint that a change is about, locked.
pub(super) async fn load(
    connection: &AsyncPgConnection,
    change: &EndpointChange,
) -> QueryResult<(TransactionId, Option<Endpoint>)> {
    let (endpoint, transaction) =
        tokio::try_join!(biased; lock(connection, change.realm, change.id), transaction_id(connection))?;
    Ok((transaction, endpoint))
}

/// Decides, and stores what comes of it.
pub(super) async fn decided(
    connection: &AsyncPgConnection,
    change: &EndpointChange,
    stored: Option<Endpoint>,
) -> Result<Result<Endpoint, EndpointRefusal>, Trouble> {
    let after = match change.decide(stored.as_ref()) {
        Ok(after) => after,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let stored_after = async {
        match &after {
            Some(endpoint) => store(connection, change.realm, endpoint).await,
            None => remove(connection, change).await,
        }
    };
    tokio::try_join!(stored_after, audit_log::insert(connection, &change.audit))?;
    Ok(after.or(stored).ok_or(EndpointRefusal::NotFound))
}

async fn remove(mut connection: &AsyncPgConnection, change: &EndpointChange) -> Result<(), Trouble> {
    let statement = RemoveEndpoint { realm: change.realm.0, id: change.id.0, at: change.at.unix_micros() };
    match statement.execute(&mut connection).await? {
        1 => Ok(()),
        _ => Err(Trouble::Stale { what: "an endpoint" }),
    }
}

/// Stores `endpoint` as it is. One that is known is locked.
pub(super) async fn store(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    endpoint: &Endpoint,
) -> Result<(), Trouble> {
    let (disabled_reason, disabled_at, failing_since) = trouble_columns(endpoint);
    let secret = SecretColumns::of(Some(&endpoint.secret));
    let callback_key = SecretColumns::of(endpoint.callback_key.as_ref());
    let statement = UpsertEndpoint {
        realm: realm.0,
        id: endpoint.id.0,
        url: endpoint.url.as_str(),
        description: endpoint.description.as_str(),
        dialect: endpoint.dialect.as_str(),
        events: endpoint.events.to_stored(),
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
    Ok(statement.execute(&mut connection).await.map(drop)?)
}
