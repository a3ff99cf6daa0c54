//! The bulk imports: what becomes of good, bad and repeated rows, and of what holds no rows at all.

use serde_json::{Value, json};

use super::world::{Reply, Routes, StoreMood, World, post};

const PLAYERS: &str = "/server/v1/migrate/players";
const WALLET: &str = "/server/v1/migrate/wallet";
const INVENTORY: &str = "/server/v1/migrate/inventory";

async fn send(routes: &Routes, path: &str, rows: Value) -> Reply {
    routes.send(post(path, json!({ "rows": rows }).to_string())).await
}

/// How many rows were applied, skipped and failed, after checking that the failures are as many and in order.
fn counts(reply: &Reply) -> (u64, u64, u64) {
    assert_eq!(reply.status, 200, "{reply:?}");
    let data = &reply.json()["data"];
    let indexes: Vec<u64> =
        data["failures"].as_array().unwrap().iter().map(|failure| failure["rowIndex"].as_u64().unwrap()).collect();
    assert!(indexes.is_sorted(), "{reply:?}");
    let [applied, skipped, failed] = ["applied", "skipped", "failed"].map(|name| data[name].as_u64().unwrap());
    assert_eq!(u64::try_from(indexes.len()).unwrap(), failed, "{reply:?}");
    (applied, skipped, failed)
}

fn gold(player: &str, amount: i64, key: &str) -> Value {
    json!({ "externalPlayerId": player, "economyKey": "gold", "amount": amount, "idempotencyKey": key })
}

