//! Several servers on one Redis are limited as one.

use std::sync::Arc;

use serde_json::json;

use crate::harness::api::at_once;
use crate::harness::program::Purser;

#[tokio::test]
async fn two_servers_with_one_redis_share_a_budget_exactly() {
    let redis = testcluster::redis();
    let options = ["--rate-limit-server-api", "50", "--redis-url", &redis.url()];
    let first = Purser::start_with(&options).await;
    let second = Purser::start_in(Arc::clone(first.home()), &options).await;
    let apis = [first.api(), second.api_with(first.key())];
    let replies = at_once(&apis, 200, "players/p/wallet/gold/credit", &json!({ "amount": 1 })).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 50);
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        reply.error(429, "rate_limited", Some("KS-4292"));
    }
    assert_eq!(first.verified().await, (1, 50));
}

#[tokio::test]
async fn two_servers_without_redis_are_limited_each_for_itself() {
    let options = ["--rate-limit-server-api", "50"];
    let first = Purser::start_with(&options).await;
    let second = Purser::start_in(Arc::clone(first.home()), &options).await;
    let apis = [first.api(), second.api_with(first.key())];
    let replies = at_once(&apis, 200, "players/p/wallet/gold/credit", &json!({ "amount": 1 })).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 100);
}
