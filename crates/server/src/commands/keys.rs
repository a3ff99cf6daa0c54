//! `purser keys`.

use std::time::Duration;

use anyhow::Context;
use domain::clock::{Clock, Timestamp};
use domain::keys::{KeyRecord, KeyRevision, MintedKey, NewKey, PermissionSet};
use domain::limits::{KeyLimits, RateLimit};
use domain::tenancy::{DirectoryError, Environment, Realm, Slug, Tenancy};
use domain::text::FreeText;
use serde::Serialize;

use super::{actor, print_json, print_table};
use crate::cli::{KeysAction, OwnLimit};
use crate::config::Settings;
use crate::store::{self, IfAbsent};
use crate::system::SystemClock;

/// A new key, with its text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IssuedKeyView {
    id: String,
    key: String,
    prefix: String,
    environment: &'static str,
    permission_set: &'static str,
    expires_at: Option<String>,
}

/// A key in a list: never its text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyView {
    id: String,
    prefix: String,
    name: String,
    studio: String,
    game: String,
    environment: &'static str,
    permission_set: &'static str,
    status: &'static str,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    revoked_at: Option<String>,
    revoked_reason: Option<String>,
    rotated_from: Option<String>,
    rate_limits: RateLimitsView,
}

/// The limits of a key where it has its own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RateLimitsView {
    server_api_per_minute: Option<u32>,
}

/// A key to be issued, as the command line gives it.
struct Wanted {
    studio: Slug,
    game: Slug,
    environment: Environment,
    permissions: PermissionSet,
    name: String,
    lifetime: Option<Duration>,
    limits: KeyLimits,
    create: bool,
}

/// Issues, lists, changes, rotates or revokes keys.
pub(crate) async fn run(settings: &Settings, action: KeysAction) -> anyhow::Result<()> {
    match action {
        KeysAction::Issue {
            studio,
            game,
            env: environment,
            permissions,
            name,
            expires_in: lifetime,
            rate_limit,
            create,
            output,
        } => {
            let limits = KeyLimits { server_api: rate_limit.and_then(|OwnLimit(limit)| limit) };
            let wanted = Wanted { studio, game, environment, permissions, name, lifetime, limits, create };
            let (minted, record) = issue(settings, wanted).await?;
            show_issued(&minted, &record, output.json)
        }
        KeysAction::List { output } => list(settings, output.json).await,
        KeysAction::Rotate { id, overlap, output } => {
            let store = store::open(settings, IfAbsent::Refuse).await?;
            let (minted, record) = store::keys(&store).0.rotate(&actor(), None, id, overlap).await?;
            show_issued(&minted, &record, output.json)
        }
        KeysAction::Change { id, name, expires_in, never_expires, rate_limit, output } => {
            let store = store::open(settings, IfAbsent::Refuse).await?;
            let name = name.as_deref().map(FreeText::try_new).transpose().context("--name")?;
            let until = expires_in.map(|lifetime| Some(SystemClock.now().plus(lifetime)));
            let expires_at = if never_expires { Some(None) } else { until };
            let server_api = rate_limit.map(|OwnLimit(limit)| limit);
            let revision = KeyRevision { name, expires_at, server_api };
            let record = store::keys(&store).0.revise(&actor(), None, id, revision).await?;
            if output.json {
                let names = names(&store::tenancy(&store)).await?;
                return print_json(&view(&record, &names, SystemClock.now()));
            }
            let expiry = record.expires_at.map_or_else(|| "never expires".to_owned(), |at| format!("expires {at}"));
            let limit = match record.limits.server_api.map(RateLimit::per_minute) {
                None => "is limited as the server says".to_owned(),
                Some(0) => "is not limited".to_owned(),
                Some(per_minute) => format!("may make {per_minute} calls a minute"),
            };
            println!("changed {}: it {expiry} and {limit}", record.display_prefix());
            Ok(())
        }
        KeysAction::Revoke { id, reason, output } => {
            let store = store::open(settings, IfAbsent::Refuse).await?;
            let reason = reason.as_deref().map(FreeText::try_new).transpose().context("--reason")?;
            let record = store::keys(&store).0.revoke(&actor(), None, id, reason).await?;
            if output.json {
                let names = names(&store::tenancy(&store)).await?;
                return print_json(&view(&record, &names, SystemClock.now()));
            }
            println!("revoked {}; every server refuses it within 5 seconds", record.display_prefix());
            Ok(())
        }
    }
}

async fn issue(settings: &Settings, wanted: Wanted) -> anyhow::Result<(MintedKey, KeyRecord)> {
    let name = FreeText::try_new(&wanted.name).context("--name")?;
    let if_absent = if wanted.create { IfAbsent::Create } else { IfAbsent::Refuse };
    let store = store::open(settings, if_absent).await?;
    let realm = find_realm(&store::tenancy(&store), &wanted).await?;
    let Wanted { permissions, lifetime, limits, .. } = wanted;
    Ok(store::keys(&store).0.issue(&actor(), NewKey { realm, name, permissions, lifetime, limits }).await?)
}

