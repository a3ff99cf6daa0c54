//! A full queue says so at once, and what it refuses does not happen.

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::api::Api;
use crate::harness::load::check_unavailable;
use crate::harness::patience::eventually;
use crate::harness::program::Purser;

const AT_ONCE: usize = 100;

/// Sends credits at once; tells how many were acknowledged and how many refused.
async fn burst(api: &Api) -> (u64, u64) {
    let mut requests = JoinSet::new();
    for _ in 0..AT_ONCE {
        let api = api.clone();
        requests.spawn(async move {
            let reply = api.credit("p", "gold", json!({ "amount": 1 })).await;
            if reply.status == 200 {
                return (1, 0);
            }
            reply.error(503, "overloaded", None);
            check_unavailable(&reply);
            (0, 1)
        });
    }
    let outcomes = requests.join_all().await;
    outcomes.into_iter().fold((0, 0), |(taken, refused), (one, other)| (taken + one, refused + other))
}

#[tokio::test]
async fn a_full_queue_answers_503_with_retry_after_and_does_nothing() {
    let purser = Purser::start_with(&["--queue-depth", "1"]).await;
    let api = purser.api();
    let (mut acknowledged, mut refused) = (0, 0);
    eventually("a request is refused", async || {
        let (more_acknowledged, more_refused) = burst(&api).await;
        acknowledged += more_acknowledged;
        refused += more_refused;
        (0 < refused).then_some(())
    })
    .await;
    assert_eq!(api.balance("p", "gold").await, Some(acknowledged), "and {refused} were refused");
    assert_eq!(purser.verified().await, (1, acknowledged));
}
