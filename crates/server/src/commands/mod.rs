//! The commands other than `serve`: each works beside a running server on the same store.

pub(crate) mod backup;
pub(crate) mod game;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod studio;
pub(crate) mod verify;
pub(crate) mod webhooks;

use comfy_table::{Table, presets};
use domain::economy::Actor;
use serde::Serialize;

/// Who changes things by the command line, as the audit log says it.
fn actor() -> Actor {
    Actor::new("command_line")
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
