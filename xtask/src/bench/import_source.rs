//! A generated export: wallets of made-up players, of which everybody can say what is in them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What a player has a row of each; gold twice, because exports have such rows.
const CURRENCIES: [&str; 4] = ["gold", "gems", "stars", "gold"];

/// In what order the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// All rows of a player together, players by their ids.
    ByPlayer,
    /// Nothing is near what it belongs to.
    Shuffled,
}

/// A generated file.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    name: &'static str,
    rows: u64,
}

impl Source {
    /// Writes one of `rows` rows into `folder`.
    pub(crate) fn generate(folder: &Path, name: &'static str, rows: u64, order: Order) -> Result<Self> {
        let source = Self { path: folder.join(format!("{name}.csv")), name, rows };
        let file = File::create(&source.path).context("cannot create the export")?;
        let mut out = BufWriter::new(file);
        writeln!(out, "player,currency,amount,reason")?;
        let stride = stride(rows);
        for index in 0..rows {
            let row = match order {
                Order::ByPlayer => index,
                Order::Shuffled => index * stride % rows,
            };
            let (player, currency, amount) = (source.name_of(row / 4), currency_of(row), amount_of(row));
            writeln!(out, "{player},{currency},{amount},moved in")?;
        }
        out.flush()?;
        Ok(source)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A file beside it.
    pub(crate) fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".");
        path.push(ending);
        path.into()
    }

    /// How many players there are.
    pub(crate) fn players(&self) -> u64 {
        self.rows.div_ceil(4)
    }

    /// What a player is called.
    pub(crate) fn name_of(&self, player: u64) -> String {
        format!("{}-{player:08}", self.name)
    }

    /// What all of it sums to.
    pub(crate) fn sums(&self) -> Vec<(&'static str, u64)> {
        sums(0..self.rows)
    }

    /// What one player holds in the end.
    pub(crate) fn held_by(&self, player: u64) -> Vec<(&'static str, u64)> {
        sums(player * 4..self.rows.min(player * 4 + 4))
    }
}

fn sums(rows: std::ops::Range<u64>) -> Vec<(&'static str, u64)> {
    let mut sums: Vec<(&str, u64)> = Vec::new();
    for row in rows {
        let (currency, amount) = (currency_of(row), amount_of(row));
        match sums.iter_mut().find(|(known, _)| *known == currency) {
            Some((_, sum)) => *sum += amount,
            None => sums.push((currency, amount)),
        }
    }
    sums
}

fn currency_of(row: u64) -> &'static str {
    let index = usize::try_from(row % 4).unwrap_or_default();
    CURRENCIES.get(index).copied().unwrap_or_default()
}

fn amount_of(row: u64) -> u64 {
    row % 9_973 + 1
}

/// A step that comes by every number below `rows` before it comes back to the first, and is far from any neighbour.
fn stride(rows: u64) -> u64 {
    let common = |mut left: u64, mut right: u64| {
        while right != 0 {
            (left, right) = (right, left % right);
        }
        left
    };
    let begin = rows / 8 * 5 + 1;
    (begin..).find(|step| common(*step, rows) == 1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    #[test]
    fn both_orders_have_the_same_rows() {
        let folder = tempfile::tempdir().unwrap();
        let lines = |order| {
            let source = Source::generate(folder.path(), "x", 1_002, order).unwrap();
            let text = fs::read_to_string(source.path()).unwrap();
            text.lines().map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let ordered = lines(Order::ByPlayer);
        assert_eq!((ordered.len(), &ordered), (1_003, &lines(Order::Shuffled)));
    }

    #[test]
    fn the_sums_are_those_of_the_players() {
        let source = Source { path: PathBuf::new(), name: "x", rows: 1_001 };
        let of_players = (0..source.players()).flat_map(|player| source.held_by(player));
        let gold: u64 = of_players.filter(|(currency, _)| *currency == "gold").map(|(_, amount)| amount).sum();
        assert_eq!(source.sums().first(), Some(&("gold", gold)));
    }
}
