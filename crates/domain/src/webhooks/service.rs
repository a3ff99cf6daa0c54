//! The use cases of endpoints: made, changed, tried, their secrets replaced, their deliveries read and queued again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use thiserror::Error;

use super::{
    Attempt, AttemptOutcome, Courier, Deliveries, Delivery, DeliveryId, DeliveryQuery, DeliveryStatus, Dialect,
    Endpoint, EndpointChange, EndpointEdit, EndpointId, EndpointRefusal, EndpointStore, EndpointUrl, EventFeed,
    EventNames, FeedPosition, NewEndpoint, OpenSecrets, OutboxEventId, Replay, ReplayRange, Rotating, Sealed,
    TargetRefused, ToldEvent, Unreadable, Vault, ping,
};
use crate::audit_log::{AuditAction, AuditEntry, AuditId};
use crate::clock::{Clock, Timestamp};
use crate::economy::{Actor, Page};
use crate::ids::Ids;
use crate::players::PlayerId;
use crate::store::StoreError;
use crate::tenancy::{Realm, RealmId};
use crate::text::{FreeText, JsonObject};

/// Why something about endpoints was not done.
#[derive(Debug, Error)]
pub enum WebhookFailure {
    /// The rules said no.
    #[error(transparent)]
    Refused(#[from] EndpointRefusal),
    /// The URL may not be called.
    #[error(transparent)]
    Target(#[from] TargetRefused),
    /// There is no such delivery of that endpoint.
    #[error("there is no such delivery")]
    DeliveryNotFound,
    /// The endpoint's secret cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The ports that these use cases stand on.
#[derive(Clone)]
pub struct WebhookPorts {
    /// Keeps endpoints.
    pub endpoints: Arc<dyn EndpointStore>,
    /// Reads deliveries, and queues them again.
    pub deliveries: Arc<dyn Deliveries>,
    /// Reads events.
    pub feed: Arc<dyn EventFeed>,
    /// Reaches a studio's servers.
    pub courier: Arc<dyn Courier>,
    /// Seals secrets.
    pub vault: Arc<dyn Vault>,
}

/// Who does something, and in which realm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The realm.
    pub realm: Realm,
    /// Who.
    pub actor: Actor,
}

/// An endpoint, as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRequest {
    /// Where it is.
    pub url: EndpointUrl,
    /// What people call it.
    pub description: FreeText,
    /// In which form it is told.
    pub dialect: Dialect,
    /// Of what.
    pub events: EventNames,
}

/// Secrets in the clear, shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownSecrets {
    /// What deliveries are signed with: `whsec_` and the base64 of 32 bytes.
    pub secret: String,
    /// What a form says it is from: a UUID. Of [`Dialect::Kongregate`] only. It opens nothing.
    pub callback_key: Option<String>,
}

/// Never shows a secret.
impl std::fmt::Debug for ShownSecrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ShownSecrets(..)")
    }
}

/// What a change of an endpoint says; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointRevision {
    /// Where it is.
    pub url: Option<EndpointUrl>,
    /// What people call it.
    pub description: Option<FreeText>,
    /// Of what it is told.
    pub events: Option<EventNames>,
    /// Whether it is told anything.
    pub enabled: Option<bool>,
}

/// What came of a ping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinged {
    /// The id that it was sent under.
    pub id: OutboxEventId,
    /// What came back.
    pub outcome: AttemptOutcome,
    /// How long it took.
    pub took: Duration,
}

