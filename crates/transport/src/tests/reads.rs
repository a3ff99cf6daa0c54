//! The reads: what they ask for and what they answer.

use domain::clock::Timestamp;
use domain::economy::{
    Amount, Asset, AssetKey, AssetKind, Balance, EntryId, Grant, GrantEntries, GrantEntry, GrantId, GrantKind,
    GrantSource, GrantStatus, Holding, LedgerRow, MockEconomyReads, Operation, Order, Origin, Page,
};
use domain::players::{ExternalId, MockPlayerReads, Player, PlayerId, Profile};
use domain::store::StoreError;
use domain::text::JsonObject;
use serde_json::json;
use uuid::Uuid;

use super::played;
use super::world::{NOW_S, World, now, request};

fn key(text: &str) -> AssetKey {
    AssetKey::try_new(text).unwrap()
}

fn earlier(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros((NOW_S - seconds) * 1_000_000 + 123_456)
}

fn holding(name: &str, balance: i64) -> Holding {
    Holding { key: key(name), balance: Balance::restore(balance), created_at: earlier(60), updated_at: earlier(5) }
}

fn row(sequence: i64) -> LedgerRow {
    LedgerRow {
        id: EntryId(Uuid::from_u128(u128::try_from(sequence).unwrap())),
        asset: Asset { kind: AssetKind::Currency, key: key("gold") },
        delta: -5,
        balance_after: Balance::restore(10),
        reason: Some("spend".to_owned()),
        source_ref: None,
        parameters: None,
        origin: Origin::Server,
        operation: Operation::WalletDebit,
        sequence,
        position: sequence * 10,
        at: earlier(1),
    }
}

fn grant(id: u128) -> Grant {
    let entry = GrantEntry::Currency { key: key("gold"), amount: Amount::try_new(5).unwrap() };
    Grant {
        id: GrantId(Uuid::from_u128(id)),
        player: PlayerId(Uuid::from_u128(1)),
        kind: GrantKind::Reward,
        entries: GrantEntries::try_new(vec![entry]).unwrap(),
        source: GrantSource::Api,
        source_ref: None,
        metadata: None,
        delivery: domain::economy::Delivery::Claim,
        claim: None,
        expires_at: (id == 1).then(|| earlier(1)),
        created_at: earlier(100),
    }
}

async fn get(reads: MockEconomyReads, path: &str) -> super::world::Reply {
    let routes = World { reads, ..World::default() }.start().await;
    routes.send(request("GET", path)).await
}

#[actix_web::test]
async fn a_wallet_shows_every_currency_ever_touched() {
    let mut reads = MockEconomyReads::new();
    reads.expect_holdings().returning(|_, player, kind| {
        assert_eq!((player.as_str(), kind), ("p/1", AssetKind::Currency));
        Ok(Some(vec![holding("gem", 0), holding("gold", 500)]))
    });
    insta::assert_snapshot!("wallet", get(reads, "/server/v1/players/p%2F1/wallet").await.shown());
}

#[actix_web::test]
async fn an_inventory_shows_the_items_held() {
    let mut reads = MockEconomyReads::new();
    reads.expect_holdings().returning(|_, _, _| Ok(Some(vec![holding("shield", 0), holding("sword", 2)])));
    insta::assert_snapshot!("inventory", get(reads, "/server/v1/players/p/inventory").await.shown());
}

#[actix_web::test]
async fn a_ledger_page_leads_to_the_next() {
    let mut reads = MockEconomyReads::new();
    reads.expect_ledger().times(2).returning(|query| {
        assert_eq!((query.kind, query.order, query.limit), (Some(AssetKind::Currency), Order::Ascending, 2));
        match query.after {
            None => Ok(Some(Page { rows: vec![row(1), row(2)], more: true })),
            Some(after) => {
                assert_eq!(after, 20);
                Ok(Some(Page { rows: vec![row(3)], more: false }))
            }
        }
    });
    let routes = World { reads, ..World::default() }.start().await;
    let path = "/server/v1/players/p/ledger?kind=wallet&key=gold&order=asc&limit=2";
    let first = routes.send(request("GET", path)).await;
    insta::assert_snapshot!("ledger", first.shown());
    let next = first.json()["next"].as_str().unwrap().to_owned();
    let second = routes.send(request("GET", &format!("{path}&after={next}"))).await;
    assert!(second.json()["next"].is_null());
}

