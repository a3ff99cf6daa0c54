//! Whenever an import is killed, its receipt is the same in the end, and the server has every row once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use proptest::prelude::*;

use crate::batch::Batch;
use crate::client::{Answer, Refusal};
use crate::kind::Kind;
use crate::mapping::Choices;
use crate::reader_tests::Files;
use crate::settled::Settled;
use crate::state::{Identity, State};
use crate::sums::Sums;

/// More than one batch, so that there is something between batches.
const LINES: u64 = 3_500;

/// The end of a run that nobody kills.
static UNDISTURBED: LazyLock<(Sums, String, u128)> = LazyLock::new(|| end(&[]));

/// Holds rows by their keys, as the server does.
#[derive(Default)]
struct Server(BTreeMap<String, (String, u64)>);

/// When a run is killed.
#[derive(Debug, Clone, Copy)]
struct Kill {
    /// After so many batches are settled.
    settled: usize,
    /// Of which so many are in the state.
    saved: usize,
    /// When so many more have been sent.
    sent_ahead: usize,
}

impl Server {
    /// Takes in a batch: rows of a currency called `broken` are refused.
    fn receive(&mut self, batch: &Batch) -> Answer {
        let mut answer = Answer::default();
        for (row_index, row) in batch.rows.iter().enumerate() {
            let content = (format!("{}/{}", row.player, row.asset), row.quantity);
            match self.0.get(&row.key) {
                _ if row.asset == "broken" => answer.failures.push(Refusal { row_index, error: "no".to_owned() }),
                Some(held) if *held == content => answer.skipped += 1,
                Some(_) => answer.failures.push(Refusal { row_index, error: "conflict".to_owned() }),
                None => {
                    self.0.insert(row.key.clone(), content);
                    answer.applied += 1;
                }
            }
        }
        answer
    }

    fn sum(&self) -> u128 {
        self.0.values().map(|(_, quantity)| u128::from(*quantity)).sum()
    }
}

/// Lines of which many are equal, some are bad, and some are refused.
fn csv() -> String {
    let mut text = "externalPlayerId,economyKey,amount\n".to_owned();
    for line in 0..LINES {
        let asset = match line % 50 {
            7 => "broken",
            number if number % 2 == 0 => "gold",
            _ => "gems",
        };
        let amount = match line % 31 {
            3 => "x".to_owned(),
            5 => "0".to_owned(),
            number => number.to_string(),
        };
        writeln!(text, "p{},{asset},{amount}", line % 40).unwrap();
    }
    text
}

fn begin(files: &Files) -> State {
    let (name, mapping, realm) = ("n".to_owned(), "m".to_owned(), "r".to_owned());
    State::begin(Identity { kind: files.kind, name, mapping, files_bytes: Vec::new(), realm })
}

fn paths(files: &Files) -> (PathBuf, PathBuf) {
    (files.folder().join("state"), files.folder().join("failed.csv"))
}

/// One run; the state in the end unless it is killed.
fn run(files: &Files, server: &mut Server, kill: Option<Kill>) -> Option<State> {
    let (state_path, failed_path) = paths(files);
    let state = State::load(&state_path).unwrap().unwrap_or_else(|| begin(files));
    let position = state.position;
    let mut settled = Settled::resume(state, Some(state_path), &failed_path).unwrap();
    let mut batches = Vec::new();
    files
        .reader(position)
        .read(|batch| {
            batches.push(batch);
            true
        })
        .unwrap();
    let mut left = batches.into_iter().enumerate();
    while let Some((number, batch)) = left.next() {
        if kill.is_some_and(|kill| kill.settled <= number) {
            let ahead = [(number, batch)].into_iter().chain(left);
            ahead.take(kill.map_or(0, |kill| kill.sent_ahead)).for_each(|(_, batch)| drop(server.receive(&batch)));
            return None;
        }
        let answer = server.receive(&batch);
        settled.take_in(batch, answer).unwrap();
        if kill.is_some_and(|kill| number < kill.saved) {
            settled.save().unwrap();
        }
    }
    Some(settled.finish().unwrap())
}

/// Sums and failed rows in the end.
fn end(kills: &[Kill]) -> (Sums, String, u128) {
    let files = Files::of(Kind::Wallet, None, &Choices::default(), &[("w.csv", csv().as_bytes())]);
    let mut server = Server::default();
    for kill in kills {
        if run(&files, &mut server, Some(*kill)).is_some() {
            break;
        }
    }
    let state = match State::load(&paths(&files).0).unwrap() {
        Some(state) if state.finished => state,
        Some(_) | None => run(&files, &mut server, None).unwrap(),
    };
    (state.sums, fs::read_to_string(paths(&files).1).unwrap(), server.sum())
}

fn kill() -> impl Strategy<Value = Kill> {
    (0..4_usize, 0..4_usize, 0..3_usize).prop_map(|(settled, saved, sent_ahead)| Kill { settled, saved, sent_ahead })
}

#[test]
fn the_books_of_a_run_say_what_the_server_holds() {
    let (sums, failed, held) = end(&[]);
    let total = sums.total();
    assert_eq!(total.on_server.sum, held);
    assert_eq!((sums.applied, sums.replayed), (total.on_server.rows, 0));
    assert_eq!(total.source.rows, total.on_server.rows + total.failed.rows);
    assert_eq!(total.source.rows + sums.nothing, LINES);
    assert_eq!(u64::try_from(failed.lines().count()).unwrap(), total.failed.rows + 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn however_it_is_killed_the_receipt_is_the_same_in_the_end(kills in prop::collection::vec(kill(), 1..5)) {
        let (expected, failed_expected, held_expected) = &*UNDISTURBED;
        let (sums, failed, held) = end(&kills);
        prop_assert_eq!(&sums.assets, &expected.assets);
        prop_assert_eq!(sums.applied + sums.replayed, expected.applied);
        prop_assert_eq!((sums.nothing, sums.left_out), (expected.nothing, expected.left_out));
        prop_assert_eq!(&failed, failed_expected);
        prop_assert_eq!(held, *held_expected);
    }
}
