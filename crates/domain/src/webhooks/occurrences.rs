//! What is told of each thing that happens: the facts of every event, in one place.
//!
//! The schemas of `data` in the OpenAPI document are the pair of these functions (a test compares them).

use serde_json::{Map, Value, json};

use super::{EventName, EventNames, OutboxEvent};
use crate::audit_log::AuditId;
use crate::clock::Timestamp;
use crate::economy::{Asset, AssetKind, Balance, Entry, Grant, GrantEntry};
use crate::keys::{ExpiryNotice, KeyRecord};
use crate::lobbies::{Lobby, LobbyStatus};
use crate::players::{Ban, BanOutcome, Erasure, ExternalId, Merge, MergeCounts, Player, PlayerId};
use crate::tenancy::RealmId;

/// The members of a JSON object.
fn members(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("only objects are written here")
        }
    }
}

/// The name of a change of an asset of that kind.
pub fn change_of(kind: AssetKind) -> EventName {
    match kind {
        AssetKind::Currency => EventName::WalletChanged,
        AssetKind::Item => EventName::InventoryChanged,
    }
}

/// The name of the move of a lobby to that status.
pub fn move_to(status: LobbyStatus) -> EventName {
    match status {
        LobbyStatus::Forming => EventName::LobbyCreated,
        LobbyStatus::Active => EventName::LobbyStarted,
        LobbyStatus::Closed => EventName::LobbyClosed,
    }
}

/// What a holding is called, and how much of it is.
fn holding(asset: &Asset, balance: Balance) -> [(String, Value); 2] {
    let (key, amount) = match asset.kind {
        AssetKind::Currency => ("economyKey", "balance"),
        AssetKind::Item => ("itemKey", "quantity"),
    };
    [(key.to_owned(), Value::from(asset.key.as_str())), (amount.to_owned(), Value::from(balance.get()))]
}

/// `entry` changed what `player` has of `asset`.
pub fn entry_made(player: PlayerId, asset: &Asset, entry: &Entry) -> OutboxEvent {
    let mut data = members(json!({
        "ledgerId": entry.id.0,
        "delta": entry.delta,
        "operation": entry.operation.as_str(),
        "origin": entry.origin.as_str(),
        "sequence": entry.sequence,
        "grantId": entry.grant.map(|grant| grant.0),
    }));
    data.extend(holding(asset, entry.balance_after));
    let event = OutboxEvent::new(entry.realm, change_of(asset.kind), entry.at, entry.id.0.as_bytes(), data);
    let (reason, source_ref) = (entry.reason.as_ref(), entry.source_ref.as_ref());
    event.of_player(player).saying([
        ("reason", reason.map(crate::text::FreeText::as_str)),
        ("sourceRefId", source_ref.map(crate::text::FreeText::as_str)),
    ])
}

/// `merge` brought an account that holds `balance` of `asset` to its target, which had none, without an entry.
pub fn account_moved(realm: RealmId, merge: &Merge, asset: &Asset, balance: Balance, sequence: i64) -> OutboxEvent {
    let mut data = members(json!({
        "ledgerId": null,
        "delta": balance.get(),
        "operation": crate::economy::Operation::PlayerMerge.as_str(),
        "origin": crate::economy::Origin::Server.as_str(),
        "sequence": sequence,
        "grantId": null,
    }));
    data.extend(holding(asset, balance));
    let mut subject = merge.source.0.as_bytes().to_vec();
    subject.extend(asset.key.as_str().as_bytes());
    let event = OutboxEvent::new(realm, change_of(asset.kind), merge.at, &subject, data);
    event.of_player(merge.target).saying([("reason", Some(crate::players::MERGE_REASON))])
}

/// What a grant gives, without the attributes of items, which are the caller's own words.
fn contents(grant: &Grant) -> Value {
    let entries = grant.entries.as_slice().iter().map(|entry| match entry {
        GrantEntry::Currency { key, amount } => {
            json!({"kind": "currency", "economyKey": key.as_str(), "amount": amount.get()})
        }
        GrantEntry::Item { key, quantity, .. } => {
            json!({"kind": "item", "itemKey": key.as_str(), "quantity": quantity.get()})
        }
        GrantEntry::Crate { key, quantity } => {
            json!({"kind": "crate", "itemKey": key.as_str(), "quantity": quantity.get()})
        }
    });
    entries.collect()
}

/// `name` happened to `grant` at `at`.
fn of_grant(name: EventName, realm: RealmId, grant: &Grant, at: Timestamp) -> OutboxEvent {
    let data = members(json!({
        "grantId": grant.id.0,
        "kind": grant.kind.as_str(),
        "sourceKind": grant.source.as_str(),
        "status": grant.status_at(at).as_str(),
        "delivery": grant.delivery.as_str(),
        "entries": contents(grant),
        "ackedBy": grant.claim.map(|claim| claim.by.as_str()),
        "createdAt": grant.created_at.to_string(),
        "expiresAt": grant.expires_at.map(|at| at.to_string()),
    }));
    let event = OutboxEvent::new(realm, name, at, grant.id.0.as_bytes(), data).of_player(grant.player);
    event.saying([("sourceRefId", grant.source_ref.as_ref().map(crate::text::FreeText::as_str))])
}

/// `grant` was created.
pub fn grant_created(realm: RealmId, grant: &Grant) -> OutboxEvent {
    of_grant(EventName::GrantCreated, realm, grant, grant.created_at)
}

