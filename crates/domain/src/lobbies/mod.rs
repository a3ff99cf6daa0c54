//! Events with windows, the lobbies that play them, bots, attempts, and leaderboards.
//!
//! A write is a [`PlayCommand`], decided in batches like those of the ledger: two looks, then [`PlayBatch::settle`]. What a
//! lobby or a bot is at an instant is computed from what is stored and that instant: nothing ticks. Must not know how
//! anything is stored or asked for.

mod aggregate;
mod attempt;
mod batch;
mod board;
mod bots;
mod command;
mod configuration;
mod event;
mod leaderboard;
mod lobby;
mod merging;
mod queue;
mod ranking;
mod refusal;
mod score;
mod service;
mod settle;
mod settlement;
mod snapshot;
mod store;
mod window;

#[cfg(test)]
mod board_tests;
#[cfg(test)]
mod lobby_tests;
#[cfg(test)]
mod merging_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod settle_tests;
#[cfg(test)]
mod test_arena;
#[cfg(test)]
mod test_plays;

pub use attempt::*;
pub use batch::*;
pub use board::*;
pub use bots::*;
pub use command::*;
pub use configuration::*;
pub use event::*;
pub use leaderboard::*;
pub use lobby::*;
pub use merging::*;
pub use queue::*;
pub use ranking::*;
pub use refusal::*;
pub use score::*;
pub use service::*;
pub use settle::transitions;
pub use settlement::*;
pub use snapshot::*;
pub use store::*;
pub use window::*;
