//! The way to the collector: plain HTTP/1.1, or TLS checked against the system's roots. Follows no redirect, asks no proxy.
//!
//! Spans are sent by a thread without a runtime, so the request runs on the server's, and the thread waits for it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Calls one collector.
#[derive(Debug)]
pub(super) struct Collector {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    answer_within: Duration,
}

impl Collector {
    /// One for the collector at `url`.
    ///
    /// # Errors
    /// When TLS is spoken there and nobody is trusted here.
    pub(super) fn new(url: &str, answer_within: Duration) -> anyhow::Result<Self> {
        let connector = connector(url.starts_with("https:"), answer_within)?;
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, runtime: Handle::current(), answer_within })
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let answer_within = self.answer_within;
        let exchange = async move {
            let (head, body) = http.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        // The clock of the time limit is the runtime's as well, so it is begun there.
        self.runtime.spawn(async move { timeout(answer_within, exchange).await }).await??
    }
}

fn connector(with_tls: bool, connect_within: Duration) -> anyhow::Result<HttpsConnector<HttpConnector>> {
    let mut roots = rustls::RootCertStore::empty();
    if with_tls {
        let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            bail!("no certificates to trust are installed; SSL_CERT_FILE may name some");
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("cannot set up TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(connect_within));
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http))
}
