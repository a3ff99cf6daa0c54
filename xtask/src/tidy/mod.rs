//! `tidy`: the rules of this repository that no compiler and no linter knows, as code.
//!
//! Only facts that a machine can judge without taste. Each violation is one line: the file, the line where there is one,
//! and what to do. The same checks run as a test, so nobody has to remember this command.

mod dependencies;
mod deploy;
mod files;
mod graph;
mod manifests;
pub(crate) mod migrations;
mod schemas;
mod sources;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::workspace;

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    path: PathBuf,
    line: Option<usize>,
    advice: String,
}

impl Violation {
    fn of_file(path: &Path, advice: impl Into<String>) -> Self {
        Self { path: path.to_path_buf(), line: None, advice: advice.into() }
    }

    fn of_line(path: &Path, line: usize, advice: impl Into<String>) -> Self {
        Self { path: path.to_path_buf(), line: Some(line), advice: advice.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.line {
            Some(line) => write!(out, "{path}:{line}: {}", self.advice),
            None => write!(out, "{path}: {}", self.advice),
        }
    }
}

/// Prints every violation and fails when there is one.
pub(crate) fn run() -> Result<()> {
    let found = violations()?;
    for violation in &found {
        println!("{violation}");
    }
    match found.len() {
        0 => println!("tidy: the workspace keeps its rules"),
        1 => bail!("tidy found 1 violation"),
        several => bail!("tidy found {several} violations"),
    }
    Ok(())
}

fn violations() -> Result<Vec<Violation>> {
    let root = workspace::root();
    let packages = workspace::metadata()?.packages;
    let mut found = graph::check(&packages);
    found.extend(manifests::check(&packages)?);
    found.extend(migrations::check(&root)?);
    found.extend(schemas::check(&root)?);
    found.extend(sources::check(&root)?);
    found.extend(dependencies::check(&root)?);
    found.extend(deploy::check(&root)?);
    for violation in &mut found {
        if let Ok(below_root) = violation.path.strip_prefix(&root) {
            violation.path = below_root.to_path_buf();
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let found: Vec<String> = violations().unwrap().iter().map(Violation::to_string).collect();
        assert!(found.is_empty(), "\n{}\n", found.join("\n"));
    }

    #[test]
    fn a_violation_is_one_line_that_an_editor_can_follow() {
        let path = Path::new("crates/domain/src/lib.rs");
        assert_eq!(Violation::of_line(path, 7, "do this").to_string(), "crates/domain/src/lib.rs:7: do this");
        assert_eq!(Violation::of_file(path, "do that").to_string(), "crates/domain/src/lib.rs: do that");
    }
}
