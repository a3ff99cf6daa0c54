//! Identifiers and random bytes that count up: the same in every run of a seed, never the same twice in one.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::clock::Timestamp;
use domain::ids::Ids;
use uuid::{Builder, Uuid};

/// Makes them, for all processes of a run.
#[derive(Debug, Default)]
pub(crate) struct CountedIds(AtomicU64);

impl CountedIds {
    fn count(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Ids for CountedIds {
    fn next(&self, at: Timestamp) -> Uuid {
        let [.., high, middle, low] = self.count().to_be_bytes();
        // Neither where version and variant go nor in the last 32 bits, which a merge counts in.
        let tail = [0, 0, 0, high, middle, low, 0, 0, 0, 0];
        let millis = u64::try_from(at.unix_millis()).unwrap_or(0);
        Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }

    fn random(&self) -> [u8; 64] {
        // SplitMix64: far from random, but different every time and spread over all bytes.
        let mut state = self.count().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut bytes = [0; 64];
        for chunk in bytes.chunks_exact_mut(8) {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
        }
        bytes
    }
}
