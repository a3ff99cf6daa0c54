//! Numbers of coins and items: what may be moved, and what may be held.

use thiserror::Error;

/// 2^53 - 1: the largest integer that every JSON reader keeps exact.
pub const INTEGER_MAX: i64 = 9_007_199_254_740_991;

/// How much one operation moves: 1 ..= [`INTEGER_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

/// Why a number was refused as an [`Amount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be an integer from 1 to {INTEGER_MAX}")]
pub struct InvalidAmount;

impl Amount {
    /// Accepts 1 ..= [`INTEGER_MAX`].
    pub fn try_new(number: i64) -> Result<Self, InvalidAmount> {
        if (1..=INTEGER_MAX).contains(&number) { Ok(Self(number)) } else { Err(InvalidAmount) }
    }

    /// The number itself.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// How much an account holds: 0 ..= [`INTEGER_MAX`]. There is no way to make a negative one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Balance(i64);

impl Balance {
    /// What a new account holds.
    pub const ZERO: Self = Self(0);

    /// Rebuilds a stored balance. Panics if storage holds what the rules forbid.
    pub fn restore(number: i64) -> Self {
        assert!((0..=INTEGER_MAX).contains(&number), "stored balance {number} is out of range");
        Self(number)
    }

    /// The number itself.
    pub fn get(self) -> i64 {
        self.0
    }

    /// What is left after taking `amount`, or `None` if it is not there to take. **This is the line that keeps every
    /// balance from going negative**; the CHECK on the accounts table is its pair.
    pub fn minus(self, amount: Amount) -> Option<Self> {
        (amount.0 <= self.0).then(|| Self(self.0 - amount.0))
    }

    /// What there is after adding `amount`, or `None` above [`INTEGER_MAX`].
    pub fn plus(self, amount: Amount) -> Option<Self> {
        (amount.0 <= INTEGER_MAX - self.0).then(|| Self(self.0 + amount.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_positive_integer_that_json_keeps_exact() {
        for bad in [0, -1, i64::MIN, INTEGER_MAX + 1, i64::MAX] {
            assert_eq!(Amount::try_new(bad), Err(InvalidAmount), "{bad}");
        }
        assert_eq!(Amount::try_new(INTEGER_MAX).map(Amount::get), Ok(INTEGER_MAX));
    }

    #[test]
    fn a_balance_stays_within_zero_and_the_top() {
        let seven = Amount::try_new(7).expect("7 is an amount");
        let most = Amount::try_new(INTEGER_MAX).expect("the top is an amount");
        assert_eq!(Balance::restore(6).minus(seven), None);
        assert_eq!(Balance::restore(7).minus(seven), Some(Balance::ZERO));
        assert_eq!(Balance::ZERO.plus(most).map(Balance::get), Some(INTEGER_MAX));
        assert_eq!(Balance::restore(1).plus(most), None);
    }
}
