//! The system's clock and randomness behind the domain's ports: the only place where the time is read or chance is taken.

use domain::clock::{Clock, Timestamp};
use domain::ids::Ids;
use rand::RngCore;
use uuid::Uuid;

/// The system's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter of the Clock port")]
    fn now(&self) -> Timestamp {
        Timestamp::from(time::OffsetDateTime::now_utc())
    }
}

/// UUIDs of version 7, and random bytes from the operating system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemIds;

impl Ids for SystemIds {
    fn next(&self, at: Timestamp) -> Uuid {
        let mut random = [0; 10];
        rand::rng().fill_bytes(&mut random);
        let millis = u64::try_from(at.unix_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    fn random(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes).expect("a system without randomness cannot make keys");
        bytes
    }
}

/// Random bytes for the ids of a trace and a span, from a generator of this thread's own, which asks the operating system for
/// its seed.
pub(crate) fn random_bytes() -> [u8; 24] {
    let mut bytes = [0; 24];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_version_7_and_carry_their_time() {
        let at = Timestamp::from_unix_micros(1_700_000_000_123_456);
        let (one, two) = (SystemIds.next(at), SystemIds.next(at));
        assert_ne!(one, two);
        assert_eq!(one.get_version_num(), 7);
        let (seconds, nanos) = one.get_timestamp().expect("version 7 has a time").to_unix();
        assert_eq!((seconds, nanos), (1_700_000_000, 123_000_000));
    }

    #[test]
    fn randomness_does_not_repeat() {
        assert_ne!(SystemIds.random(), SystemIds.random());
    }
}
