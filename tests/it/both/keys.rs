//! The life of a key, changed by one process and checked by another.

use serde_json::{Value, json};

use crate::harness::api::{Api, Reply};
use crate::harness::patience::{KEY_SEEN_WITHIN, eventually, within};
use crate::harness::program::Purser;

/// Uses the key until it is refused; returns the details of the refusal. Until then it must work.
async fn refused(api: &Api) -> Value {
    session_invalid(&eventually("the key is refused", async || refusal(api).await).await)
}

/// The same, of a key that another process has changed just now.
async fn refused_soon(api: &Api) -> Value {
    session_invalid(&within(KEY_SEEN_WITHIN, "the key is refused", async || refusal(api).await).await)
}

async fn refusal(api: &Api) -> Option<Reply> {
    let reply = api.get("ping").await;
    (reply.status != 200).then_some(reply)
}

fn session_invalid(reply: &Reply) -> Value {
    reply.error(401, "session_invalid", Some("KS-4002"))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name}: {value}"))
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_five_seconds_and_told_why() {
    let purser = Purser::start().await;
    let issued = purser.issue("demo", "sandbox", "server_integration").await;
    let api = purser.api_with(text(&issued, "key"));
    api.get("ping").await.ok(200);
    let revoked =
        purser.must_json(&["keys", "revoke", text(&issued, "id"), "--reason", "leaked in a log", "--json"]).await;
    assert_eq!((&revoked["status"], &revoked["revokedReason"]), (&json!("revoked"), &json!("leaked in a log")));
    assert_eq!(refused_soon(&api).await, json!({ "reason": "revoked" }));
    let written = api.credit("p", "gold", json!({ "amount": 1 })).await;
    assert_eq!(session_invalid(&written), json!({ "reason": "revoked" }));
    purser.api().get("ping").await.ok(200);
    purser.run(&["keys", "rotate", text(&issued, "id")]).await.refused(1);
    purser.run(&["keys", "revoke", "00000000-0000-7000-8000-000000000000"]).await.refused(1);
}

#[tokio::test]
async fn a_key_is_refused_once_it_has_expired() {
    let purser = Purser::start().await;
    let realm = ["keys", "issue", "--studio", "demo", "--game", "demo", "--env", "sandbox", "--json"];
    let arguments = [&realm[..], &["--permissions", "server_integration", "--expires-in", "1s"]].concat();
    let issued = purser.must_json(&arguments).await;
    let api = purser.api_with(text(&issued, "key"));
    assert_eq!(refused(&api).await, json!({ "reason": "expired" }));
    let listed = purser.must_json(&["keys", "list", "--json"]).await;
    let listed = listed.as_array().unwrap().iter().find(|key| key["id"] == issued["id"]).unwrap();
    assert_eq!(listed["status"], "expired");
    purser.run(&["keys", "rotate", text(&issued, "id")]).await.refused(1);
}

#[tokio::test]
async fn a_rotated_key_works_beside_its_successor_for_the_overlap_and_no_longer() {
    let purser = Purser::start().await;
    let first = purser.issue("demo", "sandbox", "server_integration").await;
    let second = purser.must_json(&["keys", "rotate", text(&first, "id"), "--json"]).await;
    assert_ne!((&first["key"], &first["id"]), (&second["key"], &second["id"]));
    let [old, new] = [&first, &second].map(|issued| purser.api_with(text(issued, "key")));
    let (by_old, by_new) = (old.get("ping").await.ok(200), new.get("ping").await.ok(200));
    for same in ["gameId", "studioId", "environment", "permissionSet"] {
        assert_eq!(by_old["apiKey"][same], by_new["apiKey"][same], "{same}");
    }

    let third = purser.must_json(&["keys", "rotate", text(&second, "id"), "--overlap", "0s", "--json"]).await;
    let newest = purser.api_with(text(&third, "key"));
    newest.get("ping").await.ok(200);
    assert_eq!(refused_soon(&new).await, json!({ "reason": "expired" }));
    old.get("ping").await.ok(200);
    newest.get("ping").await.ok(200);

    let listed = purser.must_json(&["keys", "list", "--json"]).await;
    let by_id = |id: &Value| listed.as_array().unwrap().iter().find(|key| key["id"] == *id).unwrap().clone();
    assert_eq!(by_id(&second["id"])["rotatedFrom"], first["id"]);
    assert_eq!(by_id(&third["id"])["rotatedFrom"], second["id"]);
    assert!(by_id(&first["id"])["expiresAt"].is_string(), "it ends with the overlap");
}

#[tokio::test]
async fn when_a_key_was_last_used_is_written_down_by_the_time_the_server_has_stopped() {
    let mut purser = Purser::start().await;
    let used = purser.issue("demo", "sandbox", "server_integration").await;
    let unused = purser.issue("demo", "live", "server_integration").await;
    purser.api_with(text(&used, "key")).get("ping").await.ok(200);
    purser.stop().await;
    let listed = purser.must_json(&["keys", "list", "--json"]).await;
    let last_used =
        |id: &Value| listed.as_array().unwrap().iter().find(|key| key["id"] == *id).unwrap()["lastUsedAt"].clone();
    assert!(last_used(&used["id"]).is_string(), "{listed}");
    assert_eq!(last_used(&unused["id"]), Value::Null, "{listed}");
}
