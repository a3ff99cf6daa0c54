//! Every member of the workspace takes its lints from the workspace.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Violation;
use crate::workspace::Package;

/// Checks the manifest of every member.
pub(super) fn check(packages: &[Package]) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    for package in packages {
        let path = &package.manifest_path;
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        found.extend(check_lints(path, &text)?);
    }
    Ok(found)
}

fn check_lints(path: &Path, text: &str) -> Result<Option<Violation>> {
    let manifest: toml::Table = text.parse().with_context(|| format!("cannot parse {}", path.display()))?;
    let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
    let advice = "add `[lints]` with `workspace = true`, or the lints of the workspace do not apply here";
    Ok((inherits != Some(true)).then(|| Violation::of_file(path, advice)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_without_the_lints_of_the_workspace_is_named() {
        let path = Path::new("crates/domain/Cargo.toml");
        assert!(check_lints(path, "[package]\nname = \"domain\"\n").unwrap().is_some());
        assert!(check_lints(path, "[lints.clippy]\ntodo = \"allow\"\n").unwrap().is_some());
        assert_eq!(check_lints(path, "[lints]\nworkspace = true\n").unwrap(), None);
    }
}
