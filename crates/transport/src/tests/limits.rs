//! What is refused because it is too much of something, in the one shape of errors, and counted.

use std::time::Duration;

use actix_web::http::header::HeaderName;
use actix_web::test::TestRequest;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;

use super::world::{StoreMood, World, post, request};
use crate::{Limits, Serving};

const CREDIT: &str = "/server/v1/players/p-1/wallet/gold/credit";
const PING: &str = "/server/v1/ping";
const MEBIBYTE: usize = 1024 * 1024;

fn limited(limits: Limits) -> Serving {
    Serving { limits, ..Serving::default() }
}

fn with_headers(count: usize, bytes: usize) -> TestRequest {
    let mut asked = request("GET", PING);
    for number in 0..count {
        let name = HeaderName::from_bytes(format!("x-{number}").as_bytes()).unwrap();
        asked = asked.append_header((name, "v".repeat(bytes)));
    }
    asked
}

#[actix_web::test]
async fn a_head_that_is_too_large_is_refused_and_one_that_just_fits_is_not() {
    let routes = World::default().start().await;
    let padded = |bytes: usize| format!("{PING}?{}", "x".repeat(bytes - PING.len() - 1));
    for (asked, status, code, told) in [
        (request("GET", &padded(8193)), 414, "uri_too_long", "longer than 8 KiB"),
        (with_headers(64, 1), 431, "headers_too_large", "more than 64 headers"),
        (with_headers(4, 8 * 1024), 431, "headers_too_large", "larger than 32 KiB"),
    ] {
        let reply = routes.send(asked).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code));
        assert!(reply.body.contains(told), "{reply:?}");
    }
    // The key is a header too.
    for asked in [request("GET", &padded(8192)), with_headers(63, 1), with_headers(3, 10 * 1024)] {
        assert_eq!(routes.send(asked).await.status, 200);
    }
}

#[actix_web::test]
async fn the_sizes_of_bodies_are_the_operators() {
    let limits = Limits { body_bytes_max: 2048, bulk_body_bytes_max: 4096, ..Limits::default() };
    let routes = World::default().start_with(&limited(limits)).await;
    for (path, size) in [(CREDIT, 2048), ("/server/v1/migrate/wallet", 4096)] {
        let reply = routes.send(post(path, vec![b' '; size + 1])).await;
        assert_eq!((reply.status, reply.code().as_str()), (413, "payload_too_large"));
        assert!(reply.body.contains(&format!("larger than {} KiB", size / 1024)), "{reply:?}");
        assert_eq!(routes.send(post(path, vec![b' '; size])).await.status, 400, "nothing is in it");
    }
}