#[actix_web::test]
async fn a_ledger_is_read_newest_first_fifty_at_a_time_unless_told_otherwise() {
    let mut reads = MockEconomyReads::new();
    reads.expect_ledger().returning(|query| {
        assert_eq!((query.kind, query.order, query.limit, query.after), (None, Order::Descending, 50, None));
        Ok(Some(Page { rows: Vec::new(), more: false }))
    });
    assert_eq!(get(reads, "/server/v1/players/p/ledger?unknown=1").await.body, r#"{"data":[],"next":null}"#);
}

#[actix_web::test]
async fn grants_are_listed_with_their_state_now() {
    let mut reads = MockEconomyReads::new();
    reads.expect_grants().returning(|query| {
        assert_eq!((query.status, query.after, query.limit), (Some(GrantStatus::Pending), None, 2));
        Ok(Some(Page { rows: vec![grant(2), grant(1)], more: true }))
    });
    insta::assert_snapshot!("grants", get(reads, "/server/v1/players/p/grants?status=pending&limit=2").await.shown());
}

#[actix_web::test]
async fn a_profile_shows_a_player_in_one_round_trip() {
    let mut players = MockPlayerReads::new();
    players.expect_profile().returning(|_, player, limit, at| {
        assert_eq!((limit, at), (3, now()));
        let player = Player {
            id: PlayerId(Uuid::from_u128(9)),
            external_id: player.clone(),
            created_at: earlier(1_000),
            last_seen_at: earlier(10),
            banned_at: None,
        };
        Ok(Some(Profile {
            attempts: 7,
            recent_attempts: vec![played::attempt(5)],
            lobbies: 3,
            recent_lobbies: vec![played::lobby(3), played::lobby(2)],
            player,
            last_context_snapshot: Some(JsonObject::try_new(&json!({ "country": "SE" })).unwrap()),
            ban_reason: None,
            grants: 4,
            pending_grants: 1,
            recent_grants: vec![grant(2)],
            inventory: vec![holding("sword", 2)],
            wallet: vec![holding("gold", 500)],
        }))
    });
    let routes = World { players, ..World::default() }.start().await;
    insta::assert_snapshot!(
        "profile",
        routes.send(request("GET", "/server/v1/players/%F0%9F%A6%80?limit=3")).await.shown()
    );
}

#[actix_web::test]
async fn an_unknown_player_is_not_found_by_any_read() {
    let (mut reads, mut players) = (MockEconomyReads::new(), MockPlayerReads::new());
    reads.expect_holdings().returning(|_, _, _| Ok(None));
    reads.expect_ledger().returning(|_| Ok(None));
    reads.expect_grants().returning(|_| Ok(None));
    players.expect_profile().returning(|_, _: &ExternalId, _, _| Ok(None));
    let routes = World { reads, players, ..World::default() }.start().await;
    for path in ["", "/wallet", "/inventory", "/ledger", "/grants"] {
        let reply = routes.send(request("GET", &format!("/server/v1/players/p{path}"))).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{path}");
    }
}

#[actix_web::test]
async fn a_read_that_fails_is_unavailable_and_tells_no_cause() {
    let mut reads = MockEconomyReads::new();
    reads.expect_holdings().returning(|_, _, _| Err(StoreError::unavailable("secret cause")));
    insta::assert_snapshot!("failed_read", get(reads, "/server/v1/players/p/wallet").await.shown());
}
