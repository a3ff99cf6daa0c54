//! For tests and tasks: a private PostgreSQL cluster, a database per test, and a private Redis.
//!
//! [`Programs`] finds PostgreSQL on this machine or installs it, [`Cluster`] runs it in a folder of its own and leaves
//! nothing behind, [`TestDatabase`] is a database for one test on any server. [`RedisProgram`] and
//! [`Redis`] are the same for Redis. None of them knows what is stored.

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
mod redis;
mod redis_program;
mod template;
mod url;

use std::env;

pub use cluster::Cluster;
pub use database::{DatabaseError, TestDatabase};
pub use failure::ClusterError;
pub use install::{InstallError, python as install_python};
pub use options::{Durability, Options};
pub use programs::{Programs, ProgramsError};
pub use redis::{Redis, RedisError};
pub use redis_program::{RedisProgram, RedisProgramError};

/// The environment variable that names the server on which tests make their databases.
pub const SERVER_URL_VARIABLE: &str = "PURSER_TEST_DATABASE_URL";

/// The environment variable that names the folder with PostgreSQL's programs.
pub const PROGRAMS_VARIABLE: &str = "PURSER_TEST_POSTGRES_BIN";

/// The environment variable that names the folder with `redis-server`.
pub const REDIS_VARIABLE: &str = "PURSER_TEST_REDIS_BIN";

/// A Redis for one test.
///
/// # Panics
/// When there is none on this machine: a test that needs Redis must not pass without it.
#[must_use]
pub fn redis() -> Redis {
    let started = RedisProgram::find().map(|program| Redis::start(&program));
    match started {
        Ok(Ok(redis)) => redis,
        Ok(Err(error)) => panic!("{error}"),
        Err(error) => panic!("run the tests with `cargo xtask test`, which installs Redis: {error}"),
    }
}

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
