//! The life of keys, as operators lead it.

use std::sync::{Arc, Mutex};

use actix_web::test::TestRequest;
use domain::audit_log::AuditAction;
use domain::keys::{KeyChange, KeyId, KeyRecord, MockKeyStore, PermissionSet, PresentedKey, PublicId, Revocation};
use domain::limits::KeyLimits;
use domain::tenancy::{Environment, GameId, RealmId};
use domain::text::FreeText;
use serde_json::{Value, json};
use uuid::Uuid;

use super::played::before;
use super::world::{Key, Reply, World, administer, administer_as, key_store, now, realm};

fn record(id: u128) -> KeyRecord {
    KeyRecord {
        id: KeyId(Uuid::from_u128(id)),
        realm: realm(Environment::Sandbox),
        public_id: PublicId::restore(format!("public{id:04}")),
        hash: domain::keys::KeyHash([7; 32]),
        name: FreeText::try_new("Game backend").unwrap(),
        permissions: PermissionSet::ServerIntegration,
        limits: KeyLimits::default(),
        created_at: before(100_000),
        expires_at: Some(before(-100_000)),
        expiry_set_at: before(100_000),
        last_used_at: Some(before(30)),
        revocation: None,
        rotated_from: Some(KeyId(Uuid::from_u128(1))),
    }
}

/// Keys of the realm of these tests, one in each state, and one of another realm of the same game; oldest first.
fn records() -> Vec<KeyRecord> {
    let reason = Some(FreeText::try_new("leaked").unwrap());
    let mut live = record(0x15);
    live.realm = realm(Environment::Live);
    live.realm.id = RealmId(2);
    vec![
        KeyRecord { rotated_from: None, last_used_at: None, expires_at: None, ..record(0x11) },
        record(0x12),
        KeyRecord { revocation: Some(Revocation { at: before(60), reason }), ..record(0x13) },
        KeyRecord { expires_at: Some(now()), ..record(0x14) },
        live,
    ]
}

/// What was stored, each with what the audit log calls it.
type Changes = Vec<(KeyChange, AuditAction)>;

/// A store of them, which keeps what it is told.
fn store() -> (MockKeyStore, Arc<Mutex<Changes>>) {
    let mut keys = key_store();
    keys.expect_all().returning(|| Ok(records()));
    let kept = Arc::new(Mutex::new(Vec::new()));
    let changes = kept.clone();
    keys.expect_apply().returning(move |change, audit| {
        assert_eq!(audit.realm, RealmId(1));
        changes.lock().unwrap().push((change.clone(), audit.action));
        Ok(())
    });
    (keys, kept)
}

/// The answer to `asked`, and the changes that it came to.
async fn send(asked: TestRequest) -> (Reply, Changes) {
    let (keys, kept) = store();
    let reply = World { keys, ..World::default() }.start().await.send(asked).await;
    let changes = kept.lock().unwrap().clone();
    (reply, changes)
}

async fn issue(body: Value) -> (Reply, Changes) {
    send(administer("POST", "keys").set_payload(body.to_string())).await
}

fn path(id: u128, below: &str) -> String {
    format!("keys/{}{below}", Uuid::from_u128(id))
}

#[actix_web::test]
async fn a_key_is_shown_when_it_is_issued() {
    let body = json!({ "permissionSet": "server_integration", "name": "Game backend", "idempotencyKey": "k" });
    let (reply, changes) = issue(body).await;
    insta::assert_snapshot!("key_issued", reply.shown());
    let shown = reply.json()["data"]["key"].as_str().unwrap().to_owned();
    let presented = PresentedKey::parse(&shown).unwrap();
    let [(KeyChange::Issue(record), AuditAction::KeyIssue)] = &*changes else { panic!("{changes:?}") };
    assert_eq!((record.hash, &record.public_id), (presented.hash, &presented.public_id));
    assert_eq!((record.realm, record.expires_at), (realm(Environment::Sandbox), None));
}

#[actix_web::test]
async fn a_key_expires_at_an_instant_or_after_a_while() {
    for (body, expires) in [
        (json!({ "permissionSet": "admin", "expiresAt": "2026-06-08T14:00:00.001+02:00" }), "2026-06-08T12:00:00.001Z"),
        (json!({ "permissionSet": "client_sdk", "expiresInSeconds": 604_800 }), "2026-06-15T12:00:00.000Z"),
    ] {
        let (reply, _) = issue(body.clone()).await;
        let data = reply.json()["data"].take();
        assert_eq!((reply.status, &data["permissionSet"]), (201, &body["permissionSet"]));
        assert_eq!((data["expiresAt"].as_str(), &data["name"]), (Some(expires), &json!("")));
    }
}

