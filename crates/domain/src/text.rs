//! Bounded text and JSON that callers attach to what they do, and that Purser stores but never interprets.

use std::sync::Arc;

use serde_json::Value;
use thiserror::Error;

/// Free text such as a reason or a source reference: at most 500 characters, without NUL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FreeText(Arc<str>);

/// Why a text was refused as [`FreeText`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be at most {max} characters, without NUL", max = FreeText::CHARS_MAX)]
pub struct InvalidFreeText;

impl FreeText {
    /// The longest text, in Unicode scalar values.
    pub const CHARS_MAX: usize = 500;

    /// Accepts 0 ..= [`Self::CHARS_MAX`] characters. NUL is refused because PostgreSQL cannot store it in text.
    pub fn try_new(text: &str) -> Result<Self, InvalidFreeText> {
        let fits = text.len() <= Self::CHARS_MAX || text.chars().count() <= Self::CHARS_MAX;
        if fits && !text.contains('\0') { Ok(Self(text.into())) } else { Err(InvalidFreeText) }
    }

    /// Rebuilds a stored text.
    pub fn restore(text: String) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A JSON object that is stored and handed back as it came: metadata, parameters, context.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JsonObject(Arc<str>);

/// Why a value was refused as a [`JsonObject`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidJsonObject {
    /// It is an array, a string, a number, a boolean or null.
    #[error("must be a JSON object")]
    NotAnObject,
    /// Its compact form is longer than [`JsonObject::BYTES_MAX`].
    #[error("must be at most {max} bytes of JSON", max = JsonObject::BYTES_MAX)]
    TooLarge,
}

impl JsonObject {
    /// The longest object, in bytes of compact JSON.
    pub const BYTES_MAX: usize = 16 * 1024;

    /// Accepts a JSON object of at most [`Self::BYTES_MAX`] bytes in compact form.
    pub fn try_new(value: &Value) -> Result<Self, InvalidJsonObject> {
        if !value.is_object() {
            return Err(InvalidJsonObject::NotAnObject);
        }
        let text = value.to_string();
        if text.len() <= Self::BYTES_MAX { Ok(Self(text.into())) } else { Err(InvalidJsonObject::TooLarge) }
    }

    /// Rebuilds a stored object from its JSON text.
    pub fn restore(json: String) -> Self {
        Self(json.into())
    }

    /// The compact JSON text.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_counts_characters_and_not_bytes() {
        assert!(FreeText::try_new(&"é".repeat(FreeText::CHARS_MAX)).is_ok());
        assert_eq!(FreeText::try_new(&"é".repeat(FreeText::CHARS_MAX + 1)), Err(InvalidFreeText));
        assert_eq!(FreeText::try_new("a\0b"), Err(InvalidFreeText));
        assert!(FreeText::try_new("").is_ok());
    }

    #[test]
    fn only_objects_of_bounded_size_are_json_objects() {
        assert_eq!(JsonObject::try_new(&serde_json::json!([1])), Err(InvalidJsonObject::NotAnObject));
        assert_eq!(JsonObject::try_new(&Value::Null), Err(InvalidJsonObject::NotAnObject));
        let huge = serde_json::json!({ "a": "x".repeat(JsonObject::BYTES_MAX) });
        assert_eq!(JsonObject::try_new(&huge), Err(InvalidJsonObject::TooLarge));
        let small = JsonObject::try_new(&serde_json::json!({"a": {"b": 1}})).expect("small objects are fine");
        assert_eq!(small.as_json(), r#"{"a":{"b":1}}"#);
    }
}