/// The use cases of endpoints.
pub struct Webhooks {
    ports: WebhookPorts,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Webhooks {
    /// Puts the use cases on their ports.
    pub fn new(ports: WebhookPorts, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { ports, clock, ids }
    }

    /// Whether an endpoint may be at `url`, for who wants to know that before all else of a request is right.
    ///
    /// # Errors
    /// [`TargetRefused`].
    pub async fn check(&self, url: &EndpointUrl) -> Result<(), TargetRefused> {
        self.ports.courier.check(url).await
    }

    /// Makes an endpoint. Its secrets are in the answer, this once.
    ///
    /// # Errors
    /// [`WebhookFailure::Target`] when it may not be called, [`WebhookFailure::Refused`] when its dialect has no form for its
    /// events or there are too many endpoints; otherwise the store's.
    pub async fn create(
        &self,
        operator: &Operator,
        request: EndpointRequest,
    ) -> Result<(Endpoint, ShownSecrets), WebhookFailure> {
        let EndpointRequest { url, description, dialect, events } = request;
        let events = dialect.meant(events);
        if !dialect.speaks_of().includes(events) {
            return Err(EndpointRefusal::NotInDialect.into());
        }
        self.ports.courier.check(&url).await?;
        let now = self.clock.now();
        let id = EndpointId(self.ids.next(now));
        let (secret, sealed) = self.new_secret(id);
        let (callback_key, sealed_key) = self.new_callback_key(id);
        let is_form = dialect == Dialect::Kongregate;
        let endpoint = Endpoint {
            id,
            url,
            description,
            dialect,
            events,
            disabled: None,
            failing_since: None,
            secret: Rotating::new(sealed),
            callback_key: is_form.then(|| Rotating::new(sealed_key)),
            created_at: now,
            updated_at: now,
        };
        let audit = self.audited(operator, AuditAction::WebhookCreate, now, about(&endpoint));
        let new = NewEndpoint { realm: operator.realm.id, endpoint: endpoint.clone(), audit };
        self.ports.endpoints.create_endpoint(&new).await??;
        Ok((endpoint, ShownSecrets { secret, callback_key: is_form.then_some(callback_key) }))
    }

    /// All endpoints of a realm, newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, realm: RealmId) -> Result<Vec<Endpoint>, WebhookFailure> {
        Ok(self.ports.endpoints.endpoints(realm).await?)
    }

    /// The endpoint of that id.
    ///
    /// # Errors
    /// [`EndpointRefusal::NotFound`]; otherwise the store's.
    pub async fn find(&self, realm: RealmId, id: EndpointId) -> Result<Endpoint, WebhookFailure> {
        Ok(self.ports.endpoints.endpoint(realm, id).await?.ok_or(EndpointRefusal::NotFound)?)
    }

    /// Changes parts of an endpoint.
    ///
    /// # Errors
    /// As for [`Self::create`], and [`EndpointRefusal::NotFound`].
    pub async fn revise(
        &self,
        operator: &Operator,
        id: EndpointId,
        revision: EndpointRevision,
    ) -> Result<Endpoint, WebhookFailure> {
        let EndpointRevision { url, description, events, enabled } = revision;
        if let Some(url) = &url {
            // Who has no such endpoint learns that, and not what a URL resolves to.
            self.find(operator.realm.id, id).await?;
            self.ports.courier.check(url).await?;
        }
        self.change(operator, id, EndpointEdit::Revise { url, description, events, enabled }).await
    }

    /// Removes an endpoint, and what waits for it.
    ///
    /// # Errors
    /// [`EndpointRefusal::NotFound`]; otherwise the store's.
    pub async fn delete(&self, operator: &Operator, id: EndpointId) -> Result<Endpoint, WebhookFailure> {
        self.change(operator, id, EndpointEdit::Delete).await
    }

    /// Replaces an endpoint's secrets, which are in the answer, this once. For `overlap`, deliveries are signed with the old
    /// secret as well, and a form still says that it is from the old callback key.
    ///
    /// # Errors
    /// [`EndpointRefusal::NotFound`]; otherwise the store's.
    pub async fn rotate(
        &self,
        operator: &Operator,
        id: EndpointId,
        overlap: Duration,
    ) -> Result<(Endpoint, ShownSecrets), WebhookFailure> {
        let (secret, sealed) = self.new_secret(id);
        let (callback_key, sealed_key) = self.new_callback_key(id);
        let until = self.clock.now().plus(overlap);
        let edit = EndpointEdit::Rotate { secret: sealed, callback_key: sealed_key, until };
        let endpoint = self.change(operator, id, edit).await?;
        let callback_key = endpoint.callback_key.is_some().then_some(callback_key);
        Ok((endpoint, ShownSecrets { secret, callback_key }))
    }

