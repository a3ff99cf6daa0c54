//! `advisories`: whether a dependency has a known weakness, was withdrawn, or is looked after by nobody.
//!
//! Not a part of `check`: the database is a git repository, which a machine that reaches only package registries cannot fetch,
//! and its news break a build that nobody has touched. A machine that reaches it should run this every day.

use anyhow::{Context, Result};

use crate::workspace;

/// Fetches the database and asks it.
pub(crate) fn run() -> Result<()> {
    workspace::require_cargo_tool("deny")?;
    let mut deny = workspace::cargo();
    deny.args(["deny", "--locked", "check", "advisories"]);
    workspace::run(deny).context(
        "there is an advisory, or https://github.com/RustSec/advisory-db cannot be reached from here; without it, clone it \
         elsewhere, put it where `db-path` in deny.toml says and run `cargo deny --locked check --disable-fetch advisories`",
    )
}
