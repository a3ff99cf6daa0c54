//! The names of the OpenAPI document: two types of one name would be described as one of them, without a word.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Violation, files};

/// Checks every type that the document describes.
pub(super) fn check(root: &Path) -> Result<Vec<Violation>> {
    let transport = root.join("crates").join("transport").join("src");
    let mut named: BTreeMap<String, (PathBuf, usize)> = BTreeMap::new();
    let mut found = Vec::new();
    for path in files::below(root)? {
        if !path.starts_with(&transport) || path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for (name, line) in described(&text) {
            if let Some((other, at)) = named.get(&name) {
                let other = other.strip_prefix(root).unwrap_or(other).display();
                let advice = format!("rename it: the OpenAPI document has the `{name}` of {other}:{at} already");
                found.push(Violation::of_line(&path, line, advice));
            } else {
                named.insert(name, (path.clone(), line));
            }
        }
    }
    Ok(found)
}

/// The types that derive a schema, and their lines.
fn described(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut derives = false;
    for (index, line) in text.lines().map(str::trim).enumerate() {
        derives |= line.starts_with("#[derive(") && line.contains("ToSchema");
        let mut words = line.split(|character: char| !character.is_alphanumeric() && character != '_');
        let keyword = words.find(|word| ["struct", "enum"].contains(word));
        if let (true, Some(_), false, Some(name)) = (derives, keyword, is_about(line), words.next()) {
            found.push((name.to_owned(), index + 1));
            derives = false;
        }
    }
    found
}

/// Whether a line is a comment or an attribute.
fn is_about(line: &str) -> bool {
    line.starts_with("//") || line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_type_of_a_name_is_found_and_what_is_not_described_does_not_count() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join("crates/transport/src").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "a.rs",
            "#[derive(Serialize, ToSchema)]\n#[serde(rename = \"struct\")]\n/// A struct.\nstruct View {\n}\n",
        );
        write("b.rs", "#[derive(Debug)]\nstruct View;\n#[derive(ToSchema)]\npub(super) enum Other {}\n");
        assert_eq!(check(root.path()).unwrap(), []);
        write("c.rs", "//! Header.\n#[derive(ToSchema)]\npub(super) struct View(u8);\n");
        let found = check(root.path()).unwrap();
        assert_eq!(found.iter().map(|violation| violation.line).collect::<Vec<_>>(), [Some(3)]);
    }
}
