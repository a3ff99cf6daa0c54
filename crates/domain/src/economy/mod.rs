//! The ledger and the grants: one set of accounts, of which the wallet and the inventory are two views.
//!
//! A write is four steps: **footprint** (which keys must be seen), **load** (by the adapter), **decide** ([`Batch::settle`],
//! pure) and **save** (by the adapter, in the same transaction). Phases in reading order: [`Command`] is what is asked,
//! [`Batch`] is what arrived together, [`Snapshot`] is what the store knew before, [`Settlement`] is what it must store
//! and answer.

mod amount;
mod asset;
mod batch;
mod command;
mod grant;
mod idempotency;
mod import;
mod queue;
mod reads;
mod rejection;
mod service;
mod settle;
mod settlement;
mod snapshot;
mod store;
mod verify;

pub use amount::*;
pub use asset::*;
pub use batch::*;
pub use command::*;
pub use grant::*;
pub use idempotency::*;
pub use import::*;
pub use queue::*;
pub use reads::*;
pub use rejection::*;
pub use service::*;
pub use settle::*;
pub use settlement::*;
pub use snapshot::*;
pub use store::*;
pub use verify::*;

#[cfg(test)]
mod import_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod service_tests;
#[cfg(test)]
pub(crate) mod test_books;
#[cfg(test)]
mod tests;
