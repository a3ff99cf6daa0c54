//! Books that somebody else has changed are found out while the server runs.

use reqwest::Method;
use serde_json::json;

use crate::harness::api::Reply;
use crate::harness::patience::eventually;
use crate::harness::program::Purser;
use crate::postgres::session::Session;

#[tokio::test]
async fn a_balance_that_was_changed_behind_the_ledgers_back_is_found_by_the_server_itself() {
    let mut purser = Purser::start().await;
    for player in ["p-1", "p-2"] {
        purser.api().credit(player, "gold", json!({ "amount": 5 })).await.ok(200);
    }
    purser.stop().await;
    let session = Session::open(purser.home().store().url()).await;
    let forged = "UPDATE accounts SET balance = 5000 WHERE player = (SELECT id FROM players WHERE external_id = 'p-1')
        RETURNING 'it is'";
    assert_eq!(session.texts(forged).await, ["it is"]);
    purser.restart().await;
    let found = r#"purser_invariant_violations{fault="balance"} 1"#;
    eventually("the account is found", async || {
        let text = Reply::to(purser.api().bare(Method::GET, "/metrics")).await.expect("the server answers").text;
        text.lines().any(|line| line == found).then_some(())
    })
    .await;
    let ended = purser.stop().await;
    assert!(ended.err.contains("an account does not add up"), "{}", ended.err);
}
