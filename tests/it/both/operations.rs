//! What the program shows of itself: its API's document, the pages that explain it, probes and metrics.

use reqwest::Method;
use serde_json::json;

use crate::harness::api::{Api, Reply};
use crate::harness::program::Purser;

#[tokio::test]
async fn the_document_that_is_printed_is_the_one_that_is_served() {
    let purser = Purser::start().await;
    let served = Reply::to(purser.api().bare(Method::GET, "/openapi.server.json")).await.unwrap();
    let printed = purser.must(&["openapi"]).await;
    assert_eq!(served.header("content-type"), Some("application/json"));
    assert!(served.text == printed, "they differ");
    let document = served.ok(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    assert!(document["paths"]["/server/v1/players/{externalId}/wallet/{economyKey}/credit"]["post"].is_object());
}

/// The values of the attribute `name` in a page.
fn attributes<'p>(page: &'p str, name: &str) -> Vec<&'p str> {
    let start = format!("{name}=\"");
    page.split(start.as_str()).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn the_docs_are_a_page_whose_every_asset_is_on_the_server() {
    let purser = Purser::start().await;
    let api = purser.api();
    let page = Reply::to(api.bare(Method::GET, "/docs")).await.unwrap();
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"), "{page:?}");
    let assets = [attributes(&page.text, "src"), attributes(&page.text, "href")].concat();
    assert!(assets.iter().any(|asset| asset.ends_with(".js")) && assets.iter().any(|asset| asset.ends_with(".css")));
    for asset in assets {
        let file = asset.strip_prefix("./").unwrap_or(asset);
        assert!(!file.contains('/') && !file.contains(':'), "{asset} is beside the page");
        let reply = api.bare(Method::GET, &format!("/docs/{file}")).send().await.unwrap();
        assert_eq!(reply.status(), 200, "{asset}");
        assert!(!reply.bytes().await.unwrap().is_empty(), "{asset}");
    }
    let start = Reply::to(api.bare(Method::GET, "/docs/swagger-initializer.js")).await.unwrap();
    assert!(start.text.contains("../openapi.server.json") && !start.text.contains("https://"), "{start:?}");
}

#[tokio::test]
async fn probes_and_metrics_need_no_key() {
    let purser = Purser::start().await;
    let api: Api = purser.api();
    api.credit("p", "gold", json!({ "amount": 5 })).await.ok(200);
    api.credit("p", "gold", json!({ "amount": 0 })).await.error(400, "validation_failed", Some("KS-4101"));
    for path in ["/healthz", "/readyz"] {
        let reply = Reply::to(api.bare(Method::GET, path)).await.unwrap();
        assert_eq!(reply.ok(200), json!({ "status": "ok" }), "{path}");
        let head = Reply::to(api.bare(Method::HEAD, path)).await.unwrap();
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
    }
    let metrics = Reply::to(api.bare(Method::GET, "/metrics")).await.unwrap();
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain"), "{metrics:?}");
    let route = "route=\"/server/v1/players/{externalId}/wallet/{economyKey}/credit\"";
    for status in ["200", "400"] {
        let found = metrics.text.lines().find(|line| {
            line.starts_with("purser_http_requests_total{")
                && line.contains(route)
                && line.contains(&format!("status=\"{status}\""))
        });
        assert!(found.is_some_and(|line| line.ends_with(" 1")), "{status}: {}", metrics.text);
    }
    for line in ["purser_batch_commands_count{kind=\"economy\"} 1", "# TYPE purser_http_request_seconds histogram"] {
        assert!(metrics.text.lines().any(|found| found == line), "{line}: {}", metrics.text);
    }
}

#[tokio::test]
async fn a_container_without_a_shell_can_ask_whether_the_server_is_ready() {
    let mut purser = Purser::start().await;
    let address = purser.address().to_string();
    assert_eq!(purser.must(&["health", "--listen", &address]).await, "ready\n");
    purser.stop().await;
    let refused = purser.run(&["health", "--listen", &address]).await;
    assert!(refused.refused(1).contains(&address), "{refused:?}");
    purser.run(&["health", "--listen", "nonsense"]).await.refused(2);
}