    /// Sends one request to an endpoint, disabled or not, right now and once, and tells what came back. It is not kept.
    ///
    /// # Errors
    /// [`EndpointRefusal::NotFound`], [`WebhookFailure::Target`], [`WebhookFailure::Unreadable`]; otherwise the store's.
    pub async fn ping(&self, operator: &Operator, id: EndpointId) -> Result<Pinged, WebhookFailure> {
        let endpoint = self.find(operator.realm.id, id).await?;
        self.ports.courier.check(&endpoint.url).await?;
        let now = self.clock.now();
        let id = OutboxEventId(self.ids.next(now));
        let open = open_secrets(&*self.ports.vault, &endpoint, None, now)?;
        let prepared = ping(&operator.realm, &endpoint, id, &open, now);
        let (outcome, took) = self.ports.courier.deliver(&endpoint.url, prepared).await;
        Ok(Pinged { id, outcome, took })
    }

    /// A page of an endpoint's deliveries, newest first.
    ///
    /// # Errors
    /// [`EndpointRefusal::NotFound`]; otherwise the store's.
    pub async fn deliveries(
        &self,
        realm: RealmId,
        endpoint: EndpointId,
        status: Option<DeliveryStatus>,
        after: Option<DeliveryId>,
        limit: u32,
    ) -> Result<Page<Delivery>, WebhookFailure> {
        self.find(realm, endpoint).await?;
        Ok(self.ports.deliveries.deliveries(&DeliveryQuery { realm, endpoint, status, after, limit }).await?)
    }

    /// A delivery, the event that it tells of as far as it is still kept, and its latest attempts.
    ///
    /// # Errors
    /// [`WebhookFailure::DeliveryNotFound`]; otherwise the store's.
    pub async fn delivery(
        &self,
        realm: RealmId,
        endpoint: Option<EndpointId>,
        id: DeliveryId,
    ) -> Result<(Delivery, Option<ToldEvent>, Vec<Attempt>), WebhookFailure> {
        let found = self.ports.deliveries.delivery(realm, id).await?;
        let found = found.filter(|(delivery, _)| endpoint.is_none_or(|endpoint| endpoint == delivery.endpoint));
        let (delivery, attempts) = found.ok_or(WebhookFailure::DeliveryNotFound)?;
        let event = self.ports.feed.event_told(realm, delivery.event).await?;
        Ok((delivery, event, attempts))
    }

    /// Queues deliveries of an endpoint again; how many.
    ///
    /// # Errors
    /// [`EndpointRefusal::NotFound`], [`WebhookFailure::DeliveryNotFound`]; otherwise the store's.
    pub async fn replay(
        &self,
        operator: &Operator,
        endpoint: EndpointId,
        range: ReplayRange,
    ) -> Result<u32, WebhookFailure> {
        let (realm, at) = (operator.realm.id, self.clock.now());
        let stored = self.find(realm, endpoint).await?;
        let mut details = about(&stored);
        match &range {
            ReplayRange::One(id) => details.extend([("deliveryId".to_owned(), id.0.to_string().into())]),
            ReplayRange::Between { since, until, names, only_failed } => {
                let range = [("since", since), ("until", until)];
                details.extend(range.map(|(name, at)| (name.to_owned(), at.to_string().into())));
                // What was asked for, not what the endpoint is told of.
                details.remove("events");
                details.extend((*names != EventNames::ALL).then(|| ("events".to_owned(), names.names().collect())));
                details.extend([("onlyFailed".to_owned(), (*only_failed).into())]);
            }
        }
        let audit = self.audited(operator, AuditAction::WebhookReplay, at, details);
        let replay = Replay { realm, endpoint, at, range, audit };
        self.ports.deliveries.replay(&replay).await?.ok_or(WebhookFailure::DeliveryNotFound)
    }

