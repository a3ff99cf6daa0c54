//! Several servers on one database share the telling.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Method;
use serde_json::json;

use crate::harness::api::Reply;
use crate::harness::program::Purser;
use crate::harness::receiver::Receiver;

#[tokio::test]
async fn two_servers_on_one_database_tell_each_event_once() {
    const EVENTS: usize = 2_000;
    let allow = ["--webhook-allow", "127.0.0.1"];
    let first = Purser::start_with(&allow).await;
    let second = Purser::start_in(Arc::clone(first.home()), &allow).await;
    let receiver = Receiver::start().await;
    let apis = [first.api(), second.api_with(first.key())];
    let admin = first.issue("demo", "sandbox", "admin").await;
    let admin = second.api_with(admin["key"].as_str().unwrap());
    let game = apis[0].get("ping").await.ok(200)["apiKey"]["gameId"].as_str().unwrap().to_owned();
    let body = json!({ "url": receiver.url("/hooks"), "events": ["wallet.changed"] });
    let path = format!("/admin/v1/games/{game}/webhooks");
    Reply::to(admin.keyed(Method::POST, &path).json(&body)).await.expect("the server answers").ok(201);
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..20 {
        let api = apis[sender % 2].clone();
        senders.spawn(async move {
            for number in 0..EVENTS / 20 {
                let player = format!("p-{}", (sender + number) % 30);
                api.credit(&player, "gold", json!({ "amount": 1 })).await.ok(200);
            }
        });
    }
    while senders.join_next().await.transpose().expect("no sender panics").is_some() {}
    let received = receiver.wait_for("/hooks", EVENTS).await;
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for received in &received {
        *times.entry(received.header("webhook-id")).or_default() += 1;
    }
    assert_eq!((times.len(), times.values().max()), (EVENTS, Some(&1)));
}