#[actix_web::test]
async fn every_wrong_field_of_a_new_key_is_named_at_once() {
    let body = json!({ "permissionSet": "root", "name": 5, "expiresAt": "soon", "expiresInSeconds": 0 });
    insta::assert_snapshot!("key_wrong_fields", issue(body).await.0.shown());
    for (body, wrong, code) in [
        (json!({}), vec!["permissionSet"], "KS-4102"),
        (json!({ "permissionSet": null }), vec!["permissionSet"], "KS-4101"),
        (json!({ "permissionSet": "admin", "expiresAt": "2026-06-08T12:00:00Z" }), vec!["expiresAt"], "KS-4101"),
        (
            json!({ "permissionSet": "admin", "expiresAt": "2027-06-08T12:00:00Z", "expiresInSeconds": 5 }),
            vec!["expiresInSeconds"],
            "KS-4101",
        ),
    ] {
        let (reply, changes) = issue(body.clone()).await;
        assert_eq!((reply.wrong_fields(), changes), (wrong.into_iter().map(str::to_owned).collect(), vec![]), "{body}");
        assert_eq!(reply.json()["errorCode"], code, "{body}");
    }
}

#[actix_web::test]
async fn keys_are_listed_newest_first_and_only_those_of_the_realm() {
    let (all, _) = send(administer("GET", "keys")).await;
    insta::assert_snapshot!("keys_listed", all.shown());
    let rows = all.json()["data"].as_array().unwrap().clone();
    let (mut paged, mut after) = (Vec::new(), String::new());
    while paged.len() < rows.len() {
        let (page, _) = send(administer("GET", &format!("keys?limit=3{after}"))).await;
        paged.extend(page.json()["data"].as_array().unwrap().clone());
        let next = page.json()["next"].take();
        assert_eq!(next.is_null(), paged.len() == rows.len());
        after = format!("&after={}", next.as_str().unwrap_or_default());
    }
    assert_eq!(paged, rows);
    let (wrong, _) = send(administer("GET", "keys?limit=0&after=x")).await;
    assert_eq!(wrong.wrong_fields(), ["after", "limit"]);
}

