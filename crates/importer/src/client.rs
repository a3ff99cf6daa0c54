//! The server, called over HTTP: one request, one answer. Follows no redirect and uses no proxy: the key goes to the address
//! that was given and nowhere else.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::time::timeout;

use crate::kind::Kind;
use crate::trouble::Trouble;

/// How long a call may take before it is sent again.
const CALL_FOR: Duration = Duration::from_secs(60);

/// The largest answer: a thousand failures with long messages are far below it.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Calls one server with one key.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Without a stroke at its end.
    server: String,
    key: HeaderValue,
}

/// What became of the rows of a call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// How many took effect now.
    pub(crate) applied: u64,
    /// How many had taken effect before.
    pub(crate) skipped: u64,
    /// Those that were refused, in the order of the rows.
    pub(crate) failures: Vec<Refusal>,
}

/// A row that was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Which row of the call.
    pub(crate) row_index: usize,
    /// Why.
    pub(crate) error: String,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It is not known what became of it: it is to be sent again, not before that time has passed.
    Unknown(String, Option<Duration>),
    /// It was refused, and always will be.
    Final(Trouble),
}

#[derive(Deserialize)]
struct Envelope {
    data: Counts,
}

#[derive(Deserialize)]
struct Counts {
    applied: u64,
    skipped: u64,
    failed: u64,
    failures: Vec<RowFailure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RowFailure {
    row_index: usize,
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: String,
    message: String,
}

#[derive(Deserialize)]
struct ErrorEnvelope {
    error: ErrorBody,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ping {
    api_key: Opened,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Opened {
    environment: String,
    studio_id: String,
    game_id: String,
}

impl Client {
    /// One for the server at `server`.
    ///
    /// # Errors
    /// When that is no address, or the key cannot be one.
    pub(crate) fn new(server: &str, key: &str) -> Result<Self, Trouble> {
        let server = server.trim_end_matches('/');
        let uri: Option<Uri> = server.parse().ok();
        let is_http =
            uri.as_ref().is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none());
        if !is_http {
            return Err(Trouble::Usage(format!("--server must be http://HOST:PORT or https://HOST, not '{server}'")));
        }
        let unusable = |_| Trouble::Usage("the API key has characters that no key has".to_owned());
        let mut key = HeaderValue::from_str(key.trim()).map_err(unusable)?;
        key.set_sensitive(true);
        let connector = connector(server.starts_with("https:"))?;
        let http = HttpClient::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, server: server.to_owned(), key })
    }

    /// Asks what the key opens, as a text that is different for every realm.
    pub(crate) async fn ping(&self) -> Result<String, Failure> {
        let body = self.call(Method::GET, "/server/v1/ping", Bytes::new()).await?;
        let ping: Ping = serde_json::from_slice(&body).map_err(|_| self.no_purser())?;
        let Opened { environment, studio_id, game_id } = ping.api_key;
        Ok(format!("studio {studio_id} game {game_id} {environment}"))
    }

    /// Sends `rows_count` rows.
    pub(crate) async fn send(&self, kind: Kind, rows_count: usize, body: Bytes) -> Result<Answer, Failure> {
        let body = self.call(Method::POST, kind.path(), body).await?;
        let answered: Envelope = serde_json::from_slice(&body).map_err(|_| self.no_purser())?;
        let Counts { applied, skipped, failed, failures } = answered.data;
        let told = u64::try_from(failures.len()) == Ok(failed);
        let all = u64::try_from(rows_count) == Ok(applied + skipped + failed);
        let ordered = failures.iter().is_sorted_by(|one, next| one.row_index < next.row_index)
            && failures.last().is_none_or(|last| last.row_index < rows_count);
        if !(told && all && ordered) {
            let text =
                format!("the server's answer to {rows_count} rows does not add up: {applied}, {skipped}, {failed}");
            return Err(Failure::Final(Trouble::Refused(text)));
        }
        let failures = failures.into_iter().map(|RowFailure { row_index, error }| {
            let ErrorBody { code, message } = error;
            Refusal { row_index, error: format!("{code}: {message}") }
        });
        Ok(Answer { applied, skipped, failures: failures.collect() })
    }

    async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header(API_KEY, self.key.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("purser-import/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|error| Failure::Final(Trouble::Bug(error.to_string())))?;
        let exchanged = timeout(CALL_FOR, async {
            let response = self.http.request(request).await.map_err(|error| unknown(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| unknown(&*error))?;
            Ok((head, body.to_bytes()))
        });
        let no_answer =
            |_| Failure::Unknown(format!("no answer from {} in {}s", self.server, CALL_FOR.as_secs()), None);
        let (head, body) = exchanged.await.map_err(no_answer)??;
        if head.status == StatusCode::OK {
            return Ok(body);
        }
        let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Err(self.explain(head.status, &body, retry_after.map(Duration::from_secs)))
    }

    fn explain(&self, status: StatusCode, body: &Bytes, retry_after: Option<Duration>) -> Failure {
        let told = serde_json::from_slice::<ErrorEnvelope>(body).ok().map(|told| told.error.message);
        let text = match &told {
            Some(message) => format!("{}: {message}", status.as_u16()),
            None => status.to_string(),
        };
        let server = &self.server;
        match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Failure::Unknown(text, retry_after),
            status if status.is_server_error() => Failure::Unknown(text, retry_after),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let advice = "give one that server_integration was granted to, in PURSER_API_KEY";
                Failure::Final(Trouble::Refused(format!("{server} refused the API key ({text}); {advice}")))
            }
            status if status.is_redirection() => {
                let advice = "give the address that it points to";
                Failure::Final(Trouble::Refused(format!("{server} answered with a redirect ({status}); {advice}")))
            }
            _ if told.is_none() => self.no_purser(),
            _ => Failure::Final(Trouble::Refused(format!("{server} refused the call ({text})"))),
        }
    }

    fn no_purser(&self) -> Failure {
        let server = &self.server;
        Failure::Final(Trouble::Refused(format!("what answers at {server} is no Purser; check --server")))
    }
}

/// With the system's certificates, which are read only where TLS is spoken.
fn connector(with_tls: bool) -> Result<HttpsConnector<HttpConnector>, Trouble> {
    let mut roots = rustls::RootCertStore::empty();
    if with_tls {
        let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(Trouble::Usage(
                "no certificates to trust are installed; SSL_CERT_FILE may name some".to_owned(),
            ));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls =
        builder.map_err(|error| Trouble::Bug(error.to_string()))?.with_root_certificates(roots).with_no_client_auth();
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    http.set_connect_timeout(Some(Duration::from_secs(10)));
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http))
}

/// The last of the causes says what happened. A certificate that is not trusted will not be trusted in a minute either.
fn unknown(error: &(dyn Error + 'static)) -> Failure {
    let (mut cause, mut last, mut is_mistrusted) = (Some(error), String::new(), false);
    while let Some(error) = cause {
        last = error.to_string();
        is_mistrusted |= is_mistrust(error);
        cause = error.source();
    }
    if is_mistrusted {
        let advice = "SSL_CERT_FILE may name a file with certificates to trust";
        return Failure::Final(Trouble::Refused(format!("the server is not trusted ({last}); {advice}")));
    }
    Failure::Unknown(last, None)
}

/// Errors of input and output hold others that are not among their causes.
fn is_mistrust(error: &(dyn Error + 'static)) -> bool {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return matches!(tls, rustls::Error::InvalidCertificate(_));
    }
    let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    held.is_some_and(|held| is_mistrust(held))
}
