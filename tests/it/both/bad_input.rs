//! Whatever is sent, the answer is an error in one shape that names every wrong field, and nothing changes.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::harness::api::Reply;
use crate::harness::patience::PATIENCE;
use crate::harness::program::Purser;
use crate::harness::socket::{self, RawReply, exchange};

const CREDIT: &str = "/server/v1/players/p/wallet/gold/credit";
const GRANTS: &str = "/server/v1/players/p/grants";
const ACK: &str = "/server/v1/players/p/grants/01a20083-5e33-7cec-a004-d3fda704f50e/ack";
/// What the web server says of bytes that are not HTTP.
const NOT_HTTP: &str = "request parse error";
const TWO_MEBIBYTES: usize = 2 * 1024 * 1024;

async fn post(purser: &Purser, path: &str, body: &[u8]) -> RawReply {
    exchange(purser.address(), &socket::request("POST", path.as_bytes(), purser.key(), body)).await
}

/// Checks that nothing came of all that was sent, and that the server still works and met no bug.
async fn check_unharmed(mut purser: Purser) {
    let api = purser.api();
    assert_eq!(purser.verified().await, (0, 0));
    api.get("players/p").await.error(404, "not_found", None);
    api.credit("p", "gold", json!({ "amount": 5 })).await.ok(200);
    let ended = purser.stop().await;
    let errors = ended.err.lines().filter(|line| line.contains("\"ERROR\"") && !line.contains(NOT_HTTP));
    assert_eq!(errors.collect::<Vec<_>>(), [""; 0]);
    assert!(!ended.err.contains("panicked"), "{ended:?}");
}

