//! Leaderboards that stand on their own: configured by key, reset by the calendar, split into segments.

use time::{Date, Duration as CalendarDuration};

use super::configuration::Findings;
use super::{
    Aggregation, BoardId, ConfigurationKey, ConfigurationRefusal, InvalidPart, Ranking, Revised, RevisedMetadata,
    Segment, SortOrder,
};
use crate::audit_log::AuditEntry;
use crate::clock::Timestamp;
use crate::tenancy::RealmId;
use crate::text::JsonObject;

/// How often a leaderboard begins anew. Periods begin at midnight UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResetCadence {
    /// Never.
    Never,
    /// Every day.
    Daily,
    /// Every Monday.
    Weekly,
    /// On the first of every month.
    Monthly,
}

impl ResetCadence {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Never, Self::Daily, Self::Weekly, Self::Monthly];

    /// The name on the wire and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cadence| cadence.as_str() == name)
    }

    /// When the period that holds `now` began; the Unix epoch when there is only one.
    pub fn period_start(self, now: Timestamp) -> Timestamp {
        self.first_day(now).map_or(EPOCH, midnight)
    }

    /// When the period that holds `now` ends; `None` when it never does.
    pub fn period_end(self, now: Timestamp) -> Option<Timestamp> {
        let first = self.first_day(now)?;
        let next = match self {
            Self::Never => None,
            Self::Daily => first.checked_add(CalendarDuration::DAY),
            Self::Weekly => first.checked_add(CalendarDuration::WEEK),
            Self::Monthly => {
                let in_next_month = first.checked_add(CalendarDuration::days(31))?;
                in_next_month.replace_day(1).ok()
            }
        };
        next.map(midnight)
    }

    fn first_day(self, now: Timestamp) -> Option<Date> {
        let today = now.to_date_time().date();
        match self {
            Self::Never => None,
            Self::Daily => Some(today),
            Self::Weekly => {
                let since_monday = i64::from(today.weekday().number_days_from_monday());
                // Before the first Monday of the calendar, the calendar's first day.
                Some(today.checked_sub(CalendarDuration::days(since_monday)).unwrap_or(Date::MIN))
            }
            Self::Monthly => Date::from_calendar_date(today.year(), today.month(), 1).ok(),
        }
    }
}

const EPOCH: Timestamp = Timestamp::EPOCH;

fn midnight(day: Date) -> Timestamp {
    Timestamp::from(day.midnight().assume_utc())
}

/// A leaderboard as the studio configured it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderboardDefinition {
    /// What people call it.
    pub name: String,
    /// Which score counts. Never changes.
    pub aggregation: Aggregation,
    /// Whether more is better. Never changes.
    pub order: SortOrder,
    /// How often it begins anew. Never changes.
    pub reset: ResetCadence,
    /// Whether every score names the segment that it counts in. Never changes.
    pub segmented: bool,
    /// Up to how many entries bots fill it; 0 for none.
    pub fill_bots_to: u32,
    /// How its bots behave, as JSON that a plan accepted; `None` for the plan that is built in.
    pub bots: Option<JsonObject>,
    /// The studio's own data.
    pub metadata: Option<JsonObject>,
    /// Whether scores are taken.
    pub enabled: bool,
}

/// A leaderboard as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaderboard {
    /// Its id.
    pub id: BoardId,
    /// The studio's name for it.
    pub key: ConfigurationKey,
    /// What it is.
    pub definition: LeaderboardDefinition,
    /// How often it was stored.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A new leaderboard, complete with everything but the stored state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLeaderboard {
    /// The realm.
    pub realm: RealmId,
    /// The leaderboard, of version 1.
    pub leaderboard: Leaderboard,
    /// Its entry in the audit log.
    pub audit: AuditEntry,
}

/// A change of a leaderboard, complete with everything but the stored state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderboardChange {
    /// The realm.
    pub realm: RealmId,
    /// When it was asked.
    pub at: Timestamp,
    /// Which leaderboard.
    pub key: ConfigurationKey,
    /// What changes.
    pub revision: LeaderboardRevision,
    /// Its entry in the audit log.
    pub audit: AuditEntry,
}

