//! Identifiers that count up: never the same twice in one process, and the same in every run.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::clock::Timestamp;
use domain::ids::Ids;
use uuid::{Builder, Uuid};

/// One count for all makers, so that two of them in one test never make the same identifier.
static COUNT: AtomicU64 = AtomicU64::new(1);

/// Makes UUIDs of version 7 that ascend, at one instant too.
#[derive(Debug, Clone, Copy, Default)]
pub struct SequentialIds;

impl Ids for SequentialIds {
    fn next(&self, at: Timestamp) -> Uuid {
        let [_, low @ ..] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        // The version and the variant of a UUID overwrite bits of the first three bytes.
        let mut tail = [0; 10];
        let (_, counter) = tail.split_at_mut(3);
        counter.copy_from_slice(&low);
        let millis = u64::try_from(at.unix_millis()).unwrap_or(0);
        Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }

    fn random(&self) -> [u8; 64] {
        // SplitMix64: far from random, but different every time and spread over all bytes.
        let mut state = COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
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
