//! The routes of the document that the server serves, each with a request that is right but for its key.
//!
//! Nothing here lists routes: one that is added to the server is part of the matrix from then on, or fails it with what is
//! missing. Must not know what a request is refused for.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::harness::api::{Api, Reply};

/// The methods that HTTP APIs have.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// How a path ends that ends something, in the order in which their owner can call them all.
const LAST: [&str; 5] = ["/finish", "/close", "/merge-into/{toExternalId}", "/revoke", "/delete"];

/// The parameter of the path that names the game: what it is depends on who asks.
pub(super) const GAME: &str = "{gameId}";

/// What stands for each parameter of a path and each property of a body, by its name, and for each parameter of a query, by
/// its name after a question mark: a word may mean one thing in paths and another in queries.
pub(super) type Bindings = BTreeMap<&'static str, String>;

/// What an object of the schema of that name has, beside or instead of what can be derived from the schema.
pub(super) type Samples = BTreeMap<&'static str, Value>;

/// The OpenAPI document.
pub(super) struct Document(Value);

/// A request that is right but for its key and its game.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) pattern: String,
    /// With [`GAME`] where the game is to be named.
    path: String,
    pub(super) body: Option<Value>,
    /// Whether an admin key opens it, and not a server key.
    pub(super) is_admins: bool,
}

impl Document {
    /// What the server serves.
    pub(super) async fn served_to(api: &Api) -> Self {
        Self(Reply::to(api.bare(Method::GET, "/openapi.server.json")).await.unwrap().ok(200))
    }

    /// A request to each route: those that only read first, those that end something last.
    ///
    /// # Panics
    /// With all that is missing, when a request cannot be made.
    pub(super) fn requests(&self, bindings: &Bindings, samples: &Samples) -> Vec<Request> {
        let mut missing = BTreeSet::new();
        let mut requests = Vec::new();
        for (pattern, item) in self.paths() {
            for method in METHODS {
                let Some(operation) = item.get(method.as_str().to_lowercase()) else { continue };
                let route = format!("{method} {pattern}");
                let mut sampling = Sampling { document: &self.0, bindings, samples, route, missing: &mut missing };
                requests.push(sampling.request(&method, pattern, operation));
            }
        }
        assert!(missing.is_empty(), "the matrix cannot be made:\n{}", Vec::from_iter(missing).join("\n"));
        assert!(!requests.is_empty(), "the document has no routes");
        requests.sort_by_key(|request| rank(&request.method, &request.pattern));
        requests
    }

    /// Every method that a path does not have, with the methods that it has, as `Allow` lists them.
    pub(super) fn undocumented(&self, bindings: &Bindings) -> Vec<(Method, String, String)> {
        let mut cells = Vec::new();
        for (pattern, item) in self.paths() {
            let has = |method: &Method| item.get(method.as_str().to_lowercase()).is_some();
            let name = |method: &Method| if *method == Method::GET { "GET, HEAD" } else { method.as_str() }.to_owned();
            let allow = METHODS.iter().filter(|method| has(method)).map(name).collect::<Vec<_>>().join(", ");
            let path =
                bindings.iter().fold(pattern.clone(), |path, (name, id)| path.replace(&format!("{{{name}}}"), id));
            cells.extend(
                METHODS.into_iter().filter(|method| !has(method)).map(|method| (method, path.clone(), allow.clone())),
            );
        }
        cells
    }

    /// Whether the route of `request` has a parameter of that name.
    pub(super) fn has_parameter(&self, request: &Request, name: &str) -> bool {
        let operation = &self.paths()[&request.pattern][request.method.as_str().to_lowercase()];
        operation["parameters"].as_array().into_iter().flatten().any(|parameter| parameter["name"] == name)
    }

    fn paths(&self) -> &Map<String, Value> {
        self.0["paths"].as_object().expect("a document has paths")
    }
}

impl Request {
    /// The path, about this game.
    pub(super) fn path(&self, game: &str) -> String {
        self.path.replace(GAME, game)
    }

    /// Whether the path names a game.
    pub(super) fn names_a_game(&self) -> bool {
        self.path.contains(GAME)
    }

    /// Whether it only reads.
    pub(super) fn reads(&self) -> bool {
        self.method == Method::GET
    }