/// The realm of the key, made if it is absent and that was asked for.
async fn find_realm(tenancy: &Tenancy, wanted: &Wanted) -> anyhow::Result<Realm> {
    let Wanted { studio, game, environment, create, .. } = wanted;
    if *create {
        match tenancy.create_studio(studio.clone()).await {
            Ok(_) | Err(DirectoryError::StudioExists(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match tenancy.create_game(studio.clone(), game.clone()).await {
            Ok(_) | Err(DirectoryError::GameExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let found = tenancy.find_realm(studio, game, *environment).await;
    found.map_err(|error| match &error {
        DirectoryError::UnknownStudio(_) | DirectoryError::UnknownGame { .. } => {
            anyhow::anyhow!("{error}; give --create to make it")
        }
        DirectoryError::StudioExists(_) | DirectoryError::GameExists { .. } | DirectoryError::Store(_) => error.into(),
    })
}

fn show_issued(minted: &MintedKey, record: &KeyRecord, json: bool) -> anyhow::Result<()> {
    let view = IssuedKeyView {
        id: record.id.0.to_string(),
        key: minted.reveal().to_owned(),
        prefix: record.display_prefix(),
        environment: record.realm.environment.as_str(),
        permission_set: record.permissions.as_str(),
        expires_at: record.expires_at.map(|at| at.to_string()),
    };
    if json {
        return print_json(&view);
    }
    println!("{}", view.key);
    let expiry = view.expires_at.map_or_else(|| "never expires".to_owned(), |at| format!("expires {at}"));
    eprintln!("id {}, {}, {}, {expiry}; the key is shown this once", view.id, view.environment, view.permission_set);
    Ok(())
}

async fn list(settings: &Settings, json: bool) -> anyhow::Result<()> {
    let store = store::open(settings, IfAbsent::Refuse).await?;
    let names = names(&store::tenancy(&store)).await?;
    let now = SystemClock.now();
    let keys = store::keys(&store).0.all().await?;
    let views: Vec<KeyView> = keys.iter().map(|key| view(key, &names, now)).collect();
    if json {
        return print_json(&views);
    }
    let headings = ["PREFIX", "ID", "NAME", "STUDIO/GAME", "ENV", "PERMISSIONS", "STATUS", "EXPIRES", "LAST USED"];
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let rows = views.into_iter().map(|view| {
        let KeyView { id, prefix, name, studio, game, environment, permission_set, status, .. } = view;
        let (expires, used) = (or_dash(view.expires_at), or_dash(view.last_used_at));
        let texts = [environment, permission_set, status].map(str::to_owned);
        let [environment, permission_set, status] = texts;
        vec![prefix, id, name, format!("{studio}/{game}"), environment, permission_set, status, expires, used]
    });
    print_table(&headings, rows);
    Ok(())
}

/// The names of all games with their studios.
async fn names(tenancy: &Tenancy) -> anyhow::Result<Vec<(domain::tenancy::GameId, Slug, Slug)>> {
    let games = tenancy.games().await?;
    Ok(games.into_iter().map(|(studio, game)| (game.id, studio.slug, game.slug)).collect())
}

fn view(key: &KeyRecord, names: &[(domain::tenancy::GameId, Slug, Slug)], now: Timestamp) -> KeyView {
    let named = names.iter().find(|(game, _, _)| *game == key.realm.game);
    let (studio, game) = named.map(|(_, studio, game)| (studio.to_string(), game.to_string())).unwrap_or_default();
    let expired = key.expires_at.is_some_and(|expires_at| expires_at <= now);
    let status = match (&key.revocation, expired) {
        (Some(_), _) => "revoked",
        (None, true) => "expired",
        (None, false) => "active",
    };
    KeyView {
        id: key.id.0.to_string(),
        prefix: key.display_prefix(),
        name: key.name.as_str().to_owned(),
        studio,
        game,
        environment: key.realm.environment.as_str(),
        permission_set: key.permissions.as_str(),
        status,
        created_at: key.created_at.to_string(),
        expires_at: key.expires_at.map(|at| at.to_string()),
        last_used_at: key.last_used_at.map(|at| at.to_string()),
        revoked_at: key.revocation.as_ref().map(|revocation| revocation.at.to_string()),
        revoked_reason: key
            .revocation
            .as_ref()
            .and_then(|revocation| revocation.reason.as_ref())
            .map(|reason| reason.as_str().to_owned()),
        rotated_from: key.rotated_from.map(|old| old.0.to_string()),
        rate_limits: RateLimitsView { server_api_per_minute: key.limits.server_api.map(RateLimit::per_minute) },
    }
}
