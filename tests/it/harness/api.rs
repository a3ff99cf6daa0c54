//! A client of the server API, as plain as can be.

use std::net::SocketAddr;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::patience::PATIENCE;

/// The currencies and the item that [`Api::add_one`] adds to by turns, by kind and key.
const ASSETS: [(&str, &str); 3] = [("wallet", "gold"), ("wallet", "gems"), ("inventory", "sword")];

/// Speaks to one server with one key. Its clones share their connections.
#[derive(Clone)]
pub(crate) struct Api {
    http: Client,
    address: SocketAddr,
    key: String,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Api {
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        // The program's own client brings TLS with it, and no client is made without a provider of that. Another test may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client can be made");
        Self { http, address, key: key.to_owned() }
    }

    /// The key.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// A request to any path of the server, without a key.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    /// A request to any path of the server, with the key.
    pub(crate) fn keyed(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).header("X-API-Key", &self.key)
    }

    /// A request to a path under `/server/v1/`, with the key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.keyed(method, &format!("/server/v1/{path}"))
    }

    /// Reads a path under `/server/v1/`.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        Reply::to(self.request(Method::GET, path)).await.unwrap_or_else(|error| panic!("GET {path}: {error:?}"))
    }

    /// Posts to a path under `/server/v1/`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.try_post(path, body).await.unwrap_or_else(|error| panic!("POST {path}: {error:?}"))
    }

    /// Posts to a server that may be gone.
    pub(crate) async fn try_post(&self, path: &str, body: &Value) -> reqwest::Result<Reply> {
        Reply::to(self.request(Method::POST, path).json(body)).await
    }

    /// Credits a wallet.
    pub(crate) async fn credit(&self, player: &str, currency: &str, body: Value) -> Reply {
        self.post(&format!("players/{player}/wallet/{currency}/credit"), &body).await
    }

    /// Debits a wallet.
    pub(crate) async fn debit(&self, player: &str, currency: &str, body: Value) -> Reply {
        self.post(&format!("players/{player}/wallet/{currency}/debit"), &body).await
    }

    /// Creates a grant.
    pub(crate) async fn grant(&self, player: &str, body: Value) -> Reply {
        self.post(&format!("players/{player}/grants"), &body).await
    }

    /// Adds 1 to one of a player's three assets: the `number` says to which, and is the reason given.
    pub(crate) async fn add_one(&self, player: &str, number: usize) {
        let (kind, key) = ASSETS[number % ASSETS.len()];
        let (verb, amount) = if kind == "wallet" { ("credit", "amount") } else { ("grant", "quantity") };
        let body = json!({ amount: 1, "reason": format!("entry {number}") });
        self.post(&format!("players/{player}/{kind}/{key}/{verb}"), &body).await.ok(200);
    }

    /// What a player holds of a currency; `None` when the wallet does not list it.
    pub(crate) async fn balance(&self, player: &str, currency: &str) -> Option<u64> {
        let data = self.get(&format!("players/{player}/wallet")).await.data(200);
        let wallet = data["wallet"].as_array().unwrap();
        wallet.iter().find(|held| held["economyKey"] == currency).map(|held| held["balance"].as_u64().unwrap())
    }

    /// Every row of a list under `/server/v1/`. `path` has a query.
    pub(crate) async fn all(&self, path: &str) -> Vec<Value> {
        let first = self.get(path).await.ok(200);
        self.all_from(path, first).await
    }

    /// The rows of a page of such a list and of every one after it, by following `next`.
    pub(crate) async fn all_from(&self, path: &str, mut page: Value) -> Vec<Value> {
        let mut rows = page["data"].as_array().unwrap().clone();
        while let Some(next) = page["next"].as_str() {
            page = self.get(&format!("{path}&after={next}")).await.ok(200);
            rows.extend_from_slice(page["data"].as_array().unwrap());
        }
        rows
    }
}

/// Posts the same so many times at once, to all of these servers by turns.
pub(crate) async fn at_once(apis: &[Api], times: usize, path: &str, body: &Value) -> Vec<Reply> {
    let mut requests = JoinSet::new();
    for api in apis.iter().cycle().take(times) {
        let (api, path, body) = (api.clone(), path.to_owned(), body.clone());
        requests.spawn(async move { api.post(&path, &body).await });
    }
    requests.join_all().await
}

impl Reply {
    /// Sends `request` and reads the answer.
    pub(crate) async fn to(request: RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().await? })
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of an answer that must have this status.
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// What is in the envelope of an answer that must have this status.
    pub(crate) fn data(&self, status: u16) -> Value {
        self.ok(status)["data"].clone()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks that this is an error of the one shape that all errors have, and returns its `details`.
    pub(crate) fn error(&self, status: u16, code: &str, error_code: Option<&str>) -> Value {
        check_error(self.status, self.header("content-type"), &self.text, (status, code, error_code))
    }
}

/// Checks an error against the one shape that all errors have, and returns its `details`.
pub(crate) fn check_error(
    status: u16,
    content_type: Option<&str>,
    text: &str,
    (expected, code, error_code): (u16, &str, Option<&str>),
) -> Value {
    assert_eq!((status, content_type), (expected, Some("application/json")), "{text}");
    let body: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(body["error"]["code"], code, "{text}");
    assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{text}");
    let mut shape = json!({ "error": { "code": code, "message": body["message"] }, "message": body["message"] });
    if let Some(details) = body["error"].get("details") {
        assert!(details.is_object(), "{text}");
        shape["error"]["details"] = details.clone();
    }
    if let Some(error_code) = error_code {
        shape["errorCode"] = error_code.into();
    }
    assert_eq!(body, shape, "{text}");
    body["error"]["details"].clone()
}
