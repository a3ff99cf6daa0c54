//! Rows of the ledger and of grants.

use diesel::Queryable;
use diesel::result::Error;
use domain::economy::{
    AckedBy, Amount, Asset, AssetKey, Balance, Claim, Delivery, EntryId, Grant, GrantEntries, GrantEntry, GrantId,
    GrantKind, GrantSource, LedgerRow, Operation, Origin,
};
use domain::players::PlayerId;
use domain::text::{FreeText, JsonObject};
use serde::{Deserialize, Serialize};

use super::{StoredUuid, named, time, time_if_any, unreadable};

/// A ledger entry, without its account.
#[derive(Queryable)]
pub(crate) struct EntryRow {
    id: StoredUuid,
    delta: i64,
    balance_after: i64,
    reason: Option<String>,
    source_ref: Option<String>,
    origin: String,
    operation: String,
    sequence: i64,
    position: i64,
    created_at: i64,
    parameters: Option<String>,
}

/// An entry as callers see it; its account holds `asset`.
pub(crate) fn ledger_row(row: EntryRow, asset: &Asset) -> Result<LedgerRow, Error> {
    Ok(LedgerRow {
        id: EntryId(row.id.0),
        asset: asset.clone(),
        delta: row.delta,
        balance_after: Balance::restore(row.balance_after),
        reason: row.reason,
        source_ref: row.source_ref,
        parameters: row.parameters.map(JsonObject::restore),
        origin: named("origin", &row.origin, Origin::parse)?,
        operation: named("operation", &row.operation, Operation::parse)?,
        sequence: row.sequence,
        position: row.position,
        at: time(row.created_at),
    })
}

/// A grant.
#[derive(Queryable)]
pub(crate) struct GrantRow {
    id: StoredUuid,
    player: StoredUuid,
    kind: String,
    entries: String,
    source_kind: String,
    source_ref: Option<String>,
    metadata: Option<String>,
    delivery: String,
    claimed_at: Option<i64>,
    acked_by: Option<String>,
    expires_at: Option<i64>,
    created_at: i64,
}

impl TryFrom<GrantRow> for Grant {
    type Error = Error;

    fn try_from(row: GrantRow) -> Result<Self, Error> {
        let claim = match (row.claimed_at, row.acked_by) {
            (Some(at), Some(by)) => Some(Claim { at: time(at), by: named("acknowledger", &by, AckedBy::parse)? }),
            (_, _) => None,
        };
        Ok(Self {
            id: GrantId(row.id.0),
            player: PlayerId(row.player.0),
            kind: named("kind of grant", &row.kind, GrantKind::parse)?,
            entries: grant_entries_from_json(&row.entries)?,
            source: named("source of a grant", &row.source_kind, GrantSource::parse)?,
            source_ref: row.source_ref.map(FreeText::restore),
            metadata: row.metadata.map(JsonObject::restore),
            delivery: named("kind of delivery", &row.delivery, Delivery::parse)?,
            claim,
            expires_at: time_if_any(row.expires_at),
            created_at: time(row.created_at),
        })
    }
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
pub(crate) fn grant_entries_to_json(entries: &GrantEntries) -> String {
    let rows: Vec<GrantEntryRow> = entries.as_slice().iter().map(entry_to_row).collect();
    serde_json::to_string(&rows).expect("rows of texts and integers are always JSON")
}

/// Reads [`grant_entries_to_json`] back.
pub(crate) fn grant_entries_from_json(json: &str) -> Result<GrantEntries, Error> {
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
