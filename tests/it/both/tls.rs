//! HTTPS by flag: a certificate from files, which is read again when it was renewed.

use std::path::Path;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate, Client};
use serde_json::{Value, json};

use crate::harness::patience::{PATIENCE, eventually};
use crate::harness::program::{Home, Purser};

const FILES: [&str; 4] = ["--tls-cert", "server.pem", "--tls-key", "server.key"];

/// Puts a new certificate into the folder; what a client must trust to believe it.
fn renew(folder: &Path) -> Certificate {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("server.pem"), cert.pem()).unwrap();
    std::fs::write(folder.join("server.key"), signing_key.serialize_pem()).unwrap();
    Certificate::from_pem(cert.pem().as_bytes()).unwrap()
}

/// A client that believes only `trusted`, and shakes hands anew for every request.
fn client(purser: &Purser, trusted: Certificate) -> Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = Client::builder().no_proxy().timeout(PATIENCE).pool_max_idle_per_host(0).tls_certs_only([trusted]);
    builder.resolve("localhost", purser.address()).build().unwrap()
}

async fn ping(purser: &Purser, client: &Client) -> reqwest::Result<Value> {
    let url = format!("https://localhost:{}/server/v1/ping", purser.address().port());
    client.get(url).header("X-API-Key", purser.key()).send().await?.json().await
}

#[tokio::test]
async fn the_api_is_served_through_tls() {
    let home = Home::new().await;
    let trusted = renew(home.path());
    let mut purser = Purser::start_in(home, &FILES).await;
    assert!(purser.out().contains("  API   https://127.0.0.1:"), "{}", purser.out());
    assert!(purser.out().contains("curl -sS -X POST https://127.0.0.1:"), "{}", purser.out());
    let client = client(&purser, trusted);
    assert_eq!(ping(&purser, &client).await.unwrap()["ok"], true);
    let url = format!("https://localhost:{}/server/v1/players/p/wallet/gold/credit", purser.address().port());
    let credit = client.post(url).header("X-API-Key", purser.key()).json(&json!({ "amount": 5 })).send().await.unwrap();
    assert_eq!(credit.status(), 200);
    let listen = purser.address().to_string();
    assert_eq!(purser.must(&[&["health", "--listen", &listen][..], &FILES].concat()).await, "ready\n");
    let plain = reqwest::get(format!("http://{}/healthz", purser.address())).await.unwrap();
    assert_eq!(plain.status(), 400);
    assert!(plain.text().await.unwrap().contains("This port speaks HTTPS"));
    purser.stop().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let home = Home::new().await;
    let old = renew(home.path());
    let mut purser = Purser::start_in(home, &FILES).await;
    // A client that goes on with a session that it has does not ask for a certificate, so each is a new one.
    ping(&purser, &client(&purser, old.clone())).await.unwrap();

    let new = renew(purser.home().path());
    purser.signal("HUP").await;
    eventually("the new one is shown", async || ping(&purser, &client(&purser, new.clone())).await.ok()).await;
    ping(&purser, &client(&purser, old)).await.expect_err("the old one is shown no more");

    std::fs::write(purser.home().path().join("server.key"), "nonsense").unwrap();
    purser.signal("HUP").await;
    eventually("the log says so", async || purser.err().contains("shown is shown on").then_some(())).await;
    ping(&purser, &client(&purser, new)).await.unwrap();
    purser.stop().await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_stops_the_start_with_one_line() {
    let home = Home::new().await;
    let start = async || home.run(&[&["serve"][..], &FILES].concat()).await;
    let missing = start().await;
    assert!(missing.refused(1).contains("server.pem"), "{missing:?}");
    renew(home.path());
    let key = std::fs::read(home.path().join("server.key")).unwrap();
    renew(home.path());
    std::fs::write(home.path().join("server.key"), key).unwrap();
    let mismatched = start().await;
    assert!(mismatched.refused(1).contains("not that of the certificate"), "{mismatched:?}");
    std::fs::write(home.path().join("server.key"), "").unwrap();
    let empty = start().await;
    assert!(empty.refused(1).contains("no unencrypted private key"), "{empty:?}");
}
