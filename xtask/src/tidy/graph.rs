//! Which crate may see which: the architecture as a table.
//!
//! Direct dependencies only, because those are what a person writes; `deny.toml` says the same of the whole tree for the
//! few crates where that matters.

use std::fs;
use std::path::Path;

use super::Violation;
use crate::workspace::{Dependency, Package};

/// What one of our crates may depend on.
struct Member {
    name: &'static str,
    /// Our crates that it may see.
    sees: &'static [&'static str],
    /// Our crates that its tests may see as well.
    tests_see: &'static [&'static str],
}

const MEMBERS: &[Member] = &[
    Member { name: "domain", sees: &[], tests_see: &[] },
    Member { name: "persistence", sees: &["domain"], tests_see: &["testcluster", "testkit"] },
    Member { name: "transport", sees: &["domain"], tests_see: &["testkit"] },
    Member { name: "importer", sees: &[], tests_see: &[] },
    Member { name: "limiter", sees: &["domain"], tests_see: &["testcluster", "testkit"] },
    Member { name: "outbound", sees: &["domain"], tests_see: &[] },
    Member {
        name: "server",
        sees: &["domain", "importer", "limiter", "outbound", "persistence", "transport"],
        tests_see: &["testcluster", "testkit"],
    },
    // For tests: it stands outside of the architecture, and sees what it puts under stress.
    Member { name: "simulator", sees: &["domain", "persistence", "testkit"], tests_see: &[] },
    Member { name: "testcluster", sees: &[], tests_see: &[] },
    Member { name: "testkit", sees: &["domain"], tests_see: &[] },
    Member { name: "xtask", sees: &["testcluster"], tests_see: &[] },
];

/// What `domain` may take from others: values, macros, and what joins futures. No SQL, HTTP, clock, random source, runtime or logging.
const DOMAIN_MAY_USE: &[&str] = &[
    "async-trait",
    "base64",
    "crc32fast",
    "exmex",
    "form_urlencoded",
    "futures-util",
    "hmac",
    "mockall",
    "serde_json",
    "sha2",
    "subtle",
    "thiserror",
    "time",
    "tokio",
    "uuid",
];

/// Technologies that are known in one place, and the crates that are this place.
const CONFINED: &[(&str, &[&str])] = &[
    ("diesel", &["persistence"]),
    ("diesel-async", &["persistence"]),
    ("diesel_migrations", &["persistence"]),
    ("libsqlite3-sys", &["persistence"]),
    ("tokio-postgres", &["persistence", "testcluster"]),
    ("actix-http", &["transport"]),
    ("actix-server", &["transport"]),
    ("actix-web", &["server", "transport"]),
    ("redis", &["limiter"]),
    ("reqwest", &["outbound"]),
];

/// Checks every direct dependency of every member.
pub(super) fn check(packages: &[Package]) -> Vec<Violation> {
    let mut found = Vec::new();
    for package in packages {
        let Some(member) = MEMBERS.iter().find(|member| member.name == package.name) else {
            let advice = "say in xtask/src/tidy/graph.rs which of our crates this one may see";
            found.push(Violation::of_file(&package.manifest_path, advice));
            continue;
        };
        for dependency in &package.dependencies {
            if let Some(advice) = objection(member, dependency, packages) {
                found.push(at_dependency(&package.manifest_path, &dependency.name, advice));
            }
        }
    }
    found
}

fn objection(member: &Member, dependency: &Dependency, packages: &[Package]) -> Option<String> {
    let owner = member.name;
    let used = dependency.name.as_str();
    let only_in_tests = dependency.kind.as_deref() == Some("dev");
    if packages.iter().any(|package| package.name == used) {
        let allowed = member.sees.contains(&used) || (only_in_tests && member.tests_see.contains(&used));
        return (!allowed).then(|| format!("remove `{used}`: `{owner}` must not know it (see ARCHITECTURE.md)"));
    }
    if only_in_tests {
        return None;
    }
    if let Some((_, homes)) = CONFINED.iter().find(|(confined, _)| *confined == used)
        && !homes.contains(&owner)
    {
        return Some(format!("remove `{used}`: only {} may use it", homes.join(" and ")));
    }
    if owner == "domain" { domain_objection(dependency) } else { None }
}

fn domain_objection(dependency: &Dependency) -> Option<String> {
    let used = dependency.name.as_str();
    if !DOMAIN_MAY_USE.contains(&used) {
        return Some(format!("remove `{used}`: `domain` uses only {}", DOMAIN_MAY_USE.join(", ")));
    }
    if used == "mockall" && !dependency.optional {
        return Some("make `mockall` optional: only the feature `testing` brings it in".to_owned());
    }
    if used == "tokio" && dependency.features.iter().any(|feature| feature != "sync") {
        return Some("use of `tokio` only the feature `sync`: `domain` has no runtime, clock or I/O".to_owned());
    }
    None
}

