//! A server that is told to stop finishes what it has begun, and soon.

use std::time::{Duration, Instant};

use crate::harness::load::{Credit, Load, check_books};
use crate::harness::program::Purser;
use crate::harness::socket;

const CONNECTIONS: usize = 16;
/// How long a stopping server may take at most.
const STOPPING_MAX: Duration = Duration::from_secs(10);

async fn a_signal_during_load_loses_nothing(name: &str) {
    let mut purser = Purser::start().await;
    let key = purser.key().to_owned();
    let load = Load::start(&[purser.api()], CONNECTIONS, name);
    load.acknowledged(150).await;
    let signalled = Instant::now();
    purser.signal(name).await;
    let ended = purser.ended().await;
    assert!(signalled.elapsed() < STOPPING_MAX, "it took {:?}: {ended:?}", signalled.elapsed());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let sent = load.ended().await;

    purser.restart().await;
    let api = purser.api_with(&key);
    let keyed = |credit: &&Credit| credit.is_keyed();
    for credit in sent.acknowledged.iter().filter(keyed) {
        assert!(!credit.repeat(&api).await, "{credit:?} was acknowledged and lost");
    }
    for credit in sent.unanswered.iter().filter(keyed) {
        assert!(credit.repeat(&api).await, "{credit:?} took effect and was not answered");
        assert!(!credit.repeat(&api).await, "{credit:?} took effect twice");
    }
    let (accounts, entries) = check_books(&api, &sent).await;
    assert_eq!(purser.verified().await, (accounts, entries));
    let happened = sent.acknowledged.len() + sent.unanswered.iter().filter(keyed).count();
    assert_eq!(entries, u64::try_from(happened).unwrap(), "no unanswered credit without a key took effect");
}

#[tokio::test]
async fn sigterm_during_load_ends_it_in_order_and_loses_nothing() {
    a_signal_during_load_loses_nothing("TERM").await;
}

#[tokio::test]
async fn sigint_during_load_ends_it_in_order_and_loses_nothing() {
    a_signal_during_load_loses_nothing("INT").await;
}

#[tokio::test]
async fn a_signal_right_after_the_banner_ends_it_in_order() {
    let mut purser = Purser::start_with(&["--no-demo"]).await;
    for _ in 0..10 {
        purser.stop().await;
        purser.restart().await;
    }
}

#[tokio::test]
async fn idle_connections_do_not_keep_a_stopping_server() {
    let mut purser = Purser::start().await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut stream = socket::opened(purser.address(), b"GET /healthz HTTP/1.1\r\nHost: purser\r\n\r\n").await;
        assert_eq!(socket::answered(&mut stream).await.status, 200);
        idle.push(stream);
        idle.push(socket::opened(purser.address(), b"").await);
    }
    let signalled = Instant::now();
    purser.stop().await;
    assert!(signalled.elapsed() < STOPPING_MAX, "it took {:?}", signalled.elapsed());
}

#[tokio::test]
async fn a_client_that_never_finishes_its_request_does_not_keep_a_stopping_server() {
    let mut purser = Purser::start().await;
    let path = b"/server/v1/players/p/wallet/gold/credit";
    let half = socket::head("POST", path, purser.key(), "Content-Length: 100\r\n");
    let stalled = socket::opened(purser.address(), &half).await;
    // The server has read the head once it answers a request that was sent later.
    purser.api().get("ping").await.ok(200);
    let signalled = Instant::now();
    purser.stop().await;
    // It waits for what is in flight as long as it may, and then a little to close the store.
    assert!(signalled.elapsed() < 2 * STOPPING_MAX, "it took {:?}", signalled.elapsed());
    drop(stalled);
}
