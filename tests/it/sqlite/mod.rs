//! What is so because the store is a file, and what has nothing to do with the store: one database is enough for that.

mod backup;
mod configuration;
mod deploy;
mod documents;
mod file;
mod full_disk;
mod limits;
mod proxies;
pub(crate) mod store;
