//! Every dependency has its reason in CONTRIBUTING.md.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Violation;

/// The heading that the table stands under.
const HEADING: &str = "## Why each dependency is there";

/// Checks the dependencies that the workspace names against the table.
pub(super) fn check(root: &Path) -> Result<Vec<Violation>> {
    let read = |name: &str| {
        let path = root.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let manifest = read("Cargo.toml")?;
    let advice = |name: &str| format!("say in the table of CONTRIBUTING.md why `{name}` is there, or remove it");
    let line = |name: &str| manifest.lines().position(|line| line.starts_with(&format!("{name} ="))).map(|at| at + 1);
    let missing = unexplained(&manifest, &read("CONTRIBUTING.md")?)?;
    let path = root.join("Cargo.toml");
    Ok(missing.iter().map(|name| Violation { path: path.clone(), line: line(name), advice: advice(name) }).collect())
}

/// The names of the dependencies that `manifest` has and the table in `text` has not.
fn unexplained(manifest: &str, text: &str) -> Result<Vec<String>> {
    let manifest: toml::Table = manifest.parse().context("cannot parse Cargo.toml")?;
    let dependencies = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let dependencies =
        dependencies.and_then(toml::Value::as_table).context("Cargo.toml has no [workspace.dependencies]")?;
    let (_, table) = text.split_once(HEADING).with_context(|| format!("CONTRIBUTING.md has no `{HEADING}`"))?;
    let first_cells = table.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next());
    let separates = |c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_';
    let explained: BTreeSet<&str> = first_cells.flat_map(|cell| cell.split(separates)).collect();
    let ours = |value: &toml::Value| value.get("path").is_some();
    let foreign = dependencies.iter().filter(|(_, value)| !ours(value)).map(|(name, _)| name);
    Ok(foreign.filter(|name| !explained.contains(name.as_str())).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_reason_is_named() {
        let manifest =
            "[workspace.dependencies]\ndomain = { path = \"crates/domain\" }\nserde = \"1\"\nserde_json = \"1\"\n";
        let table = |row: &str| format!("serde_json elsewhere\n\n{HEADING}\n\n| crate | reason |\n|---|---|\n{row}\n");
        assert_eq!(unexplained(manifest, &table("| serde, serde_json (in x) | JSON |")).unwrap(), Vec::<String>::new());
        assert_eq!(unexplained(manifest, &table("| serde | serde_json |")).unwrap(), ["serde_json"]);
        assert!(unexplained(manifest, "no table").is_err());
    }
}
