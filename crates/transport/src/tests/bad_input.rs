//! What is wrong with a request is said, all of it at once, in one shape, and never reaches the store.

use actix_web::test::TestRequest;

use super::world::{World, post, request};

const CREDIT: &str = "/server/v1/players/p-1/wallet/gold/credit";
const GRANTS: &str = "/server/v1/players/p-1/grants";

/// Sends every request, and checks the paths of the fields that are said to be wrong.
async fn check(requests: impl IntoIterator<Item = (String, TestRequest, Vec<&str>)>) {
    let routes = World::default().start().await;
    for (name, asked, wrong) in requests {
        let reply = routes.send(asked).await;
        assert_eq!(reply.wrong_fields(), wrong, "{name}: {reply:?}");
    }
    assert_eq!(routes.batches(), 0, "the store was asked");
}

#[actix_web::test]
async fn what_is_not_an_amount_is_refused_on_its_field() {
    let nines = "9".repeat(400);
    // As deep as a body may be; what is deeper is refused for that, see `limits`.
    let deep_closed = format!("{}{}", "[".repeat(60), "]".repeat(60));
    let values = [
        "0",
        "-0",
        "-1",
        "5.5",
        "0.5",
        "1e-1",
        "1e400",
        "-1e400",
        "9007199254740992",
        "9007199254740991.5",
        "1e16",
        "9223372036854775808",
        nines.as_str(),
        "\"5\"",
        "\"\"",
        "null",
        "true",
        "[]",
        "[5]",
        "{}",
        deep_closed.as_str(),
    ];
    let credits = values.iter().map(|value| {
        let body = format!(r#"{{"amount":{value}}}"#);
        (format!("credit {value:.40}"), post(CREDIT, body), vec!["amount"])
    });
    let items = values.iter().map(|value| {
        let path = "/server/v1/players/p-1/inventory/sword/revoke";
        (format!("revoke {value:.40}"), post(path, format!(r#"{{"quantity":{value}}}"#)), vec!["quantity"])
    });
    let entries = values.iter().map(|value| {
        let entry = format!(r#"{{"type":"currency","currencyKey":"gold","amount":{value}}}"#);
        let body = format!(r#"{{"idempotencyKey":"k","entries":[{entry}]}}"#);
        (format!("grant {value:.40}"), post(GRANTS, body), vec!["entries[0].amount"])
    });
    check(credits.chain(items).chain(entries)).await;
}

#[actix_web::test]
async fn what_is_not_a_json_object_is_refused_as_a_whole() {
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 15] = [
        b"[]",
        b"null",
        b"5",
        b"\"text\"",
        b"true",
        b"{",
        b"{\"amount\":",
        b"{\"amount\":5",
        b"{\"amount\":5,}",
        b"{} {}",
        b"{\"amount\":5}x",
        b"{\"amount\": \"\xff\"}",
        b"\xfe\xff",
        b"{amount:5}",
        deep.as_bytes(),
    ];
    let asked = bodies.into_iter().flat_map(|body| {
        let name = String::from_utf8_lossy(body.get(..20).unwrap_or(body)).into_owned();
        let ack = format!("{GRANTS}/00000000-0000-7000-8000-000000000000/ack");
        [CREDIT, GRANTS, &ack].map(|path| (format!("{path} {name}"), post(path, body.to_vec()), vec![""]))
    });
    check(asked).await;
}

#[actix_web::test]
async fn malformed_json_is_located() {
    let routes = World::default().start().await;
    for body in [&b"{\n \"amount\": \xff}"[..], b"{\n \"amount\": ", b"[5]"] {
        let reply = routes.send(post(CREDIT, body.to_vec())).await;
        let message = reply.json()["error"]["details"]["fields"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("line ") && message.contains(" column "), "{message}");
    }
    let reply = routes.send(post(CREDIT, &b"{\n \"amount\": \xff}"[..])).await;
    assert!(reply.body.contains("line 2 column 12"), "{reply:?}");
}

#[actix_web::test]
async fn fields_of_the_wrong_type_are_refused_all_at_once() {
    let long = "x".repeat(501);
    let asked = [
        (
            CREDIT,
            r#"{"amount":"5","reason":5,"sourceRefId":[],"idempotencyKey":7}"#.to_owned(),
            vec!["amount", "reason", "sourceRefId", "idempotencyKey"],
        ),
        (
            CREDIT,
            format!(r#"{{"amount":1,"reason":"{long}","sourceRefId":"a\u0000b","idempotencyKey":""}}"#),
            vec!["reason", "sourceRefId", "idempotencyKey"],
        ),
        (CREDIT, r#"{"amount":1,"reason":"\ud800"}"#.to_owned(), vec!["reason"]),
        (CREDIT, format!(r#"{{"amount":1,"idempotencyKey":"{}"}}"#, "k".repeat(256)), vec!["idempotencyKey"]),
        (CREDIT, r#"{"amount":1,"amount":1000}"#.to_owned(), vec!["amount"]),
        (CREDIT, r#"{"amount":1,"x":1,"\u0078":2,"x":3}"#.to_owned(), vec!["x"]),
        (GRANTS, r#"{"idempotencyKey":"k"}"#.to_owned(), vec!["entries"]),
        (GRANTS, r#"{"idempotencyKey":null,"entries":null}"#.to_owned(), vec!["idempotencyKey", "entries"]),
        (GRANTS, r#"{"idempotencyKey":"k","entries":[]}"#.to_owned(), vec!["entries"]),
        (GRANTS, r#"{"idempotencyKey":"k","entries":{"0":1}}"#.to_owned(), vec!["entries"]),
        (GRANTS, format!(r#"{{"idempotencyKey":"k","entries":[{}0]}}"#, "0,".repeat(100)), vec!["entries"]),
        (
            GRANTS,
            r#"{"idempotencyKey":"k","entries":[5,null,{},{"type":"gold"},{"type":"item"}]}"#.to_owned(),
            vec![
                "entries[0]",
                "entries[1]",
                "entries[2].type",
                "entries[3].type",
                "entries[4].itemKey",
                "entries[4].quantity",
            ],
        ),
        (
            GRANTS,
            r#"{"idempotencyKey":"k","entries":[{"type":"currency","currencyKey":"a b","amount":1,"amount":9}]}"#
                .to_owned(),
            vec!["entries[0].amount", "entries[0].currencyKey"],
        ),
        (
            GRANTS,
            r#"{"idempotencyKey":"k","kind":"gift","sourceKind":1,"delivery":"later","expiresAt":"soon",
            "metadata":[],"entries":[{"type":"item","itemKey":"a","quantity":1,"parameters":[]}]}"#
                .to_owned(),
            vec!["kind", "entries[0].parameters", "expiresAt", "sourceKind", "metadata", "delivery"],
        ),
        (
            GRANTS,
            r#"{"idempotencyKey":"k","metadata":{"a":1e400},"entries":[{"type":"currency","currencyKey":"a",
            "amount":1}]}"#
                .to_owned(),
            vec!["metadata"],
        ),
        (
            GRANTS,
            r#"{"idempotencyKey":"k","delivery":"immediate","entries":[{"type":"crate","crateItemKey":"a",
            "quantity":1}]}"#
                .to_owned(),
            vec!["delivery"],
        ),
        (
            GRANTS,
            r#"{"idempotencyKey":"k","delivery":"immediate","kind":"crate","entries":[{"type":"item",
            "itemKey":"a","quantity":1}]}"#
                .to_owned(),
            vec!["delivery"],
        ),
    ];
    check(asked.map(|(path, body, wrong)| (body.chars().take(60).collect(), post(path, body), wrong))).await;
}

#[actix_web::test]
async fn parameters_of_the_path_are_refused_before_the_body_and_with_it() {
    let long = "x".repeat(129);
    let wallet = |id: &str, key: &str| format!("/server/v1/players/{id}/wallet/{key}/credit");
    let good = r#"{"amount":1}"#;
    let asked = [
        (wallet("%00", "gold"), good, vec!["externalId"]),
        (wallet("a%0Ab", "gold"), good, vec!["externalId"]),
        (wallet("%FF", "gold"), good, vec!["externalId"]),
        (wallet("%ED%A0%80", "gold"), good, vec!["externalId"]),
        (wallet(&long, "gold"), good, vec!["externalId"]),
        (wallet("__merged_1", "gold"), good, vec!["externalId"]),
        (wallet("__deleted_%31", "gold"), good, vec!["externalId"]),
        (wallet("p", "a%2Fb"), good, vec!["economyKey"]),
        (wallet("p", "%FF"), good, vec!["economyKey"]),
        (wallet("p", ".."), good, vec!["economyKey"]),
        (wallet("p", "gold%00"), good, vec!["economyKey"]),
        (wallet("%00", "-"), r#"{"amount":0,"reason":1}"#, vec!["externalId", "economyKey", "amount", "reason"]),
        (wallet("%00", "-"), "{", vec!["externalId", "economyKey", ""]),
        ("/server/v1/players/%00/inventory/-/grant".to_owned(), "", vec!["externalId", "itemKey", "quantity"]),
        ("/server/v1/players/%00/grants".to_owned(), "", vec!["externalId", "idempotencyKey", "entries"]),
        ("/server/v1/players/%00/grants/x/ack".to_owned(), "", vec!["externalId"]),
    ];
    check(asked.map(|(path, body, wrong)| (format!("{path:.60}"), post(&path, body), wrong))).await;
}

#[actix_web::test]
async fn parameters_of_reads_are_checked() {
    let get = |path: &str| request("GET", &format!("/server/v1/players/{path}"));
    let asked = [
        ("%00", vec!["externalId"]),
        ("%00/wallet", vec!["externalId"]),
        ("%00/inventory", vec!["externalId"]),
        ("p?limit=0", vec!["limit"]),
        ("p?limit=201", vec!["limit"]),
        ("p?limit=", vec!["limit"]),
        ("p?limit=+5", vec!["limit"]),
        ("p?limit=5&limit=5", vec!["limit"]),
        ("p?limit=99999999999999999999", vec!["limit"]),
        ("p/ledger?kind=gold&key=-&order=up&after=x&limit=1.5", vec!["kind", "key", "order", "after", "limit"]),
        ("p/ledger?kind=%FF", vec!["kind"]),
        ("p/ledger?after=Z2FhYWFhYWFhYWFhYWFhYWE", vec!["after"]),
        ("%00/grants?status=open&after=bAAAAAAAAAAB&limit=-1", vec!["externalId", "status", "after", "limit"]),
    ];
    check(asked.map(|(path, wrong)| (path.to_owned(), get(path), wrong))).await;
}

#[actix_web::test]
async fn required_fields_that_are_missing_have_a_code_of_their_own() {
    let routes = World::default().start().await;
    insta::assert_snapshot!("missing_field", routes.send(request("POST", CREDIT)).await.shown());
    insta::assert_snapshot!("wrong_field", routes.send(post(CREDIT, r#"{"amount":1.5}"#)).await.shown());
    let both = routes.send(post(CREDIT, r#"{"reason":1}"#)).await;
    assert_eq!(both.json()["errorCode"], "KS-4101");
    assert_eq!(routes.batches(), 0);
}

#[actix_web::test]
async fn a_malformed_idempotency_header_is_refused_even_where_it_does_not_count() {
    let keyed = || post(CREDIT, r#"{"amount":1,"idempotencyKey":"k"}"#);
    let asked = [
        post(CREDIT, r#"{"amount":1}"#).append_header(("Idempotency-Key", "a")).append_header(("Idempotency-Key", "b")),
        post(CREDIT, r#"{"amount":1}"#).insert_header(("Idempotency-Key", "")),
        keyed().insert_header(("Idempotency-Key", "")),
        keyed().insert_header(("Idempotency-Key", "k".repeat(256))),
        keyed().insert_header(("Idempotency-Key", &b"\xff"[..])),
    ];
    check(asked.map(|asked| ("header".to_owned(), asked, vec!["Idempotency-Key"]))).await;
}

#[actix_web::test]
async fn a_body_past_one_mebibyte_is_too_large() {
    let routes = World::default().start().await;
    for size in [1024 * 1024 + 1, 2 * 1024 * 1024] {
        let reply = routes.send(post(CREDIT, vec![b' '; size])).await;
        assert_eq!((reply.status, reply.code().as_str()), (413, "payload_too_large"));
    }
    let mut largest = br#"{"amount":1}"#.to_vec();
    largest.resize(1024 * 1024, b' ');
    assert_eq!(routes.send(post(CREDIT, largest)).await.status, 200);
    assert_eq!(routes.batches(), 1);
}

#[actix_web::test]
async fn unknown_routes_are_not_found() {
    let routes = World::default().start().await;
    let paths = [
        "/",
        "/nothing",
        "/server",
        "/server/v1",
        "/server/v1/",
        "/server/v1/ping/",
        "/server/v1/players",
        "/docs/nothing",
        "/server/v1/players/",
        "/server/v1/players//wallet",
        "/server/v1/players/a/b/wallet",
        "/server/v1/players/p/bank",
        "//server/v1/ping",
        "/server/v2/ping",
        "/admin/v1/games",
        "/%00",
        "/%FF",
    ];
    for path in paths {
        let reply = routes.send(TestRequest::with_uri(path)).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{path}");
    }
}

#[actix_web::test]
async fn a_known_path_says_which_methods_it_answers() {
    let routes = World::default().start().await;
    let asked = [
        ("GET", CREDIT, "POST"),
        ("HEAD", CREDIT, "POST"),
        ("DELETE", "/server/v1/players/p-1", "GET, HEAD"),
        ("PUT", GRANTS, "GET, HEAD, POST"),
        ("POST", "/server/v1/ping", "GET, HEAD"),
        ("OPTIONS", "/server/v1/players/p/wallet", "GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
        ("POST", "/readyz", "GET, HEAD"),
        ("POST", "/metrics", "GET, HEAD"),
        ("POST", "/docs/", "GET, HEAD"),
        ("POST", "/openapi.server.json", "GET, HEAD"),
        ("BREW", "/server/v1/ping", "GET, HEAD"),
    ];
    for (method, path, allow) in asked {
        let reply = routes.send(request(method, path)).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "{method} {path}");
        assert_eq!(reply.code(), "method_not_allowed");
    }
}
