//! Who may come in.

use actix_web::test::TestRequest;
use domain::keys::MockKeyStore;
use domain::store::StoreError;

use super::world::{Key, Reply, World, request};

const PING: &str = "/server/v1/ping";

async fn ping_with(headers: &[(&str, String)]) -> Reply {
    let routes = World::default().start().await;
    let asked = headers
        .iter()
        .fold(TestRequest::with_uri(PING), |request, header| request.append_header((header.0, header.1.as_str())));
    routes.send(asked).await
}

fn api_key(key: Key) -> (&'static str, String) {
    ("X-API-Key", key.text())
}

fn authorization(scheme: &str, key: Key) -> (&'static str, String) {
    ("Authorization", format!("{scheme} {}", key.text()))
}

#[actix_web::test]
async fn a_ping_tells_what_the_key_opens() {
    insta::assert_snapshot!(ping_with(&[api_key(Key::Server)]).await.shown());
    let live = ping_with(&[api_key(Key::Live)]).await.json();
    assert_eq!(live["apiKey"]["environment"], "live");
}

#[actix_web::test]
async fn a_key_may_come_in_either_header_or_in_both() {
    let accepted = [
        vec![api_key(Key::Server)],
        vec![authorization("Bearer", Key::Server)],
        vec![authorization("bEARER", Key::Server)],
        vec![api_key(Key::Server), authorization("Bearer", Key::Server)],
        vec![api_key(Key::Server), api_key(Key::Server)],
    ];
    for headers in accepted {
        assert_eq!(ping_with(&headers).await.status, 200, "{headers:?}");
    }
}

#[actix_web::test]
async fn a_request_without_a_key_is_unauthenticated() {
    insta::assert_snapshot!(ping_with(&[]).await.shown());
}

#[actix_web::test]
async fn every_other_key_failure_has_one_and_the_same_body() {
    let refused = [
        vec![("X-API-Key", "nonsense".to_owned())],
        vec![("X-API-Key", String::new())],
        vec![api_key(Key::Unknown)],
        vec![api_key(Key::Server), api_key(Key::Live)],
        vec![api_key(Key::Server), authorization("Bearer", Key::Live)],
        vec![authorization("Basic", Key::Server)],
        vec![authorization("Token", Key::Server), api_key(Key::Server)],
        vec![("Authorization", Key::Server.text())],
        vec![("Authorization", "Bearer".to_owned())],
        vec![("X-API-Key", format!("{}x", Key::Server.text()))],
    ];
    let expected = ping_with(&[api_key(Key::Unknown)]).await.shown();
    insta::assert_snapshot!(expected);
    for headers in refused {
        assert_eq!(ping_with(&headers).await.shown(), expected, "{headers:?}");
    }
}

#[actix_web::test]
async fn who_proves_the_secret_is_told_that_the_key_was_revoked_or_has_expired() {
    let revoked = ping_with(&[api_key(Key::Revoked)]).await;
    let expired = ping_with(&[api_key(Key::Expired)]).await;
    insta::assert_snapshot!(revoked.shown());
    assert_eq!(expired.json()["error"]["details"]["reason"], "expired");
    assert_eq!((expired.status, expired.code().as_str()), (401, "session_invalid"));
}

#[actix_web::test]
async fn a_key_for_other_routes_is_forbidden() {
    insta::assert_snapshot!(ping_with(&[api_key(Key::Client)]).await.shown());
}

#[actix_web::test]
async fn a_key_that_cannot_be_checked_is_unavailable() {
    let mut keys = MockKeyStore::new();
    keys.expect_find().returning(|_| Err(StoreError::unavailable("the disk is gone")));
    let routes = World { keys, ..World::default() }.start().await;
    insta::assert_snapshot!(routes.send(request("GET", PING)).await.shown());
}

#[actix_web::test]
async fn nothing_is_learnt_about_a_request_without_a_key() {
    let routes = World::default().start().await;
    for path in ["/server/v1/players/a%00b/wallet/-/credit", "/server/v1/players/p/grants/x/ack"] {
        let asked = TestRequest::with_uri(path).method(actix_web::http::Method::POST).set_payload("{");
        let reply = routes.send(asked).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "unauthenticated"), "{path}");
    }
    assert_eq!(routes.batches(), 0);
}
