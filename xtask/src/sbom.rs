//! `sbom`: what the released program is made of, as CycloneDX JSON, for those who have to say so or to look it up.
//!
//! Only what is compiled into `purser`: no dependencies of tests or of builds. The same commit gives the same file: its time is
//! the commit's, and it has no random number.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::workspace;

/// What cargo-cyclonedx calls the file that it writes beside every manifest.
const NAME: &str = "purser-sbom";

/// The crate that is released, and what for: other systems take the same crates, but for those that only they need.
const RELEASED: &str = "server";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Writes the document to `output`, or to `sbom/purser.cdx.json` in the build output.
pub(crate) fn run(output: Option<&Path>) -> Result<()> {
    workspace::require_cargo_tool("cyclonedx")?;
    let metadata = workspace::metadata()?;
    let output = match output {
        Some(path) => std::path::absolute(path).context("no current directory")?,
        None => metadata.target_directory.join("sbom").join("purser.cdx.json"),
    };
    let mut command = workspace::cargo();
    command.args(["cyclonedx", "--format", "json", "--spec-version", "1.5", "--all"]);
    command.args(["--no-build-deps", "--target", TARGET, "--override-filename", NAME]);
    command.env("SOURCE_DATE_EPOCH", commit_time()?);
    let outcome = workspace::run(command);
    let written: Vec<(bool, PathBuf)> = metadata
        .packages
        .iter()
        .map(|package| (package.name == RELEASED, package.manifest_path.with_file_name(format!("{NAME}.json"))))
        .collect();
    let released = written.iter().find(|(released, _)| *released).context("the workspace has no such crate")?;
    let text = fs::read_to_string(&released.1);
    // Beside every manifest of the workspace, where nobody wants them.
    for (_, path) in written.iter().filter(|(_, path)| path.exists()) {
        fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    outcome?;
    let text = text.with_context(|| format!("cargo-cyclonedx wrote no {}", released.1.display()))?;
    let components = tidied(&text, &compiled_in()?)?;
    if let Some(folder) = output.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(&output, components.text).with_context(|| format!("cannot write {}", output.display()))?;
    println!("{}: {} components", output.display(), components.count);
    Ok(())
}

/// When the commit that is checked out was made, in seconds.
fn commit_time() -> Result<String> {
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%ct"]).current_dir(workspace::root());
    let output = git.output().context("cannot start git")?;
    ensure!(output.status.success(), "git does not say when this was committed");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What is compiled into the program, as name and version. The tool also lists what only the features of tests bring in.
fn compiled_in() -> Result<BTreeSet<(String, String)>> {
    let mut tree = workspace::cargo();
    tree.args(["tree", "--locked", "--package", RELEASED, "--edges", "normal", "--target", TARGET]);
    tree.args(["--prefix", "none", "--format", "{p}"]);
    let output = tree.output().context("cannot start `cargo tree`")?;
    ensure!(output.status.success(), "`cargo tree` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter_map(package).collect())
}

/// A line such as `serde v1.0.228 (*)`.
fn package(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    Some((name.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
}

/// A document that says the same wherever it was made.
struct Tidied {
    text: String,
    count: usize,
}

fn tidied(text: &str, compiled_in: &BTreeSet<(String, String)>) -> Result<Tidied> {
    let root = workspace::root().display().to_string();
    let mut document: Value = serde_json::from_str(text).context("cargo-cyclonedx wrote no JSON")?;
    let word = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut left_out = BTreeSet::new();
    let mut count = 0;
    if let Some(components) = document.get_mut("components").and_then(Value::as_array_mut) {
        components.retain(|component| {
            let is_in = compiled_in.contains(&(word(component, "name"), word(component, "version")));
            if !is_in {
                left_out.insert(word(component, "bom-ref"));
            }
            is_in
        });
        count = components.len();
    }
    if let Some(dependencies) = document.get_mut("dependencies").and_then(Value::as_array_mut) {
        dependencies.retain(|dependency| !left_out.contains(&word(dependency, "ref")));
        for needed in dependencies.iter_mut().filter_map(|dependency| dependency.get_mut("dependsOn")?.as_array_mut()) {
            needed.retain(|needed| !left_out.contains(needed.as_str().unwrap_or_default()));
        }
    }
    if let Some(document) = document.as_object_mut() {
        document.remove("serialNumber");
    }
    ensure!(count != 0, "cargo-cyclonedx found no components");
    // Our own crates are named by where they are.
    let text = serde_json::to_string_pretty(&document)?.replace(&root, "/purser") + "\n";
    Ok(Tidied { text, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_no_random_number_and_no_place_of_this_machine() {
        let here = format!("path+file://{}/crates/server", workspace::root().display());
        let component = format!(r#"{{"name":"domain","version":"0.1.0","bom-ref":"{here}"}}"#);
        let text = format!(r#"{{"serialNumber":"urn:uuid:1","components":[{component}]}}"#);
        let compiled_in = package("domain v0.1.0 (/here/crates/domain)").into_iter().collect();
        let Tidied { text, count } = tidied(&text, &compiled_in).unwrap();
        assert_eq!(count, 1);
        assert!(!text.contains("serialNumber") && text.contains("path+file:///purser/crates/server"), "{text}");
    }

    #[test]
    fn what_only_tests_bring_in_is_left_out() {
        let text = r#"{"components":[{"name":"serde","version":"1.0.0","bom-ref":"s"},
            {"name":"mockall","version":"0.15.0","bom-ref":"m"}],
            "dependencies":[{"ref":"m"},{"ref":"s","dependsOn":["m"]}]}"#;
        let compiled_in = package("serde v1.0.0 (*)").into_iter().collect();
        let Tidied { text, count } = tidied(text, &compiled_in).unwrap();
        assert!(count == 1 && !text.contains("mockall") && !text.contains("\"m\""), "{text}");
        assert!(tidied(&text, &BTreeSet::new()).is_err());
    }
}