/// `grant` was claimed at `at`.
pub fn grant_claimed(realm: RealmId, grant: &Grant, at: Timestamp) -> OutboxEvent {
    of_grant(EventName::GrantClaimed, realm, grant, at)
}

/// `grant` expired; `None` for one that cannot.
pub fn grant_expired(realm: RealmId, grant: &Grant) -> Option<OutboxEvent> {
    grant.expires_at.map(|at| of_grant(EventName::GrantExpired, realm, grant, at))
}

/// `player` was made on first contact.
pub fn player_registered(realm: RealmId, player: &Player) -> OutboxEvent {
    let data = members(json!({ "createdAt": player.created_at.to_string() }));
    let event = OutboxEvent::new(realm, EventName::PlayerRegistered, player.created_at, player.id.0.as_bytes(), data);
    event.of_player(player.id)
}

/// A player was banned at `at`, for the first time since they were not.
pub fn player_banned(realm: RealmId, player: PlayerId, ban: &Ban, audit: AuditId) -> OutboxEvent {
    let data = members(json!({ "bannedAt": ban.at.to_string() }));
    let event = OutboxEvent::new(realm, EventName::PlayerBanned, ban.at, audit.0.as_bytes(), data).of_player(player);
    event.saying([("reason", Some(ban.reason.as_str()))])
}

/// A ban was lifted.
pub fn player_unbanned(realm: RealmId, outcome: &BanOutcome, audit: AuditId) -> OutboxEvent {
    let data = members(json!({ "unbannedAt": outcome.at.to_string() }));
    let event = OutboxEvent::new(realm, EventName::PlayerUnbanned, outcome.at, audit.0.as_bytes(), data);
    event.of_player(outcome.player)
}

/// `merge` happened; `source` is what the player who was merged was called.
pub fn player_merged(realm: RealmId, merge: &Merge, source: &ExternalId, counts: &MergeCounts) -> OutboxEvent {
    let data = members(json!({
        "mergedPlayerId": merge.source.0,
        "mergedAt": merge.at.to_string(),
        "grantsReassigned": counts.grants,
        "itemsMerged": counts.items,
        "walletsMerged": counts.currencies,
    }));
    let event = OutboxEvent::new(realm, EventName::PlayerMerged, merge.at, merge.source.0.as_bytes(), data);
    event.of_player(merge.target).saying([("mergedExternalPlayerId", Some(source.as_str()))])
}

/// `erasure` happened; `player` is what they were called, which the studio needs to do the same on its side.
pub fn player_deleted(realm: RealmId, erasure: &Erasure, player: &ExternalId, basis: &str) -> OutboxEvent {
    let data = members(json!({ "deletedAt": erasure.at.to_string(), "legalBasis": basis }));
    let event = OutboxEvent::new(realm, EventName::PlayerDeleted, erasure.at, erasure.player.0.as_bytes(), data);
    event.of_player(erasure.player).saying([("externalPlayerId", Some(player.as_str()))])
}

/// `lobby`, as it was then, moved to the status that it has, at `at`.
pub fn lobby_moved(realm: RealmId, lobby: &Lobby, at: Timestamp) -> OutboxEvent {
    let data = members(json!({
        "lobbyId": lobby.id.0,
        "eventId": lobby.event.0,
        "key": lobby.key.as_ref().map(crate::lobbies::LobbyKey::as_str),
        "mode": lobby.mode.as_str(),
        "status": lobby.status().as_str(),
        "capacity": lobby.capacity,
        "players": lobby.players,
        "bots": lobby.bots.len(),
        "createdAt": lobby.created_at.to_string(),
        "startedAt": lobby.started_at().map(|at| at.to_string()),
        "closedAt": lobby.closed_at().map(|at| at.to_string()),
        "endsAt": lobby.ends_at.to_string(),
    }));
    OutboxEvent::new(realm, move_to(lobby.status()), at, lobby.id.0.as_bytes(), data)
}

/// How lobbies moved on through `steps` ([`Lobby::steps`]), as far as it is wanted.
pub fn lobby_steps(wanted: EventNames, realm: RealmId, steps: &[Lobby]) -> Vec<OutboxEvent> {
    let told = steps.iter().filter_map(|lobby| {
        let at = lobby.moved_at()?;
        wanted.contains(move_to(lobby.status())).then(|| lobby_moved(realm, lobby, at))
    });
    told.collect()
}

/// `key` will expire soon, as was found at `now`.
pub fn key_expiring(key: &KeyRecord, notice: &ExpiryNotice, now: Timestamp) -> OutboxEvent {
    let data = members(json!({
        "keyId": key.id.0,
        "keyPrefix": key.display_prefix(),
        "name": key.name.as_str(),
        "permissionSet": key.permissions.as_str(),
        "environment": key.realm.environment.as_str(),
        "expiresAt": notice.expires_at.to_string(),
        "daysRemaining": notice.days,
        "lastUsedAt": key.last_used_at.map(|at| at.to_string()),
    }));
    let mut subject = key.id.0.as_bytes().to_vec();
    subject.extend(notice.expires_at.unix_micros().to_be_bytes());
    subject.extend(notice.days.to_be_bytes());
    OutboxEvent::new(key.realm.id, EventName::ApiKeyExpiring, now, &subject, data)
}