    /// Events of a realm in the order in which they became known; see [`EventFeed::feed`].
    ///
    /// # Errors
    /// The store's.
    pub async fn feed(
        &self,
        realm: RealmId,
        after: FeedPosition,
        names: EventNames,
        limit: u32,
    ) -> Result<Page<ToldEvent>, WebhookFailure> {
        Ok(self.ports.feed.feed(realm, after, names, limit).await?)
    }

    async fn change(
        &self,
        operator: &Operator,
        id: EndpointId,
        edit: EndpointEdit,
    ) -> Result<Endpoint, WebhookFailure> {
        let (realm, at) = (operator.realm.id, self.clock.now());
        let audit = self.audited(operator, edit.action(), at, serde_json::json!({ "webhookId": id.0 }));
        let change = EndpointChange { realm, id, at, edit, audit };
        Ok(self.ports.endpoints.change_endpoint(&change).await??)
    }

    /// A new signing secret, in the clear and sealed.
    fn new_secret(&self, endpoint: EndpointId) -> (String, Sealed) {
        let (bytes, nonce) = self.random_parts();
        let secret = super::secret_text(&bytes);
        let sealed = self.ports.vault.seal(endpoint, &secret, nonce);
        (secret, sealed)
    }

    /// A new callback key, in the clear and sealed.
    fn new_callback_key(&self, endpoint: EndpointId) -> (String, Sealed) {
        let (bytes, nonce) = self.random_parts();
        let mut random = [0; 16];
        random.iter_mut().zip(bytes).for_each(|(byte, from)| *byte = from);
        let key = uuid::Builder::from_random_bytes(random).into_uuid().to_string();
        let sealed = self.ports.vault.seal(endpoint, &key, nonce);
        (key, sealed)
    }

    /// 32 random bytes, and 24 others.
    fn random_parts(&self) -> ([u8; 32], [u8; 24]) {
        let random = self.ids.random();
        let (mut bytes, mut nonce) = ([0; 32], [0; 24]);
        bytes.iter_mut().chain(nonce.iter_mut()).zip(random).for_each(|(byte, from)| *byte = from);
        (bytes, nonce)
    }

    fn audited(
        &self,
        operator: &Operator,
        action: AuditAction,
        at: Timestamp,
        details: impl Into<Value>,
    ) -> AuditEntry {
        let (realm, id) = (operator.realm.id, AuditId(self.ids.next(at)));
        let entry = AuditEntry::new(realm, id, at, operator.actor.clone(), action);
        AuditEntry { details: Some(JsonObject::restore(details.into().to_string())), ..entry }
    }
}

/// What the audit log says of an endpoint.
fn about(endpoint: &Endpoint) -> Map<String, Value> {
    let about = [
        ("webhookId", endpoint.id.0.to_string().into()),
        ("url", endpoint.url.as_str().into()),
        ("format", endpoint.dialect.as_str().into()),
        ("events", endpoint.events.names().collect()),
    ];
    about.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

/// What an attempt at `endpoint` is signed with at `now`; `player` is whom the event is of.
///
/// # Errors
/// [`Unreadable`].
pub fn open_secrets(
    vault: &dyn Vault,
    endpoint: &Endpoint,
    player: Option<PlayerId>,
    now: Timestamp,
) -> Result<OpenSecrets, Unreadable> {
    let mut secrets = vec![vault.open(endpoint.id, &endpoint.secret.current)?];
    // An old secret that cannot be read any more signs nothing; the new one does.
    secrets.extend(endpoint.secret.previous_at(now).and_then(|sealed| vault.open(endpoint.id, sealed).ok()));
    let callback_key = endpoint.callback_key.as_ref();
    let callback_key = callback_key.map(|key| vault.open(endpoint.id, key.previous_at(now).unwrap_or(&key.current)));
    let player_token = player.map(|player| vault.token(endpoint.id, player));
    Ok(OpenSecrets { secrets, callback_key: callback_key.transpose()?, player_token })
}
