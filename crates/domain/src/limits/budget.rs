//! What is counted, and up to how much.

use std::num::NonZeroU32;

use crate::keys::KeyId;

/// What is counted together. Every key has one budget of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// Calls of `/server/v1` and `/admin/v1`.
    ServerApi,
}

impl Bucket {
    /// The name on the wire, in metrics and in Redis.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServerApi => "server_api",
        }
    }
}

/// How much may be spent in any minute; 0 is any amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit(u32);

impl RateLimit {
    /// The largest, more than any server answers.
    pub const MAX: u32 = 1_000_000_000;

    /// Of so much a minute; none above [`Self::MAX`].
    pub fn try_new(per_minute: u32) -> Option<Self> {
        (per_minute <= Self::MAX).then_some(Self(per_minute))
    }

    /// Rebuilds a stored one. What cannot have been stored is the nearest that can.
    pub fn restore(per_minute: i64) -> Self {
        Self(u32::try_from(per_minute.max(0)).unwrap_or(Self::MAX).min(Self::MAX))
    }

    /// The number itself, 0 for any amount.
    pub fn per_minute(self) -> u32 {
        self.0
    }
}

/// The limits of one key where it has its own, one for each [`Bucket`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyLimits {
    /// Of [`Bucket::ServerApi`].
    pub server_api: Option<RateLimit>,
}

/// The limits of keys that have none of their own, one for each [`Bucket`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultLimits {
    /// Of [`Bucket::ServerApi`].
    pub server_api: RateLimit,
}

impl Default for DefaultLimits {
    fn default() -> Self {
        Self { server_api: RateLimit(6_000) }
    }
}

impl DefaultLimits {
    /// The budget of `key` in `bucket`, `own` being the limits that it has itself; none where any amount may be spent.
    pub fn budget(&self, key: KeyId, own: KeyLimits, bucket: Bucket) -> Option<Budget> {
        let limit = match bucket {
            Bucket::ServerApi => own.server_api.unwrap_or(self.server_api),
        };
        NonZeroU32::new(limit.per_minute()).map(|limit| Budget { key, bucket, limit })
    }
}

/// What one key may spend in any minute of one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The key.
    pub key: KeyId,
    /// The bucket.
    pub bucket: Bucket,
    /// The most in any minute.
    pub limit: NonZeroU32,
}

/// How many rows of a bulk import cost as much as one call.
const ROWS_PER_CALL: usize = 100;

/// What a bulk import of so many rows costs: as much as a call for every hundred begun, and at least as one.
pub fn cost_of_rows(rows_count: usize) -> u32 {
    u32::try_from(rows_count.div_ceil(ROWS_PER_CALL).max(1)).unwrap_or(u32::MAX)
}
