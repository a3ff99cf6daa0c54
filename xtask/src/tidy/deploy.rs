//! What `deploy/` and the operators' handbook say of the program is what the program is.
//!
//! Nobody runs these files in the tests, so whatever can be judged without running them is: that YAML is YAML, that files name
//! files that are there, that settings are ones that the program reads, and that the toolchain is the one of the workspace.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use yaml_rust2::{Yaml, YamlLoader};

use super::{Violation, files};

/// What the names of settings begin with.
const PREFIX: &str = "PURSER_";

/// Checks every file below `deploy`, and the names of settings in the documents.
pub(super) fn check(root: &Path) -> Result<Vec<Violation>> {
    let settings = settings(root)?;
    let mut found = Vec::new();
    for path in files::below(&root.join("deploy"))? {
        let text = read(&path)?;
        if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            found.extend(check_yaml(&path, &text));
        }
        found.extend(unknown_settings(&path, &text, &settings));
    }
    for path in files::below(&root.join("docs"))? {
        found.extend(unknown_settings(&path, &read(&path)?, &settings));
    }
    let dockerfile = root.join("deploy/Dockerfile");
    if dockerfile.exists() {
        found.extend(check_toolchain(&dockerfile, &read(&dockerfile)?, &read(&root.join("Cargo.toml"))?)?);
    }
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The names of all settings that the program reads from the environment: its help names them too, which is tested.
fn settings(root: &Path) -> Result<BTreeSet<String>> {
    let mut settings = BTreeSet::new();
    for path in files::below(&root.join("crates/server/src"))? {
        let text = read(&path)?;
        let named = text.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next());
        settings.extend(named.map(str::to_owned));
    }
    Ok(settings)
}

fn unknown_settings(path: &Path, text: &str, known: &BTreeSet<String>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (start, _) in line.match_indices(PREFIX) {
            let rest = line.get(start..).unwrap_or_default();
            let end = rest.find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap_or(rest.len());
            let name = rest.get(..end).unwrap_or_default();
            // Alone, as in `PURSER_…`, it stands for all of them.
            if name != PREFIX && !known.contains(name) {
                found.push(Violation::of_line(path, index + 1, format!("`{name}` is no setting of the program")));
            }
        }
    }
    found
}

fn check_yaml(path: &Path, text: &str) -> Vec<Violation> {
    let documents = match YamlLoader::load_from_str(text) {
        Ok(documents) => documents,
        Err(error) => return vec![Violation::of_line(path, error.marker().line(), format!("is no YAML: {error}"))],
    };
    let is_kustomization = files::name(path) == "kustomization.yaml";
    let named = |document: &Yaml| -> Vec<String> {
        let list = |name: &str| document.as_hash().and_then(|hash| hash.get(&Yaml::from_str(name))?.as_vec().cloned());
        let lists = [list("resources"), list("components")];
        lists.into_iter().flatten().flatten().filter_map(|entry| entry.as_str().map(str::to_owned)).collect()
    };
    let resources = documents.iter().filter(|_| is_kustomization).flat_map(named);
    let folder = path.parent().unwrap_or(path);
    let missing = resources.filter(|resource| !folder.join(resource).exists());
    missing.map(|resource| Violation::of_file(path, format!("names `{resource}`, which is not there"))).collect()
}

/// The image is built by the toolchain that the workspace asks for.
fn check_toolchain(path: &Path, dockerfile: &str, manifest: &str) -> Result<Option<Violation>> {
    let manifest: toml::Table = manifest.parse().context("cannot parse Cargo.toml")?;
    let package = manifest.get("workspace").and_then(|workspace| workspace.get("package"));
    let version = package.and_then(|package| package.get("rust-version")).and_then(toml::Value::as_str);
    let image = format!("FROM rust:{}-", version.context("the workspace has no rust-version")?);
    let builds = dockerfile.lines().any(|line| line.starts_with(&image));
    Ok((!builds).then(|| Violation::of_file(path, format!("build with the workspace's toolchain: `{image}…`"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_the_program_does_not_have_is_named() {
        let known = BTreeSet::from(["PURSER_LISTEN".to_owned(), "PURSER_LOG".to_owned()]);
        let text = "PURSER_LISTEN=x\nall `PURSER_…` settings\n  PURSER_LISTENS: PURSER_LOG PURSER_LO\n";
        let found = unknown_settings(Path::new("compose.yaml"), text, &known);
        let lines: Vec<String> = found.iter().map(Violation::to_string).collect();
        assert_eq!(
            lines,
            [
                "compose.yaml:3: `PURSER_LISTENS` is no setting of the program",
                "compose.yaml:3: `PURSER_LO` is no setting of the program"
            ]
        );
    }

    #[test]
    fn what_is_no_yaml_and_a_file_that_is_not_there_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kustomization.yaml");
        assert_eq!(check_yaml(&path, "a: [1, 2\nb: {").len(), 1);
        let text = "resources:\n  - there.yaml\n  - gone.yaml\n";
        fs::write(folder.path().join("there.yaml"), "").unwrap();
        let found = check_yaml(&path, text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found.iter().all(|violation| violation.advice.contains("gone.yaml")), "{found:?}");
        assert_eq!(check_yaml(&folder.path().join("other.yaml"), text), []);
    }

    #[test]
    fn an_image_of_another_toolchain_is_named() {
        let manifest = "[workspace.package]\nrust-version = \"1.95\"\n";
        let check = |dockerfile: &str| check_toolchain(Path::new("Dockerfile"), dockerfile, manifest).unwrap();
        assert_eq!(check("FROM rust:1.95-slim-bookworm AS build\n"), None);
        assert!(check("FROM rust:1.94-slim-bookworm AS build\n").is_some());
    }
}
