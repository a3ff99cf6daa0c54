//! All figures of a run as JSON, for comparing runs by program.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use super::Options;
use super::audit::Audit;
use super::machine::Machine;
use super::phase::Row;
use super::server::Server;

/// What a run found.
pub(crate) struct Report<'a> {
    /// Where it ran.
    pub(crate) machine: Machine,
    /// What was asked for.
    pub(crate) options: &'a Options,
    /// What was measured.
    pub(crate) server: &'a Server,
    /// The table.
    pub(crate) rows: &'a [Row],
    /// Whether it was true.
    pub(crate) audit: &'a Audit,
}

impl Report<'_> {
    /// Writes the report to `path`.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let Self { machine, options, server, rows, audit } = self;
        let document = json!({
            "machine": machine,
            "seconds": options.seconds,
            "warmup_seconds": options.warmup_seconds,
            "players": options.players,
            "populated": options.populate,
            "startup_ms": server.startup_ms,
            "idle_mb": server.idle_mb,
            "rows": rows,
            "audit": audit,
        });
        let text = serde_json::to_string_pretty(&document).context("the figures are no JSON")?;
        fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }
}
