//! Between stored values and the domain's: ids, digests, times, names and the entries of a grant.
//!
//! What is stored was checked before it was stored. A stored value that the domain does not know is corruption: it becomes
//! an error that names it, never a guess.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::result::Error;
use diesel::sql_types::Binary;
use domain::clock::Timestamp;
use domain::economy::{Amount, AssetKey, GrantEntries, GrantEntry};
use domain::text::JsonObject;
use serde::{Deserialize, Serialize};
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
pub(super) fn unreadable(what: &'static str, value: &str) -> Error {
    Error::DeserializationError(Box::new(Unreadable { what, value: value.to_owned() }))
}

/// Reads a stored name back by `parse`.
pub(super) fn named<T>(what: &'static str, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Error> {
    parse(name).ok_or_else(|| unreadable(what, name))
}

/// A UUID, stored as its 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromSqlRow)]
pub(super) struct StoredUuid(pub(super) Uuid);

impl<DB: Backend> FromSql<Binary, DB> for StoredUuid
where
    Vec<u8>: FromSql<Binary, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(Uuid::from_slice(&Vec::<u8>::from_sql(bytes)?)?))
    }
}

/// A SHA-256, stored as its 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromSqlRow)]
pub(super) struct StoredDigest(pub(super) [u8; 32]);

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
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_unix_micros(micros)
}

/// A time that may be absent.
pub(super) fn time_if_any(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(time)
}

/// An entry of a grant, as stored in the JSON of its row.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum GrantEntryRow {
    Currency {
        key: String,
        amount: i64,
    },
    Item {
        key: String,
        quantity: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameters: Option<String>,
    },
    Crate {
        key: String,
        quantity: i64,
    },
}

/// The JSON in which the entries of a grant are stored.
pub(super) fn grant_entries_to_json(entries: &GrantEntries) -> String {
    let rows: Vec<GrantEntryRow> = entries.as_slice().iter().map(entry_to_row).collect();
    serde_json::to_string(&rows).expect("rows of texts and integers are always JSON")
}

/// Reads [`grant_entries_to_json`] back.
pub(super) fn grant_entries_from_json(json: &str) -> Result<GrantEntries, Error> {
    let rows: Vec<GrantEntryRow> = serde_json::from_str(json).map_err(|_| unreadable("list of grant entries", json))?;
    let entries: Result<Vec<GrantEntry>, Error> = rows.into_iter().map(entry_from_row).collect();
    entries.map(GrantEntries::restore)
}

fn entry_to_row(entry: &GrantEntry) -> GrantEntryRow {
    match entry {
        GrantEntry::Currency { key, amount } => {
            GrantEntryRow::Currency { key: key.as_str().to_owned(), amount: amount.get() }
        }
        GrantEntry::Item { key, quantity, parameters } => GrantEntryRow::Item {
            key: key.as_str().to_owned(),
            quantity: quantity.get(),
            parameters: parameters.as_ref().map(|parameters| parameters.as_json().to_owned()),
        },
        GrantEntry::Crate { key, quantity } => {
            GrantEntryRow::Crate { key: key.as_str().to_owned(), quantity: quantity.get() }
        }
    }
}

fn entry_from_row(row: GrantEntryRow) -> Result<GrantEntry, Error> {
    let amount = |number: i64| Amount::try_new(number).map_err(|_| unreadable("amount", &number.to_string()));
    Ok(match row {
        GrantEntryRow::Currency { key, amount: number } => {
            GrantEntry::Currency { key: AssetKey::restore(key), amount: amount(number)? }
        }
        GrantEntryRow::Item { key, quantity, parameters } => GrantEntry::Item {
            key: AssetKey::restore(key),
            quantity: amount(quantity)?,
            parameters: parameters.map(JsonObject::restore),
        },
        GrantEntryRow::Crate { key, quantity } => {
            GrantEntry::Crate { key: AssetKey::restore(key), quantity: amount(quantity)? }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grant_entries_read_back_as_they_were_written() {
        let key = |text: &str| AssetKey::try_new(text).expect("a key");
        let amount = |number| Amount::try_new(number).expect("an amount");
        let parameters = JsonObject::try_new(&serde_json::json!({"roll": "\"7\"\u{0}"})).expect("an object");
        let entries = vec![
            GrantEntry::Currency { key: key("gold"), amount: amount(5) },
            GrantEntry::Item { key: key("sword"), quantity: amount(1), parameters: Some(parameters) },
            GrantEntry::Item { key: key("shield"), quantity: amount(2), parameters: None },
            GrantEntry::Crate { key: key("box"), quantity: amount(3) },
        ];
        let entries = GrantEntries::try_new(entries).expect("not too many");
        let json = grant_entries_to_json(&entries);
        assert_eq!(grant_entries_from_json(&json).expect("readable"), entries);
    }

    #[test]
    fn what_cannot_have_been_written_is_an_error_that_names_it() {
        let error = grant_entries_from_json("[{\"type\":\"pony\"}]").expect_err("there are no ponies");
        assert!(error.to_string().contains("pony"), "{error}");
    }
}
