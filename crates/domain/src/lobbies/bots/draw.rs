//! What looks random about a bot: numbers drawn from the seed of its lobby, its slot and what they are for.
//!
//! No draw depends on another, so a question that is asked at any time, in any order and as often as one likes has one
//! answer. Changing anything here changes the bots of matches that are being played.

use sha2::{Digest, Sha256};

use super::BotSeed;

/// Millionths in a whole: what the factors of [`Draws::factor`] are counted in.
pub(super) const MILLION: i128 = 1_000_000;

/// What a number is drawn for. The numbers of two purposes have nothing to do with each other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Name,
    Avatar,
    Behaviour,
    Pace,
    Burst,
    Visit,
}

impl Purpose {
    fn number(self) -> u64 {
        match self {
            Self::Name => 1,
            Self::Avatar => 2,
            Self::Behaviour => 3,
            Self::Pace => 4,
            Self::Burst => 5,
            Self::Visit => 6,
        }
    }
}

/// The numbers of one lobby, or of one bot in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draws {
    first: u64,
    second: u64,
}

impl Draws {
    /// The numbers that all bots of a lobby share.
    pub(super) fn of_lobby(seed: BotSeed) -> Self {
        Self::new(Sha256::new().chain_update(b"purser-bots-1:lobby:").chain_update(seed.0))
    }

    /// The numbers of the bot in one slot.
    pub(super) fn of_bot(seed: BotSeed, slot: u32) -> Self {
        let hasher = Sha256::new().chain_update(b"purser-bots-1:slot:").chain_update(seed.0);
        Self::new(hasher.chain_update(slot.to_be_bytes()))
    }

    fn new(hasher: Sha256) -> Self {
        let digest: [u8; 32] = hasher.finalize().into();
        let (first, rest) = digest.split_first_chunk::<8>().expect("a digest has 32 bytes");
        let (second, _) = rest.split_first_chunk::<8>().expect("a digest has 32 bytes");
        Self { first: u64::from_be_bytes(*first), second: u64::from_be_bytes(*second) }
    }

    /// One of all 64-bit numbers. `place` says where in the plan, `index` which one there.
    pub(super) fn number(&self, purpose: Purpose, place: u64, index: u64) -> u64 {
        let words = [purpose.number(), place, index];
        let mixed = words.iter().fold(self.first, |state, word| mix(state ^ word.wrapping_mul(GOLDEN)));
        mix(mixed ^ self.second)
    }

    /// One of the numbers below `count`, each as likely as the next. `count` must not be 0.
    pub(super) fn below(&self, count: u64, purpose: Purpose, place: u64, index: u64) -> u64 {
        let wide = u128::from(self.number(purpose, place, index)) * u128::from(count);
        u64::try_from(wide >> 64).expect("the upper half of a product of two 64-bit numbers fits")
    }

    /// A factor around one, in millionths: it varies by `jitter` thousandths of a whole up or down.
    pub(super) fn factor(&self, jitter: i64, place: u64) -> i128 {
        let spread = u64::try_from(jitter).unwrap_or_default() * 1_000;
        MILLION - i128::from(spread) + i128::from(self.below(2 * spread + 1, Purpose::Pace, place, 0))
    }

    /// Where `index` goes when the numbers below `count` change places: no two go to the same. `index` must be below
    /// `count`.
    ///
    /// Four rounds of a Feistel network on the next power of four, repeated until the number is one below `count`.
    pub(super) fn permuted(&self, index: u64, count: u64, purpose: Purpose) -> u64 {
        let half_bits = (1..32).find(|bits| count <= 1 << (2 * bits)).unwrap_or(32);
        let mask = (1_u64 << half_bits) - 1;
        let mut number = index;
        loop {
            let (mut left, mut right) = (number >> half_bits, number & mask);
            for round in 0..4 {
                (left, right) = (right, left ^ (self.number(purpose, round, right) & mask));
            }
            number = (left << half_bits) | right;
            if number < count {
                return number;
            }
        }
    }
}

/// The odd number next to 2^64 divided by the golden ratio, whose multiples are far apart.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The last part of SplitMix64: every bit of the result depends on every bit of what goes in.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(GOLDEN);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_permutation_reaches_every_number_once() {
        let draws = Draws::of_lobby(BotSeed([7; 32]));
        for count in [1, 2, 3, 4, 5, 16, 17, 200, 1_600] {
            let reached: BTreeSet<u64> = (0..count).map(|index| draws.permuted(index, count, Purpose::Name)).collect();
            assert_eq!(reached, (0..count).collect::<BTreeSet<u64>>(), "{count}");
        }
    }

    #[test]
    fn factors_stay_within_their_jitter_and_fill_it() {
        let factors: Vec<i128> = (0..1_000).map(|slot| Draws::of_bot(BotSeed([1; 32]), slot).factor(200, 0)).collect();
        assert!(factors.iter().all(|factor| (800_000..=1_200_000).contains(factor)));
        assert!(factors.iter().any(|factor| *factor < 810_000) && factors.iter().any(|factor| 1_190_000 < *factor));
        assert_eq!(Draws::of_bot(BotSeed([1; 32]), 0).factor(0, 0), MILLION);
    }

    /// Computed by a program in another language.
    #[test]
    fn the_numbers_of_running_matches_never_change() {
        let draws = Draws::of_bot(BotSeed([42; 32]), 3);
        let numbers = [Purpose::Name, Purpose::Pace, Purpose::Visit].map(|purpose| draws.number(purpose, 1_002, 5));
        assert_eq!(numbers, [7_963_065_863_031_674_030, 2_133_478_196_901_945_943, 13_472_741_158_977_321_345]);
    }
}