#[actix_web::test]
async fn a_value_that_is_too_deep_is_named() {
    let routes = World::default().start().await;
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let body = |value: String| format!(r#"{{"amount":1,"more":{value}}}"#);
    assert_eq!(routes.send(post(CREDIT, body(nested(63)))).await.status, 200);
    assert_eq!(routes.send(post(CREDIT, body(nested(64)))).await.wrong_fields(), ["more"]);
    assert_eq!(routes.send(post(CREDIT, body(nested(400_000)))).await.wrong_fields(), ["more"]);
    let rows = format!(r#"{{"rows":[{{}},{{"a":{}}}]}}"#, nested(62));
    let reply = routes.send(post("/server/v1/migrate/wallet", rows)).await;
    assert_eq!(reply.wrong_fields(), ["rows"]);
    assert!(reply.body.contains("its element 1 is not"), "{reply:?}");
    let object = format!(r#"{{"a":{}}}"#, nested(64));
    assert_eq!(routes.send(post(CREDIT, body(object))).await.wrong_fields(), ["more"]);
    // Brackets that are text, or follow one another, are no depth.
    let reply = routes.send(post(CREDIT, format!(r#"{{"amount":1,"reason":"{}"}}"#, "[".repeat(200)))).await;
    assert_eq!(reply.status, 200);
    assert_eq!(routes.send(post(CREDIT, body(format!("[{}[]]", "[],".repeat(1_000))))).await.status, 200);
    let shallow = limited(Limits { json_depth_max: 4, ..Limits::default() });
    let routes = World::default().start_with(&shallow).await;
    assert_eq!(routes.send(post(CREDIT, body(nested(3)))).await.status, 200);
    assert_eq!(routes.send(post(CREDIT, body(nested(4)))).await.wrong_fields(), ["more"]);
}

#[actix_web::test]
async fn an_object_of_too_many_members_is_named() {
    let routes = World::default().start().await;
    let members = |count: usize| (0..count).map(|number| format!(r#""m{number}":0"#)).collect::<Vec<_>>().join(",");
    assert_eq!(routes.send(post(CREDIT, format!(r#"{{"amount":1,{}}}"#, members(999)))).await.status, 200);
    let reply = routes.send(post(CREDIT, format!(r#"{{"amount":1,{}}}"#, members(1000)))).await;
    assert_eq!(reply.wrong_fields(), [""]);
    assert!(reply.body.contains("at most 1000 members"), "{reply:?}");
    let entry = format!(r#"{{"idempotencyKey":"k","entries":[{{{}}}]}}"#, members(1001));
    let reply = routes.send(post("/server/v1/players/p/grants", entry)).await;
    assert_eq!(reply.wrong_fields(), ["entries[0]"]);
    assert_eq!(routes.batches(), 1);
}

#[actix_web::test]
async fn the_answer_to_a_mebibyte_of_wrong_fields_is_no_larger() {
    let routes = World::default().start().await;
    let name = "n".repeat(MEBIBYTE / 2 - 100);
    let metrics: Vec<_> = (0..900).map(|number| format!(r#""{}{number}":[]"#, "m".repeat(1_000))).collect();
    for (path, body) in [
        (CREDIT, format!(r#"{{"amount":1,"{name}":1,"{name}":2}}"#)),
        (CREDIT, "[".repeat(MEBIBYTE)),
        ("/server/v1/players/p/grants", format!(r#"{{"idempotencyKey":"k","entries":[{}0]}}"#, "0,".repeat(500_000))),
        (CREDIT, format!(r#"{{"amount":1{}}}"#, r#","x":1"#.repeat(150_000))),
        (CREDIT, format!("{{{}}}", metrics.join(","))),
    ] {
        let reply = routes.send(post(path, body)).await;
        assert_eq!(reply.status, 400);
        assert!(reply.body.len() < MEBIBYTE, "{}", reply.body.len());
    }
}

#[actix_web::test]
async fn an_answer_that_takes_too_long_is_given_up_and_says_that_the_outcome_is_unknown() {
    let serving = limited(Limits { request_time_max: Duration::from_millis(50), ..Limits::default() });
    let routes = World { mood: StoreMood::NeverAnswers, ..World::default() }.start_with(&serving).await;
    let reply = routes.send(post(CREDIT, r#"{"amount":1}"#)).await;
    insta::assert_snapshot!("timed_out", reply.shown());
    assert_eq!(routes.send(TestRequest::with_uri("/healthz")).await.status, 200);
}

#[actix_web::test]
async fn every_limit_that_is_met_is_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let limits = Limits {
        uri_bytes_max: 300,
        headers_max: 8,
        body_bytes_max: 2048,
        json_depth_max: 4,
        json_members_max: 32,
        request_time_max: Duration::from_millis(50),
        ..Limits::default()
    };
    let world = World { mood: StoreMood::NeverAnswers, queue_depth: 1, ..World::default() };
    let routes = world.start_with(&limited(limits)).await;
    let members: Vec<_> = (0..33).map(|number| format!(r#""{number}":0"#)).collect();
    for asked in [
        request("GET", &format!("{PING}?{}", "x".repeat(300))),
        with_headers(8, 1),
        post(CREDIT, vec![b' '; 2049]),
        post(CREDIT, r#"{"a":[[[[]]]]}"#),
        post(CREDIT, format!("{{{}}}", members.join(","))),
    ] {
        assert!((400..=431).contains(&routes.send(asked).await.status));
    }
    let credits = (0..4).map(|_| routes.send(post(CREDIT, r#"{"amount":1}"#)));
    let replies = futures_util::future::join_all(credits).await;
    let with_code = |code: &str| replies.iter().filter(|reply| reply.code() == code).count();
    let text = handle.render();
    for (limit, count) in [
        ("uri", 1),
        ("headers", 1),
        ("body_size", 1),
        ("json_depth", 1),
        ("json_members", 1),
        ("request_time", with_code("unavailable")),
        ("queue", with_code("overloaded")),
    ] {
        let line = format!("purser_limit_refusals_total{{limit=\"{limit}\"}} {count}");
        assert!(0 < count && text.contains(&line), "{line}\n{text}");
    }
}

#[actix_web::test]
async fn the_document_names_the_statuses_of_limits() {
    let document: Value = serde_json::from_str(&crate::openapi_json()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let has = |status: &str| operation["responses"].get(status).is_some();
            assert!(has("414") && has("431"), "{method} {path}");
            assert_eq!(has("408"), has("413"), "{method} {path}: what takes a body waits for it");
        }
    }
}
