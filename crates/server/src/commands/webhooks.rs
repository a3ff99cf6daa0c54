//! `purser webhooks`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use domain::clock::{Clock, Timestamp};
use domain::text::FreeText;
use domain::webhooks::{
    AttemptOutcome, Delivery, DeliveryId, Dialect, Endpoint, EndpointId, EndpointRequest, EndpointRevision,
    EndpointUrl, EventNames, Operator, Pinged, ReplayRange, ShownSecrets, Webhooks,
};
use serde::Serialize;

use super::{actor, print_json, print_table};
use crate::cli::{EndpointArgs, RealmArgs, WebhooksAction};
use crate::config::Settings;
use crate::secret;
use crate::store::{self, IfAbsent, Store};
use crate::system::{SystemClock, SystemIds};

/// An endpoint, and its secrets if they are new.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EndpointView {
    id: String,
    url: String,
    description: String,
    format: &'static str,
    events: Vec<&'static str>,
    enabled: bool,
    disabled_reason: Option<&'static str>,
    disabled_at: Option<String>,
    failing_since: Option<String>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_api_key: Option<String>,
}

/// A delivery in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryView {
    id: String,
    event_id: String,
    event_name: &'static str,
    status: &'static str,
    attempts: u32,
    next_attempt_at: Option<String>,
    occurred_at: String,
    ended_at: Option<String>,
}

/// What came of a ping.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PingView {
    id: String,
    delivered: bool,
    status: Option<u16>,
    duration_ms: u128,
    body: Option<String>,
    error: Option<String>,
}

/// The use cases on an open store, and on whose behalf.
struct Office {
    webhooks: Webhooks,
    operator: Operator,
    _store: Store,
}

/// Makes, lists, changes, tries or removes endpoints, and queues deliveries again.
pub(crate) async fn run(settings: &Settings, action: WebhooksAction) -> anyhow::Result<()> {
    match action {
        WebhooksAction::Create { realm, url, events, format, description, output } => {
            let request = EndpointRequest {
                url: EndpointUrl::try_new(&url)?,
                description: FreeText::try_new(&description).context("--description")?,
                dialect: format,
                events: asked_events(&events, format)?,
            };
            let office = Office::open(settings, &realm).await?;
            let (endpoint, secrets) = office.webhooks.create(&office.operator, request).await?;
            show_with_secrets(&endpoint, secrets, output.json)
        }
        WebhooksAction::List { realm, output } => {
            let office = Office::open(settings, &realm).await?;
            show_list(&office.webhooks.list(office.operator.realm.id).await?, output.json)
        }
        WebhooksAction::Change { endpoint, url, events, description, enable, disable, output } => {
            let (office, id) = Office::of_endpoint(settings, &endpoint).await?;
            let revision = EndpointRevision {
                url: url.as_deref().map(EndpointUrl::try_new).transpose()?,
                description: description.as_deref().map(FreeText::try_new).transpose().context("--description")?,
                events: (!events.is_empty()).then(|| named_events(&events)).transpose()?,
                enabled: (enable || disable).then_some(enable),
            };
            let endpoint = office.webhooks.revise(&office.operator, id, revision).await?;
            show(&endpoint, "changed", output.json)
        }
        WebhooksAction::Delete { endpoint, output } => {
            let (office, id) = Office::of_endpoint(settings, &endpoint).await?;
            show(&office.webhooks.delete(&office.operator, id).await?, "removed", output.json)
        }
        WebhooksAction::Ping { endpoint, output } => {
            let (office, id) = Office::of_endpoint(settings, &endpoint).await?;
            show_ping(office.webhooks.ping(&office.operator, id).await?, output.json)
        }
        WebhooksAction::RotateSecret { endpoint, overlap, output } => {
            if Endpoint::ROTATION_OVERLAP_MAX < overlap {
                bail!("--overlap must be at most 7d");
            }
            let (office, id) = Office::of_endpoint(settings, &endpoint).await?;
            let (endpoint, secrets) = office.webhooks.rotate(&office.operator, id, overlap).await?;
            show_with_secrets(&endpoint, secrets, output.json)
        }
        WebhooksAction::Deliveries { endpoint, status, after, limit, output } => {
            let (office, id) = Office::of_endpoint(settings, &endpoint).await?;
            let (realm, after) = (office.operator.realm.id, after.map(DeliveryId));
            let page = office.webhooks.deliveries(realm, id, status, after, limit).await?;
            show_deliveries(&page.rows, output.json)
        }
        WebhooksAction::Replay { endpoint, delivery, since, until, all, output } => {
            let range = asked_range(delivery.map(DeliveryId), since, until, all)?;
            let (office, id) = Office::of_endpoint(settings, &endpoint).await?;
            let queued = office.webhooks.replay(&office.operator, id, range).await?;
            if output.json {
                return print_json(&serde_json::json!({ "queued": queued }));
            }
            println!("{queued} queued");
            Ok(())
        }
    }
}

