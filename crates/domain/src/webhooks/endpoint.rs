//! Endpoints: where a studio's servers want to be told, of what, in which dialect, and how they know that it is us.

use std::collections::BTreeMap;
use std::time::Duration;

use thiserror::Error;
use uuid::Uuid;

use super::{AttemptReport, EventName, EventNames, Verdict};
use crate::audit_log::{AuditAction, AuditEntry};
use crate::clock::Timestamp;
use crate::tenancy::RealmId;
use crate::text::FreeText;

/// Names one endpoint. Being UUIDs of version 7, they ascend with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub Uuid);

/// Where an endpoint is: an absolute URL of at most [`EndpointUrl::CHARS_MAX`] characters. Whether it may be called is for the
/// courier to say ([`super::Courier::check`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointUrl(String);

/// Why a text was refused as an [`EndpointUrl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a URL of 1 to {max} characters without spaces or control characters", max = EndpointUrl::CHARS_MAX)]
pub struct InvalidEndpointUrl;

impl EndpointUrl {
    /// The longest URL, in Unicode scalar values.
    pub const CHARS_MAX: usize = 2_048;

    /// Accepts 1 ..= [`Self::CHARS_MAX`] characters without whitespace or control characters.
    pub fn try_new(text: &str) -> Result<Self, InvalidEndpointUrl> {
        let fits = !text.is_empty() && text.chars().count() <= Self::CHARS_MAX;
        let is_plain = !text.chars().any(|character| character.is_control() || character.is_whitespace());
        if fits && is_plain { Ok(Self(text.to_owned())) } else { Err(InvalidEndpointUrl) }
    }

    /// Rebuilds a stored URL.
    pub fn restore(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// In which form an endpoint is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// A JSON envelope.
    Json,
    /// A form, as Kongregate's API callbacks are.
    Kongregate,
}

impl Dialect {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Json, Self::Kongregate];

    /// The name used in storage and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Kongregate => "kongregate",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == name)
    }

    /// The events that can be told in it.
    pub fn speaks_of(self) -> EventNames {
        match self {
            Self::Json => EventNames::ALL,
            Self::Kongregate => [EventName::InventoryChanged, EventName::WalletChanged].into_iter().collect(),
        }
    }

    /// What is meant by `events` of an endpoint in it: all of them are all that it has a form for.
    pub fn meant(self, events: EventNames) -> EventNames {
        if events.includes(EventNames::ALL) { self.speaks_of() } else { events }
    }
}

/// A secret as it is stored: readable only with the installation's own secret, and only as that of its endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

/// A secret, and the one before it, which is good for a while longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotating {
    /// The newest.
    pub current: Sealed,
    /// The one before, and until when it is good.
    pub previous: Option<(Sealed, Timestamp)>,
}

impl Rotating {
    /// A first secret.
    pub fn new(current: Sealed) -> Self {
        Self { current, previous: None }
    }

    /// `next` in its place, which is good until `until`.
    #[must_use]
    pub fn rotated(&self, next: Sealed, until: Timestamp) -> Self {
        Self { current: next, previous: Some((self.current.clone(), until)) }
    }

    /// The one before, while it is good.
    pub fn previous_at(&self, now: Timestamp) -> Option<&Sealed> {
        self.previous.as_ref().filter(|(_, until)| now < *until).map(|(sealed, _)| sealed)
    }
}

/// Why an endpoint is not told anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DisabledReason {
    /// The studio said so.
    ByRequest,
    /// It answered 410 Gone.
    Gone,
    /// It failed for [`Endpoint::FAILING_MAX`] without a single success.
    Failing,
}

impl DisabledReason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ByRequest, Self::Gone, Self::Failing];

    /// The name used in storage and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ByRequest => "by_request",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// An endpoint as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Where it is.
    pub url: EndpointUrl,
    /// What people call it.
    pub description: FreeText,
    /// In which form it is told.
    pub dialect: Dialect,
    /// Of what.
    pub events: EventNames,
    /// Why and since when it is not told anything, if so. Events are kept for it nevertheless.
    pub disabled: Option<(DisabledReason, Timestamp)>,
    /// Since when every attempt has failed, if the last one did.
    pub failing_since: Option<Timestamp>,
    /// What deliveries are signed with.
    pub secret: Rotating,
    /// What a form says it is from: the callback key, of [`Dialect::Kongregate`] only.
    pub callback_key: Option<Rotating>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Endpoint {
    /// How many endpoints one realm can have.
    pub const COUNT_MAX: u32 = 50;

    /// For how long an endpoint may fail without a single success before it is disabled: five days.
    pub const FAILING_MAX: Duration = Duration::from_secs(5 * 24 * 60 * 60);

    /// For how long a replaced secret is good unless told otherwise: a day.
    pub const ROTATION_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

    /// The longest overlap: seven days.
    pub const ROTATION_OVERLAP_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// The endpoint after attempts that were made at it, in order; `None` when nothing about it changes.
    pub fn after<'a>(&self, reports: impl IntoIterator<Item = &'a AttemptReport>) -> Option<Self> {
        let mut after = self.clone();
        for report in reports {
            let at = report.attempt.at;
            match report.verdict {
                Verdict::Delivered => after.failing_since = None,
                Verdict::Retry { .. } | Verdict::Exhausted => {
                    let since = *after.failing_since.get_or_insert(at);
                    if Self::FAILING_MAX <= at.since(since) && after.disabled.is_none() {
                        after.disabled = Some((DisabledReason::Failing, at));
                    }
                }
                Verdict::Gone => {
                    after.failing_since.get_or_insert(at);
                    after.disabled.get_or_insert((DisabledReason::Gone, at));
                }
            }
        }
        (after != *self).then_some(after)
    }
}

