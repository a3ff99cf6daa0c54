//! What events say is what the OpenAPI document says that they do.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::audit_log::AuditId;
use domain::clock::Timestamp;
use domain::economy::{
    AccountId, AckedBy, Actor, Amount, Asset, AssetKey, AssetKind, Balance, Claim, Delivery, Entry, EntryId, Grant,
    GrantEntries, GrantEntry, GrantId, GrantKind, GrantSource, Operation, Origin,
};
use domain::keys::{ExpiryNotice, KeyHash, KeyId, KeyRecord, PermissionSet, PublicId};
use domain::limits::KeyLimits;
use domain::lobbies::{Lobby, LobbyKey, Stage};
use domain::players::{Ban, BanOutcome, Erasure, ExternalId, IdentityDigest, Merge, MergeCounts, Player, PlayerId};
use domain::tenancy::{Environment, RealmId};
use domain::text::FreeText;
use domain::webhooks::{EventName, FeedPosition, OutboxEvent, ToldEvent, occurrences};
use serde_json::Value;
use uuid::Uuid;

use super::played::{self, before};
use super::world::{now, realm};
use crate::openapi_json;

const REALM: RealmId = RealmId(1);
const PLAYER: PlayerId = PlayerId(Uuid::from_u128(9));
const AUDIT: AuditId = AuditId(Uuid::from_u128(0xA));

fn text(said: &str) -> Option<FreeText> {
    Some(FreeText::try_new(said).unwrap()).filter(|_| !said.is_empty())
}

fn key(name: &str) -> AssetKey {
    AssetKey::try_new(name).unwrap()
}

/// An entry of which `said` is said; nothing if that is empty.
fn entry(said: &str) -> Entry {
    Entry {
        realm: REALM,
        account: AccountId(Uuid::from_u128(0xACC)),
        position: 1,
        sequence: 1,
        id: EntryId(Uuid::from_u128(0xE)),
        delta: 5,
        balance_after: Balance::restore(5),
        operation: Operation::WalletCredit,
        origin: Origin::Server,
        actor: Actor::new("ks_sandbox_x"),
        reason: text(said),
        source_ref: text(said),
        parameters: None,
        grant: None,
        once: None,
        at: now(),
    }
}

fn grant(said: &str) -> Grant {
    let one = Amount::try_new(1).unwrap();
    let entries = vec![
        GrantEntry::Currency { key: key("gold"), amount: one },
        GrantEntry::Item { key: key("sword"), quantity: one, parameters: None },
        GrantEntry::Crate { key: key("chest"), quantity: one },
    ];
    Grant {
        id: GrantId(Uuid::from_u128(0x6)),
        player: PLAYER,
        kind: GrantKind::Reward,
        entries: GrantEntries::try_new(entries).unwrap(),
        source: GrantSource::Api,
        source_ref: text(said),
        metadata: None,
        delivery: Delivery::Claim,
        claim: Some(Claim { at: now(), by: AckedBy::ServerApi }).filter(|_| !said.is_empty()),
        expires_at: Some(now()),
        created_at: before(60),
    }
}

fn player(called: &str) -> ExternalId {
    ExternalId::try_new(called).unwrap()
}

fn merge() -> Merge {
    let digest = IdentityDigest([1; 32]);
    let source = PlayerId(Uuid::from_u128(8));
    Merge { source, source_digest: digest, target: PLAYER, target_digest: digest, key: None, at: now() }
}

fn lobby(key: Option<LobbyKey>, stage: Stage) -> Lobby {
    Lobby { key, stage, ..played::lobby(1).lobby }
}

fn lobbies(said: &str) -> [Lobby; 3] {
    let (started_at, closed_at) = (before(60), now());
    [Stage::Forming, Stage::Active { started_at }, Stage::Closed { started_at: Some(started_at), closed_at }]
        .map(|stage| lobby(Some(LobbyKey::try_new("match-1").unwrap()).filter(|_| !said.is_empty()), stage))
}

fn key_record(used: Option<Timestamp>) -> KeyRecord {
    KeyRecord {
        id: KeyId(Uuid::from_u128(0xC)),
        realm: realm(Environment::Sandbox),
        public_id: PublicId::restore("0A1b2C3d4E".to_owned()),
        hash: KeyHash([0; 32]),
        name: text("backend").unwrap(),
        permissions: PermissionSet::ServerIntegration,
        limits: KeyLimits::default(),
        created_at: before(1_000),
        expires_at: Some(now()),
        expiry_set_at: before(1_000),
        last_used_at: used,
        revocation: None,
        rotated_from: None,
    }
}

