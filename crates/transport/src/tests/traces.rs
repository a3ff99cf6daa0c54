//! What a request is called, by its caller, in its answer, in the log and in spans.

use std::io;
use std::sync::{Arc, Mutex};

use domain::economy::MockEconomyReads;
use domain::keys::PermissionSet;
use domain::store::StoreError;
use domain::tenancy::RealmId;
use tracing::Level;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use super::world::{Reply, StoreMood, World, post, request};
use crate::{AnsweredRequest, RequestSpans, TraceContext};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CREDIT: &str = "/server/v1/players/p/wallet/gold/credit";
const WALLET: &str = "/server/v1/players/p/wallet";

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Logs what this thread says from now on.
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let lines = tracing_subscriber::fmt().json().flatten_event(true).with_max_level(Level::TRACE);
        let guard = tracing::subscriber::set_default(lines.with_writer(log.clone()).finish());
        (log, guard)
    }

    /// The lines of `level` and above a debug message.
    fn lines(&self) -> Vec<serde_json::Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|line| line["level"] != "DEBUG" && line["level"] != "TRACE").collect()
    }
}

fn named(mut reads: MockEconomyReads) -> World {
    reads.expect_holdings().returning(|_, _, _| panic!("the cat is on the keyboard"));
    World { reads, ..World::default() }
}

fn assert_named(reply: &Reply, id: &str) {
    assert_eq!((reply.status, reply.code().as_str()), (500, "internal_error"), "{reply:?}");
    let body = reply.json();
    assert_eq!(body["error"]["details"]["requestId"], id);
    assert!(body["message"].as_str().unwrap().ends_with(&format!("under the request id {id}")), "{reply:?}");
    assert_eq!(reply.header("x-request-id"), Some(id));
}

#[actix_web::test]
async fn a_panic_is_a_500_with_an_id_that_the_log_has_too_and_hurts_nobody_else() {
    let (log, _guard) = Log::start();
    let routes = named(MockEconomyReads::new()).start().await;
    let asked =
        request("GET", WALLET).insert_header(("X-Request-Id", "order-66")).insert_header(("traceparent", PARENT));
    let (panicked, credited) =
        futures_util::future::join(routes.send(asked), routes.send(post(CREDIT, r#"{"amount":1}"#))).await;
    assert_named(&panicked, "order-66");
    assert!(panicked.header("traceparent").unwrap().starts_with(&format!("00-{TRACE}-")), "{panicked:?}");
    assert_eq!(credited.status, 200);
    assert_eq!(routes.send(post(CREDIT, r#"{"amount":1}"#)).await.status, 200);
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in &lines {
        assert_eq!((&line["request_id"], &line["trace_id"]), (&"order-66".into(), &TRACE.into()), "{line}");
        assert_eq!(line["route"], "/server/v1/players/{externalId}/wallet");
    }
    assert_eq!(lines[0]["panic"], "the cat is on the keyboard");
}

#[actix_web::test]
async fn a_panic_of_a_request_without_a_name_is_called_as_its_trace() {
    let (log, _guard) = Log::start();
    let routes = named(MockEconomyReads::new()).start().await;
    let reply = routes.send(request("GET", WALLET)).await;
    assert_named(&reply, &"5a".repeat(16));
    assert_eq!(log.lines()[0]["request_id"], "5a".repeat(16));
}

#[actix_web::test]
async fn every_answer_says_what_the_request_is_called() {
    let mut reads = MockEconomyReads::new();
    reads.expect_holdings().returning(|_, _, _| Ok(None));
    let routes = World { reads, ..World::default() }.start().await;
    for asked in [
        request("GET", WALLET),
        request("GET", "/nowhere"),
        request("PURGE", WALLET),
        post(CREDIT, r#"{"amount":1}"#),
        post(CREDIT, "{"),
        actix_web::test::TestRequest::with_uri(WALLET),
        actix_web::test::TestRequest::with_uri("/metrics"),
        request("HEAD", WALLET),
    ] {
        let reply =
            routes.send(asked.insert_header(("X-Request-Id", "a.b-c_1")).insert_header(("traceparent", PARENT))).await;
        assert_eq!(reply.header("x-request-id"), Some("a.b-c_1"), "{reply:?}");
        let ours = "5a".repeat(8);
        assert_eq!(reply.header("traceparent"), Some(format!("00-{TRACE}-{ours}-01").as_str()), "{reply:?}");
    }
    let reply = routes.send(request("GET", WALLET).insert_header(("traceparent", "nonsense"))).await;
    assert_eq!(reply.header("x-request-id"), Some("5a".repeat(16).as_str()));
}

#[actix_web::test]
async fn a_request_that_could_not_be_served_is_logged_with_its_id() {
    let (log, _guard) = Log::start();
    let mut reads = MockEconomyReads::new();
    reads.expect_holdings().returning(|_, _, _| Err(StoreError::unavailable("the cable is out")));
    let routes = World { reads, mood: StoreMood::Fails, ..World::default() }.start().await;
    for asked in [request("GET", WALLET), post(CREDIT, r#"{"amount":1}"#)] {
        assert_eq!(routes.send(asked.insert_header(("X-Request-Id", "mine"))).await.status, 503);
    }
    let lines = log.lines();
    assert_eq!(lines.iter().map(|line| &line["request_id"]).collect::<Vec<_>>(), ["mine", "mine"], "{lines:?}");
    assert!(lines[0]["cause"].as_str().unwrap().contains("the cable is out"));
}

/// What was told of a request.
type Told = (TraceContext, String, &'static str, &'static str, u16, Option<(RealmId, PermissionSet)>);

/// Keeps what it is told, and records every request.
#[derive(Default)]
struct Spans(Mutex<Vec<Told>>);

impl RequestSpans for Spans {
    fn answered(&self, request: &AnsweredRequest<'_>) -> bool {
        let AnsweredRequest { context, request_id, method, route, status, caller, .. } = request;
        self.0.lock().unwrap().push((*context, (*request_id).to_owned(), method, route, *status, *caller));
        true
    }
}

#[actix_web::test]
async fn spans_are_told_of_every_request_and_never_of_a_player_or_a_key() {
    let spans = Arc::new(Spans::default());
    let routes = named(MockEconomyReads::new()).start_changed(|app| app.tracing.spans = Some(spans.clone())).await;
    let reply = routes.send(post(CREDIT, r#"{"amount":1}"#)).await;
    assert!(reply.header("traceparent").unwrap().ends_with("-01"), "{reply:?}");
    routes.send(request("GET", WALLET).insert_header(("traceparent", PARENT))).await;
    routes.send(actix_web::test::TestRequest::with_uri(WALLET)).await;
    let told = spans.0.lock().unwrap();
    let shown: Vec<_> = told.iter().map(|told| (told.2, told.3, told.4, told.5)).collect();
    let ours = Some((RealmId(1), PermissionSet::ServerIntegration));
    let wallet = "/server/v1/players/{externalId}/wallet";
    assert_eq!(shown[0], ("POST", "/server/v1/players/{externalId}/wallet/{economyKey}/credit", 200, ours));
    assert_eq!(shown[1..], [("GET", wallet, 500, ours), ("GET", wallet, 401, None)]);
    assert_eq!((told[0].0.parent_id, told[1].0.sampled_by_caller()), (None, Some(true)));
}
