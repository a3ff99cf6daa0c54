//! What source files may be called, must begin with and must not contain.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Violation, files};

/// Names that say nothing about what is inside, and so attract everything.
const VAGUE_NAMES: &[&str] = &["utils", "helpers", "common", "models", "types", "manager"];

/// A text that no source file may contain, what must follow it to count, and what to do instead.
struct Needle {
    text: &'static str,
    followed_by: &'static [char],
    advice: &'static str,
}

// Written in two halves, or this file would find itself.
const NEEDLES: &[Needle] = &[
    Needle {
        text: concat!("#[", "ignore"),
        followed_by: &[']', ' ', '='],
        advice: "make the test pass or remove it: an ignored test is read as a promise and keeps none",
    },
    Needle {
        text: concat!("#[", "should_panic"),
        followed_by: &[']', ' ', '('],
        advice: "assert on the value that `std::panic::catch_unwind` returns: any panic would satisfy this",
    },
    Needle { text: concat!("todo", "!"), followed_by: &['('], advice: "write it, or leave the path out" },
    Needle { text: concat!("unimplemented", "!"), followed_by: &['('], advice: "write it, or leave the path out" },
];

/// Checks every Rust file in the repository; names and headers only in our crates.
pub(super) fn check(root: &Path) -> Result<Vec<Violation>> {
    let crates = root.join("crates");
    let mut found = Vec::new();
    for path in files::below(root)? {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        found.extend(check_needles(&path, &text));
        let Ok(in_crates) = path.strip_prefix(&crates) else { continue };
        found.extend(check_name(&path, in_crates));
        if in_crates.components().nth(1).is_some_and(|folder| folder.as_os_str() == "src") {
            found.extend(check_header(&path, &text));
        }
    }
    Ok(found)
}

fn check_needles(path: &Path, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for needle in NEEDLES.iter().filter(|needle| needle.is_in(line)) {
            found.push(Violation::of_line(path, index + 1, format!("`{}`: {}", needle.text, needle.advice)));
        }
    }
    found
}

impl Needle {
    fn is_in(&self, line: &str) -> bool {
        line.match_indices(self.text).any(|(start, found)| {
            let before = line.get(..start).and_then(|text| text.chars().next_back());
            let after = line.get(start + found.len()..).and_then(|text| text.chars().next());
            before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
                && after.is_some_and(|c| self.followed_by.contains(&c))
        })
    }
}

/// A module is a file or a folder, so both are looked at.
fn check_name(path: &Path, in_crates: &Path) -> Option<Violation> {
    let vague = in_crates.components().find_map(|part| {
        let part = part.as_os_str().to_str().unwrap_or_default();
        let module = part.strip_suffix(".rs").unwrap_or(part);
        VAGUE_NAMES.contains(&module).then_some(module)
    })?;
    Some(Violation::of_file(path, format!("name it after what is inside: anything may go into `{vague}`")))
}

/// The first thing in a file, after inner attributes, says what the module is. Generated files have their own mark.
fn check_header(path: &Path, text: &str) -> Option<Violation> {
    let mut open_brackets = 0_usize;
    for line in text.lines().map(str::trim) {
        let in_attribute = open_brackets != 0 || line.starts_with("#!");
        if in_attribute {
            let opened = open_brackets + line.matches('[').count();
            open_brackets = opened.saturating_sub(line.matches(']').count());
        } else if line.starts_with("//!") || line.starts_with("// @generated") {
            return None;
        } else if !line.is_empty() {
            break;
        }
    }
    Some(Violation::of_line(path, 1, "begin with a `//!` header: what the module is and what it must not know"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes files into a new root and returns where the violations are.
    fn check(created: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in created {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let place = |violation: &Violation| {
            let path = violation.path.strip_prefix(root.path()).unwrap().display();
            violation.line.map_or(path.to_string(), |line| format!("{path}:{line}"))
        };
        super::check(root.path()).unwrap().iter().map(place).collect()
    }

    #[test]
    fn an_ordinary_file_is_fine() {
        let text = "//! What it is.\n\n#[test]\nfn it_works() { ignore_this(); my_todo!(); }\n";
        assert_eq!(check(&[("crates/domain/src/lib.rs", text)]), Vec::<String>::new());
    }

    #[test]
    fn a_vague_name_is_found_as_a_file_and_as_a_folder() {
        let found = check(&[
            ("crates/domain/src/economy/utils.rs", "//! Header.\n"),
            ("crates/domain/src/types/coin.rs", "//! Header.\n"),
            ("crates/domain/tests/common/mod.rs", ""),
            ("tests/it/helpers.rs", ""),
        ]);
        let expected = [
            "crates/domain/src/economy/utils.rs",
            "crates/domain/src/types/coin.rs",
            "crates/domain/tests/common/mod.rs",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn every_forbidden_text_is_found_in_any_rust_file_of_the_repository() {
        for needle in NEEDLES {
            for next in needle.followed_by {
                let text = format!("//! Header.\n    {}{next}\n", needle.text);
                assert_eq!(check(&[("tests/it/main.rs", &text)]), ["tests/it/main.rs:2"], "{text}");
            }
        }
    }

    #[test]
    fn build_output_and_hidden_folders_are_not_ours() {
        let text = format!("{}()", concat!("todo", "!"));
        let found = check(&[
            ("target/debug/generated.rs", &text),
            (".git/hook.rs", &text),
            ("elsewhere/CACHEDIR.TAG", ""),
            ("elsewhere/generated.rs", &text),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_module_without_a_header_is_found() {
        let found = check(&[
            ("crates/domain/src/lib.rs", "mod coin;\n//! Too late.\n"),
            ("crates/domain/src/empty.rs", ""),
            ("crates/domain/tests/contract.rs", "fn no_header_is_needed_here() {}\n"),
        ]);
        assert_eq!(found, ["crates/domain/src/empty.rs:1", "crates/domain/src/lib.rs:1"]);
    }

    #[test]
    fn a_header_may_come_after_inner_attributes_and_generated_files_have_their_own() {
        let found = check(&[
            ("crates/domain/src/lib.rs", "#![expect(\n    missing_docs,\n    reason = \"why\"\n)]\n\n//! Header.\n"),
            ("crates/persistence/src/schema.rs", "// @generated automatically by Diesel CLI.\n"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }
}
