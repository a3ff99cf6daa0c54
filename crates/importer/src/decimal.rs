//! Sums as decimal text in JSON, so that no reader rounds them.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serializer};

/// Writes `sum` as text.
pub(crate) fn serialize<S: Serializer>(sum: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(sum)
}

/// Reads a sum back.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}
