//! A studio's server that is told: it answers as each path says, and keeps all that came.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, LOCATION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;

use crate::harness::patience::eventually;

/// The server. It listens until the test ends.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    received: Mutex<Vec<Received>>,
    /// What a path answers; 200 unless told otherwise.
    answers: Mutex<BTreeMap<String, Answer>>,
}

/// How a path answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With this status.
    Status(u16),
    /// With a redirect to `/hooks`.
    Redirect,
    /// Not at all.
    Never,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// As text, as far as it is text.
    pub(crate) body: String,
    pub(crate) raw: Vec<u8>,
}

impl Receiver {
    /// Starts one on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("connections can be accepted");
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(|request| state.answer(request));
                    // Who sends may go away in the middle.
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self { address, state }
    }

    /// The URL of a path of it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Makes a path answer like that from now on.
    pub(crate) fn answer(&self, path: &str, answer: Answer) {
        self.state.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// All that came to a path.
    pub(crate) fn received(&self, path: &str) -> Vec<Received> {
        self.state.received.lock().unwrap().iter().filter(|received| received.path == path).cloned().collect()
    }

    /// How many different events came to a path, by the id that they came under.
    pub(crate) fn events(&self, path: &str) -> usize {
        let received = self.state.received.lock().unwrap();
        let ids =
            received.iter().filter(|received| received.path == path).map(|received| received.header("webhook-id"));
        ids.collect::<BTreeSet<_>>().len()
    }

    /// All that came to a path, once it is at least so many.
    pub(crate) async fn wait_for(&self, path: &str, count: usize) -> Vec<Received> {
        eventually(&format!("{count} requests to {path}"), async || {
            Some(self.received(path)).filter(|received| count <= received.len())
        })
        .await
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return Ok(Response::default()) };
        let raw = body.to_bytes().to_vec();
        let body = String::from_utf8_lossy(&raw).into_owned();
        let path = head.uri.path().to_owned();
        let answer = self.answers.lock().unwrap().get(&path).copied();
        self.received.lock().unwrap().push(Received { method: head.method, path, headers: head.headers, body, raw });
        let status = match answer.unwrap_or(Answer::Status(200)) {
            Answer::Status(status) => status,
            Answer::Redirect => 302,
            Answer::Never => {
                tokio::time::sleep(Duration::from_secs(3_600)).await;
                500
            }
        };
        let response = Response::builder().status(status).header(LOCATION, "/hooks");
        Ok(response.body(Full::from("taken")).expect("a response can be made"))
    }
}

impl Received {
    /// A header that must be there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"));
        value.to_str().expect("headers are text")
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body as a form, decoded as receivers do.
    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        assert!(self.header("content-type").starts_with("application/x-www-form-urlencoded"), "{self:?}");
        form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    /// Whether `secret` signed it, as the Standard Webhooks specification verifies: with the decoded bytes of the secret,
    /// over id, time and body.
    pub(crate) fn is_standard_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a secret")).expect("base64");
        let signed = format!("{}.{}.{}", self.header("webhook-id"), self.header("webhook-timestamp"), self.body);
        let expected = format!("v1,{}", STANDARD.encode(hmac(&key, signed.as_bytes())));
        self.header("webhook-signature").split(' ').any(|signature| signature == expected)
    }

    /// Whether `secret` signed it in `X-Signature`: with the text of the secret, over time and body.
    pub(crate) fn is_signed_by(&self, secret: &str) -> bool {
        let (time, signatures) = self.header("x-signature").split_once(',').expect("a time and a signature");
        let signed = format!("{}.{}", time.strip_prefix("t=").expect("a time"), self.body);
        let expected: String =
            hmac(secret.as_bytes(), signed.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        signatures.split(',').any(|signature| signature.strip_prefix("v1=") == Some(&expected))
    }

    /// What `key` signed in the form's `signed_request`.
    pub(crate) fn signed_request(&self, key: &str) -> Value {
        let form = self.form();
        let (signature, payload) = form["signed_request"].split_once('.').expect("a signature and a payload");
        assert_eq!(signature, URL_SAFE_NO_PAD.encode(hmac(key.as_bytes(), payload.as_bytes())), "{self:?}");
        let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64");
        serde_json::from_slice(&payload).expect("JSON")
    }
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}
