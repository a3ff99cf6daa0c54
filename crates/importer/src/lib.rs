//! Moves a studio in: reads exports of other platforms and brings them to a running server over its HTTP API, each row once,
//! however often it is stopped.
//!
//! A thread reads the files, maps their lines to rows and packs the rows into calls; a few calls are under way at once; what
//! is settled is folded in the order of the files into sums, a file of failed rows and, every now and then, a state file. So
//! the memory in use does not grow with what is settled, and whoever kills the program finds a state that was true.
//!
//! A client like any other: it must not know a store, a rule or how the server is built, only the routes that it calls.

mod batch;
mod body;
mod client;
mod column;
mod decimal;
mod failed_rows;
mod import;
mod keys;
mod kind;
mod mapper;
mod mapping;
mod place;
mod preset;
mod progress;
mod quantity;
mod reader;
mod receipt;
mod row;
mod run;
mod sender;
mod settled;
mod source;
mod state;
mod stop;
mod sums;
mod trouble;

#[cfg(test)]
mod client_tests;
#[cfg(test)]
mod reader_fuzz;
#[cfg(test)]
mod reader_tests;
#[cfg(test)]
mod settled_tests;

pub use import::Import;
pub use kind::Kind;
pub use mapping::{Choices, Mapping};
pub use preset::Preset;
pub use receipt::Receipt;
pub use run::run;
pub use source::{Format, Reading};
pub use trouble::Trouble;
