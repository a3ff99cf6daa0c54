//! What operators and newcomers find.

use actix_web::test::TestRequest;
use domain::store::{MockStoreHealth, StoreError};
use metrics_exporter_prometheus::PrometheusBuilder;

use super::world::{World, post, request};

#[actix_web::test]
async fn the_process_is_up_and_the_store_is_ready() {
    let mut health = MockStoreHealth::new();
    health.expect_check().returning(|| Ok(()));
    let routes = World { health, ..World::default() }.start().await;
    for path in ["/healthz", "/readyz"] {
        let reply = routes.send(TestRequest::with_uri(path)).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"status":"ok"}"#));
    }
}

#[actix_web::test]
async fn a_store_that_cannot_be_used_is_not_ready() {
    let mut health = MockStoreHealth::new();
    health.expect_check().returning(|| Err(StoreError::unavailable("a migration is pending")));
    let routes = World { health, ..World::default() }.start().await;
    insta::assert_snapshot!("not_ready", routes.send(TestRequest::with_uri("/readyz")).await.shown());
    assert_eq!(routes.send(TestRequest::with_uri("/healthz")).await.status, 200);
}

#[actix_web::test]
async fn metrics_are_served_as_prometheus_text() {
    let routes = World::default().start().await;
    let reply = routes.send(TestRequest::with_uri("/metrics")).await;
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4"));
    assert_eq!(reply.body, "purser_up 1\n");
}

#[actix_web::test]
async fn requests_are_counted_by_method_route_and_status() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let routes = World::default().start().await;
    for _ in 0..2 {
        routes.send(post("/server/v1/players/a%2Fb/wallet/gold/credit", r#"{"amount":1}"#)).await;
    }
    routes.send(post("/server/v1/players/p/wallet/gold/credit", "{")).await;
    routes.send(request("PURGE", "/nothing")).await;
    let text = handle.render();
    for line in [
        r#"purser_http_requests_total{method="POST",route="/server/v1/players/{externalId}/wallet/{economyKey}/credit",status="200"} 2"#,
        r#"purser_http_requests_total{method="POST",route="/server/v1/players/{externalId}/wallet/{economyKey}/credit",status="400"} 1"#,
        r#"purser_http_requests_total{method="other",route="unmatched",status="404"} 1"#,
        r#"purser_http_request_seconds_count{route="unmatched"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[actix_web::test]
async fn the_documentation_works_in_a_browser_without_a_network() {
    let routes = World::default().start().await;
    let found = routes.send(TestRequest::with_uri("/docs")).await;
    assert_eq!((found.status, found.header("location")), (307, Some("docs/")));
    let page = routes.send(TestRequest::with_uri("/docs/")).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html")));
    assert!(!page.body.contains("http://") && !page.body.contains("https://"), "{}", page.body);
    for line in page.body.lines() {
        let linked = line.split("src=\"").nth(1).or_else(|| line.split("href=\"").nth(1));
        let Some(file) = linked.and_then(|rest| rest.split('"').next()) else { continue };
        let reply = (file.to_owned(), routes.status(&format!("/docs/{}", file.trim_start_matches("./"))).await);
        assert_eq!(reply.1, 200, "{file}");
    }
    let settings = routes.send(TestRequest::with_uri("/docs/swagger-initializer.js")).await;
    assert!(settings.body.contains("../openapi.server.json"), "{}", settings.body);
    assert!(settings.body.contains("\"validatorUrl\": \"none\""), "{}", settings.body);
}
