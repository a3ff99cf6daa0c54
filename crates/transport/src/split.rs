//! Splits a JSON object into its members, as text. Looks into no member, so their depth and their digits do not matter.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::fields::Text;
use crate::limits::Limit;

/// How many members a body usually has at most.
const MEMBERS_EXPECTED: usize = 8;

/// A member of an object: its name, and its value as it was sent.
pub(crate) type Member<'b> = (Cow<'b, str>, &'b RawValue);

/// Why a text could not be split into members.
pub(crate) enum NoObject {
    /// It is no JSON.
    Malformed(serde_json::Error),
    /// It is JSON, but no object.
    SomethingElse,
    /// It is an object with more members than anybody needs.
    TooMany {
        /// How many it may have.
        members_max: usize,
    },
}

impl fmt::Display for NoObject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(formatter, "must be a JSON object: {error}"),
            Self::SomethingElse => {
                formatter.write_str("must be a JSON object: something else begins at line 1 column 1")
            }
            Self::TooMany { members_max } => write!(formatter, "must have at most {members_max} members"),
        }
    }
}

/// The members of the object that `json` is, in the order in which they were sent.
pub(crate) fn split(json: &str, members_max: usize) -> Result<Vec<Member<'_>>, NoObject> {
    if json.trim_start().starts_with('{') {
        let mut reading = serde_json::Deserializer::from_str(json);
        let members = Members { members_max }.deserialize(&mut reading).map_err(NoObject::Malformed)?;
        reading.end().map_err(NoObject::Malformed)?;
        return members.ok_or_else(|| {
            Limit::JsonMembers.count();
            NoObject::TooMany { members_max }
        });
    }
    let other: Result<&RawValue, _> = serde_json::from_str(json);
    Err(other.map_or_else(NoObject::Malformed, |_| NoObject::SomethingElse))
}

/// Why a part of a body, which is JSON, could not be split into members.
pub(crate) struct NoPart(NoObject);

impl fmt::Display for NoPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            // Where in the part is of no use to anybody.
            NoObject::Malformed(_) | NoObject::SomethingElse => formatter.write_str("must be a JSON object"),
            NoObject::TooMany { .. } => self.0.fmt(formatter),
        }
    }
}

/// The members of the object that `part` is, in the order in which they were sent.
pub(crate) fn split_part(part: &RawValue, members_max: usize) -> Result<Vec<Member<'_>>, NoPart> {
    split(part.get(), members_max).map_err(NoPart)
}

/// Reads the members of an object; `None` when there are too many, of which no more are kept.
struct Members {
    members_max: usize,
}

impl<'de> DeserializeSeed<'de> for Members {
    type Value = Option<Vec<Member<'de>>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Option<Vec<Member<'de>>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(MEMBERS_EXPECTED);
        while let Some((Text(name), value)) = map.next_entry()? {
            if members.len() == self.members_max {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            members.push((name, value));
        }
        Ok(Some(members))
    }
}