/// What changes of a leaderboard; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaderboardRevision {
    /// What people call it.
    pub name: Option<String>,
    /// Up to how many entries bots fill it.
    pub fill_bots_to: Option<u32>,
    /// How its bots behave.
    pub bots: Revised<JsonObject>,
    /// The studio's own data.
    pub metadata: RevisedMetadata,
    /// Whether scores are taken.
    pub enabled: Option<bool>,
}

impl LeaderboardDefinition {
    /// The most bots of a leaderboard.
    pub const BOTS_MAX: u32 = 200;

    /// `self`, if it makes sense.
    ///
    /// # Errors
    /// Everything that does not.
    pub fn checked(self) -> Result<Self, Vec<InvalidPart>> {
        let mut findings = Findings::default();
        findings.check_name(&self.name);
        let bound = format!("must be at most {}", Self::BOTS_MAX);
        findings.require(self.fill_bots_to <= Self::BOTS_MAX, "fillBotsTo", bound);
        findings.none_in(self)
    }

    fn revised(&self, revision: &LeaderboardRevision) -> Self {
        Self {
            name: revision.name.clone().unwrap_or_else(|| self.name.clone()),
            fill_bots_to: revision.fill_bots_to.unwrap_or(self.fill_bots_to),
            bots: revision.bots.over(self.bots.clone()),
            metadata: revision.metadata.over(self.metadata.clone()),
            enabled: revision.enabled.unwrap_or(self.enabled),
            ..self.clone()
        }
    }
}

impl Leaderboard {
    /// Its ranking of `segment` in the period that holds `now`.
    pub fn ranking(&self, segment: Segment, now: Timestamp) -> Ranking {
        let LeaderboardDefinition { aggregation, order, reset, .. } = self.definition;
        Ranking::of(self.id, reset.period_start(now), segment, aggregation, order)
    }
}

impl LeaderboardChange {
    /// Decides on the leaderboard as stored; the leaderboard as it must be stored, in place of the version before.
    ///
    /// # Errors
    /// When there is none, or it would make no sense.
    pub fn decide(&self, stored: Option<&Leaderboard>) -> Result<Leaderboard, ConfigurationRefusal> {
        let stored = stored.ok_or(ConfigurationRefusal::NotFound)?;
        let definition = stored.definition.revised(&self.revision).checked().map_err(ConfigurationRefusal::Invalid)?;
        Ok(Leaderboard { definition, version: stored.version + 1, updated_at: self.at, ..stored.clone() })
    }
}

#[cfg(test)]
mod tests {
    use time::Month;

    use super::*;

    fn at(year: i32, month: Month, day: u8, hour: u8) -> Timestamp {
        let day = Date::from_calendar_date(year, month, day).expect("a day of the calendar");
        Timestamp::from(day.with_hms(hour, 0, 0).expect("an hour of a day").assume_utc())
    }

    #[test]
    fn periods_begin_at_midnight_on_mondays_and_on_the_first_of_a_month() {
        let sunday = at(2026, Month::November, 22, 13);
        let cases = [
            (ResetCadence::Daily, at(2026, Month::November, 22, 0), at(2026, Month::November, 23, 0)),
            (ResetCadence::Weekly, at(2026, Month::November, 16, 0), at(2026, Month::November, 23, 0)),
            (ResetCadence::Monthly, at(2026, Month::November, 1, 0), at(2026, Month::December, 1, 0)),
        ];
        for (cadence, start, end) in cases {
            assert_eq!((cadence.period_start(sunday), cadence.period_end(sunday)), (start, Some(end)), "{cadence:?}");
            assert_eq!(cadence.period_start(start), start, "{cadence:?} holds its first instant");
            assert_eq!(cadence.period_start(end), end, "{cadence:?} does not hold its end");
        }
        assert_eq!(ResetCadence::Never.period_start(sunday), EPOCH);
        assert_eq!(ResetCadence::Never.period_end(sunday), None);
    }

    #[test]
    fn every_instant_that_can_be_written_has_a_period() {
        for micros in [i64::MIN, -1, 0, 1, i64::MAX] {
            for cadence in ResetCadence::ALL {
                let now = Timestamp::from_unix_micros(micros);
                assert!(cadence.period_start(now) <= now.max(EPOCH), "{cadence:?} at {micros}");
            }
        }
    }
}
