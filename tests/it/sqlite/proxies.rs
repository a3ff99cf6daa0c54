//! From where a client asks, as the log tells it: spoofed by anybody, unless a listed proxy says so.

use reqwest::Method;
use serde_json::Value;

use crate::harness::api::Reply;
use crate::harness::program::Purser;

/// The clients of the requests that were refused, in order, when each was sent with one of `headers`.
async fn refused(options: &[&str], headers: &[(&str, &str)]) -> Vec<String> {
    let log = ["--log", "info,transport=debug", "--log-format", "json"];
    let mut purser = Purser::start_with(&[&log[..], options].concat()).await;
    for (name, value) in headers {
        let request = purser.api().bare(Method::GET, "/server/v1/ping").header("X-API-Key", "nonsense");
        let reply = Reply::to(request.header(*name, *value)).await.unwrap();
        reply.error(401, "session_invalid", Some("KS-4002"));
    }
    let ended = purser.stop().await;
    let lines = ended.err.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let refused = lines.filter(|line| line["status"] == 401);
    refused.map(|line| line["client"].as_str().unwrap_or_else(|| panic!("{line}")).to_owned()).collect()
}

#[tokio::test]
async fn the_log_names_the_client_that_a_listed_proxy_names() {
    let headers = [
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-For", "1.1.1.1, 203.0.113.7, 10.1.2.3"),
        ("X-Forwarded-For", "unix:"),
        ("Forwarded", "for=203.0.113.7"),
    ];
    let listed = ["--trusted-proxies", "127.0.0.1,10.0.0.0/8"];
    assert_eq!(refused(&listed, &headers).await, ["203.0.113.7", "203.0.113.7", "127.0.0.1", "127.0.0.1"]);
    let by_rfc = ["--trusted-proxies", "127.0.0.1", "--proxy-header", "forwarded"];
    assert_eq!(refused(&by_rfc, &headers).await, ["127.0.0.1", "127.0.0.1", "127.0.0.1", "203.0.113.7"]);
    assert_eq!(refused(&[], &headers).await, ["127.0.0.1"; 4]);
    assert_eq!(refused(&["--trusted-proxies", "10.0.0.0/8"], &headers).await, ["127.0.0.1"; 4]);
}
