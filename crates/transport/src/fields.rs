//! Readers for the fields of a body: each takes the text of one JSON value to one type, or says why not.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use domain::clock::Timestamp;
use domain::economy::{Amount, AssetKey, InvalidAmount, InvalidAssetKey, InvalidIdempotencyKey, KeyDigest};
use domain::lobbies::{InvalidScore, InvalidSegment, Score, Segment};
use domain::players::{ExternalId, InvalidExternalId};
use domain::text::{FreeText, InvalidFreeText, InvalidJsonObject, JsonObject};
use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::instant::{self, InvalidInstant};

/// A JSON string, borrowed from the body unless it has escapes.
pub(crate) struct Text<'b>(pub(crate) Cow<'b, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText;

        impl<'de> Visitor<'de> for AnyText {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(AnyText)
    }
}

/// Why a field was refused as a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidText {
    /// It is not a string.
    NotAString,
    /// It has an escape for half a character.
    NotUnicode,
    /// The rules for free text refuse it.
    Refused(InvalidFreeText),
}

impl fmt::Display for InvalidText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAString => formatter.write_str("must be a string"),
            Self::NotUnicode => formatter.write_str("must be Unicode text"),
            Self::Refused(refused) => refused.fmt(formatter),
        }
    }
}

/// Why a field was refused as a text of a certain kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidTextField<E> {
    /// It is no text.
    Text(InvalidText),
    /// The rules for its kind refuse it.
    Refused(E),
}

impl<E> From<InvalidText> for InvalidTextField<E> {
    fn from(refused: InvalidText) -> Self {
        Self::Text(refused)
    }
}

impl<E: fmt::Display> fmt::Display for InvalidTextField<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(refused) => refused.fmt(formatter),
            Self::Refused(refused) => refused.fmt(formatter),
        }
    }
}

/// Why a field was refused as an object.
#[derive(Debug)]
pub(crate) enum InvalidObject {
    /// It is too deep, has a number past all floats or an escape for half a character.
    Unreadable,
    /// The rules for objects refuse it.
    Refused(InvalidJsonObject),
}

impl fmt::Display for InvalidObject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => formatter.write_str("must be a JSON object with ordinary numbers, text and depth"),
            Self::Refused(refused) => refused.fmt(formatter),
        }
    }
}

/// The value is not one of these names.
#[derive(Debug)]
pub(crate) struct NotOneOf(&'static str);

impl fmt::Display for NotOneOf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "must be {}", self.0)
    }
}

/// The value is not a whole number between two others.
#[derive(Debug)]
pub(crate) struct NotBetween(RangeInclusive<u32>);

impl fmt::Display for NotBetween {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "must be an integer from {} to {}", self.0.start(), self.0.end())
    }
}

/// Reads a field as text.
pub(crate) fn text(value: &RawValue) -> Result<Cow<'_, str>, InvalidText> {
    if !value.get().starts_with('"') {
        return Err(InvalidText::NotAString);
    }
    serde_json::from_str(value.get()).map(|Text(text)| text).map_err(|_| InvalidText::NotUnicode)
}

/// Reads a field as free text.
pub(crate) fn free_text(value: &RawValue) -> Result<FreeText, InvalidText> {
    FreeText::try_new(&text(value)?).map_err(InvalidText::Refused)
}

/// Reads a field as the studio's id of a player.
pub(crate) fn external_id(value: &RawValue) -> Result<ExternalId, InvalidTextField<InvalidExternalId>> {
    ExternalId::try_new(&text(value)?).map_err(InvalidTextField::Refused)
}

/// Reads a field as an idempotency key.
pub(crate) fn idempotency_key(value: &RawValue) -> Result<KeyDigest, InvalidTextField<InvalidIdempotencyKey>> {
    KeyDigest::of(&text(value)?).map_err(InvalidTextField::Refused)
}

/// Reads a field as the key of a currency or an item.
pub(crate) fn asset_key(value: &RawValue) -> Result<AssetKey, InvalidAssetKey> {
    AssetKey::try_new(&text(value).map_err(|_| InvalidAssetKey)?)
}

