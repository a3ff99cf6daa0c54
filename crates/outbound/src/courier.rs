//! The courier: one POST, one answer or the reason why there is none.
//!
//! Connections are kept and used again. No redirect is followed and no proxy is asked, whatever the environment says: a proxy would
//! resolve the name itself, and what it dials could not be judged. The answer's body is read no further than it is kept.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::webhooks::{Attempt, AttemptOutcome, Courier, EndpointUrl, Prepared, TargetRefused};
use reqwest::{Client, Response, redirect, retry};
use rustls::RootCertStore;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use crate::allowances::Allowances;
use crate::answer::{body_text, bounded, failure, retry_after, timed_out};
use crate::guard::{Guard, Scheme};
use crate::resolver::{Resolver, SystemResolver};

/// How we call ourselves towards receivers.
const USER_AGENT: &str = concat!("Purser/", env!("CARGO_PKG_VERSION"));

/// For how long a connection is kept that nobody uses.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// How many such connections are kept to one receiver.
const IDLE_MAX: usize = 32;

/// What a courier needs to know, beside whom it may call.
#[derive(Clone)]
pub struct CourierSettings {
    /// How long an attempt may take, look-up and connecting included.
    pub timeout: Duration,
    /// How long of it the look-up and connecting may take.
    pub connect_timeout: Duration,
    /// Looks up names.
    pub resolver: Arc<dyn Resolver>,
    /// Who is trusted to say that a receiver is who it says.
    pub roots: RootCertStore,
}

impl Default for CourierSettings {
    /// The system's names and certificates, and [`Attempt::TIMEOUT`].
    fn default() -> Self {
        let mut roots = RootCertStore::empty();
        // Where there are none, every receiver is mistrusted, and each attempt says so.
        let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let connect_timeout = Duration::from_secs(5);
        Self { timeout: Attempt::TIMEOUT, connect_timeout, resolver: Arc::new(SystemResolver), roots }
    }
}

/// A courier that could not be made.
#[derive(Debug, Error)]
pub enum CourierError {
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[from] reqwest::Error),
}

/// Calls receivers over HTTP, those that may be called. Its clones share their connections.
#[derive(Clone)]
pub struct HttpCourier {
    guard: Guard,
    /// For `http`.
    plain: Client,
    /// For `https`. Another client, because another rule decides what may be dialled.
    secure: Client,
    timeout: Duration,
    connect_timeout: Duration,
}

impl HttpCourier {
    /// One that may call what is public and `allowances`.
    ///
    /// # Errors
    /// [`CourierError`].
    pub fn new(allowances: Allowances) -> Result<Self, CourierError> {
        Self::with(allowances, CourierSettings::default())
    }

    /// The same with settings of one's own.
    ///
    /// # Errors
    /// [`CourierError`].
    pub fn with(allowances: Allowances, settings: CourierSettings) -> Result<Self, CourierError> {
        let CourierSettings { timeout, connect_timeout, resolver, roots } = settings;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = tls.with_root_certificates(roots).with_no_client_auth();
        let guard = Guard::new(allowances, resolver, connect_timeout);
        let client = |scheme: Scheme| {
            Client::builder()
                .user_agent(USER_AGENT)
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .referer(false)
                .no_proxy()
                .http1_only()
                .connect_timeout(connect_timeout)
                .pool_idle_timeout(IDLE_FOR)
                .pool_max_idle_per_host(IDLE_MAX)
                .https_only(scheme == Scheme::Secure)
                .tls_backend_preconfigured(tls.clone())
                .dns_resolver(guard.at_dialling(scheme))
                .build()
        };
        let (plain, secure) = (client(Scheme::Plain)?, client(Scheme::Secure)?);
        Ok(Self { guard, plain, secure, timeout, connect_timeout })
    }

    async fn call(&self, url: &EndpointUrl, prepared: Prepared) -> AttemptOutcome {
        let (url, scheme) = match self.guard.read(url.as_str()) {
            Ok(read) => read,
            Err(TargetRefused(why)) => return AttemptOutcome::Failed { error: bounded(&why) },
        };
        let client = match scheme {
            Scheme::Plain => &self.plain,
            Scheme::Secure => &self.secure,
        };
        let request = client.post(url).body(prepared.body);
        let request = prepared.headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let until = Instant::now() + self.timeout;
        match timeout_at(until, request.send()).await {
            Ok(Ok(response)) => answered(response, until).await,
            Ok(Err(error)) => AttemptOutcome::Failed { error: failure(&error, self.connect_timeout) },
            Err(_) => AttemptOutcome::Failed { error: timed_out(self.timeout) },
        }
    }
}

/// The answer whose head has come. Its body does not matter so much that an answer would be none without it.
async fn answered(mut response: Response, until: Instant) -> AttemptOutcome {
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    // One byte more than is kept, to know whether that was all; then the connection can be used again.
    while body.len() <= Attempt::BODY_BYTES_MAX
        && let Ok(Ok(Some(chunk))) = timeout_at(until, response.chunk()).await
    {
        body.extend(chunk.iter().take(Attempt::BODY_BYTES_MAX + 1 - body.len()));
    }
    let is_cut = body.len() > Attempt::BODY_BYTES_MAX;
    body.truncate(Attempt::BODY_BYTES_MAX);
    AttemptOutcome::Answered { status, body: body_text(&body, is_cut), retry_after }
}

#[async_trait]
impl Courier for HttpCourier {
    async fn check(&self, url: &EndpointUrl) -> Result<(), TargetRefused> {
        self.guard.check(url.as_str()).await
    }

    async fn deliver(&self, url: &EndpointUrl, prepared: Prepared) -> (AttemptOutcome, Duration) {
        let began = Instant::now();
        let outcome = self.call(url, prepared).await;
        (outcome, began.elapsed())
    }
}
