//! A server that is killed loses nothing that it acknowledged, and a client that repeats what it does not know doubles
//! nothing.

use crate::harness::load::{Load, Sent, check_books};
use crate::harness::program::Purser;

const CONNECTIONS: usize = 16;
/// After how many acknowledged credits the server is killed, in each round.
const ROUNDS: [usize; 5] = [40, 150, 300, 77, 201];

#[tokio::test]
async fn a_server_killed_five_times_under_load_loses_no_acknowledged_credit_and_doubles_none() {
    let mut purser = Purser::start().await;
    let key = purser.key().to_owned();
    let mut all = Sent::default();
    for (round, acknowledged) in ROUNDS.into_iter().enumerate() {
        let load = Load::start(&[purser.api_with(&key)], CONNECTIONS, &format!("round-{round}"));
        load.acknowledged(acknowledged).await;
        purser.kill().await;
        let sent = load.ended().await;
        assert_ne!(sent.broken, 0, "it was killed under load");
        purser.restart().await;

        let api = purser.api_with(&key);
        sent.repeat(&api).await;
        all.add(sent);
        assert_eq!(purser.verified().await, check_books(&api, &all).await);
    }
}
