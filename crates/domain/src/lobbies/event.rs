//! Events: what is played, by whom together, when, and how it is scored.

use std::fmt;

use thiserror::Error;
use uuid::Uuid;

use super::configuration::Findings;
use super::{Aggregation, InvalidPart, Revised, RevisedMetadata, Score, SortOrder, Windows};
use crate::audit_log::AuditEntry;
use crate::clock::Timestamp;
use crate::economy::AssetKey;
use crate::tenancy::RealmId;
use crate::text::JsonObject;

/// Purser's own name for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub Uuid);

/// The studio's name for an event or a leaderboard, of the same form as that of a currency or an item.
pub type ConfigurationKey = AssetKey;

/// Who is ranked against whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BoardMode {
    /// Everybody in a window.
    Global,
    /// Everybody of one segment in a window.
    GlobalSegmented,
    /// Groups that players are put in as they start, and that play from the first one on.
    Grouped,
    /// Lobbies that form before they play: of players who start, or pushed by the studio's matchmaker.
    LobbyMatched,
}

impl BoardMode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Global, Self::GlobalSegmented, Self::Grouped, Self::LobbyMatched];

    /// The name on the wire and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::GlobalSegmented => "global_segmented",
            Self::Grouped => "grouped",
            Self::LobbyMatched => "lobby_matched",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }
}

/// The board of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBoard {
    /// How many play together, bots included; of a global board, up to how many entries bots fill it.
    pub capacity: u32,
    /// Whether bots take the places that no player has.
    pub fill_bots: bool,
    /// How long a lobby forms at most.
    pub fill_timeout_seconds: u32,
    /// Which score counts of several attempts.
    pub aggregation: Aggregation,
    /// Whether more is better.
    pub order: SortOrder,
    /// How its bots behave, as JSON that a plan accepted; `None` for the plan that is built in.
    pub bots: Option<JsonObject>,
}

/// Something that is counted in an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// What it is called.
    pub key: MetricKey,
    /// From where on it is reached. An attempt ends when all targets of its event are.
    pub target: Option<Score>,
    /// From where on more of it does not count.
    pub cap: Option<Score>,
    /// How much of the score one of it makes.
    pub weight: Score,
}

/// The name of a metric, of the same form as that of a currency or an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricKey(AssetKey);

impl MetricKey {
    /// The metric of an event that names none.
    pub const DEFAULT: &'static str = "score";

    /// Accepts `[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}`.
    pub fn try_new(text: &str) -> Result<Self, crate::economy::InvalidAssetKey> {
        AssetKey::try_new(text).map(Self)
    }

    /// Rebuilds a stored name.
    pub fn restore(text: String) -> Self {
        Self(AssetKey::restore(text))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for MetricKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// An event as the studio configured it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDefinition {
    /// What people call it.
    pub name: String,
    /// Who is ranked against whom. Never changes.
    pub mode: BoardMode,
    /// Its board. `aggregation` and `order` never change.
    pub board: EventBoard,
    /// When it can be played.
    pub windows: Windows,
    /// What is counted; the first one is the primary one. Never empty.
    pub metrics: Vec<Metric>,
    /// The studio's own data.
    pub metadata: Option<JsonObject>,
    /// Whether it can be played at all.
    pub enabled: bool,
}

/// An event as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// The studio's name for it.
    pub key: ConfigurationKey,
    /// What it is.
    pub definition: EventDefinition,
    /// How often it was stored.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Why an event or a leaderboard was not stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigurationRefusal {
    /// Another one has the key.
    #[error("this key is taken")]
    KeyTaken,
    /// There is none of that key.
    #[error("there is none of that key")]
    NotFound,
    /// What would be stored makes no sense.
    #[error("the configuration is invalid")]
    Invalid(Vec<InvalidPart>),
}

/// A new event, complete with everything but the stored state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The realm.
    pub realm: RealmId,
    /// The event, of version 1.
    pub event: Event,
    /// Its entry in the audit log.
    pub audit: AuditEntry,
}

/// A change of an event, complete with everything but the stored state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventChange {
    /// The realm.
    pub realm: RealmId,
    /// When it was asked.
    pub at: Timestamp,
    /// Which event.
    pub key: ConfigurationKey,
    /// What changes.
    pub revision: EventRevision,
    /// Its entry in the audit log.
    pub audit: AuditEntry,
}

