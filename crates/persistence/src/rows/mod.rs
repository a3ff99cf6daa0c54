//! Between stored values and the domain's, the same on every database: ids, digests, times, names, and the rows that more
//! than one statement answers. Knows no statement and no connection.
//!
//! What is stored was checked before it was stored. A stored value that the domain does not know is corruption: it becomes
//! an error that names it, never a guess.

pub(crate) mod audit;
pub(crate) mod audit_log;
pub(crate) mod economy;
pub(crate) mod keys;
pub(crate) mod lobbies;
pub(crate) mod players;
pub(crate) mod webhooks;

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::Pg;
use diesel::result::Error;
use diesel::sql_types::Binary;
use domain::clock::Timestamp;
use thiserror::Error;
use uuid::Uuid;

/// A stored value that this program cannot have written.
#[derive(Debug, Error)]
#[error("the store holds an unknown {what}: {value:?}")]
struct Unreadable {
    what: &'static str,
    value: String,
}

/// The error for a stored value that means nothing.
pub(crate) fn unreadable(what: &'static str, value: &str) -> Error {
    Error::DeserializationError(Box::new(Unreadable { what, value: value.to_owned() }))
}

/// Reads a stored name back by `parse`.
pub(crate) fn named<T>(what: &'static str, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Error> {
    parse(name).ok_or_else(|| unreadable(what, name))
}

/// A UUID, stored as one where the database knows them, and as its 16 bytes elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromSqlRow)]
pub(crate) struct StoredUuid(pub(crate) Uuid);

impl<DB: Backend> FromSql<Binary, DB> for StoredUuid
where
    Vec<u8>: FromSql<Binary, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(Uuid::from_slice(&Vec::<u8>::from_sql(bytes)?)?))
    }
}

impl FromSql<diesel::sql_types::Uuid, Pg> for StoredUuid {
    fn from_sql(value: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(<Uuid as FromSql<diesel::sql_types::Uuid, Pg>>::from_sql(value)?))
    }
}

/// A SHA-256, stored as its 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromSqlRow)]
pub(crate) struct StoredDigest(pub(crate) [u8; 32]);

impl<DB: Backend> FromSql<Binary, DB> for StoredDigest
where
    Vec<u8>: FromSql<Binary, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let bytes = Vec::<u8>::from_sql(bytes)?;
        Ok(Self(<[u8; 32]>::try_from(bytes.as_slice())?))
    }
}

/// A time, stored as microseconds since the Unix epoch.
pub(crate) fn time(micros: i64) -> Timestamp {
    Timestamp::from_unix_micros(micros)
}

/// A time that may be absent.
pub(crate) fn time_if_any(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(time)
}
