//! Attempts: a player's tries at an event, what is counted in them, and the score that it makes.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{EventDefinition, EventId, LobbyId, Metric, MetricKey, Score, WindowId};
use crate::clock::Timestamp;
use crate::economy::Once;
use crate::players::PlayerId;

/// Names an attempt. Being UUIDs of version 7, they ascend with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub Uuid);

/// How an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttemptStatus {
    /// It is being played.
    InProgress,
    /// It ended as it should: its targets were reached, or there were none.
    Completed,
    /// It ended short of its targets.
    Expired,
    /// A person completed it.
    ForceCompleted,
}

impl AttemptStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::InProgress, Self::Completed, Self::Expired, Self::ForceCompleted];

    /// The name on the wire and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Expired => "expired",
            Self::ForceCompleted => "force_completed",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// A metric of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MetricValue {
    /// As it was reported.
    pub raw: Score,
    /// As it counts: not past its cap.
    pub counted: Score,
}

/// The metrics of an attempt that were reported, by name.
pub type MetricValues = BTreeMap<MetricKey, MetricValue>;

/// An attempt as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// Whose it is.
    pub player: PlayerId,
    /// At which event.
    pub event: EventId,
    /// In which window.
    pub window: WindowId,
    /// In which lobby, if the event has them.
    pub lobby: Option<LobbyId>,
    /// The board that it is ranked on: its lobby's, or its ranking's.
    pub board: Uuid,
    /// What was counted.
    pub metrics: MetricValues,
    /// The score that it makes.
    pub score: Score,
    /// Whether its event has targets: then ending short of them is not completing it.
    pub has_target: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ends at the latest.
    pub ends_at: Timestamp,
    /// When it ended, as far as is stored.
    pub completed_at: Option<Timestamp>,
    /// How it stands, as far as is stored: see [`Self::status_at`].
    pub status: AttemptStatus,
    /// What keeps it from being started twice.
    pub once: Option<Once>,
}

/// How reported metrics change those of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProgressMode {
    /// They replace them.
    Set,
    /// They are added to them.
    Increment,
}

impl ProgressMode {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Increment => "increment",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Set, Self::Increment].into_iter().find(|mode| mode.as_str() == name)
    }
}

/// The attempt's score would be outside the range of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScoreOutOfRange;

impl Attempt {
    /// How it stands at `now`.
    pub fn status_at(&self, now: Timestamp) -> AttemptStatus {
        match self.status {
            AttemptStatus::InProgress if self.ends_at <= now && self.has_target => AttemptStatus::Expired,
            AttemptStatus::InProgress if self.ends_at <= now => AttemptStatus::Completed,
            AttemptStatus::InProgress
            | AttemptStatus::Completed
            | AttemptStatus::Expired
            | AttemptStatus::ForceCompleted => self.status,
        }
    }

    /// When it ended, as of `now`.
    pub fn completed_at(&self, now: Timestamp) -> Option<Timestamp> {
        match self.status_at(now) {
            AttemptStatus::InProgress => None,
            AttemptStatus::Completed | AttemptStatus::Expired | AttemptStatus::ForceCompleted => {
                Some(self.completed_at.unwrap_or(self.ends_at))
            }
        }
    }

    /// With what is reported at `now`; ended if that reaches all targets.
    pub(super) fn progressed(
        &self,
        definition: &EventDefinition,
        mode: ProgressMode,
        values: &[(MetricKey, Score)],
        now: Timestamp,
    ) -> Result<Self, ScoreOutOfRange> {
        let mut metrics = self.metrics.clone();
        for (key, value) in values {
            let metric = metrics.entry(key.clone()).or_default();
            metric.raw = match mode {
                ProgressMode::Set => *value,
                ProgressMode::Increment => metric.raw.plus(*value).ok_or(ScoreOutOfRange)?,
            };
        }
        let mut score = Score::ZERO;
        for metric in &definition.metrics {
            if let Some(value) = metrics.get_mut(&metric.key) {
                value.counted = metric.cap.map_or(value.raw, |cap| value.raw.min(cap));
                let part = value.counted.times(metric.weight).ok_or(ScoreOutOfRange)?;
                score = score.plus(part).ok_or(ScoreOutOfRange)?;
            }
        }
        let progressed = Self { metrics, score, ..self.clone() };
        Ok(if progressed.has_reached(&definition.metrics) {
            progressed.ended(AttemptStatus::Completed, now)
        } else {
            progressed
        })
    }

    /// As it is when the player ends it at `now`.
    pub(super) fn finished(&self, now: Timestamp) -> Self {
        let status = if self.has_target { AttemptStatus::Expired } else { AttemptStatus::Completed };
        self.ended(status, now)
    }

    fn ended(&self, status: AttemptStatus, now: Timestamp) -> Self {
        Self { status, completed_at: Some(now), ..self.clone() }
    }

    fn has_reached(&self, metrics: &[Metric]) -> bool {
        let targets = || metrics.iter().filter_map(|metric| metric.target.map(|target| (&metric.key, target)));
        let reached = |(key, target)| self.metrics.get(key).is_some_and(|value| target <= value.raw);
        targets().next().is_some() && targets().all(reached)
    }
}
