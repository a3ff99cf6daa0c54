//! Idempotency: the key that names a request, and the fingerprint that tells whether a repeat is really the same one.
//!
//! Both are stored with the effect, in the same transaction, for ever. The key is stored as its SHA-256, so that its size
//! is fixed and nothing personal in it survives an erasure.

use serde_json::Value;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::Operation;

/// The longest idempotency key, in Unicode scalar values.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// The SHA-256 of an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest(pub [u8; 32]);

/// Why a text was refused as an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 1 to {IDEMPOTENCY_KEY_CHARS_MAX} characters")]
pub struct InvalidIdempotencyKey;

impl KeyDigest {
    /// The digest of `key`, which must be 1 ..= [`IDEMPOTENCY_KEY_CHARS_MAX`] characters.
    pub fn of(key: &str) -> Result<Self, InvalidIdempotencyKey> {
        if key.is_empty() || IDEMPOTENCY_KEY_CHARS_MAX < key.chars().count() {
            return Err(InvalidIdempotencyKey);
        }
        Ok(Self(Sha256::digest(key.as_bytes()).into()))
    }
}

/// The SHA-256 of a whole request in canonical form: its operation, path parameters and body without the idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// Takes in the parts of a request, one after the other, and ends in its [`Fingerprint`].
///
/// Every part is written with its kind and its length in front, so that two different requests never write the same
/// bytes. The members of a JSON object count in the order of their names, whatever order they were sent in, and a number
/// counts as its value: `5`, `5.0` and `5e0` are one.
pub struct Fingerprinter(Sha256);

impl Fingerprinter {
    /// Begins the fingerprint of a request for `operation`.
    pub fn new(operation: Operation) -> Self {
        Self::named(operation.as_str())
    }

    /// Begins the fingerprint of a request for an operation of that name, which is not one of the ledger's.
    pub fn named(operation: &str) -> Self {
        let mut this = Self(Sha256::new());
        this.text(operation);
        this
    }

    /// Takes in a piece of text, such as a path parameter or the name of a field.
    pub fn text(&mut self, text: &str) {
        self.tagged(b's', text.as_bytes());
    }

    /// Takes in a field of the body. Callers pass fields in the order of their names.
    pub fn field(&mut self, name: &str, value: &Value) {
        self.text(name);
        self.value(value);
    }

    /// The fingerprint of all that was taken in.
    pub fn finish(self) -> Fingerprint {
        Fingerprint(self.0.finalize().into())
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.tagged(b'n', &[]),
            Value::Bool(flag) => self.tagged(b'b', &[u8::from(*flag)]),
            Value::Number(number) => self.number(number),
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                self.tagged(b'a', &length_of(items.len()));
                for item in items {
                    self.value(item);
                }
            }
            Value::Object(members) => {
                self.tagged(b'o', &length_of(members.len()));
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by_key(|(name, _)| name.as_str());
                for (name, member) in sorted {
                    self.field(name, member);
                }
            }
        }
    }

    fn number(&mut self, number: &serde_json::Number) {
        if let Some(integer) = number.as_i64() {
            return self.tagged(b'i', &integer.to_be_bytes());
        }
        if let Some(integer) = number.as_u64() {
            return self.tagged(b'u', &integer.to_be_bytes());
        }
        let float = number.as_f64().unwrap_or(f64::NAN);
        // A float that is a small whole number prints as one, so its text reads back as the integer that it equals.
        match format!("{float:.0}").parse::<i64>() {
            Ok(integer) if float.fract() == 0.0 && float.abs() < FLOAT_EXACT_MAX => {
                self.tagged(b'i', &integer.to_be_bytes());
            }
            Ok(_) | Err(_) => self.tagged(b'f', &float.to_be_bytes()),
        }
    }

    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.0.update([tag]);
        self.0.update(length_of(bytes.len()));
        self.0.update(bytes);
    }
}

/// Every whole float below 2^53 is exactly the integer that it prints as.
const FLOAT_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

fn length_of(length: usize) -> [u8; 8] {
    u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes()
}

/// What makes a command safe to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Once {
    /// Names the request, within its realm and operation.
    pub key: KeyDigest,
    /// Tells a repeat of it from another request under the same name.
    pub fingerprint: Fingerprint,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fingerprint(value: &Value) -> Fingerprint {
        let mut parts = Fingerprinter::new(Operation::WalletCredit);
        parts.field("body", value);
        parts.finish()
    }

    #[test]
    fn equal_values_have_equal_fingerprints_however_they_were_written() {
        let one: Value = serde_json::from_str(r#"{"a": 5, "b": {"x": 1e2, "y": null}}"#).expect("valid");
        let two: Value = serde_json::from_str(r#"{"b": {"y": null, "x": 100}, "a": 5.0}"#).expect("valid");
        assert_eq!(fingerprint(&one), fingerprint(&two));
    }

    #[test]
    fn different_values_have_different_fingerprints() {
        let values = [
            json!(null),
            json!(0),
            json!(1),
            json!(-1),
            json!(1.5),
            json!("1"),
            json!([1]),
            json!([[1]]),
            json!([1, 1]),
            json!({"a": 1}),
            json!({"a": "1"}),
            json!(["a", 1]),
            json!({"a": {"b": 1}}),
            json!({"a": {}, "b": 1}),
            json!(true),
            json!(u64::MAX),
            json!(1e300),
        ];
        for (index, left) in values.iter().enumerate() {
            for right in &values[index + 1..] {
                assert_ne!(fingerprint(left), fingerprint(right), "{left} and {right}");
            }
        }
    }

    #[test]
    fn parts_cannot_run_into_each_other() {
        let mut left = Fingerprinter::new(Operation::WalletCredit);
        left.text("ab");
        left.text("c");
        let mut right = Fingerprinter::new(Operation::WalletCredit);
        right.text("a");
        right.text("bc");
        assert_ne!(left.finish(), right.finish());
    }

    #[test]
    fn idempotency_keys_have_1_to_255_characters() {
        assert_eq!(KeyDigest::of(""), Err(InvalidIdempotencyKey));
        assert!(KeyDigest::of(&"é".repeat(255)).is_ok());
        assert_eq!(KeyDigest::of(&"é".repeat(256)), Err(InvalidIdempotencyKey));
    }
}
