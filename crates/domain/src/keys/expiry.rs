//! The notices that a key will expire: one at each threshold, decided from the key and what was told of it.

use std::time::Duration;

use super::KeyRecord;
use crate::clock::Timestamp;

/// How many days before a key expires its owner is told, the earliest first.
pub const EXPIRY_NOTICE_DAYS: [u32; 3] = [30, 7, 1];

/// One notice. The same key, expiry and threshold make the same notice, whoever gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpiryNotice {
    /// When the key expires, as decided when the notice is given.
    pub expires_at: Timestamp,
    /// The threshold, one of [`EXPIRY_NOTICE_DAYS`].
    pub days: u32,
}

impl ExpiryNotice {
    /// From when on it is due.
    pub fn at(&self) -> Timestamp {
        let before = Duration::from_secs(u64::from(self.days) * 24 * 60 * 60);
        let micros = i64::try_from(before.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_unix_micros(self.expires_at.unix_micros().saturating_sub(micros))
    }
}

impl KeyRecord {
    /// The notice that is due at `now`: that of the last threshold passed, unless its expiry was decided after that, or it
    /// was `told` already, or the key is revoked or expired. Thresholds that were missed because nobody ran are not made up
    /// for once a later one has passed.
    pub fn notice_due(&self, told: &[ExpiryNotice], now: Timestamp) -> Option<ExpiryNotice> {
        let expires_at = self.expires_at.filter(|expires_at| now < *expires_at && self.revocation.is_none())?;
        let mut notices = EXPIRY_NOTICE_DAYS.into_iter().map(|days| ExpiryNotice { expires_at, days });
        let last = notices.rfind(|notice| notice.at() <= now)?;
        (self.expiry_set_at <= last.at() && !told.contains(&last)).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_keys::key;
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn day(number: u32) -> Timestamp {
        Timestamp::EPOCH.plus(DAY * number)
    }

    /// A key that is issued on day 0 and expires on day `number`.
    fn expiring_on(number: u32) -> KeyRecord {
        let (_, record) = key(1, day(0));
        KeyRecord { expires_at: Some(day(number)), ..record }
    }

    /// The thresholds at which a key that is issued on day 0 and lives `days` is told of, looked at every `every` days.
    fn told(days: u32, every: usize) -> Vec<u32> {
        let key = expiring_on(days);
        let mut told = Vec::new();
        for now in (0..=days + 1).step_by(every) {
            told.extend(key.notice_due(&told, day(now)));
        }
        told.iter().map(|notice| notice.days).collect()
    }

    #[test]
    fn a_key_is_told_of_once_at_each_threshold() {
        assert_eq!(told(90, 1), [30, 7, 1]);
        assert_eq!(told(30, 1), [30, 7, 1]);
    }

    #[test]
    fn a_key_that_is_made_with_exactly_seven_days_fires_the_seven_at_once() {
        assert_eq!(told(7, 1), [7, 1]);
        let key = expiring_on(7);
        assert_eq!(key.notice_due(&[], day(0)).map(|notice| notice.days), Some(7));
    }

    #[test]
    fn a_key_that_is_made_with_five_days_fires_only_the_one() {
        assert_eq!(told(5, 1), [1]);
    }

    #[test]
    fn thresholds_that_nobody_saw_are_not_made_up_for_later() {
        assert_eq!(told(90, 25), [30]);
    }

    #[test]
    fn a_key_that_is_extended_is_told_of_again() {
        let key = expiring_on(30);
        let first = key.notice_due(&[], day(0)).expect("the thirty are due");
        let extended = KeyRecord { expires_at: Some(day(60)), expiry_set_at: day(10), ..key };
        assert_eq!(extended.notice_due(&[first], day(20)), None);
        assert_eq!(extended.notice_due(&[first], day(30)).map(|notice| notice.days), Some(30));
    }

    #[test]
    fn a_key_that_is_revoked_expired_or_without_end_is_not_told_of() {
        let key = expiring_on(30);
        assert_eq!(key.notice_due(&[], day(30)), None);
        assert_eq!(KeyRecord { expires_at: None, ..key.clone() }.notice_due(&[], day(29)), None);
        let revocation = Some(super::super::Revocation { at: day(1), reason: None });
        assert_eq!(KeyRecord { revocation, ..key }.notice_due(&[], day(29)), None);
    }
}
