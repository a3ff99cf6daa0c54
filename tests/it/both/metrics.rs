//! What `/metrics` serves is what docs/metrics.md says, name by name and label by label.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::json;

use crate::harness::api::{Api, Reply};
use crate::harness::patience::eventually;
use crate::harness::program::Purser;
use crate::harness::receiver::Receiver;

const DOCUMENTED: &str = include_str!("../../../docs/metrics.md");

/// A metric: its type, and the names of its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Metric {
    kind: String,
    labels: BTreeSet<String>,
}

/// The metrics in the tables of the documentation.
fn documented() -> BTreeMap<String, Metric> {
    let mut metrics = BTreeMap::new();
    for line in DOCUMENTED.lines().filter(|line| line.starts_with("| `purser_") || line.starts_with("| `process_")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let labels = cells[3].split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        let metric = Metric { kind: cells[2].to_owned(), labels };
        assert_eq!(metrics.insert(cells[1].trim_matches('`').to_owned(), metric), None, "twice: {line}");
    }
    assert!(30 < metrics.len(), "the tables are read: {metrics:?}");
    metrics
}

/// One line of what is served: the name without what a histogram adds to it, its labels, its value.
struct Sample<'t> {
    name: &'t str,
    labels: BTreeMap<&'t str, &'t str>,
    value: f64,
}

fn sample(line: &str) -> Sample<'_> {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let labels = labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty());
    let labels = labels.map(|label| label.split_once("=\"").expect("a label"));
    let labels = labels.map(|(label, value)| (label, value.trim_end_matches('"'))).collect();
    Sample { name, labels, value: value.parse().expect("a number") }
}

/// The metrics that are served, each with a sample at least.
fn served(text: &str) -> BTreeMap<String, Metric> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let types: BTreeMap<&str, &str> = types.collect();
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let found = sample(line);
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| found.name.strip_suffix(suffix));
        let name = base.filter(|base| types.get(base) == Some(&"histogram")).unwrap_or(found.name);
        let labels: BTreeSet<String> =
            found.labels.keys().filter(|label| **label != "le").map(|label| (*label).to_owned()).collect();
        let kind = types.get(name).unwrap_or_else(|| panic!("{name} has no type"));
        let metric = Metric { kind: (*kind).to_owned(), labels };
        let known = metrics.entry(name.to_owned()).or_insert_with(|| metric.clone());
        assert_eq!(*known, metric, "every sample has the same labels: {line}");
    }
    metrics
}

async fn read(api: &Api) -> String {
    Reply::to(api.bare(Method::GET, "/metrics")).await.expect("the server answers").text
}

/// The sum of the samples of `name` that have all of `labels`.
fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let samples = text.lines().filter(|line| line.starts_with(name)).map(sample);
    let meant = samples.filter(|found| {
        found.name == name && labels.iter().all(|(label, value)| found.labels.get(label) == Some(value))
    });
    meant.map(|found| found.value).sum()
}

/// Whether the store is a file.
fn is_embedded(purser: &Purser) -> bool {
    purser.home().store().variables().iter().any(|(name, _)| *name == "PURSER_DATA_DIR")
}