/// Reports by the endpoint that they are about, in order.
pub fn reports_by_endpoint(reports: &[AttemptReport]) -> BTreeMap<(RealmId, EndpointId), Vec<&AttemptReport>> {
    let mut by_endpoint: BTreeMap<_, Vec<&AttemptReport>> = BTreeMap::new();
    for report in reports {
        by_endpoint.entry((report.realm, report.endpoint)).or_default().push(report);
    }
    by_endpoint
}

/// An endpoint to store, with its entry in the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEndpoint {
    /// The realm.
    pub realm: RealmId,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Who made it.
    pub audit: AuditEntry,
}

/// What becomes of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointEdit {
    /// Parts of it change; what is `None` stays.
    Revise {
        /// Where it is.
        url: Option<EndpointUrl>,
        /// What people call it.
        description: Option<FreeText>,
        /// Of what it is told.
        events: Option<EventNames>,
        /// Whether it is told anything. Enabling one forgets that it failed.
        enabled: Option<bool>,
    },
    /// Its secrets are replaced; the old ones are good until `until`.
    Rotate {
        /// The new secret.
        secret: Sealed,
        /// The new callback key, used if it has one.
        callback_key: Sealed,
        /// The end of the overlap.
        until: Timestamp,
    },
    /// It is removed, and what waits for it with it.
    Delete,
}

/// A change of an endpoint, complete with everything but the stored state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointChange {
    /// The realm.
    pub realm: RealmId,
    /// Which one.
    pub id: EndpointId,
    /// When it was asked.
    pub at: Timestamp,
    /// What changes.
    pub edit: EndpointEdit,
    /// Its entry in the audit log.
    pub audit: AuditEntry,
}

/// Why an endpoint was not made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EndpointRefusal {
    /// There is none of that id.
    #[error("there is no such webhook endpoint")]
    NotFound,
    /// The realm has as many as it can have.
    #[error("there are {max} webhook endpoints already, the most that one environment of a game can have", max = Endpoint::COUNT_MAX)]
    TooMany,
    /// It is asked for events that its dialect has no form for.
    #[error("this format can tell of inventory.changed and wallet.changed only")]
    NotInDialect,
}

impl EndpointChange {
    /// Decides on the endpoint as stored; the endpoint as it must be stored, or `None` when it is removed.
    ///
    /// # Errors
    /// The first reason against it; then nothing may be stored.
    pub fn decide(&self, stored: Option<&Endpoint>) -> Result<Option<Endpoint>, EndpointRefusal> {
        let stored = stored.ok_or(EndpointRefusal::NotFound)?;
        let endpoint = match &self.edit {
            EndpointEdit::Delete => return Ok(None),
            EndpointEdit::Revise { url, description, events, enabled } => {
                let events = events.map_or(stored.events, |events| stored.dialect.meant(events));
                if !stored.dialect.speaks_of().includes(events) {
                    return Err(EndpointRefusal::NotInDialect);
                }
                let (disabled, failing_since) = match enabled {
                    None => (stored.disabled, stored.failing_since),
                    Some(true) => (None, None),
                    Some(false) => {
                        (stored.disabled.or(Some((DisabledReason::ByRequest, self.at))), stored.failing_since)
                    }
                };
                let url = url.clone().unwrap_or_else(|| stored.url.clone());
                let description = description.clone().unwrap_or_else(|| stored.description.clone());
                Endpoint { url, description, events, disabled, failing_since, ..stored.clone() }
            }
            EndpointEdit::Rotate { secret, callback_key, until } => {
                let secret = stored.secret.rotated(secret.clone(), *until);
                let key = stored.callback_key.as_ref().map(|key| key.rotated(callback_key.clone(), *until));
                Endpoint { secret, callback_key: key, ..stored.clone() }
            }
        };
        Ok(Some(Endpoint { updated_at: self.at, ..endpoint }))
    }
}

impl EndpointEdit {
    /// What the audit log calls it.
    pub fn action(&self) -> AuditAction {
        match self {
            Self::Revise { .. } => AuditAction::WebhookChange,
            Self::Rotate { .. } => AuditAction::WebhookRotateSecret,
            Self::Delete => AuditAction::WebhookDelete,
        }
    }
}
