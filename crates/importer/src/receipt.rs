//! The receipt: what the source says against what is on the server, by currency or item, for a person and for a program.

use std::fmt;
use std::path::PathBuf;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::decimal;
use crate::kind::Kind;
use crate::progress::grouped;
use crate::state::State;
use crate::sums::{AssetSums, Sum};

/// The receipt of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    kind: Kind,
    import_name: String,
    /// Into which studio, game and environment; empty for a dry run.
    realm: String,
    files: Vec<PathBuf>,
    /// Whether nothing was sent, nor was to be.
    dry_run: bool,
    /// Whether everything was settled before this command.
    finished_before: bool,
    lines: u64,
    /// By currency or item.
    assets: Vec<Entry>,
    total: Entry,
    /// How many rows took effect in a call of this import.
    applied: u64,
    /// How many had taken effect before a call of this import.
    replayed: u64,
    /// How often there was nothing of something.
    nothing_to_import: u64,
    left_out: u64,
    /// Where the failed rows are, if any failed.
    failed_file: Option<PathBuf>,
    /// Whether all that the source says is on the server.
    equal: bool,
}

/// One currency or item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Entry {
    key: String,
    #[serde(flatten)]
    sums: AssetSums,
    /// What the source says and the server has not.
    #[serde(with = "decimal")]
    difference: u128,
}

impl Receipt {
    /// The receipt of what is settled in `state`.
    pub(crate) fn of(state: &State, files: Vec<PathBuf>, failed_file: PathBuf) -> Self {
        let State { identity, position, sums, .. } = state;
        let total = entry("total", sums.total());
        let failed_file = (0 < total.sums.failed.rows).then_some(failed_file);
        let equal = total.sums.source == total.sums.on_server;
        Self {
            kind: identity.kind,
            import_name: identity.name.clone(),
            realm: identity.realm.clone(),
            files,
            dry_run: false,
            finished_before: false,
            lines: position.lines,
            assets: sums.assets.iter().map(|(key, sums)| entry(key, *sums)).collect(),
            total,
            applied: sums.applied,
            replayed: sums.replayed,
            nothing_to_import: sums.nothing,
            left_out: sums.left_out,
            failed_file,
            equal,
        }
    }

    /// The same, of an import that has been finished before.
    pub(crate) fn finished_before(self) -> Self {
        Self { finished_before: true, ..self }
    }

    /// The same, of one that only looked.
    pub(crate) fn of_dry_run(self) -> Self {
        Self { dry_run: true, failed_file: None, ..self }
    }

    /// Whether all is well: everything from the source is on the server, or could be sent if this was only a trial.
    pub fn is_good(&self) -> bool {
        if self.dry_run { self.total.sums.failed.rows == 0 } else { self.equal }
    }

    /// Whether everything was settled before this command.
    pub fn was_finished_before(&self) -> bool {
        self.finished_before
    }

    /// What to say when not all is well.
    pub fn complaint(&self) -> String {
        let failed = grouped(self.total.sums.failed.rows.into());
        match &self.failed_file {
            _ if self.dry_run => format!("{failed} rows cannot be sent as they are"),
            Some(path) => {
                let (path, kind) = (path.display(), self.kind.as_str());
                format!("{failed} rows failed: mend them in {path}, then `purser import {kind} {path}`")
            }
            None => "the sums differ".to_owned(),
        }
    }

