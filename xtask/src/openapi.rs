//! `openapi`: keeps the committed API document equal to what the server says it serves.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// Writes the document.
pub(crate) fn write() -> Result<()> {
    let document = generate()?;
    let path = path();
    fs::write(&path, document).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// Fails when the committed document is not the one the server prints.
pub(crate) fn compare() -> Result<()> {
    let path = path();
    let committed = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}: write it with `cargo xtask openapi`", path.display()))?;
    let document = generate()?;
    let line = committed.lines().zip(document.lines()).take_while(|(old, new)| old == new).count() + 1;
    ensure!(
        committed == document,
        "{} differs from what the server serves, first in line {line}: run `cargo xtask openapi` and commit it",
        path.display()
    );
    println!("{} is up to date", path.display());
    Ok(())
}

fn generate() -> Result<String> {
    let output = workspace::cargo()
        .args(["run", "--quiet", "-p", "server", "--", "openapi"])
        .output()
        .context("cannot start `cargo run -p server -- openapi`")?;
    ensure!(
        output.status.success(),
        "`purser openapi` failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let document = String::from_utf8(output.stdout).context("`purser openapi` printed something that is not UTF-8")?;
    serde_json::from_str::<serde_json::Value>(&document)
        .context("`purser openapi` printed something that is not JSON")?;
    Ok(document.trim_end().to_owned() + "\n")
}

fn path() -> PathBuf {
    workspace::root().join("openapi.server.json")
}
