//! How many: reading a whole number out of whatever a platform wrote.

use serde_json::{Number, Value};

use crate::place::Found;

/// The most that one row may bring: every whole number up to it is exact everywhere.
pub(crate) const QUANTITY_MAX: u64 = 9_007_199_254_740_991;

/// How many, as a line says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// It does not say.
    Absent,
    /// None at all.
    Zero,
    /// That many, which can be brought in.
    Some(u64),
    /// Nothing that can be brought in.
    Bad {
        /// Why not.
        why: String,
        /// How many it would be, where that can be told.
        sum: u64,
    },
}

impl Quantity {
    /// Reads what was found.
    pub(crate) fn of(found: &Found<'_>) -> Self {
        match found {
            Found::Nothing => Self::Absent,
            Found::Unreadable(why) => bad(why),
            Found::Text(text) => Self::of_text(text.trim()),
            Found::Json(value) => match value.as_ref() {
                Value::Number(number) => Self::of_number(number),
                Value::Null => Self::Absent,
                Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => bad("is not a number"),
            },
        }
    }

    fn of_number(number: &Number) -> Self {
        if number.is_f64() {
            // A float that is whole prints without a fraction, all digits of it.
            let float = number.as_f64().unwrap_or(f64::NAN);
            return if float.fract() == 0.0 {
                Self::of_text(&format!("{float:.0}"))
            } else {
                bad("is not a whole number")
            };
        }
        Self::of_text(&number.to_string())
    }

    /// Digits, perhaps with a sign, perhaps with a fraction of zeros.
    fn of_text(text: &str) -> Self {
        if text.is_empty() {
            return Self::Absent;
        }
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.bytes().any(|digit| digit != b'0') {
            return bad("is not a whole number");
        }
        match whole.trim_start_matches('0') {
            "" => Self::Zero,
            _ if negative => bad("is negative"),
            whole => match whole.parse() {
                Ok(count) if count <= QUANTITY_MAX => Self::Some(count),
                Ok(sum) => Self::Bad { why: TOO_LARGE.to_owned(), sum },
                Err(_) => bad(TOO_LARGE),
            },
        }
    }
}

const TOO_LARGE: &str = "is more than 9007199254740991";

fn bad(why: &str) -> Quantity {
    Quantity::Bad { why: why.to_owned(), sum: 0 }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn of(text: &str) -> Quantity {
        Quantity::of(&Found::Text(Cow::Borrowed(text)))
    }

    fn of_json(json: &str) -> Quantity {
        Quantity::of(&Found::Json(Cow::Owned(serde_json::from_str(json).unwrap())))
    }

    #[test]
    fn whole_numbers_are_read_however_they_are_written() {
        for text in ["7", " 7 ", "+7", "007", "7.0", "7.000"] {
            assert_eq!(of(text), Quantity::Some(7), "{text}");
        }
        for json in ["7", "7.0", "7e0"] {
            assert_eq!(of_json(json), Quantity::Some(7), "{json}");
        }
        assert_eq!(of("9007199254740991"), Quantity::Some(QUANTITY_MAX));
    }

    #[test]
    fn zero_and_nothing_are_told_apart() {
        for text in ["0", "-0", "000", "0.0"] {
            assert_eq!(of(text), Quantity::Zero, "{text}");
        }
        assert_eq!((of(""), of_json("null")), (Quantity::Absent, Quantity::Absent));
    }

    #[test]
    fn what_cannot_be_brought_in_says_why() {
        for text in ["7.5", "1e3", "1,000", "seven", ".", "1.", ".5", "--1", "1 000"] {
            assert_eq!(of(text), bad("is not a whole number"), "{text}");
        }
        assert_eq!(of("-7"), bad("is negative"));
        assert_eq!(of("9007199254740992"), Quantity::Bad { why: TOO_LARGE.to_owned(), sum: QUANTITY_MAX + 1 });
        assert_eq!(of(&"9".repeat(400)), bad(TOO_LARGE));
        assert_eq!(of_json("1e300"), bad(TOO_LARGE));
        assert_eq!(of_json("0.1"), bad("is not a whole number"));
        assert_eq!(of_json("true"), bad("is not a number"));
    }
}