    fn row(&self, entry: &Entry) -> Vec<String> {
        let Entry { key, sums: AssetSums { source, on_server, failed }, difference } = entry;
        let shown = if key.is_empty() { "(unreadable)" } else { key };
        let mut cells = Vec::new();
        if self.kind != Kind::Players {
            cells.push(shown.to_owned());
        }
        let columns = if self.dry_run { vec![source, failed] } else { vec![source, on_server, failed] };
        for Sum { rows, sum } in columns {
            cells.push(grouped((*rows).into()));
            if self.kind != Kind::Players {
                cells.push(grouped(*sum));
            }
        }
        if !self.dry_run {
            let differs = if self.kind == Kind::Players { (source.rows - on_server.rows).into() } else { *difference };
            cells.push(grouped(differs));
        }
        cells
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        let columns: &[&str] = if self.dry_run { &["SOURCE", "FAILED"] } else { &["SOURCE", "ON SERVER", "FAILED"] };
        let difference = (!self.dry_run).then_some("DIFFERENCE");
        if self.kind == Kind::Players {
            table.set_header(columns.iter().copied().chain(difference));
        } else {
            let sums = columns.iter().flat_map(|column| ["ROWS", column]);
            table.set_header([self.kind.asset_heading()].into_iter().chain(sums).chain(difference));
            for entry in &self.assets {
                table.add_row(self.row(entry));
            }
        }
        let mut total = self.total.clone();
        total.key = "TOTAL".to_owned();
        table.add_row(self.row(&total));
        let skipped = usize::from(self.kind != Kind::Players);
        table.column_iter_mut().skip(skipped).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        table
    }
}

fn entry(key: &str, sums: AssetSums) -> Entry {
    Entry { key: key.to_owned(), sums, difference: sums.source.sum - sums.on_server.sum }
}

impl fmt::Display for Receipt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.table().trim_fmt())?;
        let Self { lines, applied, replayed, nothing_to_import, left_out, .. } = self;
        let sent = [("rows applied", applied), ("rows there already", replayed)].into_iter().filter(|_| !self.dry_run);
        let read = [("nothing to import", nothing_to_import), ("left out", left_out)];
        write!(out, "lines: {}", grouped((*lines).into()))?;
        for (name, count) in sent.chain(read) {
            write!(out, "; {name}: {}", grouped((*count).into()))?;
        }
        let verdict = match (self.dry_run, self.equal) {
            (true, _) => "a dry run: nothing was sent",
            (false, true) => "equal: everything from the source is on the server",
            (false, false) => "NOT equal: the difference is what failed",
        };
        write!(out, "\n{verdict}")
    }
}

#[cfg(test)]
mod tests {
    use crate::row::{FailedRow, Row};
    use crate::state::Identity;

    use super::*;

    fn state() -> State {
        let [name, mapping, realm] = ["n", "m", "r"].map(str::to_owned);
        let mut state = State::begin(Identity { kind: Kind::Wallet, name, mapping, files_bytes: vec![1], realm });
        let row = Row {
            line: 2,
            player: "p".to_owned(),
            asset: "gold".to_owned(),
            quantity: 9_007_199_254_740_991,
            reason: None,
            object: None,
            key: "k".to_owned(),
        };
        for _ in 0..3 {
            state.sums.settle(&row);
        }
        state
    }

    fn receipt(state: &State) -> Receipt {
        Receipt::of(state, vec!["a.csv".into()], "a.failed.csv".into())
    }

    #[test]
    fn equal_sums_are_good_and_larger_than_any_balance() {
        let receipt = receipt(&state());
        assert!(receipt.is_good() && receipt.failed_file.is_none());
        let json = serde_json::to_value(&receipt).unwrap();
        assert_eq!(json["assets"][0]["source"]["sum"], "27021597764222973");
        assert_eq!((&json["total"]["difference"], &json["equal"]), (&"0".into(), &true.into()));
        assert!(receipt.to_string().contains("27,021,597,764,222,973"), "{receipt}");
    }

    #[test]
    fn a_failed_row_is_a_difference_also_when_nobody_knows_its_sum() {
        let mut state = state();
        state.sums.fail(&FailedRow { asset: "gold".to_owned(), ..FailedRow::default() });
        let receipt = receipt(&state);
        assert!(!receipt.is_good());
        let said = receipt.complaint();
        assert_eq!(said, "1 rows failed: mend them in a.failed.csv, then `purser import wallet a.failed.csv`");
        assert!(receipt.to_string().contains("NOT equal"));
    }
}