/// An event of each kind, of which as much as possible is said if there is something to say, and as little as possible
/// otherwise.
fn every_event(said: &str) -> Vec<OutboxEvent> {
    let asset = |kind| Asset { kind, key: key("gold") };
    let (currency, item) = (asset(AssetKind::Currency), asset(AssetKind::Item));
    let (grant, key) = (grant(said), key_record(text(said).map(|_| now())));
    let registered =
        Player { id: PLAYER, external_id: player("p-1"), created_at: now(), last_seen_at: now(), banned_at: None };
    let ban = Ban { at: now(), reason: text("fraud").unwrap() };
    let erasure = Erasure { player: PLAYER, digest: IdentityDigest([1; 32]), key: None, at: now() };
    let notice = ExpiryNotice { expires_at: now().plus(Duration::from_secs(7 * 86_400)), days: 7 };
    let mut events = vec![
        occurrences::grant_created(REALM, &grant),
        occurrences::grant_claimed(REALM, &grant, now()),
        occurrences::grant_expired(REALM, &grant).unwrap(),
        occurrences::entry_made(PLAYER, &currency, &entry(said)),
        occurrences::entry_made(PLAYER, &item, &entry(said)),
        occurrences::account_moved(REALM, &merge(), &currency, Balance::restore(5), 3),
        occurrences::account_moved(REALM, &merge(), &item, Balance::restore(5), 3),
        occurrences::player_registered(REALM, &registered),
        occurrences::player_banned(REALM, PLAYER, &ban, AUDIT),
        occurrences::player_unbanned(REALM, &BanOutcome { player: PLAYER, at: now(), applied: true }, AUDIT),
        occurrences::player_merged(REALM, &merge(), &player("p-0"), &MergeCounts::default()),
        occurrences::player_deleted(REALM, &erasure, &player("p-1"), "test"),
        occurrences::key_expiring(&key, &notice, now()),
    ];
    events.extend(lobbies(said).iter().map(|lobby| occurrences::lobby_moved(REALM, lobby, now())));
    events
}

/// What is told of `event`; after the words of it are gone, if they are.
fn data(event: &OutboxEvent, are_words_gone: bool) -> Value {
    let told = ToldEvent {
        realm: realm(Environment::Sandbox),
        position: FeedPosition(1),
        id: event.id,
        name: event.name,
        at: event.at,
        player: event.player.map(|id| (id, player("p-1"))),
        data: event.data.clone(),
        words: event.words.clone().filter(|_| !are_words_gone),
    };
    serde_json::from_str(&told.data_json()).unwrap()
}

/// The schema of what `name` says, in `document`.
fn schema(document: &Value, name: EventName) -> &Value {
    let body = &document["webhooks"][name.as_str()]["post"]["requestBody"]["content"]["application/json"]["schema"];
    let own = &body["allOf"][1]["properties"];
    assert_eq!(own["eventName"]["enum"], serde_json::json!([name.as_str()]));
    resolved(document, &own["data"])
}

fn resolved<'d>(document: &'d Value, reference: &Value) -> &'d Value {
    let name = reference["$ref"].as_str().unwrap().strip_prefix("#/components/schemas/").unwrap();
    &document["components"]["schemas"][name]
}

/// Whether `value` is of the type that `schema` says, as far as it says one.
fn is_of_type(schema: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    match &schema["type"] {
        Value::Array(names) => names.iter().any(is),
        Value::Null => true,
        name @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => is(name),
    }
}

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_event_says_exactly_what_is_documented() {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    let mut seen = BTreeSet::new();
    for (said, are_words_gone) in [("something", false), ("", false), ("something", true)] {
        for event in every_event(said) {
            seen.insert(event.name);
            let (schema, data) = (schema(&document, event.name), data(&event, are_words_gone));
            let properties = names(&schema["properties"]);
            let required: BTreeSet<&str> =
                schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            let told = names(&data);
            assert!(required.is_subset(&told) && told.is_subset(&properties), "{}: {data}", event.name);
            for (name, value) in data.as_object().unwrap() {
                assert!(is_of_type(&schema["properties"][name], value), "{} {name}: {value}", event.name);
            }
            for entry in data["entries"].as_array().into_iter().flatten() {
                let schema = resolved(&document, &schema["properties"]["entries"]["items"]);
                assert!(names(entry).is_subset(&names(&schema["properties"])), "{entry}");
            }
        }
    }
    assert_eq!(seen, EventName::ALL.into_iter().collect());
}

#[test]
fn everything_that_is_said_of_some_event_is_documented_and_everything_documented_is_said_of_some() {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    for name in EventName::ALL {
        let events: Vec<Value> = every_event("something")
            .iter()
            .filter(|event| event.name == name)
            .map(|event| data(event, false))
            .collect();
        let told: BTreeSet<&str> = events.iter().flat_map(|data| names(data)).collect();
        assert_eq!(told, names(&schema(&document, name)["properties"]), "{name}");
    }
}

#[test]
fn the_document_has_every_request_that_is_sent_and_no_other() {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    let mut sent: BTreeSet<&str> = EventName::ALL.into_iter().map(EventName::as_str).collect();
    sent.extend(["webhook.ping", "invalidate_user_inventory"]);
    assert_eq!(names(&document["webhooks"]), sent);
    for (name, item) in document["webhooks"].as_object().unwrap() {
        let headers: Vec<&str> = item["post"]["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|header| header["name"].as_str().unwrap())
            .collect();
        assert_eq!(headers, ["webhook-id", "webhook-timestamp", "webhook-signature", "X-Signature"], "{name}");
        assert_eq!(item["post"]["security"], serde_json::json!([]), "{name}");
    }
}
