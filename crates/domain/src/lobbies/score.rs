//! Scores: decimal numbers with three places, kept as whole thousandths so that sums and comparisons are exact.

use std::fmt;

use thiserror::Error;

/// A score: -(2^53-1) ..= 2^53-1, in steps of a thousandth. Lap times in seconds keep their milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Score(i64);

/// Why a number was refused as a [`Score`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidScore {
    /// Its size is more than [`Score::WHOLE_MAX`].
    #[error("must be between -9007199254740991 and 9007199254740991")]
    Range,
    /// It is finer than a thousandth.
    #[error("must have at most three decimals")]
    TooFine,
    /// It is no decimal number.
    #[error("must be a number")]
    NotANumber,
}

impl Score {
    /// Nothing scored.
    pub const ZERO: Self = Self(0);
    /// The largest whole score, 2^53-1; its negation is the smallest.
    pub const WHOLE_MAX: i64 = (1 << 53) - 1;
    /// The largest score, in thousandths.
    const THOUSANDTHS_MAX: i64 = Self::WHOLE_MAX * 1_000;
    /// More digits than any number in range that is not finer than a thousandth needs, leading zeros aside.
    const EXPONENT_MAX: i64 = 400;

    /// Reads a decimal number as JSON writes it, exactly: `12`, `-0.5`, `12.250`, `1e3`.
    pub fn try_new(text: &str) -> Result<Self, InvalidScore> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().map_err(|_| InvalidScore::Range)?),
            None => (text, 0),
        };
        let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidScore::NotANumber);
        }
        let significant = digits.trim_start_matches('0');
        let trimmed = significant.trim_end_matches('0');
        if trimmed.is_empty() {
            return Ok(Self::ZERO);
        }
        let zeros = i64::try_from(significant.len() - trimmed.len()).map_err(|_| InvalidScore::Range)?;
        let places = i64::try_from(fraction.len()).map_err(|_| InvalidScore::Range)?;
        // The value is `trimmed` times ten to this power, in thousandths.
        let power = exponent.clamp(-Self::EXPONENT_MAX, Self::EXPONENT_MAX) + zeros - places + 3;
        let power = u32::try_from(power).map_err(|_| InvalidScore::TooFine)?;
        let scale = 10_i64.checked_pow(power).ok_or(InvalidScore::Range)?;
        let size = trimmed.parse::<i64>().ok().and_then(|number| number.checked_mul(scale));
        let size = size.ok_or(InvalidScore::Range)?;
        Self::from_thousandths(if negative { -size } else { size }).ok_or(InvalidScore::Range)
    }

    /// So many thousandths; `None` outside the range.
    pub fn from_thousandths(thousandths: i64) -> Option<Self> {
        (-Self::THOUSANDTHS_MAX..=Self::THOUSANDTHS_MAX).contains(&thousandths).then_some(Self(thousandths))
    }

    /// So many thousandths, moved into the range when they lie outside it.
    #[must_use]
    pub fn from_thousandths_clamped(thousandths: i64) -> Self {
        Self(thousandths.clamp(-Self::THOUSANDTHS_MAX, Self::THOUSANDTHS_MAX))
    }

    /// Rebuilds a stored score. Panics if storage holds what the rules forbid.
    pub fn restore(thousandths: i64) -> Self {
        Self::from_thousandths(thousandths).expect("a stored score is in range")
    }

    /// This score in thousandths.
    pub fn thousandths(self) -> i64 {
        self.0
    }

    /// The sum; `None` outside the range.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::from_thousandths)
    }

    /// The difference; `None` outside the range.
    pub fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).and_then(Self::from_thousandths)
    }

    /// This score `weight` times, rounded down to a thousandth; `None` outside the range.
    pub fn times(self, weight: Self) -> Option<Self> {
        let product = (i128::from(self.0) * i128::from(weight.0)).div_euclid(1_000);
        i64::try_from(product).ok().and_then(Self::from_thousandths)
    }
}

impl fmt::Display for Score {
    /// As JSON writes a number: no decimals that are not needed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, thousandths) = (self.0.unsigned_abs() / 1_000, self.0.unsigned_abs() % 1_000);
        if thousandths == 0 {
            return write!(formatter, "{sign}{whole}");
        }
        let fraction = format!("{thousandths:03}");
        write!(formatter, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_numbers_are_read_exactly_and_written_as_short_as_possible() {
        let cases = [
            ("0", "0"),
            ("-0", "0"),
            ("12", "12"),
            ("5.0", "5"),
            ("12.250", "12.25"),
            ("-0.5", "-0.5"),
            ("1e3", "1000"),
            ("0.001", "0.001"),
            ("1250E-2", "12.5"),
            ("9007199254740991", "9007199254740991"),
            ("0e999", "0"),
            ("-9007199254740990.999", "-9007199254740990.999"),
            ("000.100", "0.1"),
            ("7.000000000000000000000", "7"),
        ];
        for (text, written) in cases {
            assert_eq!(Score::try_new(text).map(|score| score.to_string()).as_deref(), Ok(written), "{text}");
        }
    }

    #[test]
    fn what_is_too_fine_or_too_large_is_refused_and_says_why() {
        for text in ["0.0001", "1e-4", "1e-999", "0.12345"] {
            assert_eq!(Score::try_new(text), Err(InvalidScore::TooFine), "{text}");
        }
        for text in ["9007199254740992", "1e16", "-1e300", "1e99999999999999999999", "9007199254740991.001"] {
            assert_eq!(Score::try_new(text), Err(InvalidScore::Range), "{text}");
        }
        for text in ["", "-", ".", "x", "1.2.3", "+1"] {
            assert_eq!(Score::try_new(text), Err(InvalidScore::NotANumber), "{text}");
        }
    }

    #[test]
    fn sums_and_products_stay_in_range_or_are_none() {
        let top = Score::try_new("9007199254740991").expect("in range");
        let (one, half) = (Score::restore(1_000), Score::restore(500));
        assert_eq!(top.plus(one), None);
        assert_eq!(top.plus(half), None);
        assert_eq!(top.minus(one).and_then(|less| less.plus(one)), Some(top));
        assert_eq!(one.times(half), Some(half));
        assert_eq!(top.times(Score::restore(2_000)), None);
    }
}