#[tokio::test]
async fn what_is_not_an_amount_changes_nothing() {
    let purser = Purser::start().await;
    let nines = "9".repeat(400);
    let values = [
        "0",
        "-0",
        "-1",
        "5.5",
        "1e-1",
        "1e400",
        "9007199254740992",
        "9007199254740991.5",
        "-9007199254740991",
        "9223372036854775808",
        "18446744073709551616",
        &nines,
        "\"5\"",
        "\"\"",
        "null",
        "true",
        "[]",
        "[5]",
        "{}",
    ];
    for value in values {
        let wrong = async |path: &str, body: String| post(&purser, path, body.as_bytes()).await.wrong_fields();
        assert_eq!(wrong(CREDIT, format!(r#"{{"amount":{value}}}"#)).await, ["amount"], "{value}");
        let debit = "/server/v1/players/p/wallet/gold/debit";
        assert_eq!(wrong(debit, format!(r#"{{"amount":{value}}}"#)).await, ["amount"], "{value}");
        let item = "/server/v1/players/p/inventory/sword/grant";
        assert_eq!(wrong(item, format!(r#"{{"quantity":{value}}}"#)).await, ["quantity"], "{value}");
        let entry = format!(r#"{{"type":"currency","currencyKey":"gold","amount":{value}}}"#);
        let body = format!(r#"{{"idempotencyKey":"k","delivery":"immediate","entries":[{entry}]}}"#);
        assert_eq!(wrong(GRANTS, body).await, ["entries[0].amount"], "{value}");
    }
    check_unharmed(purser).await;
}

#[tokio::test]
async fn what_is_not_a_json_object_changes_nothing() {
    let purser = Purser::start().await;
    let deep = [&b"{\"amount\":5,\"x\":"[..], "[".repeat(100_000).as_bytes()].concat();
    let bodies: [&[u8]; 14] = [
        b"[]",
        b"null",
        b"5",
        b"\"text\"",
        b"{",
        b"{\"amount\":5",
        b"{\"amount\":5,}",
        b"{\"amount\":5}{\"amount\":5}",
        b"{'amount':5}",
        b"{\"amount\":5,\"reason\":\"\xff\"}",
        b"\xff\xfe{\0\"\0",
        b"\0",
        b"amount=5",
        &deep,
    ];
    for body in bodies {
        for path in [CREDIT, GRANTS, ACK] {
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            assert_eq!(post(&purser, path, body).await.wrong_fields(), [""], "{path} {shown}");
        }
    }
    check_unharmed(purser).await;
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let purser = Purser::start().await;
    let (long, big) = ("x".repeat(501), "x".repeat(16 * 1024));
    let entries = r#"[{"type":"currency","currencyKey":"gold","amount":1}]"#;
    for (path, body, wrong) in [
        (CREDIT, "{}".to_owned(), vec!["amount"]),
        (CREDIT, String::new(), vec!["amount"]),
        (
            CREDIT,
            r#"{"amount":"5","reason":5,"sourceRefId":[],"idempotencyKey":7}"#.to_owned(),
            vec!["amount", "reason", "sourceRefId", "idempotencyKey"],
        ),
        (CREDIT, format!(r#"{{"amount":1,"reason":"{long}","idempotencyKey":""}}"#), vec!["reason", "idempotencyKey"]),
        (CREDIT, format!(r#"{{"amount":1,"idempotencyKey":"{}"}}"#, "k".repeat(256)), vec!["idempotencyKey"]),
        (CREDIT, r#"{"amount":1,"amount":1000}"#.to_owned(), vec!["amount"]),
        (CREDIT, r#"{"amount":1,"reason":"\ud800"}"#.to_owned(), vec!["reason"]),
        (GRANTS, "{}".to_owned(), vec!["idempotencyKey", "entries"]),
        (GRANTS, r#"{"idempotencyKey":"k","entries":[]}"#.to_owned(), vec!["entries"]),
        (
            GRANTS,
            r#"{"idempotencyKey":"k","entries":[7,{"type":"money"},{"type":"item","itemKey":"a b","quantity":0}]}"#
                .to_owned(),
            vec!["entries[0]", "entries[1].type", "entries[2].itemKey", "entries[2].quantity"],
        ),
        (
            GRANTS,
            format!(r#"{{"idempotencyKey":"k","entries":{entries},"metadata":{{"x":"{big}"}},"expiresAt":"soon"}}"#),
            vec!["expiresAt", "metadata"],
        ),
        (
            "/server/v1/players/%00/wallet/-/credit",
            r#"{"amount":0}"#.to_owned(),
            vec!["externalId", "economyKey", "amount"],
        ),
    ] {
        let mut found = post(&purser, path, body.as_bytes()).await.wrong_fields();
        let mut wrong: Vec<String> = wrong.into_iter().map(str::to_owned).collect();
        found.sort_unstable();
        wrong.sort_unstable();
        assert_eq!(found, wrong, "{path} {body:.80}");
    }
    check_unharmed(purser).await;
}

#[tokio::test]
async fn what_is_not_a_players_id_or_an_assets_key_changes_nothing() {
    let purser = Purser::start().await;
    let long = "x".repeat(129);
    let ids = [
        "%00",
        "a%00b",
        "a%0Ab",
        "%7F",
        "%C2%80",
        "%FF",
        "%ED%A0%80",
        "%C0%AF",
        "__merged_1",
        "__deleted_1",
        "%5F_merged_1",
        &long,
    ];
    for id in ids {
        for rest in ["wallet/gold/credit", "wallet/gold/debit"] {
            let reply = post(&purser, &format!("/server/v1/players/{id}/{rest}"), br#"{"amount":5}"#).await;
            assert_eq!(reply.wrong_fields(), ["externalId"], "{id}");
        }
        for rest in ["", "/wallet", "/inventory", "/ledger", "/grants"] {
            let target = format!("/server/v1/players/{id}{rest}");
            let read = socket::request("GET", target.as_bytes(), purser.key(), b"");
            assert_eq!(exchange(purser.address(), &read).await.wrong_fields(), ["externalId"], "{target}");
        }
    }
    let long = "x".repeat(65);
    for key in ["%00", "a%2Fb", "%20", "-gold", "..", "g%C3%B6ld", "%F0%9F%8E%AE", "gold%0A", "%FF", &long] {
        let reply = post(&purser, &format!("/server/v1/players/p/wallet/{key}/credit"), br#"{"amount":5}"#).await;
        assert_eq!(reply.wrong_fields(), ["economyKey"], "{key}");
        let reply = post(&purser, &format!("/server/v1/players/p/inventory/{key}/grant"), br#"{"quantity":5}"#).await;
        assert_eq!(reply.wrong_fields(), ["itemKey"], "{key}");
    }
    check_unharmed(purser).await;
}

#[tokio::test]
async fn dots_in_a_path_are_a_players_id_and_lead_nowhere() {
    let purser = Purser::start().await;
    for id in ["..", ".", "%2e%2e", "..%2f..%2fping"] {
        let target = format!("/server/v1/players/{id}/wallet");
        let read = socket::request("GET", target.as_bytes(), purser.key(), b"");
        exchange(purser.address(), &read).await.error(404, "not_found", None);
    }
    for target in
        ["/server/v1/players/../ping", "/docs/../server/v1/ping", "/docs/..%2f..%2fetc%2fpasswd", "/docs/../../x"]
    {
        let read = socket::request("GET", target.as_bytes(), purser.key(), b"");
        exchange(purser.address(), &read).await.error(404, "not_found", None);
    }
    check_unharmed(purser).await;
}

#[tokio::test]
async fn unknown_routes_and_wrong_methods_are_answered_in_the_one_shape() {
    let purser = Purser::start().await;
    let api = purser.api();
    for path in [
        "/",
        "/nothing",
        "/server/v1",
        "/server/v1/players",
        "/server/v1/players/p/bank",
        "/server/v1/players/a/b/wallet",
        "/server/v1/players//wallet",
        "/server/v2/ping",
        "/SERVER/v1/ping",
        "/server/v1/ping/",
        "/favicon.ico",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let reply = Reply::to(api.bare(method, path).header("X-API-Key", purser.key())).await.unwrap();
            reply.error(404, "not_found", None);
        }
    }
    let page = api.bare(Method::GET, "/docs/nothing");
    Reply::to(page).await.unwrap().error(404, "not_found", None);
    for (method, path, allow) in [
        (Method::GET, CREDIT, "POST"),
        (Method::PUT, CREDIT, "POST"),
        (Method::DELETE, "/server/v1/players/p", "GET, HEAD"),
        (Method::POST, "/server/v1/ping", "GET, HEAD"),
        (Method::PATCH, GRANTS, "GET, HEAD, POST"),
        (Method::POST, "/healthz", "GET, HEAD"),
        (Method::from_bytes(b"BREW").unwrap(), "/server/v1/ping", "GET, HEAD"),
    ] {
        let reply = Reply::to(api.bare(method, path).header("X-API-Key", purser.key())).await.unwrap();
        reply.error(405, "method_not_allowed", None);
        assert_eq!(reply.header("allow"), Some(allow), "{path}");
    }
    check_unharmed(purser).await;
}

#[tokio::test]
async fn a_body_of_two_mebibytes_is_refused_as_too_large() {
    let purser = Purser::start().await;
    let mut body = br#"{"amount":5,"reason":""#.to_vec();
    body.resize(TWO_MEBIBYTES - 2, b'x');
    body.extend_from_slice(b"\"}");
    for path in [CREDIT, GRANTS, ACK] {
        let announced = post(&purser, path, &body).await;
        announced.error(413, "payload_too_large", None);
        let mut chunked = socket::head("POST", path.as_bytes(), purser.key(), "Transfer-Encoding: chunked\r\n");
        for part in body.chunks(100_000) {
            chunked.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
            chunked.extend_from_slice(part);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        exchange(purser.address(), &chunked).await.error(413, "payload_too_large", None);
    }
    let by_client = purser.api().request(Method::POST, "players/p/wallet/gold/credit").body(body);
    Reply::to(by_client).await.unwrap().error(413, "payload_too_large", None);
    check_unharmed(purser).await;
}

#[tokio::test]
async fn what_is_not_http_is_refused_and_does_no_harm() {
    let purser = Purser::start().await;
    let key = purser.key();
    let with =
        |headers: &str| [&socket::head("POST", CREDIT.as_bytes(), key, headers)[..], br#"{"amount":5}"#].concat();
    let long = format!("X-Long: {}\r\n", "x".repeat(1_000_000));
    let requests: [(&str, Vec<u8>); 10] = [
        ("no HTTP at all", b"HELLO\r\n\r\n".to_vec()),
        ("another protocol", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("NUL in the path", socket::head("GET", b"/server/v1/players/a\0b", key, "")),
        ("space in the path", socket::head("GET", b"/server/v1/players/a b", key, "")),
        ("no UTF-8 in the path", socket::head("GET", b"/server/v1/players/\xff\xfe/wallet", key, "")),
        ("bad percent", socket::head("GET", b"/server/v1/nowhere/%zz/wallet", key, "")),
        ("negative length", with("Content-Length: -5\r\n")),
        ("two lengths", with("Content-Length: 12\r\nContent-Length: 13\r\n")),
        ("length and chunks", with("Content-Length: 12\r\nTransfer-Encoding: chunked\r\n")),
        ("headers without end", with(&long)),
    ];
    for (name, bytes) in requests {
        let answer = half_closed(&purser, &bytes).await;
        let status = answer.strip_prefix("HTTP/1.1 ").map(|rest| &rest[..1]);
        assert!(answer.is_empty() || status == Some("4"), "{name}: {answer}");
        assert!(!answer.to_lowercase().contains("<html"), "{name}: {answer}");
    }
    check_unharmed(purser).await;
}

/// Writes `bytes`, says that no more will come, and reads what there is to read, if anything.
async fn half_closed(purser: &Purser, bytes: &[u8]) -> String {
    let mut stream = socket::opened(purser.address(), b"").await;
    // The server may hang up on what it does not want to read.
    drop(stream.write_all(bytes).await);
    drop(stream.shutdown().await);
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    drop(reading.expect("the server ends the connection"));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_that_breaks_off_does_no_harm_even_if_its_beginning_makes_sense() {
    let purser = Purser::start().await;
    let whole = r#"{"amount":5}"#;
    let longer = socket::head("POST", CREDIT.as_bytes(), purser.key(), "Content-Length: 100\r\n");
    let chunked = socket::head("POST", CREDIT.as_bytes(), purser.key(), "Transfer-Encoding: chunked\r\n");
    for bytes in [
        longer.clone(),
        [&longer[..], whole.as_bytes()].concat(),
        [&longer[..], br#"{"amount":"#].concat(),
        chunked.clone(),
        [&chunked[..], b"c\r\n", whole.as_bytes()].concat(),
        [&chunked[..], b"c\r\n", whole.as_bytes(), b"\r\n"].concat(),
        [&chunked[..], b"c\r\n", whole.as_bytes(), b"\r\nzz\r\n"].concat(),
        longer[..longer.len() / 2].to_vec(),
    ] {
        let answer = half_closed(&purser, &bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        // And without a word.
        drop(socket::opened(purser.address(), &bytes).await);
    }
    check_unharmed(purser).await;
}

#[tokio::test]
async fn clients_that_stop_halfway_do_not_keep_others_waiting() {
    let purser = Purser::start_with(&["--head-timeout", "1h", "--body-timeout", "1h"]).await;
    let body = br#"{"amount":5}"#;
    let whole = socket::request("POST", CREDIT.as_bytes(), purser.key(), body);
    let mut stalled = Vec::new();
    for half in [whole.len() / 2, whole.len() - body.len() / 2].repeat(100) {
        stalled.push((socket::opened(purser.address(), &whole[..half]).await, half));
    }
    let mut others = JoinSet::new();
    for _ in 0..16 {
        let api = purser.api();
        others.spawn(async move { api.credit("q", "gold", json!({ "amount": 1 })).await.ok(200) });
    }
    others.join_all().await;
    assert_eq!(purser.api().balance("q", "gold").await, Some(16));
    let (mut last, half) = stalled.pop().unwrap();
    assert!(socket::is_silent(&last).await, "half a request is not answered");
    last.write_all(&whole[half..]).await.unwrap();
    assert_eq!(socket::answered(&mut last).await.status, 200);
    assert_eq!(purser.api().balance("p", "gold").await, Some(5));
}
