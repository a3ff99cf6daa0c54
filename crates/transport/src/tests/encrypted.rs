//! Connections through TLS: HTTP/2 and HTTP/1.1, and those who cannot shake hands.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::socket::serving_as;
use super::world::{Key, World};
use crate::{Certificates, Limits, Serving, serve};

const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// A certificate, as PEM with its key and as clients know it.
struct Made {
    chain: String,
    key: String,
    der: CertificateDer<'static>,
}

fn made() -> Made {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Made { chain: cert.pem(), key: signing_key.serialize_pem(), der: cert.der().clone() }
}

fn started(made: &Made, limits: Limits) -> (SocketAddr, Arc<Certificates>) {
    let certificates = Arc::new(Certificates::new(made.chain.as_bytes(), made.key.as_bytes()).unwrap());
    let serving = Serving { limits, certificates: Some(Arc::clone(&certificates)), ..Serving::default() };
    (serving_as(World::default().open().0, serving), certificates)
}

async fn shaken(
    address: SocketAddr,
    trusted: &Made,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let mut config =
        config.with_protocol_versions(versions).unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

fn asked(path: &str) -> http::Request<()> {
    let key = Key::Server.text();
    http::Request::get(format!("https://localhost{path}")).header("x-api-key", key).body(()).unwrap()
}

#[actix_web::test]
async fn http_1_is_spoken_through_both_versions_of_tls() {
    let made = made();
    let (address, _) = started(&made, Limits::default());
    for (version, told) in
        [(&rustls::version::TLS13, ProtocolVersion::TLSv1_3), (&rustls::version::TLS12, ProtocolVersion::TLSv1_2)]
    {
        let mut stream = shaken(address, &made, &[version], &[b"http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(told));
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[actix_web::test]
async fn many_requests_share_a_connection_of_http_2_and_a_panic_harms_only_its_own() {
    let made = made();
    let (address, _) = started(&made, Limits::default());
    let stream = shaken(address, &made, BOTH, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    actix_web::rt::spawn(connection);
    // A mock that expects nothing panics when it is asked.
    let paths = ["/healthz", "/server/v1/players/p-1/wallet", "/server/v1/ping"].repeat(10);
    let mut answers = Vec::new();
    for path in paths {
        client = client.ready().await.unwrap();
        answers.push((path, client.send_request(asked(path), true).unwrap().0));
    }
    for (path, answer) in answers {
        let status = if path.ends_with("/wallet") { 500 } else { 200 };
        assert_eq!(answer.await.unwrap().status().as_u16(), status, "{path}");
    }
}

#[actix_web::test]
async fn a_connection_of_http_2_has_only_so_many_requests_at_once() {
    let made = made();
    let (address, _) = started(&made, Limits { streams_max: 3, ..Limits::default() });
    let stream = shaken(address, &made, BOTH, &[b"h2"]).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    actix_web::rt::spawn(connection);
    let credit = || {
        let key = Key::Server.text();
        let uri = "https://localhost/server/v1/players/p/wallet/gold/credit";
        http::Request::post(uri).header("x-api-key", key).body(()).unwrap()
    };
    // Three whose bodies do not come.
    let mut waiting = Vec::new();
    for _ in 0..3 {
        client = client.ready().await.unwrap();
        waiting.push(client.send_request(credit(), false).unwrap());
    }
    client = client.ready().await.unwrap();
    let (refused, _) = client.send_request(asked("/healthz"), true).unwrap();
    assert_eq!(refused.await.unwrap().status().as_u16(), 503);
    for (answer, mut body) in waiting {
        body.send_data(Bytes::from_static(b"{\"amount\":1}"), true).unwrap();
        assert_eq!(answer.await.unwrap().status().as_u16(), 200);
    }
    client = client.ready().await.unwrap();
    assert_eq!(client.send_request(asked("/healthz"), true).unwrap().0.await.unwrap().status().as_u16(), 200);
}

#[actix_web::test]
async fn a_server_that_stops_does_not_wait_for_idle_connections_of_http_2() {
    let made = made();
    let certificates = Certificates::new(made.chain.as_bytes(), made.key.as_bytes()).unwrap();
    let serving = Serving { certificates: Some(Arc::new(certificates)), ..Serving::default() };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = serve(World::default().open().0, listener, serving).unwrap();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let stream = shaken(address, &made, BOTH, &[b"h2"]).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = actix_web::rt::spawn(connection);
    let mut client = client.ready().await.unwrap();
    assert_eq!(client.send_request(asked("/healthz"), true).unwrap().0.await.unwrap().status().as_u16(), 200);
    // It would be ten seconds.
    tokio::time::timeout(Duration::from_secs(8), handle.stop(true)).await.expect("nobody is waited for");
    // In order or not, it has ended.
    let _ = connection.await.unwrap();
}

#[actix_web::test]
async fn half_a_body_over_http_2_is_answered_408_and_harms_no_other() {
    let made = made();
    let (address, _) = started(&made, Limits { body_time_max: Duration::from_millis(200), ..Limits::default() });
    let stream = shaken(address, &made, BOTH, &[b"h2"]).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    actix_web::rt::spawn(connection);
    let uri = "https://localhost/server/v1/players/p/wallet/gold/credit";
    let credit = http::Request::post(uri).header("x-api-key", Key::Server.text()).body(()).unwrap();
    let (answer, mut body) = client.send_request(credit, false).unwrap();
    body.send_data(Bytes::from_static(b"{\"amo"), false).unwrap();
    assert_eq!(answer.await.unwrap().status().as_u16(), 408);
    client = client.ready().await.unwrap();
    assert_eq!(client.send_request(asked("/healthz"), true).unwrap().0.await.unwrap().status().as_u16(), 200);
}

#[actix_web::test]
async fn plain_http_is_told_that_this_is_https() {
    let made = made();
    let (address, _) = started(&made, Limits::default());
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
    shaken(address, &made, BOTH, &[]).await.unwrap();
}

#[actix_web::test]
async fn whoever_does_not_finish_shaking_hands_is_let_go() {
    let made = made();
    let (address, _) =
        started(&made, Limits { tls_handshake_time_max: Duration::from_millis(200), ..Limits::default() });
    for begun in [&b""[..], b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        let mut answer = Vec::new();
        // Closed in order or not: with bytes unread it is a reset.
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"");
    }
}

#[actix_web::test]
async fn half_a_head_through_tls_is_answered_408() {
    let made = made();
    let (address, _) = started(&made, Limits { head_time_max: Duration::from_millis(200), ..Limits::default() });
    let mut stream = shaken(address, &made, BOTH, &[b"http/1.1"]).await.unwrap();
    stream.write_all(b"GET /healthz HTT").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[actix_web::test]
async fn a_certificate_is_replaced_for_those_who_come_later() {
    let (old, new) = (made(), made());
    let (address, certificates) = started(&old, Limits::default());
    let mut before = shaken(address, &old, BOTH, &[b"http/1.1"]).await.unwrap();
    certificates.replace(new.chain.as_bytes(), old.key.as_bytes()).expect_err("the key is another's");
    shaken(address, &old, BOTH, &[]).await.expect("the old one is shown on");
    certificates.replace(new.chain.as_bytes(), new.key.as_bytes()).unwrap();
    shaken(address, &new, BOTH, &[]).await.expect("the new one is shown");
    shaken(address, &old, BOTH, &[]).await.expect_err("the old one is not");
    before.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    before.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "who was there stays: {answer}");
}
