//! The commands other than `serve`: each works beside a running server on the same store.

pub(crate) mod game;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod studio;
pub(crate) mod verify;

use comfy_table::{Table, presets};
use domain::clock::Timestamp;
use serde::Serialize;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const ISO: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// A time as it is written on the wire: ISO-8601, UTC, milliseconds.
fn iso(at: Timestamp) -> String {
    at.to_date_time().format(ISO).expect("every date between the years 0 and 9999 can be formatted")
}

/// Prints `value` as JSON.
fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints rows under their headings.
fn print_table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(headings.to_vec());
    for row in rows {
        table.add_row(row);
    }
    println!("{table}");
}
