//! The books of an import: what the source says, what of it is on the server and what failed, of every currency or item.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decimal;
use crate::row::{FailedRow, Row};

/// More kinds of things than a game has: beyond it, the wrong column is read.
const ASSETS_MAX: usize = 100_000;

/// Rows and what they sum to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum {
    /// How many rows.
    pub(crate) rows: u64,
    /// What they sum to.
    #[serde(with = "decimal")]
    pub(crate) sum: u128,
}

impl Sum {
    /// Takes in one row.
    fn add(&mut self, quantity: u64) {
        self.rows += 1;
        self.sum += u128::from(quantity);
    }

    /// Takes in another sum.
    pub(crate) fn add_all(&mut self, other: Self) {
        self.rows += other.rows;
        self.sum += other.sum;
    }
}

/// The books of one currency or item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssetSums {
    /// What the source says.
    pub(crate) source: Sum,
    /// What the server has confirmed, now or before.
    pub(crate) on_server: Sum,
    /// What failed.
    pub(crate) failed: Sum,
}

/// The books of all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sums {
    /// By the key of the currency or item; empty for players, and for what cannot be told.
    pub(crate) assets: BTreeMap<String, AssetSums>,
    /// How many rows took effect in a call of this import.
    pub(crate) applied: u64,
    /// How many had taken effect before.
    pub(crate) replayed: u64,
    /// How often there was nothing of something.
    pub(crate) nothing: u64,
    /// How much was left out.
    pub(crate) left_out: u64,
}

impl Sums {
    /// Takes in a row that is on the server.
    pub(crate) fn settle(&mut self, row: &Row) {
        let sums = self.of(&row.asset);
        sums.source.add(row.quantity);
        sums.on_server.add(row.quantity);
    }

    /// Takes in a row that failed.
    pub(crate) fn fail(&mut self, row: &FailedRow) {
        let sums = self.of(&row.asset);
        sums.source.add(row.sum);
        sums.failed.add(row.sum);
    }

    /// Takes in a row of which only what the source says is known.
    pub(crate) fn count(&mut self, row: &Row) {
        self.of(&row.asset).source.add(row.quantity);
    }

    /// All of them together.
    pub(crate) fn total(&self) -> AssetSums {
        let mut total = AssetSums::default();
        for sums in self.assets.values() {
            total.source.add_all(sums.source);
            total.on_server.add_all(sums.on_server);
            total.failed.add_all(sums.failed);
        }
        total
    }

    /// Whether there are more than there can be.
    pub(crate) fn is_beyond_sense(&self) -> bool {
        ASSETS_MAX < self.assets.len()
    }

    fn of(&mut self, asset: &str) -> &mut AssetSums {
        if !self.assets.contains_key(asset) {
            self.assets.insert(asset.to_owned(), AssetSums::default());
        }
        self.assets.get_mut(asset).expect("it was there or was just put there")
    }
}
