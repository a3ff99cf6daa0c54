//! The courier against real receivers: what arrives, what is made of the answer, and whom it never calls.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::clock::Timestamp;
use domain::tenancy::{Environment, GameId, Realm, RealmId, StudioId};
use domain::text::FreeText;
use domain::webhooks::{
    AttemptOutcome, Courier, Dialect, Endpoint, EndpointId, EndpointUrl, OpenSecrets, OutboxEventId, Prepared,
    Rotating, Sealed, ping, secret_text,
};
use hmac::{Hmac, KeyInit, Mac};
use rustls::RootCertStore;
use sha2::Sha256;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::receiver::{Heard, Receiver, Reply, converse, status};
use crate::{Allowances, CourierSettings, HttpCourier, Resolver};

/// What every name resolves to, look-up by look-up; the last for ever.
struct Changing {
    answers: Vec<&'static str>,
    asked: AtomicUsize,
}

impl Changing {
    fn new(answers: &[&'static str]) -> Arc<Self> {
        Arc::new(Self { answers: answers.to_vec(), asked: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Resolver for Changing {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        Ok(vec![self.answers[asked].parse().expect("it is an address")])
    }
}

/// Patient, so that a busy machine changes nothing.
fn settings() -> CourierSettings {
    CourierSettings {
        timeout: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(30),
        resolver: Changing::new(&["127.0.0.1"]),
        roots: RootCertStore::empty(),
    }
}

/// One that waits for 0.3 s only.
fn hasty() -> HttpCourier {
    courier_with("127.0.0.1", CourierSettings { timeout: Duration::from_millis(300), ..settings() })
}

fn courier(allowances: &str) -> HttpCourier {
    courier_with(allowances, settings())
}

fn courier_with(allowances: &str, settings: CourierSettings) -> HttpCourier {
    let allowances = Allowances::parse(allowances).expect("it can be read");
    HttpCourier::with(allowances, settings).expect("it can be made")
}

fn url(text: &str) -> EndpointUrl {
    EndpointUrl::try_new(text).expect("it is a URL")
}

fn request() -> Prepared {
    Prepared { headers: vec![("Content-Type", "application/json".to_owned())], body: "{}".to_owned() }
}

/// What comes of a request to `target`.
async fn outcome(courier: &HttpCourier, target: &str) -> AttemptOutcome {
    courier.deliver(&url(target), request()).await.0
}

/// The error of a request to `target`.
async fn error(courier: &HttpCourier, target: &str) -> String {
    match outcome(courier, target).await {
        AttemptOutcome::Failed { error } => error,
        AttemptOutcome::Answered { status, .. } => panic!("answered {status}"),
    }
}

fn answered(status: u16, body: &str) -> AttemptOutcome {
    AttemptOutcome::Answered { status, body: body.to_owned(), retry_after: None }
}

fn hook(receiver: &Receiver) -> String {
    format!("http://{}/hook?token=s3cret", receiver.address)
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// As the libraries of Standard Webhooks verify.
fn is_standard(heard: &Heard, secret: &str) -> bool {
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).expect("a secret is base64");
    let signed = format!("{}.{}.{}", heard.header("webhook-id"), heard.header("webhook-timestamp"), heard.body);
    let expected = format!("v1,{}", STANDARD.encode(hmac(&key, &signed)));
    heard.header("webhook-signature").split(' ').any(|signature| signature == expected)
}

/// As receivers of the other scheme verify.
fn is_timed(heard: &Heard, secret: &str) -> bool {
    let parts: Vec<_> = heard.header("x-signature").split(',').filter_map(|part| part.split_once('=')).collect();
    let (_, sent_at) = parts.iter().find(|(name, _)| *name == "t").expect("it says when");
    let expected = hmac(secret.as_bytes(), &format!("{sent_at}.{}", heard.body));
    let expected: String = expected.iter().map(|byte| format!("{byte:02x}")).collect();
    parts.iter().any(|(name, value)| *name == "v1" && *value == expected)
}

#[tokio::test]
async fn what_arrives_is_what_was_prepared_and_can_be_verified() {
    let receiver = Receiver::answering(|_| status(200, "", "thanks")).await;
    let courier = courier("127.0.0.1");
    let secrets = vec![secret_text(&[1; 32]), secret_text(&[2; 32])];
    let callback_key = "748e63d7-c48c-418c-aa25-80456de2b98c";
    let open =
        OpenSecrets { secrets: secrets.clone(), callback_key: Some(callback_key.to_owned()), player_token: None };
    let realm = Realm {
        id: RealmId(1),
        studio: StudioId(Uuid::nil()),
        game: GameId(Uuid::nil()),
        environment: Environment::Live,
    };
    let now = Timestamp::EPOCH.plus(Duration::from_secs(1_700_000_000));
    for dialect in Dialect::ALL {
        let endpoint = Endpoint {
            id: EndpointId(Uuid::nil()),
            url: url(&hook(&receiver)),
            description: FreeText::restore(String::new()),
            dialect,
            events: dialect.speaks_of(),
            disabled: None,
            failing_since: None,
            secret: Rotating::new(Sealed(Vec::new())),
            callback_key: None,
            created_at: now,
            updated_at: now,
        };
        let prepared = ping(&realm, &endpoint, OutboxEventId(Uuid::nil()), &open, now);
        let (outcome, took) = courier.deliver(&endpoint.url, prepared.clone()).await;
        assert_eq!(outcome, answered(200, "thanks"));
        assert!(Duration::ZERO < took);
        let heard = receiver.heard().pop().expect("it arrived");
        assert_eq!(heard.request_line, "POST /hook?token=s3cret HTTP/1.1");
        assert_eq!(heard.body, prepared.body);
        for (name, value) in &prepared.headers {
            assert_eq!(heard.header(&name.to_lowercase()), value, "{name}");
        }
        assert_eq!(heard.header("user-agent"), concat!("Purser/", env!("CARGO_PKG_VERSION")));
        assert_eq!(heard.header("accept-encoding"), "");
        for secret in &secrets {
            assert!(is_standard(&heard, secret) && is_timed(&heard, secret));
        }
        let other = secret_text(&[3; 32]);
        assert!(!is_standard(&heard, &other) && !is_timed(&heard, &other));
        let changed = Heard { body: format!("{} ", heard.body), ..heard };
        assert!(!is_standard(&changed, &secrets[0]) && !is_timed(&changed, &secrets[0]));
    }
    let form = receiver.heard().pop().expect("it arrived").body;
    let fields: BTreeMap<_, _> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let (signature, payload) = fields["signed_request"].split_once('.').expect("it has two parts");
    assert_eq!(signature, URL_SAFE_NO_PAD.encode(hmac(callback_key.as_bytes(), payload)));
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let receiver = Receiver::answering(|_| status(204, "", "")).await;
    let courier = courier("127.0.0.1");
    for _ in 0..3 {
        assert_eq!(outcome(&courier, &hook(&receiver)).await, answered(204, ""));
    }
    assert_eq!(receiver.heard().iter().map(|heard| heard.connection).collect::<Vec<_>>(), [0, 0, 0]);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = Receiver::answering(|_| status(200, "", "")).await;
    let location = format!("Location: http://{}/\r\n", elsewhere.address);
    let receiver = Receiver::answering(move |_| status(307, &location, "")).await;
    assert_eq!(outcome(&courier("127.0.0.1"), &hook(&receiver)).await, answered(307, ""));
    assert_eq!(elsewhere.heard(), []);
}

#[tokio::test]
async fn a_receiver_that_hangs_is_cut_at_the_timeout() {
    let receiver = Receiver::answering(|_| Reply::Nothing).await;
    let (outcome, took) = hasty().deliver(&url(&hook(&receiver)), request()).await;
    assert_eq!(outcome, AttemptOutcome::Failed { error: "timed out after 0.3 s".to_owned() });
    assert!(Duration::from_millis(300) <= took && took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn an_answer_whose_body_never_ends_is_an_answer() {
    let head = "HTTP/1.1 503 X\r\nContent-Length: 100\r\nRetry-After: 7\r\n\r\nbusy";
    let receiver = Receiver::answering(move |_| Reply::Raw(head.as_bytes().to_vec())).await;
    let expected =
        AttemptOutcome::Answered { status: 503, body: "busy".to_owned(), retry_after: Some(Duration::from_secs(7)) };
    assert_eq!(outcome(&hasty(), &hook(&receiver)).await, expected);
}

#[tokio::test]
async fn a_body_is_read_no_further_than_it_is_kept() {
    let receiver = Receiver::answering(|heard| {
        let length = if heard.connection == 0 { 1_024 } else { 10_000_000 };
        status(200, "", &"x".repeat(length))
    })
    .await;
    let courier = courier("127.0.0.1");
    let kept = answered(200, &"x".repeat(1_024));
    assert_eq!(outcome(&courier, &hook(&receiver)).await, kept);
    assert_eq!(outcome(&courier, &hook(&receiver)).await, kept);
    let first = receiver.heard();
    assert_eq!(first.iter().map(|heard| heard.connection).collect::<Vec<_>>(), [0, 0], "a body read to its end");
    let receiver = Receiver::answering(|_| status(200, "", &"x".repeat(10_000_000))).await;
    assert_eq!(outcome(&courier, &hook(&receiver)).await, kept);
    assert_eq!(outcome(&courier, &hook(&receiver)).await, kept);
    assert_eq!(receiver.heard().iter().map(|heard| heard.connection).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn why_there_is_no_answer_is_said_in_words_and_without_the_url() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.local_addr().expect("it is bound")
    };
    let courier = courier("127.0.0.1");
    assert_eq!(error(&courier, &format!("http://{closed}/?token=s3cret")).await, "connection refused");
    let receiver = Receiver::answering(|_| Reply::HangUp).await;
    let hung_up = error(&courier, &hook(&receiver)).await;
    assert!(hung_up.contains("connection") && !hung_up.contains("s3cret"), "{hung_up}");
    let receiver = Receiver::answering(|_| Reply::Raw(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec())).await;
    let no_http = error(&courier, &hook(&receiver)).await;
    assert!(no_http.contains("HTTP version") && !no_http.contains("s3cret"), "{no_http}");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let no_tls = format!("https://{}/", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("it listens");
        stream.write_all(b"220 mail.example ESMTP\r\n").await.expect("it is connected");
        std::future::pending::<()>().await;
    });
    let no_tls = error(&courier, &no_tls).await;
    assert!(no_tls.starts_with("TLS: "), "{no_tls}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_named() {
    struct Nobody;
    #[async_trait]
    impl Resolver for Nobody {
        async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            Err(io::Error::other("no such name"))
        }
    }
    let courier = courier_with("", CourierSettings { resolver: Arc::new(Nobody), ..settings() });
    let expected = "the name receiver.example cannot be resolved";
    assert_eq!(error(&courier, "https://receiver.example/").await, expected);
    let refused = courier.check(&url("https://receiver.example/")).await.expect_err("it does not resolve");
    assert_eq!(refused.to_string(), expected);
}

#[tokio::test]
async fn a_name_that_changes_between_check_and_connect_is_not_dialled() {
    let receiver = Receiver::answering(|_| status(200, "", "")).await;
    let port = receiver.address.port();
    let target = format!("https://receiver.example:{port}/");
    let resolver = Changing::new(&["93.184.216.34", "127.0.0.1"]);
    let courier = courier_with("", CourierSettings { resolver: resolver.clone(), ..settings() });
    courier.check(&url(&target)).await.expect("it is public when it is checked");
    assert_eq!(
        error(&courier, &target).await,
        "receiver.example resolves to 127.0.0.1, which is loopback; PURSER_WEBHOOK_ALLOW can allow it"
    );
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 2);
    assert_eq!(receiver.heard(), []);
}

#[tokio::test]
async fn what_is_dialled_is_what_was_judged_and_no_further_look_up() {
    let receiver = Receiver::answering(|_| status(200, "", "")).await;
    let port = receiver.address.port();
    let resolver = Changing::new(&["127.0.0.1", "10.0.0.1"]);
    let courier = courier_with("127.0.0.1", CourierSettings { resolver: resolver.clone(), ..settings() });
    let target = format!("http://receiver.example:{port}/");
    assert_eq!(outcome(&courier, &target).await, answered(200, ""));
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 1);
    assert_eq!(receiver.heard()[0].header("host"), format!("receiver.example:{port}"));
}

#[tokio::test]
async fn an_address_that_may_not_be_dialled_is_not_dialled_however_it_is_written() {
    let receiver = Receiver::answering(|_| status(200, "", "")).await;
    let port = receiver.address.port();
    let courier = courier("192.168.7.7, allowed.example");
    let hosts = [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::127.0.0.1]",
        "0.0.0.0",
        "[::]",
    ];
    for host in hosts {
        for scheme in ["http", "https"] {
            let target = format!("{scheme}://{host}:{port}/");
            let error = error(&courier, &target).await;
            assert!(error.ends_with("PURSER_WEBHOOK_ALLOW can allow it"), "{target}: {error}");
            let refused = courier.check(&url(&target)).await.expect_err("it is refused");
            assert_eq!(refused.to_string(), error, "{target}");
        }
    }
    for host in ["private.example", "localhost", "localhost."] {
        for scheme in ["http", "https"] {
            let error = error(&courier, &format!("{scheme}://{host}:{port}/")).await;
            assert!(error.contains("resolves to 127.0.0.1, which is loopback"), "{error}");
        }
    }
    assert_eq!(error(&courier, "http://93.184.216.34/").await.split(',').next(), Some("must begin with https://"));
    assert_eq!(receiver.heard(), []);
    assert_eq!(outcome(&courier, &format!("http://ALLOWED.example.:{port}/")).await, answered(200, ""));
}

#[tokio::test]
async fn a_receiver_with_a_trusted_certificate_is_spoken_to_and_another_is_not() {
    let certified = rcgen::generate_simple_self_signed(["receiver.example".to_owned()]).expect("it can be made");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("it is a key");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("there are some")
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .expect("they belong together");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let target = format!("https://receiver.example:{}/hook", listener.local_addr().expect("it is bound").port());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("it listens");
            if let Ok(stream) = acceptor.accept(stream).await {
                converse(stream, 0, Arc::clone(&log), Arc::new(|_: &Heard| status(200, "", "safe"))).await;
            }
        }
    });
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).expect("it is a certificate");
    let trusting = courier_with("127.0.0.1", CourierSettings { roots, ..settings() });
    let mistrusting = courier("127.0.0.1");
    let untrusted = error(&mistrusting, &target).await;
    assert!(untrusted.starts_with("TLS: invalid peer certificate"), "{untrusted}");
    let wrong_name = error(&trusting, &target.replace("receiver.", "other.")).await;
    assert!(wrong_name.starts_with("TLS: invalid peer certificate"), "{wrong_name}");
    assert_eq!(*heard.lock().expect("nobody panicked"), []);
    assert_eq!(outcome(&trusting, &target).await, answered(200, "safe"));
}
