//! Request ids, traces and the log, of the real program.

use std::net::TcpListener;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::api::{Api, Reply};
use crate::harness::patience::eventually;
use crate::harness::program::Purser;
use crate::harness::receiver::Receiver;

const TRACE: [u8; 16] =
    [0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c];
const TRACE_TEXT: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: [u8; 8] = [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31];
const TRACES: &str = "/v1/traces";

/// A credit with a `traceparent` of these flags.
async fn credit(api: &Api, flags: &str) -> Reply {
    let request = api.request(Method::POST, "players/nobody-in-particular/wallet/gold/credit");
    let traceparent = format!("00-{TRACE_TEXT}-b7ad6b7169203331-{flags}");
    let request = request.header("traceparent", traceparent).header("X-Request-Id", "order-66");
    Reply::to(request.json(&json!({ "amount": 1, "reason": "told to nobody" }))).await.expect("the server answers")
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The eight bytes of the id of the span that an answer is of.
fn span_of(reply: &Reply) -> Vec<u8> {
    let traceparent = reply.header("traceparent").expect("every answer has one");
    let digits = traceparent.split('-').nth(2).expect("the id of a span");
    (0..8).map(|byte| u8::from_str_radix(&digits[2 * byte..2 * byte + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn spans_of_requests_and_batches_reach_a_collector_in_the_trace_of_their_caller() {
    let collector = Receiver::start().await;
    let options = ["--otlp-endpoint", &collector.url(""), "--otlp-sample-ratio", "1", "--otlp-service-name", "tills"];
    let mut purser = Purser::start_with(&options).await;
    let unwanted = credit(&purser.api(), "00").await;
    let recorded = credit(&purser.api(), "01").await;
    assert_eq!((unwanted.status, recorded.status), (200, 200));
    assert!(unwanted.header("traceparent").unwrap().ends_with("-00"), "{unwanted:?}");
    let (wanted, unwanted) = (span_of(&recorded), span_of(&unwanted));
    let has = |part: &[u8]| collector.received(TRACES).iter().any(|received| holds(&received.raw, part));
    eventually("the span arrives", async || has(&wanted).then_some(())).await;
    let key = purser.key().to_owned();
    // What waits is sent before it ends.
    let last = Reply::to(purser.api().bare(Method::GET, "/healthz")).await.unwrap();
    assert!(last.header("traceparent").unwrap().ends_with("-01"), "{last:?}");
    purser.stop().await;
    assert!(has(&span_of(&last)), "the last span was lost");
    for (part, what) in [
        (&TRACE[..], "the caller's trace"),
        (&PARENT[..], "the caller's span"),
        (b"POST /server/v1/players/{externalId}/wallet/{economyKey}/credit", "the route"),
        (b"order-66", "the id of the request"),
        (b"server_integration", "the permission set"),
        (b"settle economy", "the batch"),
        (b"purser.batch.commands", "its size"),
        (b"tills", "the name of the service"),
    ] {
        assert!(has(part), "{what}");
    }
    assert!(!has(&unwanted), "the caller does not record it");
    for (part, what) in [
        (key.as_bytes(), "the key"),
        (&b"nobody-in-particular"[..], "the player"),
        (b"told to nobody", "what somebody wrote"),
    ] {
        assert!(!has(part), "{what}");
    }
    let received = collector.received(TRACES);
    assert!(received.iter().all(|received| received.header("content-type") == "application/x-protobuf"));
}

#[tokio::test]
async fn a_collector_that_is_away_holds_up_nobody_and_is_complained_of_once() {
    // Nobody listens there once it is dropped.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = ["--otlp-endpoint", &format!("http://{nobody}"), "--otlp-sample-ratio", "1"];
    let mut purser = Purser::start_with(&options).await;
    let api = purser.api();
    let lost = async || {
        api.credit("p", "gold", json!({ "amount": 1 })).await.ok(200);
        let metrics = Reply::to(api.bare(Method::GET, "/metrics")).await.unwrap().text;
        let count = metrics.lines().find_map(|line| line.strip_prefix("purser_spans_lost_total "));
        (5 < count.unwrap().parse::<u64>().unwrap()).then_some(())
    };
    eventually("spans are lost", lost).await;
    let ended = purser.stop().await;
    let complaints = ended.err.lines().filter(|line| line.contains("did not take spans")).count();
    assert_eq!(complaints, 1, "{}", ended.err);
}

#[tokio::test]
async fn a_request_is_found_in_the_log_by_its_id() {
    let mut purser = Purser::start_with(&["--log", "info,transport=debug"]).await;
    let answered = credit(&purser.api(), "01").await;
    assert_eq!((answered.status, answered.header("x-request-id")), (200, Some("order-66")));
    let ended = purser.stop().await;
    let lines = ended.err.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    let ours: Vec<Value> = lines.filter(|line| line["request_id"] == "order-66").collect();
    assert_eq!(ours.len(), 1, "{}", ended.err);
    assert_eq!((&ours[0]["trace_id"], &ours[0]["status"]), (&json!(TRACE_TEXT), &json!(200)));
}