/// Points at the line of the manifest that names the dependency, when it can be found.
fn at_dependency(manifest: &Path, used: &str, advice: String) -> Violation {
    let names_it = |line: &str| {
        let rest = line.trim().trim_matches('"').strip_prefix(used);
        rest.is_some_and(|rest| rest.starts_with([' ', '.', '=', '"']))
    };
    let text = fs::read_to_string(manifest).unwrap_or_default();
    match text.lines().position(names_it) {
        Some(index) => Violation::of_line(manifest, index + 1, advice),
        None => Violation::of_file(manifest, advice),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ordinary(name: &str) -> Value {
        json!({ "name": name, "kind": null, "optional": false, "features": [] })
    }

    fn dev(name: &str) -> Value {
        json!({ "name": name, "kind": "dev", "optional": false, "features": [] })
    }

    /// The advice for a workspace of all our crates in which `owner` has `dependencies`.
    fn advice(owner: &str, dependencies: &[Value]) -> Vec<String> {
        let packages = [
            "domain",
            "importer",
            "limiter",
            "outbound",
            "persistence",
            "transport",
            "server",
            "simulator",
            "testcluster",
            "testkit",
            "xtask",
            owner,
        ]
        .map(|name| {
            let dependencies = if name == owner { dependencies } else { &[] };
            json!({ "name": name, "manifest_path": "/none/Cargo.toml", "dependencies": dependencies })
        });
        let packages: Vec<Package> = serde_json::from_value(json!(packages)).unwrap();
        // The owner is listed twice unless it is a stranger.
        let mut found: Vec<String> = check(&packages).into_iter().map(|violation| violation.advice).collect();
        found.dedup();
        found
    }

    #[test]
    fn the_graph_as_designed_is_fine() {
        let tokio = json!({ "name": "tokio", "kind": null, "optional": false, "features": ["sync"] });
        let mockall = json!({ "name": "mockall", "kind": null, "optional": true, "features": [] });
        let with_runtime = json!({ "name": "tokio", "kind": "dev", "optional": false, "features": ["rt"] });
        let none = Vec::<String>::new();
        assert_eq!(advice("domain", &[tokio, mockall, with_runtime, dev("proptest")]), none);
        assert_eq!(advice("persistence", &[ordinary("domain"), ordinary("diesel"), dev("testkit")]), none);
        assert_eq!(advice("transport", &[ordinary("domain"), ordinary("actix-web"), dev("testkit")]), none);
        assert_eq!(advice("server", &[ordinary("persistence"), ordinary("transport"), ordinary("actix-web")]), none);
        assert_eq!(advice("outbound", &[ordinary("domain"), ordinary("reqwest")]), none);
        assert_eq!(advice("testkit", &[ordinary("domain")]), none);
        assert_eq!(advice("persistence", &[ordinary("tokio-postgres"), dev("testcluster")]), none);
        assert_eq!(advice("server", &[dev("testcluster")]), none);
        assert_eq!(advice("simulator", &[ordinary("domain"), ordinary("persistence"), ordinary("testkit")]), none);
        assert_eq!(advice("testcluster", &[ordinary("tokio-postgres")]), none);
        assert_eq!(advice("xtask", &[ordinary("hyper"), ordinary("testcluster")]), none);
    }

    #[test]
    fn a_crate_that_sees_what_it_must_not_is_named() {
        let forbidden = [
            ("domain", "persistence"),
            ("persistence", "transport"),
            ("transport", "persistence"),
            ("persistence", "testkit"),
            ("testkit", "persistence"),
            ("importer", "domain"),
            ("importer", "transport"),
            ("limiter", "persistence"),
            ("outbound", "persistence"),
            ("outbound", "transport"),
            ("transport", "outbound"),
            ("server", "testkit"),
            ("server", "simulator"),
            ("server", "testcluster"),
            ("simulator", "transport"),
            ("testcluster", "domain"),
            ("testkit", "testcluster"),
            ("xtask", "domain"),
            ("xtask", "simulator"),
        ];
        for (owner, used) in forbidden {
            let expected = format!("remove `{used}`: `{owner}` must not know it (see ARCHITECTURE.md)");
            assert_eq!(advice(owner, &[ordinary(used)]), [expected]);
        }
        assert_eq!(advice("transport", &[dev("persistence")]).len(), 1);
        assert_eq!(advice("domain", &[dev("testkit")]).len(), 1);
    }

    #[test]
    fn a_technology_outside_its_place_is_named() {
        for used in ["diesel", "diesel_migrations", "libsqlite3-sys"] {
            assert_eq!(advice("server", &[ordinary(used)]), [format!("remove `{used}`: only persistence may use it")]);
        }
        let expected = ["remove `tokio-postgres`: only persistence and testcluster may use it"];
        assert_eq!(advice("server", &[ordinary("tokio-postgres")]), expected);
        let expected = ["remove `actix-web`: only server and transport may use it"];
        assert_eq!(advice("testkit", &[ordinary("actix-web")]), expected);
        assert_eq!(advice("transport", &[ordinary("reqwest")]), ["remove `reqwest`: only outbound may use it"]);
    }

    #[test]
    fn the_domain_does_no_input_and_output() {
        assert_eq!(advice("domain", &[ordinary("reqwest")]).len(), 1);
        assert_eq!(advice("domain", &[ordinary("mockall")]).len(), 1);
        let tokio = json!({ "name": "tokio", "kind": null, "optional": false, "features": ["sync", "time"] });
        assert_eq!(advice("domain", &[tokio]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_row_in_the_table_is_named() {
        assert_eq!(advice("stranger", &[]), ["say in xtask/src/tidy/graph.rs which of our crates this one may see"]);
    }

    #[test]
    fn a_violation_points_at_the_line_of_the_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("Cargo.toml");
        fs::write(&manifest, "[dependencies]\ndiesel_migrations = \"2\"\ndiesel.workspace = true\n").unwrap();
        assert_eq!(at_dependency(&manifest, "diesel", String::new()).line, Some(3));
        assert_eq!(at_dependency(&manifest, "reqwest", String::new()).line, None);
    }
}