/// Reads a field as an amount.
pub(crate) fn amount(value: &RawValue) -> Result<Amount, InvalidAmount> {
    Amount::try_new(whole_number(value.get()).ok_or(InvalidAmount)?)
}

/// Reads a field as an object that is stored as it came.
pub(crate) fn json_object(value: &RawValue) -> Result<JsonObject, InvalidObject> {
    let value: Value = serde_json::from_str(value.get()).map_err(|_| InvalidObject::Unreadable)?;
    JsonObject::try_new(&value).map_err(InvalidObject::Refused)
}

/// Reads a field as a whole number within `bounds`.
pub(crate) fn between(bounds: RangeInclusive<u32>) -> impl FnOnce(&RawValue) -> Result<u32, NotBetween> {
    move |value| {
        let number = whole_number(value.get()).and_then(|number| u32::try_from(number).ok());
        number.filter(|number| bounds.contains(number)).ok_or(NotBetween(bounds))
    }
}

/// Reads a field as true or false.
pub(crate) fn boolean(value: &RawValue) -> Result<bool, NotOneOf> {
    serde_json::from_str(value.get()).map_err(|_| NotOneOf("true or false"))
}

/// Reads a field as a date and time.
pub(crate) fn instant(value: &RawValue) -> Result<Timestamp, InvalidInstant> {
    instant::parse(&text(value).map_err(|_| InvalidInstant)?)
}

/// Reads a field as a score, exactly as it was written: a float would round.
pub(crate) fn score(value: &RawValue) -> Result<Score, InvalidScore> {
    let is_number = value.get().starts_with(|first: char| first == '-' || first.is_ascii_digit());
    if is_number { Score::try_new(value.get()) } else { Err(InvalidScore::NotANumber) }
}

/// Reads a field as the name of a segment.
pub(crate) fn segment(value: &RawValue) -> Result<Segment, InvalidTextField<InvalidSegment>> {
    Segment::try_new(&text(value)?).map_err(InvalidTextField::Refused)
}

/// Reads a field with `parse`, which knows the names listed in `names`.
pub(crate) fn one_of<T>(
    names: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> impl FnOnce(&RawValue) -> Result<T, NotOneOf> {
    move |value| parse(&text(value).map_err(|_| NotOneOf(names))?).ok_or(NotOneOf(names))
}

/// The integer that a JSON number is, if it is one: `5`, `5.0`, `5e0` and `50e-1` all are. Decided on the digits, because
/// a float would round.
pub(crate) fn whole_number(json: &str) -> Option<i64> {
    if let Ok(number) = json.parse() {
        return Some(number);
    }
    let (sign, unsigned) = json.strip_prefix('-').map_or((1, json), |unsigned| (-1, unsigned));
    if !unsigned.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let zeros = digits.len().checked_sub(significant.len() + fraction.len());
    let shift = match zeros {
        Some(more) => exponent.parse::<i64>().ok()?.checked_add(i64::try_from(more).ok()?)?,
        None => {
            let fewer = (significant.len() + fraction.len()).checked_sub(digits.len())?;
            exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(fewer).ok()?)?
        }
    };
    let scale = 10_i64.checked_pow(u32::try_from(shift).ok()?)?;
    significant.parse::<i64>().ok()?.checked_mul(scale)?.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_whole_by_its_value_and_not_by_its_spelling() {
        for (json, number) in [
            ("5", Some(5)),
            ("-5", Some(-5)),
            ("5.0", Some(5)),
            ("5e0", Some(5)),
            ("50e-1", Some(5)),
            ("0.05E+2", Some(5)),
            ("500.00e-2", Some(5)),
            ("120.50e1", Some(1205)),
            ("0e99999999999999999999", Some(0)),
            ("-0", Some(0)),
            ("9007199254740991.0", Some(9_007_199_254_740_991)),
            ("9007199254740992", Some(9_007_199_254_740_992)),
            ("5.5", None),
            ("5e-1", None),
            ("1e400", None),
            ("1e-400", None),
            ("1e99999999999999999999", None),
            ("\"5\"", None),
            ("true", None),
            ("[5]", None),
            (&"9".repeat(400), None),
        ] {
            assert_eq!(whole_number(json), number, "{json}");
        }
    }
}
