//! The SQLite adapter: the contract of every store, and what is SQLite's own.

mod contract;
mod faults;
mod fixture;
mod migrations;
