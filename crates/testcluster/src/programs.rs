//! Where PostgreSQL's programs are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

use crate::PROGRAMS_VARIABLE;
use crate::install::{self, InstallError};

/// What tests and tasks run. A folder that lacks one of them belongs to an installation without the server.
const NEEDED: &[&str] = &["initdb", "postgres", "pg_ctl", "pgbench", "psql"];

/// Where Debian keeps each version of the server: `<major>/bin`, and not on the path.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder with PostgreSQL's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    folder: PathBuf,
}

/// Why there are no programs.
#[derive(Debug, Error)]
pub enum ProgramsError {
    /// The environment names a folder that is not one.
    #[error("{PROGRAMS_VARIABLE} is {}, where there is no `{missing}`: set it to the folder with PostgreSQL's programs", folder.display())]
    Named {
        /// What it says.
        folder: PathBuf,
        /// The first program that is not there.
        missing: &'static str,
    },
    /// They are nowhere.
    #[error(
        "PostgreSQL's server is not on this machine: install it (Debian: `apt-get install postgresql`), or set \
         {PROGRAMS_VARIABLE} to the folder with {}",
        NEEDED.join(", ")
    )]
    Missing,
    /// They could not be installed either.
    #[error("PostgreSQL's server is not on this machine and could not be installed")]
    Install(#[from] InstallError),
}

impl Programs {
    /// Finds them: where the environment says, else the newest that Debian's packages put there, else where `pg_config`
    /// says, else on the path.
    ///
    /// # Errors
    /// [`ProgramsError`] says what to do.
    pub fn find() -> Result<Self, ProgramsError> {
        if let Some(folder) = env::var_os(PROGRAMS_VARIABLE).filter(|folder| !folder.is_empty()) {
            let folder = PathBuf::from(folder);
            return match missing(&folder) {
                Some(missing) => Err(ProgramsError::Named { folder, missing }),
                None => Ok(Self { folder }),
            };
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let candidates = versions(Path::new(DEBIAN)).into_iter().chain(pg_config()).chain(env::split_paths(&path));
        let complete = candidates.filter(|folder| missing(folder).is_none()).map(|folder| Self { folder });
        complete.into_iter().next().ok_or(ProgramsError::Missing)
    }

    /// Finds them, and when they are missing installs them with the package manager of this machine.
    ///
    /// # Errors
    /// [`ProgramsError`] says what to do by hand.
    pub fn find_or_install() -> Result<Self, ProgramsError> {
        match Self::find() {
            Err(ProgramsError::Missing) => {
                install::postgresql()?;
                Self::find()
            }
            found => found,
        }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of the programs.
    #[must_use]
    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    /// What the server calls its version, such as `15.18`, if it says one.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        let output = Command::new(self.path("postgres")).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
    }
}

fn missing(folder: &Path) -> Option<&'static str> {
    NEEDED.iter().copied().find(|program| !folder.join(program).is_file())
}

/// The program folders below `root`, newest first.
fn versions(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, folder)| folder).collect()
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first_and_9_is_older_than_15() {
        let root = tempfile::tempdir().unwrap();
        for name in ["9", "15", "13", "lost+found"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let expected = ["15/bin", "13/bin", "9/bin"].map(|folder| root.path().join(folder));
        assert_eq!(versions(root.path()), expected);
        assert_eq!(versions(&root.path().join("nowhere")), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_folder_without_the_server_is_not_enough() {
        let folder = tempfile::tempdir().unwrap();
        for program in ["initdb", "pg_ctl", "pgbench", "psql"] {
            fs::write(folder.path().join(program), "").unwrap();
        }
        assert_eq!(missing(folder.path()), Some("postgres"));
    }
}
