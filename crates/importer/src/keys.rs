//! Idempotency keys: what makes a row the same row, in whatever file and however often it is sent.
//!
//! A key is made of the import's name, of whose and of what the row is (or of the id that the source gives it), and of which
//! one of those it is: the first row of a player's gold, the second. Not of how many: a row whose number was changed is
//! still that row, and the server refuses it instead of adding it to what was brought in before. Nor of where in a file it
//! stands: files may be renamed, joined and sorted by player, and other players' lines come and go. Only the order among rows
//! of one player and currency counts, unless the source has ids.
//!
//! Counting takes eight bytes and some for every row in the files: the price of two equal rows being two.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use sha2::{Digest, Sha256};

/// The longest key that the server takes, in characters.
const CHARS_MAX: usize = 255;

/// The longest name of an import: what is left for it beside the rest of a key.
pub(crate) const NAME_CHARS_MAX: usize = 100;

/// Makes the keys of one import.
#[derive(Debug)]
pub(crate) struct Keys {
    name: String,
    once: HashSet<u64, BuildHasherDefault<AsItIs>>,
    more: HashMap<u64, u64, BuildHasherDefault<AsItIs>>,
}

/// For what is a hash already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Keys {
    /// For the import `name`, with room for so many rows.
    pub(crate) fn new(name: &str, rows_expected: usize) -> Self {
        let once = HashSet::with_capacity_and_hasher(rows_expected, BuildHasherDefault::default());
        Self { name: name.to_owned(), once, more: HashMap::default() }
    }

    /// The key of the next row that `identity` says all of.
    pub(crate) fn next(&mut self, identity: &[&str]) -> String {
        let digest = digest(identity);
        let nth = self.count(fingerprint(&digest));
        let [half, _] = halves(&digest);
        format!("import:{}:{half:032x}:{nth}", self.name)
    }

    /// Whether `key`, which a file says, may be used; it is used then. Not twice: what the server skips for being a repeat
    /// would be missing in the sums.
    pub(crate) fn take(&mut self, key: &str) -> Result<(), &'static str> {
        if CHARS_MAX < key.chars().count() {
            return Err("is longer than 255 characters");
        }
        match self.count(fingerprint(&digest(&["key", key]))) {
            1 => Ok(()),
            _ => Err("is in these files twice"),
        }
    }

    /// The how-manieth this is.
    fn count(&mut self, fingerprint: u64) -> u64 {
        if self.once.insert(fingerprint) {
            return 1;
        }
        let count = self.more.entry(fingerprint).or_insert(1);
        *count += 1;
        *count
    }
}

/// Every part with its length in front, so that two identities never are the same bytes.
fn digest(identity: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in identity {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

fn halves(digest: &[u8; 32]) -> [u128; 2] {
    let half = |bytes: &[u8]| bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let (left, right) = digest.split_at(16);
    [half(left), half(right)]
}

fn fingerprint(digest: &[u8; 32]) -> u64 {
    let [_, half] = halves(digest);
    u64::try_from(half & u128::from(u64::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_rows_are_counted_and_each_has_its_key() {
        let mut keys = Keys::new("move", 0);
        let [one, two, other] = [["p", "gold"], ["p", "gold"], ["p", "gems"]].map(|row| keys.next(&row));
        assert!(one.starts_with("import:move:") && one.ends_with(":1"), "{one}");
        assert_eq!(two, format!("{}:2", one.trim_end_matches(":1")));
        assert_ne!(one, other);
        assert_eq!(Keys::new("move", 0).next(&["p", "gold"]), one);
        assert_ne!(Keys::new("other", 0).next(&["p", "gold"]), one);
        assert_ne!(Keys::new("move", 0).next(&["pg", "old"]), one);
    }

    #[test]
    fn a_key_of_the_file_is_taken_once() {
        let mut keys = Keys::new("move", 0);
        assert_eq!(keys.take("k"), Ok(()));
        assert_eq!(keys.take("k"), Err("is in these files twice"));
        assert_eq!(keys.take(&"é".repeat(255)), Ok(()));
        assert!(keys.take(&"é".repeat(256)).is_err());
    }

    #[test]
    fn the_longest_key_is_short_enough() {
        let key = Keys::new(&"n".repeat(NAME_CHARS_MAX), 0).next(&["p"]);
        assert!(key.len() + u64::MAX.to_string().len() <= CHARS_MAX);
    }

    proptest! {
        #[test]
        fn the_keys_of_rows_do_not_depend_on_the_order_of_different_players(
            rows in prop::collection::vec((0_u8..6, 0_u8..3), 0..40),
        ) {
            let key_of = |keys: &mut Keys, (player, asset): (u8, u8)| keys.next(&[&player.to_string(), &asset.to_string()]);
            let mut keys = Keys::new("n", 0);
            let mut in_order: Vec<String> = rows.iter().map(|row| key_of(&mut keys, *row)).collect();
            let mut keys = Keys::new("n", 0);
            let mut sorted = rows.clone();
            sorted.sort_unstable();
            let mut after: Vec<String> = sorted.iter().map(|row| key_of(&mut keys, *row)).collect();
            in_order.sort_unstable();
            after.sort_unstable();
            prop_assert_eq!(&in_order, &after);
            after.dedup();
            prop_assert_eq!(after.len(), rows.len());
        }
    }
}