#[actix_web::test]
async fn a_key_is_never_shown_again() {
    for (method, below) in [("GET", "keys".to_owned()), ("POST", path(0x12, "/revoke")), ("PATCH", path(0x12, ""))] {
        let (reply, _) = send(administer(method, &below)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(!reply.body.contains("\"key\"") && !reply.body.contains("hash"), "{reply:?}");
    }
}

#[actix_web::test]
async fn a_key_that_is_rotated_works_for_a_while_beside_the_new_one() {
    let (reply, changes) = send(administer("POST", &path(0x12, "/rotate"))).await;
    insta::assert_snapshot!("key_rotated", reply.shown());
    let [(KeyChange::Rotate { old, old_expires_at, .. }, AuditAction::KeyRotate)] = &*changes else {
        panic!("{changes:?}")
    };
    assert_eq!((*old, *old_expires_at), (record(0x12).id, before(-86_400)));
    let asked = administer("POST", &path(0x12, "/rotate")).set_payload(r#"{ "overlapSeconds": 5 }"#);
    let (_, changes) = send(asked).await;
    let [(KeyChange::Rotate { old_expires_at, .. }, _)] = &*changes else { panic!("{changes:?}") };
    assert_eq!(*old_expires_at, before(-5));
    for overlap in ["-1", "31536001", "\"5\""] {
        let body = format!(r#"{{ "overlapSeconds": {overlap} }}"#);
        let (reply, _) = send(administer("POST", &path(0x12, "/rotate")).set_payload(body)).await;
        assert_eq!(reply.wrong_fields(), ["overlapSeconds"], "{overlap}");
    }
}

#[actix_web::test]
async fn a_key_is_revoked_for_a_reason_or_none_and_only_once() {
    let asked =
        administer("POST", &path(0x12, "/revoke")).set_payload(r#"{ "reason": "lost", "idempotencyKey": "k" }"#);
    let (reply, changes) = send(asked).await;
    insta::assert_snapshot!("key_revoked", reply.shown());
    assert!(matches!(&*changes, [(KeyChange::Revoke { .. }, AuditAction::KeyRevoke)]), "{changes:?}");
    let (reply, _) = send(administer("POST", &path(0x12, "/revoke"))).await;
    assert_eq!((reply.status, reply.json()["data"]["revokedReason"].take()), (200, Value::Null));
    let (again, changes) = send(administer("POST", &path(0x13, "/revoke")).set_payload(r#"{ "reason": "x" }"#)).await;
    assert_eq!((again.json()["data"]["revokedReason"].take(), changes), (json!("leaked"), vec![]));
    let (wrong, _) = send(administer("POST", &path(0x12, "/revoke")).set_payload(r#"{ "reason": 5 }"#)).await;
    assert_eq!(wrong.wrong_fields(), ["reason"]);
}

#[actix_web::test]
async fn a_change_of_a_key_changes_what_it_names_and_nothing_else() {
    let change = |body: &str| send(administer("PATCH", &path(0x12, "")).set_payload(body.to_owned()));
    let (unchanged, _) = change(r#"{ "name": null }"#).await;
    insta::assert_snapshot!("key_unchanged", unchanged.shown());
    let (changed, changes) = change(r#"{ "name": "New name", "expiresAt": "2027-01-01T00:00:00Z" }"#).await;
    let data = changed.json()["data"].take();
    assert_eq!((&data["name"], &data["expiresAt"]), (&json!("New name"), &json!("2027-01-01T00:00:00.000Z")));
    let [(KeyChange::Revise { expiry_set_at, .. }, AuditAction::KeyChange)] = &*changes else { panic!("{changes:?}") };
    assert_eq!(*expiry_set_at, now());
    let (for_ever, _) = change(r#"{ "expiresAt": null }"#).await;
    assert_eq!(for_ever.json()["data"]["expiresAt"], Value::Null);
    let body = r#"{ "name": [], "expiresAt": "2026-06-08T12:00:00Z", "permissionSet": "admin" }"#;
    insta::assert_snapshot!("key_wrong_change", change(body).await.0.shown());
}

#[actix_web::test]
async fn a_limit_of_a_key_is_a_number_of_calls_or_none() {
    let change = |body: String| send(administer("PATCH", &path(0x12, "")).set_payload(body));
    for (limit, kept) in [("600", Some(600)), ("0", Some(0)), ("1e9", Some(1_000_000_000)), ("null", None)] {
        let (reply, changes) = change(format!(r#"{{ "rateLimits": {{ "serverApiPerMinute": {limit} }} }}"#)).await;
        assert_eq!(reply.json()["data"]["rateLimits"]["serverApiPerMinute"].take(), json!(kept), "{limit}");
        let [(KeyChange::Revise { limits, .. }, AuditAction::KeyChange)] = &*changes else { panic!("{changes:?}") };
        assert_eq!(limits.server_api.map(|limit| limit.per_minute()), kept);
    }
    for limit in ["-1", "1000000001", "1.5", "\"5\"", "[]"] {
        let body = format!(r#"{{ "permissionSet": "admin", "rateLimits": {{ "serverApiPerMinute": {limit} }} }}"#);
        let (reply, changes) = send(administer("POST", "keys").set_payload(body)).await;
        assert_eq!(
            (reply.wrong_fields(), changes),
            (vec!["rateLimits.serverApiPerMinute".to_owned()], vec![]),
            "{limit}"
        );
    }
    let (reply, _) = change(r#"{ "rateLimits": 5 }"#.to_owned()).await;
    assert_eq!(reply.wrong_fields(), ["rateLimits"]);
}

#[actix_web::test]
async fn what_has_ended_is_neither_rotated_nor_changed() {
    for (id, reason) in [(0x13, "revoked"), (0x14, "expired")] {
        for (method, below) in [("POST", "/rotate"), ("PATCH", "")] {
            let (reply, changes) = send(administer(method, &path(id, below))).await;
            assert_eq!((reply.status, reply.code().as_str(), changes), (409, "conflict", vec![]), "{method} {reason}");
            assert_eq!(reply.json()["error"]["details"], json!({ "reason": reason }));
        }
    }
}

#[actix_web::test]
async fn a_key_of_another_realm_or_of_none_is_not_found() {
    for (method, below) in [("POST", "/rotate"), ("POST", "/revoke"), ("PATCH", "")] {
        for id in [0x15, 0x16] {
            let (reply, changes) = send(administer(method, &path(id, below))).await;
            assert_eq!((reply.status, reply.code().as_str(), changes), (404, "not_found", vec![]), "{method} {below}");
        }
        let (reply, _) = send(administer(method, &format!("keys/x{below}"))).await;
        assert_eq!(reply.wrong_fields(), ["keyId"]);
    }
}

#[actix_web::test]
async fn only_a_key_for_administration_of_the_same_game_opens_these_routes() {
    let (own, other) = (realm(Environment::Sandbox).game, GameId(Uuid::from_u128(0x6B)));
    for (method, below) in [
        ("POST", "keys".to_owned()),
        ("GET", "keys".to_owned()),
        ("PATCH", path(0x12, "")),
        ("POST", path(0x12, "/rotate")),
        ("POST", path(0x12, "/revoke")),
    ] {
        for (key, game) in [(Key::Server, own), (Key::Client, own), (Key::Admin, other)] {
            let (reply, changes) = send(administer_as(key, game, method, &below).set_payload("{")).await;
            assert_eq!((reply.status, reply.code().as_str(), changes), (403, "forbidden", vec![]), "{key:?} {below}");
        }
    }
}
