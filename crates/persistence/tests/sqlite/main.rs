//! The SQLite adapter: the contract of every store, and what is SQLite's own.

mod contract;
mod erasure;
mod faults;
mod fixture;
mod life_commands;
mod life_faults;
mod lives;
mod migrations;
mod observed;
mod webhook_drafts;
mod webhooks;
