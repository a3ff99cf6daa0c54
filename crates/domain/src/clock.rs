//! Instants, and the port that reads them.
//!
//! Rules never ask for the time: it is sampled once per request, before deciding, and passed in.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;

/// An instant in UTC, with a precision of one microsecond (what both databases store exactly).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The beginning of Unix time.
    pub const EPOCH: Self = Self(0);
    /// The first instant that can be written as ISO-8601 with four year digits, `0000-01-01T00:00:00Z`.
    const MIN_MICROS: i64 = -62_167_219_200_000_000;
    /// The last instant that can be written as ISO-8601 with four year digits, `9999-12-31T23:59:59.999999Z`.
    const MAX_MICROS: i64 = 253_402_300_799_999_999;

    /// The instant `micros` microseconds after the Unix epoch, moved into the years 0 to 9999 when it lies outside them.
    pub fn from_unix_micros(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN_MICROS, Self::MAX_MICROS))
    }

    /// Microseconds since the Unix epoch.
    pub fn unix_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub fn unix_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// This instant moved later by `duration`.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_unix_micros(self.0.saturating_add(micros))
    }

    /// The time from `earlier` to this instant; zero when `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This instant as a calendar date and time in UTC.
    pub fn to_date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
            .expect("the range of a timestamp lies within the range of a date")
    }
}

impl fmt::Display for Timestamp {
    /// ISO-8601 in UTC with milliseconds, such as `2026-06-08T12:00:00.000Z`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.to_date_time();
        let (date, time, millis) = (at.date(), at.time(), at.millisecond());
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        let (hour, minute, second) = (time.hour(), time.minute(), time.second());
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

impl From<OffsetDateTime> for Timestamp {
    /// Drops what is finer than a microsecond.
    fn from(date_time: OffsetDateTime) -> Self {
        let micros = date_time.unix_timestamp_nanos().div_euclid(1_000);
        Self::from_unix_micros(i64::try_from(micros).unwrap_or(Self::MAX_MICROS))
    }
}

/// Tells the time.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
pub trait Clock: Send + Sync {
    /// The present instant. Sampled once per request or batch, at the edge.
    fn now(&self) -> Timestamp;
}
