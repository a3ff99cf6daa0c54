//! The first elements of a JSON array, as text. The others are read over and not kept: an array of millions of zeros costs
//! no more than its own bytes.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// At most `count_max` elements of `value`, from the first; `None` if it is no array.
pub(crate) fn first_of(value: &RawValue, count_max: usize) -> Option<Vec<&RawValue>> {
    let mut json = serde_json::Deserializer::from_str(value.get());
    FirstOf { count_max }.deserialize(&mut json).ok()
}

struct FirstOf {
    count_max: usize,
}

impl<'de> DeserializeSeed<'de> for FirstOf {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for FirstOf {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut first = Vec::new();
        while first.len() < self.count_max {
            let Some(element) = elements.next_element()? else { return Ok(first) };
            first.push(element);
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_cut_after_as_many_elements_as_are_wanted() {
        let first = |json: &str| {
            let value: &RawValue = serde_json::from_str(json).expect("it is JSON");
            Some(first_of(value, 2)?.into_iter().map(|element| element.get().to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(first("[]"), Some(vec![]));
        assert_eq!(first("[1]"), Some(vec!["1".to_owned()]));
        assert_eq!(first("[{}, [2], 3, 1e400]"), Some(vec!["{}".to_owned(), "[2]".to_owned()]));
        for other in ["{}", "5", "null", "\"[]\""] {
            assert_eq!(first(other), None, "{other}");
        }
    }
}
