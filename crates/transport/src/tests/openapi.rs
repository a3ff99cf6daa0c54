//! The OpenAPI document.

use actix_web::test::TestRequest;
use serde_json::Value;

use super::world::World;
use crate::openapi_json;

fn document() -> Value {
    serde_json::from_str(&openapi_json()).unwrap()
}

#[actix_web::test]
async fn the_document_is_served_as_it_is_printed() {
    let routes = World::default().start().await;
    let reply = routes.send(TestRequest::with_uri("/openapi.server.json")).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(reply.body, openapi_json());
    assert!(reply.body.ends_with("}\n"));
}

#[test]
fn the_committed_document_is_the_one_that_is_generated() {
    let committed = include_str!("../../../../openapi.server.json");
    assert!(
        committed == openapi_json(),
        "openapi.server.json is out of date: run `cargo xtask openapi` and read the diff"
    );
}

#[test]
fn every_response_is_described_and_every_failure_has_the_one_shape() {
    for (path, item) in document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].is_string() && operation["operationId"].is_string(), "{method} {path}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(response["description"].is_string(), "{method} {path} {status}");
                let schema = &response["content"]["application/json"]["schema"]["$ref"];
                let failed = schema == "#/components/schemas/ErrorResponse";
                // A start whose lobby forms is answered 202: not yet, in the shape of an error.
                let has_failed = !status.starts_with('2') || (status == "202" && path.ends_with("/start"));
                assert_eq!(failed, has_failed, "{method} {path} {status}: {schema}");
            }
        }
    }
}

#[test]
fn names_on_the_wire_are_in_camel_case() {
    fn check(value: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::Object(properties)) = members.get("properties") {
                    assert!(properties.keys().all(|name| !name.contains('_')), "{:?}", properties.keys());
                }
                members.values().for_each(check);
            }
            Value::Array(items) => items.iter().for_each(check),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    check(&document()["components"]);
}

#[test]
fn amounts_are_integers_with_bounds() {
    let document = document();
    let amount = &document["components"]["schemas"]["ServerAdjustWalletRequest"]["properties"]["amount"];
    assert_eq!(amount["type"], "integer");
    assert_eq!((&amount["minimum"], &amount["maximum"]), (&1.into(), &9_007_199_254_740_991_i64.into()));
}