    /// The same, for one row at most.
    pub(super) fn one_only(&self) -> Self {
        let (before, limit) = self.path.split_once("limit=").expect("every list has a limit");
        let after = limit.split_once('&').map_or(String::new(), |(_, after)| format!("&{after}"));
        Self { path: format!("{before}limit=1{after}"), ..self.clone() }
    }

    /// The same, from a place in a list on.
    pub(super) fn after(&self, cursor: &str) -> Self {
        let path = format!("{}{}after={cursor}", self.path, if self.path.contains('?') { '&' } else { '?' });
        Self { path, ..self.clone() }
    }
}

/// Where among all requests one is that its owner can make only before or after others.
fn rank(method: &Method, pattern: &str) -> (usize, usize) {
    let last = LAST.iter().position(|end| pattern.ends_with(end));
    match (method, last) {
        (_, Some(position)) => (3, position),
        (&Method::GET, None) => (0, 0),
        (&Method::DELETE, None) => (2, 0),
        (_, None) => (1, 0),
    }
}

/// Makes the request to one route.
struct Sampling<'d> {
    document: &'d Value,
    bindings: &'d Bindings,
    samples: &'d Samples,
    route: String,
    missing: &'d mut BTreeSet<String>,
}

impl Sampling<'_> {
    fn request(&mut self, method: &Method, pattern: &str, operation: &Value) -> Request {
        let is_admins = pattern.starts_with("/admin/v1/");
        if !is_admins && !pattern.starts_with("/server/v1/") {
            self.miss("which permission set opens it: say so in `Sampling::request`");
        }
        let mut path = pattern.to_owned();
        let mut query = Vec::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().expect("a parameter has a name");
            let in_path = parameter["in"] == "path";
            let bound = if in_path { self.bindings.get(name) } else { self.bindings.get(&*format!("?{name}")) };
            match bound {
                _ if in_path && name == "gameId" => {}
                _ if name == "limit" => query.push(format!("limit={}", parameter["schema"]["maximum"])),
                Some(id) if in_path => path = path.replace(&format!("{{{name}}}"), id),
                Some(value) => query.push(format!("{name}={value}")),
                None if parameter["required"] == true => self.miss(&format!(
                    "a value of the {}'s parameter `{name}`: bind it in `Victim::new`, to something of hers",
                    parameter["in"].as_str().unwrap()
                )),
                None => {}
            }
        }
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        let body = operation["requestBody"].as_object().map(|body| {
            let content = &body["content"]["application/json"];
            self.sample(&content["schema"], "its body")
        });
        Request { method: method.clone(), pattern: pattern.to_owned(), path, body, is_admins }
    }

    /// A value of `schema`, which is at `place`.
    fn sample(&mut self, schema: &Value, place: &str) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().expect("a reference has an end");
            let document = self.document;
            let mut value = self.sample(&document["components"]["schemas"][name], place);
            if let (Some(Value::Object(sample)), Value::Object(members)) = (self.samples.get(name), &mut value) {
                members.extend(sample.clone());
            }
            return value;
        }
        if let Some(first) = schema["oneOf"].get(0) {
            return self.sample(first, place);
        }
        if let Some(value) = schema.get("example").or_else(|| schema["enum"].get(0)) {
            return value.clone();
        }
        let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or_default();
        match kind {
            "object" => self.object(schema, place),
            "array" => json!([self.sample(&schema["items"], &format!("an element of {place}"))]),
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
            "boolean" => json!(true),
            "string" | "null" | "" => {
                self.miss(&format!(
                    "a sample of {place}: bind its name in `Victim::new`, or give its schema a sample in `samples`"
                ));
                Value::Null
            }
            other => panic!("{}: {place} is of the unknown type {other}", self.route),
        }
    }

    fn object(&mut self, schema: &Value, place: &str) -> Value {
        let mut members = Map::new();
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().expect("a property has a name");
            let of = &schema["properties"][name];
            let value = match self.bindings.get(name) {
                Some(bound) => json!(bound),
                None => self.sample(of, &format!("`{name}` of {place}")),
            };
            members.insert(name.to_owned(), value);
        }
        Value::Object(members)
    }

    fn miss(&mut self, what: &str) {
        self.missing.insert(format!("{} lacks {what}", self.route));
    }
}
