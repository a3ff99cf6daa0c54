//! A server that is killed loses nothing that it acknowledged, and a client that repeats what it does not know doubles
//! nothing.

use crate::load::{Credit, Load, check_books};
use crate::program::Purser;

const CONNECTIONS: usize = 16;
/// After how many acknowledged credits the server is killed, in each round.
const ROUNDS: [usize; 5] = [40, 150, 300, 77, 201];
/// Every so many acknowledged credits one is repeated.
const SAMPLED: usize = 7;

#[tokio::test]
async fn a_server_killed_five_times_under_load_loses_no_acknowledged_credit_and_doubles_none() {
    let mut purser = Purser::start().await;
    let key = purser.key().to_owned();
    let mut credits: Vec<Credit> = Vec::new();
    for (round, acknowledged) in ROUNDS.into_iter().enumerate() {
        let load = Load::start(&purser.api(), CONNECTIONS, &format!("round-{round}"));
        load.acknowledged(acknowledged).await;
        purser.kill().await;
        let sent = load.ended().await;
        purser.restart().await;

        let api = purser.api_with(&key);
        for credit in &sent.unanswered {
            credit.repeat(&api).await;
            assert!(!credit.repeat(&api).await, "{credit:?} took effect twice");
        }
        for credit in sent.acknowledged.iter().step_by(SAMPLED) {
            assert!(!credit.repeat(&api).await, "{credit:?} was acknowledged and lost, or took effect twice");
        }
        credits.extend(sent.acknowledged.into_iter().chain(sent.unanswered));
        check_books(&api, &credits).await;
    }
    let (accounts, entries) = purser.verified().await;
    assert_eq!((accounts, entries), (5, u64::try_from(credits.len()).unwrap()));
}
