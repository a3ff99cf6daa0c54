//! How a budget stands, in headers: the names of the IETF's draft, and the older ones with an instant.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use domain::limits::Standing;
use utoipa::openapi::header::Header;
use utoipa::openapi::{HeaderBuilder, ObjectBuilder, Type};

use super::Paid;

static LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
static REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
static RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
static X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

const SECOND_MICROS: i64 = 1_000_000;

/// The headers as they are documented: name and description.
const DOCUMENTED: [(&str, &str); 7] = [
    ("Retry-After", "After how many seconds the same call is let through, if the key makes no other."),
    ("RateLimit-Limit", "How much the key may spend in any minute; a call costs 1."),
    ("RateLimit-Remaining", "How much of it is left."),
    ("RateLimit-Reset", "After how many seconds all of it is there again, if the key makes no other call."),
    ("X-RateLimit-Limit", "The same as `RateLimit-Limit`."),
    ("X-RateLimit-Remaining", "The same as `RateLimit-Remaining`."),
    ("X-RateLimit-Reset", "When that will be, in seconds since 1970."),
];

/// Says in the headers of an answer how the budget of its caller stands.
pub(crate) fn announce(Paid(paid): &Paid, headers: &mut HeaderMap) {
    if let Some(standing) = paid.get() {
        put(&standing, headers);
    }
}

fn put(standing: &Standing, headers: &mut HeaderMap) {
    let spending = &standing.spending;
    let limit = HeaderValue::from(spending.limit);
    let remaining = HeaderValue::from(spending.remaining);
    headers.insert(LIMIT.clone(), limit.clone());
    headers.insert(REMAINING.clone(), remaining.clone());
    headers.insert(RESET.clone(), HeaderValue::from(whole_seconds(spending.resets_after.as_micros())));
    headers.insert(X_LIMIT.clone(), limit);
    headers.insert(X_REMAINING.clone(), remaining);
    headers.insert(X_RESET.clone(), HeaderValue::from(resets_at_s(standing)));
}

/// The second since 1970 in which all of the budget is there again, always one that is to come.
fn resets_at_s(standing: &Standing) -> i64 {
    let (at, free) = (standing.at.unix_micros(), standing.at.plus(standing.spending.resets_after).unix_micros());
    let free_s = free.div_euclid(SECOND_MICROS) + i64::from(free.rem_euclid(SECOND_MICROS) != 0);
    free_s.max(at.div_euclid(SECOND_MICROS) + 1)
}

/// After how many seconds a refused call is let through.
pub(crate) fn retry_after_s(standing: &Standing) -> u64 {
    whole_seconds(standing.spending.retry_after.as_micros())
}

/// Who waits for so many seconds has waited long enough, and nobody is told to wait for none.
fn whole_seconds(micros: u128) -> u64 {
    u64::try_from(micros.div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1)
}

/// The headers of a refused call, for the OpenAPI document.
pub(crate) fn documented() -> impl Iterator<Item = (&'static str, Header)> {
    let schema = || Some(ObjectBuilder::new().schema_type(Type::Integer));
    DOCUMENTED
        .into_iter()
        .map(move |(name, said)| (name, HeaderBuilder::new().schema(schema()).description(Some(said)).build()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::clock::Timestamp;
    use domain::limits::{Bucket, Spending};

    use super::*;

    fn standing(at_micros: i64, resets_after: Duration, retry_after: Duration) -> Standing {
        let spending = Spending { admitted: false, limit: 5, remaining: 0, resets_after, retry_after };
        Standing { bucket: Bucket::ServerApi, at: Timestamp::from_unix_micros(at_micros), spending }
    }

    #[test]
    fn seconds_are_rounded_so_that_who_waits_them_has_waited_long_enough() {
        let some = standing(10_900_000, Duration::from_secs(60), Duration::from_micros(1_000_001));
        assert_eq!((retry_after_s(&some), resets_at_s(&some)), (2, 71));
        let exact = standing(10_000_000, Duration::from_secs(60), Duration::from_secs(1));
        assert_eq!((retry_after_s(&exact), resets_at_s(&exact)), (1, 70));
    }

    #[test]
    fn nobody_is_told_to_wait_for_nothing_or_until_a_time_that_has_passed() {
        let none = standing(10_000_000, Duration::ZERO, Duration::ZERO);
        assert_eq!((retry_after_s(&none), resets_at_s(&none), whole_seconds(0)), (1, 11, 1));
    }
}
