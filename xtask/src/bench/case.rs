//! What one row of the table is about, whoever is measured.

use std::time::Duration;

/// What is sent, by how many at once, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// What is sent.
    pub(crate) workload: &'static str,
    /// How many send, each waiting for its answer.
    pub(crate) connections: usize,
    /// What the names of its players begin with: no other measurement touches them.
    pub(crate) namespace: String,
    /// How many players there are.
    pub(crate) players: u32,
    /// Whether each of them is credited once before.
    pub(crate) populate: bool,
    /// How long it goes on before it is measured.
    pub(crate) warmup: Duration,
    /// How long it is measured.
    pub(crate) measured: Duration,
}
