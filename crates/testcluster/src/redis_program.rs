//! Where Redis' server is.

use std::env;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::REDIS_VARIABLE;
use crate::install::{self, InstallError};

/// What tests run.
const NEEDED: &str = "redis-server";

/// Where packages put it, whatever the path says.
const USUAL: &[&str] = &["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];

/// The program `redis-server`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisProgram {
    path: PathBuf,
}

/// Why there is no program.
#[derive(Debug, Error)]
pub enum RedisProgramError {
    /// The environment names a folder without it.
    #[error("{REDIS_VARIABLE} is {}, where there is no `redis-server`: set it to the folder with that program", folder.display())]
    Named {
        /// What it says.
        folder: PathBuf,
    },
    /// It is nowhere.
    #[error(
        "Redis' server is not on this machine: install it (Debian: `apt-get install redis-server`), or set \
         {REDIS_VARIABLE} to the folder with `redis-server`"
    )]
    Missing,
    /// It could not be installed either.
    #[error("Redis' server is not on this machine and could not be installed")]
    Install(#[from] InstallError),
}

impl RedisProgram {
    /// Finds it: where the environment says, else on the path, else where packages put it.
    ///
    /// # Errors
    /// [`RedisProgramError`] says what to do.
    pub fn find() -> Result<Self, RedisProgramError> {
        if let Some(folder) = env::var_os(REDIS_VARIABLE).filter(|folder| !folder.is_empty()) {
            let folder = PathBuf::from(folder);
            return Self::at(&folder).ok_or(RedisProgramError::Named { folder });
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain(USUAL.iter().map(PathBuf::from));
        folders.into_iter().find_map(|folder| Self::at(&folder)).ok_or(RedisProgramError::Missing)
    }

    /// Finds it, and when it is missing installs it with the package manager of this machine.
    ///
    /// # Errors
    /// [`RedisProgramError`] says what to do by hand.
    pub fn find_or_install() -> Result<Self, RedisProgramError> {
        match Self::find() {
            Err(RedisProgramError::Missing) => {
                install::redis()?;
                Self::find()
            }
            found => found,
        }
    }

    /// The folder that it is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn at(folder: &Path) -> Option<Self> {
        let path = folder.join(NEEDED);
        path.is_file().then_some(Self { path })
    }
}
