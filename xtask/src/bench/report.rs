//! All figures of a run as JSON, for comparing runs by program.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use super::Options;
use super::machine::Machine;
use super::suite::Findings;

/// What a run found.
pub(crate) struct Report<'a> {
    /// Where it ran.
    pub(crate) machine: &'a Machine,
    /// What was asked for.
    pub(crate) options: &'a Options,
    /// What was measured, by database.
    pub(crate) databases: &'a [Findings],
}

impl Report<'_> {
    /// Writes the report to `path`.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let Self { machine, options, databases } = self;
        let document = json!({
            "machine": machine,
            "seconds": options.seconds,
            "warmup_seconds": options.warmup_seconds,
            "runs": options.runs,
            "settings": options.settings,
            "players": options.players,
            "populated": options.populate,
            "databases": databases,
        });
        let text = serde_json::to_string_pretty(&document).context("the figures are no JSON")?;
        fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }
}
