//! What is deployed beside the program (a dashboard, rules for alerts) looks at metrics that there are, and says what to do.

use std::collections::BTreeSet;

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

const METRICS: &str = include_str!("../../../docs/metrics.md");
const ALERTS: &str = include_str!("../../../docs/alerts.md");
const RULES: &str = include_str!("../../../deploy/prometheus/alerts.yml");
const RULES_TEST: &str = include_str!("../../../deploy/prometheus/alerts_test.yml");
const DASHBOARD: &str = include_str!("../../../deploy/grafana/purser.json");

/// The metrics that `text` names.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("purser_") || word.starts_with("process_")).collect()
}

fn is_documented(metric: &str) -> bool {
    let is = |name: &str| METRICS.contains(&format!("\n| `{name}` |"));
    let is_histogram = |name: &str| METRICS.contains(&format!("\n| `{name}` | histogram |"));
    let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| metric.strip_suffix(suffix));
    is(metric) || base.is_some_and(is_histogram)
}

/// The rules for alerts.
fn rules(documents: &[Yaml]) -> Vec<&Yaml> {
    let groups = documents[0]["groups"].as_vec().expect("groups");
    groups.iter().flat_map(|group| group["rules"].as_vec().expect("rules")).collect()
}

#[test]
fn every_metric_that_is_looked_at_is_documented() {
    for (file, text) in [("the rules", RULES), ("the test of the rules", RULES_TEST), ("the dashboard", DASHBOARD)] {
        let named = named(text);
        assert!(5 < named.len(), "{file}: {named:?}");
        let unknown: Vec<_> = named.iter().filter(|metric| !is_documented(metric)).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn every_alert_says_how_bad_it_is_and_leads_to_what_to_do() {
    let documents = YamlLoader::load_from_str(RULES).expect("the rules are YAML");
    let rules = rules(&documents);
    let text = |rule: &Yaml, path: &[&str]| {
        let found = path.iter().fold(rule, |value, name| &value[*name]);
        found.as_str().unwrap_or_else(|| panic!("{path:?}: {rule:?}")).to_owned()
    };
    let mut names = BTreeSet::new();
    for rule in &rules {
        let name = text(rule, &["alert"]);
        let severity = text(rule, &["labels", "severity"]);
        assert!(["page", "warning", "ticket"].contains(&severity.as_str()), "{name}: {severity}");
        for path in [&["expr"][..], &["for"], &["annotations", "summary"], &["annotations", "description"]] {
            assert!(!text(rule, path).trim().is_empty(), "{name}: {path:?}");
        }
        let runbook = text(rule, &["annotations", "runbook_url"]);
        assert_eq!(runbook, format!("docs/alerts.md#{}", name.to_lowercase()));
        assert!(names.insert(name.clone()), "twice: {name}");
    }
    let explained: BTreeSet<String> =
        ALERTS.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect();
    assert_eq!(names, explained);
    YamlLoader::load_from_str(RULES_TEST).expect("the test of the rules is YAML");
}

#[test]
fn the_dashboard_is_one_and_each_of_its_graphs_asks_for_something() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("the dashboard is JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let graphs: Vec<&Value> = panels.iter().filter(|panel| panel["type"] != "row").collect();
    assert!(20 < graphs.len(), "{}", graphs.len());
    for graph in graphs {
        let targets = graph["targets"].as_array().expect("targets");
        assert!(!targets.is_empty() && targets.iter().all(|target| target["expr"].is_string()), "{}", graph["title"]);
    }
}