#[actix_web::test]
async fn good_bad_and_repeated_wallet_rows_each_have_their_end() {
    let routes = World::default().start().await;
    let rows = json!([
        gold("p-1", 500, "a"),
        gold("p-1", 500, "a"),
        gold("p-1", 501, "a"),
        gold("p-2", 9_007_199_254_740_991_i64, "b"),
        gold("p-2", 1, "c"),
        { "externalPlayerId": "p-3", "economyKey": "g old", "amount": -1, "reason": 5, "idempotencyKey": "" },
        {},
        "row",
        null,
        { "externalPlayerId": "__merged_1", "economyKey": "gold", "amount": "5", "idempotencyKey": "d" },
        { "externalPlayerId": 7, "economyKey": "gold", "amount": 1, "idempotencyKey": "d" },
        { "externalPlayerId": "p-4", "economyKey": "gold", "amount": 1.0, "idempotencyKey": "d", "sourceSystem": "old" },
    ]);
    let reply = send(&routes, WALLET, rows.clone()).await;
    insta::assert_snapshot!("wallet", reply.shown());
    assert_eq!(counts(&reply), (3, 1, 8));
    assert_eq!(counts(&send(&routes, WALLET, rows).await), (0, 4, 8));
    let debit = routes.send(post("/server/v1/players/p-1/wallet/gold/debit", r#"{"amount":500}"#)).await;
    assert_eq!(debit.json()["data"]["balance"], 0);
}

#[actix_web::test]
async fn items_are_brought_in_with_their_parameters() {
    let routes = World::default().start().await;
    let row = |parameters: Value| json!({ "externalPlayerId": "p-1", "itemKey": "potion", "quantity": 2, "parameters": parameters, "idempotencyKey": "k" });
    let rows = json!([
        row(json!({ "roll": 7, "name": "old" })),
        row(json!({ "name": "old", "roll": 7.0 })),
        row(json!({ "roll": 8, "name": "old" })),
        row(json!([7])),
        row(json!({ "text": "x".repeat(16 * 1024) })),
    ]);
    let reply = send(&routes, INVENTORY, rows).await;
    insta::assert_snapshot!("inventory", reply.shown());
    assert_eq!(counts(&reply), (1, 1, 3));
}

#[actix_web::test]
async fn players_are_brought_in_with_a_context_or_without() {
    let routes = World::default().start().await;
    let rows = json!([
        { "externalPlayerId": "p-1", "contextSnapshot": { "country": "SE" }, "idempotencyKey": "p-1" },
        { "externalPlayerId": "p-2", "idempotencyKey": "p-2" },
        { "externalPlayerId": "p-2", "contextSnapshot": null, "idempotencyKey": "p-2" },
        { "externalPlayerId": "p-3", "contextSnapshot": "SE", "idempotencyKey": "p-3" },
        { "externalPlayerId": "p-4", "idempotencyKey": "p-1" },
    ]);
    let reply = send(&routes, PLAYERS, rows).await;
    insta::assert_snapshot!("players", reply.shown());
    assert_eq!(counts(&reply), (2, 1, 2));
}

#[actix_web::test]
async fn each_import_has_idempotency_keys_of_its_own() {
    let routes = World::default().start().await;
    let player = json!([{ "externalPlayerId": "p", "idempotencyKey": "k" }]);
    let item = json!([{ "externalPlayerId": "p", "itemKey": "sword", "quantity": 1, "idempotencyKey": "k" }]);
    for expected in [(1, 0, 0), (0, 1, 0)] {
        assert_eq!(counts(&send(&routes, PLAYERS, player.clone()).await), expected);
        assert_eq!(counts(&send(&routes, WALLET, json!([gold("p", 5, "k")])).await), expected);
        assert_eq!(counts(&send(&routes, INVENTORY, item.clone()).await), expected);
    }
    let credit = post("/server/v1/players/p/wallet/gold/credit", r#"{"amount":5,"idempotencyKey":"k"}"#);
    assert_eq!(routes.send(credit).await.json()["data"]["balance"], 10, "nor are they a credit's");
}

#[actix_web::test]
async fn no_rows_are_no_error_and_too_many_are_one() {
    let routes = World::default().start().await;
    let rows = |count: i64| (0..count).map(|number| gold("p", 1, &number.to_string())).collect::<Value>();
    assert_eq!(counts(&send(&routes, WALLET, rows(0)).await), (0, 0, 0));
    assert_eq!(routes.batches(), 0, "the store was asked");
    assert_eq!(counts(&send(&routes, WALLET, rows(1_000)).await), (1_000, 0, 0));
    assert!(routes.batches() < 20, "rows are settled together");
    assert_eq!(send(&routes, WALLET, rows(1_001)).await.wrong_fields(), ["rows"]);
    let zeros = format!(r#"{{"rows":[0{}]}}"#, ",0".repeat(1_000_000));
    assert_eq!(routes.send(post(WALLET, zeros)).await.wrong_fields(), ["rows"]);
}

#[actix_web::test]
async fn an_envelope_without_rows_is_refused_as_a_whole() {
    let routes = World::default().start().await;
    let row = gold("p", 1, "k");
    for (body, wrong) in [
        ("[]".to_owned(), ""),
        ("5".to_owned(), ""),
        ("{".to_owned(), ""),
        (format!(r#"{{"rows":[{row}"#), ""),
        (String::new(), "rows"),
        ("{}".to_owned(), "rows"),
        (r#"{"rows":null}"#.to_owned(), "rows"),
        (r#"{"rows":{"0":1}}"#.to_owned(), "rows"),
        (r#"{"rows":"[]"}"#.to_owned(), "rows"),
        (format!(r#"{{"rows":[{row}],"rows":[{row}]}}"#), "rows"),
    ] {
        for path in [PLAYERS, WALLET, INVENTORY] {
            assert_eq!(routes.send(post(path, body.clone())).await.wrong_fields(), [wrong], "{path} {body}");
        }
    }
    assert_eq!(routes.batches(), 0, "the store was asked");
    insta::assert_snapshot!("missing_rows", routes.send(post(WALLET, "{}")).await.shown());
}

#[actix_web::test]
async fn an_import_may_be_larger_than_other_bodies_up_to_a_limit() {
    let routes = World::default().start().await;
    let padded = |bytes: usize| format!(r#"{{"rows":[{}],"padding":"{}"}}"#, gold("p", 1, "k"), "x".repeat(bytes));
    assert_eq!(counts(&routes.send(post(WALLET, padded(7 * 1024 * 1024))).await), (1, 0, 0));
    insta::assert_snapshot!("too_large", routes.send(post(WALLET, padded(8 * 1024 * 1024))).await.shown());
}

#[actix_web::test]
async fn a_row_with_very_many_wrong_fields_does_not_name_them_all() {
    let routes = World::default().start().await;
    let twice = (0..400).map(|number| format!(r#""x{number}":1,"x{number}":2,"#)).collect::<String>();
    let row = format!(r#"{{{twice}"externalPlayerId":"{}","idempotencyKey":"k"}}"#, "p".repeat(100_000));
    let reply = routes.send(post(PLAYERS, format!(r#"{{"rows":[{row}]}}"#))).await;
    assert_eq!(counts(&reply), (0, 0, 1));
    assert!(reply.body.contains("(and 381 more)") && reply.body.len() < 2_000, "{reply:?}");
    assert!(!reply.body.contains("externalPlayerId\":"), "an id that long is not said back: {reply:?}");
}

#[actix_web::test]
async fn rows_whose_outcome_is_unknown_fail_the_whole_call() {
    let routes = World { mood: StoreMood::Fails, ..World::default() }.start().await;
    let reply = send(&routes, WALLET, json!([gold("p", 1, "k"), {}])).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "unavailable"));
    assert!(reply.header("retry-after").is_some());
    assert_eq!(counts(&send(&routes, WALLET, json!([{}])).await), (0, 0, 1), "bad rows need no store");
}