#[tokio::test]
async fn what_is_served_is_what_is_documented_with_its_type_and_labels() {
    let purser = Purser::start().await;
    let fresh = served(&read(&purser.api()).await);
    let api = purser.api();
    api.credit("p", "gold", json!({ "amount": 5 })).await.ok(200);
    api.credit("p", "gold", json!({ "amount": 0 })).await.error(400, "validation_failed", Some("KS-4101"));
    Reply::to(api.bare(Method::GET, "/nowhere")).await.unwrap().error(404, "not_found", None);
    eventually("the store was looked at", async || read(&api).await.contains("purser_store_up").then_some(())).await;
    let text = read(&api).await;
    let mut expected = documented();
    if !is_embedded(&purser) {
        expected.retain(|name, _| !name.starts_with("purser_sqlite_"));
    }
    // The memory that a process may have is not known on every system.
    let ours = |name: &String| name != "process_virtual_memory_max_bytes";
    let served = served(&text);
    let names =
        |metrics: &BTreeMap<String, Metric>| metrics.keys().filter(|name| ours(name)).cloned().collect::<Vec<_>>();
    assert_eq!(names(&served), names(&expected), "{text}");
    for (name, metric) in &served {
        assert_eq!(Some(metric), expected.get(name), "{name}");
    }
    let late: Vec<_> = expected.keys().filter(|name| !fresh.contains_key(*name)).collect();
    let known_late = ["purser_http_request_seconds", "purser_http_requests_total", "purser_store_up"];
    assert!(late.iter().all(|name| known_late.contains(&name.as_str()) || !ours(name)), "not from the start: {late:?}");
}

#[tokio::test]
async fn what_is_served_says_what_happened() {
    let mut purser = Purser::start_with(&["--webhook-allow", "127.0.0.1"]).await;
    let receiver = Receiver::start().await;
    let game = purser.api().get("ping").await.ok(200)["apiKey"]["gameId"].as_str().unwrap().to_owned();
    let admin = purser.issue("demo", "sandbox", "admin").await;
    let admin = purser.api_with(admin["key"].as_str().unwrap());
    let hook = json!({ "url": receiver.url("/hooks"), "events": ["wallet.changed"] });
    let made = admin.keyed(Method::POST, &format!("/admin/v1/games/{game}/webhooks")).json(&hook);
    Reply::to(made).await.unwrap().ok(201);
    for number in 0..3 {
        purser.api().credit(&format!("p-{number}"), "gold", json!({ "amount": 5 })).await.ok(200);
    }
    receiver.wait_for("/hooks", 3).await;
    let told = eventually("deliveries are counted", async || {
        let text = read(&purser.api()).await;
        (sum(&text, "purser_webhook_attempts_total", &[("verdict", "delivered")]) == 3.0).then_some(text)
    });
    let text = told.await;
    let economy = [("kind", "economy")];
    assert_eq!(sum(&text, "purser_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    assert_eq!(sum(&text, "purser_batch_commands_sum", &economy), 3.0);
    assert_eq!(sum(&text, "purser_batch_seconds_count", &economy), sum(&text, "purser_batch_commands_count", &economy));
    assert!(0.0 < sum(&text, "purser_batch_seconds_sum", &economy), "{text}");
    assert_eq!(sum(&text, "purser_queue_waiting", &[]), 0.0);
    assert_eq!(sum(&text, "purser_queue_capacity", &economy) % 8_192.0, 0.0);
    assert!(1.0 <= sum(&text, "purser_store_connections_max", &[("pool", "read")]), "{text}");
    assert_eq!(sum(&text, "purser_webhook_lag_seconds_count", &[]), 3.0);
    assert!(1_000_000.0 < sum(&text, "process_resident_memory_bytes", &[]), "{text}");
    if is_embedded(&purser) {
        assert!(4_096.0 <= sum(&text, "purser_sqlite_file_bytes", &[]), "{text}");
        assert!(4_096.0 <= sum(&text, "purser_sqlite_log_bytes", &[]), "{text}");
    }
    // The books are checked when it starts.
    purser.stop().await;
    purser.restart().await;
    let checked = eventually("the books are checked", async || {
        let text = read(&purser.api()).await;
        (3.0 <= sum(&text, "purser_invariant_accounts_checked_total", &[])).then_some(text)
    });
    let text = checked.await;
    assert_eq!(sum(&text, "purser_invariant_violations", &[]), 0.0);
    assert!(1_700_000_000.0 < sum(&text, "purser_invariant_last_check_timestamp_seconds", &[]), "{text}");
    let healthy = async || (sum(&read(&purser.api()).await, "purser_store_up", &[]) == 1.0).then_some(());
    eventually("the store is up", healthy).await;
}
