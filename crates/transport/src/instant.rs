//! Instants on the wire: `YYYY-MM-DDTHH:MM:SS.mmmZ`, always UTC, always milliseconds.

use std::fmt;

use domain::clock::Timestamp;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

/// An instant as callers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-06-08T12:00:00.000Z")]
pub(crate) struct Instant(pub(crate) Timestamp);

/// Why a text was refused as an instant.
#[derive(Debug)]
pub(crate) struct InvalidInstant;

impl fmt::Display for InvalidInstant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("must be a date and time with an offset, such as 2026-06-08T12:00:00Z")
    }
}

/// Reads an ISO-8601 date and time with an offset, in the form of RFC 3339.
pub(crate) fn parse(text: &str) -> Result<Timestamp, InvalidInstant> {
    OffsetDateTime::parse(text, &Rfc3339).map(Timestamp::from).map_err(|_| InvalidInstant)
}

impl fmt::Display for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_in_utc_with_milliseconds() {
        for (read, written) in [
            ("2026-06-08T12:00:00Z", "2026-06-08T12:00:00.000Z"),
            ("2026-06-08T12:00:00.1239+02:00", "2026-06-08T10:00:00.123Z"),
            ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Instant(parse(read).expect(read)).to_string(), written);
        }
    }

    #[test]
    fn texts_without_an_offset_or_a_time_are_not_instants() {
        for text in ["", "2026-06-08", "2026-06-08T12:00:00", "1749384000", "2026-13-08T12:00:00Z", "soon"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