impl Office {
    async fn open(settings: &Settings, realm: &RealmArgs) -> anyhow::Result<Self> {
        let store = store::open(settings, IfAbsent::Refuse).await?;
        let RealmArgs { studio, game, env } = realm;
        let realm = store::tenancy(&store).find_realm(studio, game, *env).await?;
        let secret = secret::agreed(&settings.secret, &*store.lives, false).await?;
        let ports = store::webhook_ports(&store, &secret, &settings.webhooks)?;
        let webhooks = Webhooks::new(ports, Arc::new(SystemClock), Arc::new(SystemIds));
        Ok(Self { webhooks, operator: Operator { realm, actor: actor() }, _store: store })
    }

    async fn of_endpoint(settings: &Settings, endpoint: &EndpointArgs) -> anyhow::Result<(Self, EndpointId)> {
        Ok((Self::open(settings, &endpoint.realm).await?, EndpointId(endpoint.id)))
    }
}

fn named_events(names: &[String]) -> anyhow::Result<EventNames> {
    let unknown = names.iter().find(|name| EventNames::parse([name.as_str()]).is_err());
    if let Some(unknown) = unknown {
        bail!("--event {unknown}: there is no event of that name");
    }
    Ok(EventNames::parse(names.iter().map(String::as_str))?)
}

/// A form tells of everything that it can tell of, unless told otherwise.
fn asked_events(names: &[String], dialect: Dialect) -> anyhow::Result<EventNames> {
    match (names, dialect) {
        ([], Dialect::Kongregate) => Ok(dialect.speaks_of()),
        ([], Dialect::Json) => bail!("give at least one --event, or --event '*' for all"),
        (names, Dialect::Json | Dialect::Kongregate) => named_events(names),
    }
}

fn asked_range(
    delivery: Option<DeliveryId>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    all: bool,
) -> anyhow::Result<ReplayRange> {
    match (delivery, since) {
        (Some(delivery), _) => Ok(ReplayRange::One(delivery)),
        (None, Some(since)) => {
            let until = until.unwrap_or_else(|| SystemClock.now());
            if until <= since {
                bail!("--since must be before --until");
            }
            Ok(ReplayRange::Between { since, until, names: EventNames::ALL, only_failed: !all })
        }
        (None, None) => bail!("give --delivery or --since"),
    }
}

fn view(endpoint: &Endpoint, secrets: Option<ShownSecrets>) -> EndpointView {
    let (secret, callback_api_key) = secrets.map_or((None, None), |shown| (Some(shown.secret), shown.callback_key));
    EndpointView {
        id: endpoint.id.0.to_string(),
        url: endpoint.url.as_str().to_owned(),
        description: endpoint.description.as_str().to_owned(),
        format: endpoint.dialect.as_str(),
        events: endpoint.events.names().collect(),
        enabled: endpoint.disabled.is_none(),
        disabled_reason: endpoint.disabled.map(|(reason, _)| reason.as_str()),
        disabled_at: endpoint.disabled.map(|(_, at)| at.to_string()),
        failing_since: endpoint.failing_since.map(|at| at.to_string()),
        created_at: endpoint.created_at.to_string(),
        updated_at: endpoint.updated_at.to_string(),
        secret,
        callback_api_key,
    }
}