/// What changes of an event; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventRevision {
    /// What people call it.
    pub name: Option<String>,
    /// How many play together. Lobbies that exist keep theirs.
    pub capacity: Option<u32>,
    /// Whether bots fill.
    pub fill_bots: Option<bool>,
    /// How long a lobby forms at most.
    pub fill_timeout_seconds: Option<u32>,
    /// How its bots behave.
    pub bots: Revised<JsonObject>,
    /// When it can be played. Lobbies that exist keep their end.
    pub windows: Option<Windows>,
    /// What is counted.
    pub metrics: Option<Vec<Metric>>,
    /// The studio's own data.
    pub metadata: RevisedMetadata,
    /// Whether it can be played at all.
    pub enabled: Option<bool>,
}

impl EventDefinition {
    /// The most that can play together.
    pub const CAPACITY_MAX: u32 = 200;
    /// The longest that a lobby may form: a day.
    pub const FILL_TIMEOUT_SECONDS_MAX: u32 = 86_400;
    /// The most metrics.
    pub const METRICS_MAX: usize = 20;

    /// `self`, if it makes sense.
    ///
    /// # Errors
    /// Everything that does not.
    pub fn checked(self) -> Result<Self, Vec<InvalidPart>> {
        let mut findings = Findings::default();
        findings.check_name(&self.name);
        let capacity = (1..=Self::CAPACITY_MAX).contains(&self.board.capacity);
        findings.require(capacity, "leaderboard.capacity", format!("must be between 1 and {}", Self::CAPACITY_MAX));
        let timeout = self.board.fill_timeout_seconds <= Self::FILL_TIMEOUT_SECONDS_MAX;
        let bound = format!("must be at most {}", Self::FILL_TIMEOUT_SECONDS_MAX);
        findings.require(timeout, "leaderboard.fillTimeoutSeconds", bound);
        Self::look_at_metrics(&self.metrics, &mut findings);
        findings.none_in(self)
    }

    /// Checks the metrics of an event by themselves.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn check_metrics(metrics: &[Metric]) -> Result<(), Vec<InvalidPart>> {
        let mut findings = Findings::default();
        Self::look_at_metrics(metrics, &mut findings);
        findings.none_in(())
    }

    fn look_at_metrics(metrics: &[Metric], findings: &mut Findings) {
        let count = metrics.len();
        let bounds = format!("must be 1 to {} metrics", Self::METRICS_MAX);
        findings.require(0 < count && count <= Self::METRICS_MAX, "metrics", bounds);
        for (index, metric) in metrics.iter().enumerate() {
            let first = metrics.iter().position(|other| other.key == metric.key);
            findings.require(first == Some(index), format!("metrics[{index}].key"), "must not be there twice");
        }
    }

    /// The metrics of an event that names none.
    pub fn default_metrics() -> Vec<Metric> {
        let key = MetricKey::restore(MetricKey::DEFAULT.to_owned());
        vec![Metric { key, target: None, cap: None, weight: Score::restore(1_000) }]
    }

    /// The score at which all targets are reached and no more; `None` for an event without targets.
    pub fn target_score(&self) -> Option<Score> {
        let targets = self.metrics.iter().filter_map(|metric| metric.target?.times(metric.weight));
        targets.reduce(|sum, next| sum.plus(next).unwrap_or(sum))
    }

    fn revised(&self, revision: &EventRevision) -> Self {
        let board = EventBoard {
            capacity: revision.capacity.unwrap_or(self.board.capacity),
            fill_bots: revision.fill_bots.unwrap_or(self.board.fill_bots),
            fill_timeout_seconds: revision.fill_timeout_seconds.unwrap_or(self.board.fill_timeout_seconds),
            aggregation: self.board.aggregation,
            order: self.board.order,
            bots: revision.bots.over(self.board.bots.clone()),
        };
        Self {
            name: revision.name.clone().unwrap_or_else(|| self.name.clone()),
            mode: self.mode,
            board,
            windows: revision.windows.clone().unwrap_or_else(|| self.windows.clone()),
            metrics: revision.metrics.clone().unwrap_or_else(|| self.metrics.clone()),
            metadata: revision.metadata.over(self.metadata.clone()),
            enabled: revision.enabled.unwrap_or(self.enabled),
        }
    }
}

impl EventChange {
    /// Decides on the event as stored; the event as it must be stored, in place of the version before.
    ///
    /// # Errors
    /// When there is none, or it would make no sense.
    pub fn decide(&self, stored: Option<&Event>) -> Result<Event, ConfigurationRefusal> {
        let stored = stored.ok_or(ConfigurationRefusal::NotFound)?;
        let definition = stored.definition.revised(&self.revision).checked().map_err(ConfigurationRefusal::Invalid)?;
        Ok(Event { definition, version: stored.version + 1, updated_at: self.at, ..stored.clone() })
    }
}
