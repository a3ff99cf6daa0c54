//! Whatever a platform exports. See `cargo xtask fuzz`.

use bolero::check;

use crate::kind::Kind;
use crate::mapping::Choices;
use crate::quantity::QUANTITY_MAX;
use crate::reader_tests::{Files, Seen};

/// What exports are made of.
const WORDS: [&str; 32] = [
    "externalPlayerId,economyKey,amount\n",
    "p,gold,1\n",
    "p",
    "q",
    "gold",
    "gems",
    ",",
    ",",
    "\n",
    "\r\n",
    "\"",
    "\"\"",
    "1",
    "0",
    "-1",
    "1.0",
    "1.5",
    "9007199254740991",
    "9007199254740992",
    "1e3",
    " ",
    "\t",
    ";",
    "é",
    "\u{feff}",
    "\u{0}",
    "{\"externalPlayerId\":\"p\",\"economyKey\":\"gold\",\"amount\":1}\n",
    "{",
    "}",
    "null",
    "{\"amount\":",
    "[",
];

/// How many, as it is written; how many that is, and whether it can be brought in.
const QUANTITIES: [(&str, u64, bool); 10] = [
    ("1", 1, true),
    ("7.0", 7, true),
    ("+3", 3, true),
    (" 12 ", 12, true),
    ("9007199254740991", QUANTITY_MAX, true),
    ("0", 0, true),
    ("", 0, false),
    ("-5", 0, false),
    ("1.5", 0, false),
    ("9007199254740992", QUANTITY_MAX + 1, false),
];

/// Names that are hard to write down.
const NAMES: [&str; 6] = ["gold", "a,b", "say \"hi\"", "two\nlines", " é🗡", "\"\""];

fn read(name: &str, bytes: &[u8]) -> Result<Seen, String> {
    let files = Files::of(Kind::Wallet, None, &Choices::default(), &[(name, bytes)]);
    files.read().map_err(|trouble| trouble.to_string().replace(&files.folder().display().to_string(), ""))
}

/// The file that the input says: as it is, or by words.
fn written(input: &[u8]) -> Vec<u8> {
    match input.split_first() {
        Some((first, rest)) if 0x80 <= *first => {
            let words = rest.iter().map(|byte| match usize::from(*byte) {
                0xFF => &[0xFF][..],
                byte => WORDS.get(byte % WORDS.len()).map(|word| word.as_bytes()).unwrap_or_default(),
            });
            words.flatten().copied().collect()
        }
        Some(_) | None => input.to_vec(),
    }
}

#[test]
fn any_file_is_read_to_rows_and_failures_or_refused_and_the_next_time_alike() {
    check!(name = "import_files").with_iterations(150).with_max_len(256).for_each(|input: &[u8]| {
        let bytes = written(input);
        for name in ["w.csv", "w.ndjson"] {
            let seen = read(name, &bytes);
            assert_eq!(seen.as_ref().map(shown), read(name, &bytes).as_ref().map(shown), "{name}");
            let Ok(seen) = seen else { continue };
            for row in &seen.rows {
                assert!((1..=QUANTITY_MAX).contains(&row.quantity) && !row.player.is_empty(), "{name}: {row:?}");
            }
            assert!(seen.failed.iter().all(|row| !row.error.is_empty() && !row.key.is_empty()), "{name}: {seen:?}");
        }
    });
}

fn shown(seen: &Seen) -> String {
    format!("{seen:?}")
}

#[test]
fn what_a_table_says_is_brought_in_or_fails_and_the_sums_are_those_of_the_table() {
    check!(name = "import_sums").with_iterations(600).with_max_len(64).for_each(|input: &[u8]| {
        let mut csv = String::from("externalPlayerId,economyKey,amount\n");
        let (mut taken, mut failed, mut nothing) = (0_u128, 0_u128, 0_u64);
        for line in input.chunks_exact(3) {
            let &[player, asset, quantity] = line else { continue };
            let name = |byte: u8| NAMES.get(usize::from(byte) % NAMES.len()).copied().unwrap_or_default();
            let (text, sum, is_good) =
                QUANTITIES.get(usize::from(quantity) % QUANTITIES.len()).copied().unwrap_or_default();
            let cell = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
            csv += &format!("{},{},{text}\n", cell(name(player)), cell(name(asset)));
            match (is_good, sum) {
                (true, 0) => nothing += 1,
                (true, sum) => taken += u128::from(sum),
                (false, sum) => failed += u128::from(sum),
            }
        }
        let seen = read("w.csv", csv.as_bytes()).unwrap_or_else(|trouble| panic!("{trouble}: {csv}"));
        let sums = (
            seen.rows.iter().map(|row| u128::from(row.quantity)).sum(),
            seen.failed.iter().map(|row| u128::from(row.sum)).sum(),
            seen.nothing,
        );
        assert_eq!(sums, (taken, failed, nothing), "{csv}\n{seen:?}");
        let lines = seen.rows.len() + seen.failed.len() + usize::try_from(seen.nothing).expect("few lines");
        assert_eq!(lines, input.len() / 3, "{csv}");
    });
}