fn show(endpoint: &Endpoint, done: &str, json: bool) -> anyhow::Result<()> {
    let view = view(endpoint, None);
    if json {
        return print_json(&view);
    }
    println!("{done} {} ({})", view.id, view.url);
    Ok(())
}

fn show_with_secrets(endpoint: &Endpoint, secrets: ShownSecrets, json: bool) -> anyhow::Result<()> {
    let view = view(endpoint, Some(secrets));
    if json {
        return print_json(&view);
    }
    println!("{}", view.secret.unwrap_or_default());
    if let Some(key) = view.callback_api_key {
        println!("{key}");
    }
    eprintln!("id {}, {}; what is signed with is shown this once", view.id, view.url);
    Ok(())
}

fn show_list(endpoints: &[Endpoint], json: bool) -> anyhow::Result<()> {
    let views = endpoints.iter().map(|endpoint| view(endpoint, None));
    if json {
        return print_json(&views.collect::<Vec<_>>());
    }
    let rows = views.map(|view| {
        let state = match (view.disabled_reason, view.failing_since) {
            (Some(reason), _) => format!("disabled: {reason}"),
            (None, Some(since)) => format!("failing since {since}"),
            (None, None) => "enabled".to_owned(),
        };
        vec![view.id, view.url, view.format.to_owned(), view.events.join(","), state, view.description]
    });
    print_table(&["ID", "URL", "FORMAT", "EVENTS", "STATE", "DESCRIPTION"], rows);
    Ok(())
}

fn show_deliveries(deliveries: &[Delivery], json: bool) -> anyhow::Result<()> {
    let views = deliveries.iter().map(|delivery| DeliveryView {
        id: delivery.id.0.to_string(),
        event_id: delivery.event.0.to_string(),
        event_name: delivery.name.as_str(),
        status: delivery.status.as_str(),
        attempts: delivery.attempts,
        next_attempt_at: delivery.due_at.map(|at| at.to_string()),
        occurred_at: delivery.occurred_at.to_string(),
        ended_at: delivery.ended_at.map(|at| at.to_string()),
    });
    if json {
        return print_json(&views.collect::<Vec<_>>());
    }
    let rows = views.map(|view| {
        let next = view.next_attempt_at.unwrap_or_else(|| "-".to_owned());
        let texts = [view.event_name, view.status].map(str::to_owned);
        let [name, status] = texts;
        vec![view.id, name, status, view.attempts.to_string(), view.occurred_at, next]
    });
    print_table(&["ID", "EVENT", "STATUS", "ATTEMPTS", "OCCURRED", "NEXT ATTEMPT"], rows);
    Ok(())
}

/// Fails when the ping was not taken, so that a script can tell.
fn show_ping(Pinged { id, outcome, took }: Pinged, json: bool) -> anyhow::Result<()> {
    let (status, body, error) = match outcome {
        AttemptOutcome::Answered { status, body, .. } => (Some(status), Some(body), None),
        AttemptOutcome::Failed { error } => (None, None, Some(error)),
    };
    let delivered = status.is_some_and(|status| (200..300).contains(&status));
    let came = match (status, &error) {
        (Some(status), _) => format!("answered {status}"),
        (None, error) => error.clone().unwrap_or_default(),
    };
    if json {
        let duration_ms = took.as_millis();
        print_json(&PingView { id: id.0.to_string(), delivered, status, duration_ms, body, error })?;
    } else if delivered {
        println!("{came} after {}", humantime::format_duration(Duration::from_millis(millis(took))));
    }
    if delivered { Ok(()) } else { bail!("the ping was not taken: {came}") }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
