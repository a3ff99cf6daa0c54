//! For tests and tasks: a private PostgreSQL cluster, and a database per test.
//!
//! [`Programs`] finds PostgreSQL on this machine or installs it, [`Cluster`] runs it in a folder of its own and leaves
//! nothing behind, [`TestDatabase`] is a database for one test on any server. None of them knows what is stored.

mod account;
mod cluster;
mod database;
mod failure;
mod home;
mod install;
mod log;
mod options;
mod port;
mod postmaster;
mod programs;
mod random;
mod template;
mod url;

use std::env;

pub use cluster::Cluster;
pub use database::{DatabaseError, TestDatabase};
pub use failure::ClusterError;
pub use install::InstallError;
pub use options::{Durability, Options};
pub use programs::{Programs, ProgramsError};

/// The environment variable that names the server on which tests make their databases.
pub const SERVER_URL_VARIABLE: &str = "PURSER_TEST_DATABASE_URL";

/// The environment variable that names the folder with PostgreSQL's programs.
pub const PROGRAMS_VARIABLE: &str = "PURSER_TEST_POSTGRES_BIN";

/// The server on which tests make their databases.
///
/// # Panics
/// When nobody said which: a test that needs PostgreSQL must not pass without it.
#[must_use]
pub fn server_url() -> String {
    match env::var(SERVER_URL_VARIABLE) {
        Ok(url) if !url.is_empty() => url,
        Ok(_) | Err(_) => panic!(
            "run the tests with `cargo xtask test`, which brings up PostgreSQL, or set {SERVER_URL_VARIABLE} to a server \
             on which databases may be created"
        ),
    }
}
