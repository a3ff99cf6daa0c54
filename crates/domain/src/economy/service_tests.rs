//! The use cases, over books in memory and mocks of the rest.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use uuid::Uuid;

use super::test_books::*;
use super::*;
use crate::clock::MockClock;
use crate::ids::MockIds;
use crate::keys::{Caller, KeyId, PermissionSet};
use crate::limits::KeyLimits;
use crate::store::StoreError;
use crate::tenancy::{Environment, GameId, Realm, RealmId, StudioId};

#[derive(Default)]
struct BooksStore {
    books: Mutex<Books>,
    seen: Mutex<Vec<Command>>,
}

#[async_trait]
impl EconomyStore for BooksStore {
    async fn settle(&self, batch: &Batch) -> Result<Settlement, StoreError> {
        self.seen.lock().unwrap().extend(batch.commands().iter().cloned());
        Ok(self.books.lock().unwrap().settle(batch.commands().to_vec()))
    }
}

fn caller() -> Caller {
    Caller {
        key: KeyId(Uuid::nil()),
        display_prefix: "ks_sandbox_0000000000".into(),
        actor: Actor::new("ks_sandbox_0000000000"),
        realm: Realm {
            id: REALM,
            studio: StudioId(Uuid::nil()),
            game: GameId(Uuid::nil()),
            environment: Environment::Sandbox,
        },
        permissions: PermissionSet::ServerIntegration,
        limits: KeyLimits::default(),
    }
}

/// The use cases in minute 5, with `reads`, and the store behind their queue.
fn economy(reads: MockEconomyReads) -> (Economy, Arc<BooksStore>) {
    let store = Arc::new(BooksStore::default());
    let (queue, lanes) = Queue::open(1, 10);
    let mut observer = MockLaneObserver::new();
    observer.expect_settled().return_const(());
    let observer = Arc::new(observer);
    for lane in lanes {
        tokio::spawn(lane.run(store.clone(), observer.clone()));
    }
    (Economy::new(queue, Arc::new(reads), clock(), ids()), store)
}

fn clock() -> Arc<MockClock> {
    let mut clock = MockClock::new();
    clock.expect_now().return_const(minute(5));
    Arc::new(clock)
}

fn ids() -> Arc<MockIds> {
    let mut ids = MockIds::new();
    let count = AtomicU64::new(0xFFFF_0000);
    ids.expect_next().returning(move |_| Uuid::from_u128(count.fetch_add(1, Ordering::Relaxed).into()));
    Arc::new(ids)
}

fn credit_request(number: i64) -> AdjustRequest {
    AdjustRequest {
        player: external_id("p1"),
        kind: AdjustmentKind::WalletCredit,
        key: asset_key("gold"),
        amount: amount(number),
        reason: None,
        source_ref: None,
        once: None,
    }
}

fn grant_request(delivery: Delivery) -> GrantRequest {
    GrantRequest {
        player: external_id("p1"),
        kind: GrantKind::Reward,
        entries: GrantEntries::try_new(vec![coins("gold", 5), items("sword", 1)]).unwrap(),
        source: GrantSource::Api,
        source_ref: None,
        metadata: None,
        expires_at: None,
        delivery,
        once: Once { key: KeyDigest([1; 32]), fingerprint: Fingerprint([2; 32]) },
    }
}

#[tokio::test]
async fn a_request_is_completed_with_time_identity_and_caller() {
    let (economy, store) = economy(MockEconomyReads::new());
    let adjusted = economy.adjust(&caller(), credit_request(5)).await.unwrap();
    assert_eq!((adjusted.key.as_str(), adjusted.balance.get()), ("gold", 5));
    let seen = store.seen.lock().unwrap();
    let command = &seen[0];
    assert_eq!((command.realm, command.at, command.origin), (REALM, minute(5), Origin::Server));
    assert_eq!(command.actor, caller().actor);
    let Action::Adjust(adjustment) = &command.action else { panic!("{command:?}") };
    let ids = [command.player_if_new.0, adjustment.ids.account_if_new.0, adjustment.ids.entry.0];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "every identifier is its own");
}

#[tokio::test]
async fn a_refusal_is_a_failure_with_its_reason() {
    let (economy, _) = economy(MockEconomyReads::new());
    let request = AdjustRequest { kind: AdjustmentKind::WalletDebit, ..credit_request(5) };
    let failure = economy.adjust(&caller(), request).await.unwrap_err();
    assert!(matches!(failure, Failure::Rejected(Rejection::InsufficientFunds { .. })), "{failure:?}");
}

#[tokio::test]
async fn a_grant_is_given_identifiers_for_its_deposits_when_it_is_delivered_at_once() {
    let (economy, store) = economy(MockEconomyReads::new());
    let created = economy.create_grant(&caller(), grant_request(Delivery::Immediate)).await.unwrap();
    assert_eq!(created.grant.status_at(minute(5)), GrantStatus::Claimed);
    assert_eq!(store.books.lock().unwrap().entries.len(), 2);
}

#[tokio::test]
async fn a_grant_that_waits_can_be_acknowledged() {
    let (economy, store) = economy(MockEconomyReads::new());
    let created = economy.create_grant(&caller(), grant_request(Delivery::Claim)).await.unwrap();
    assert_eq!(store.books.lock().unwrap().entries, []);
    let acked = economy.ack_grant(&caller(), external_id("p1"), created.grant.id).await.unwrap();
    assert_eq!(acked.claim, Some(Claim { at: minute(5), by: AckedBy::ServerApi }));
}

#[tokio::test]
async fn an_inventory_leaves_out_what_is_not_held_and_a_wallet_does_not() {
    let holding = |key, number| Holding {
        key: asset_key(key),
        balance: Balance::restore(number),
        created_at: minute(0),
        updated_at: minute(0),
    };
    let mut reads = MockEconomyReads::new();
    reads
        .expect_holdings()
        .withf(|realm, player, _| *realm == REALM && player.as_str() == "p1")
        .times(2)
        .returning(move |_, _, _| Ok(Some(vec![holding("a", 0), holding("b", 2)])));
    let (economy, _) = economy(reads);
    let keys = |holdings: Vec<Holding>| holdings.iter().map(|held| held.key.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(keys(economy.wallet(&caller(), &external_id("p1")).await.unwrap()), ["a", "b"]);
    assert_eq!(keys(economy.inventory(&caller(), &external_id("p1")).await.unwrap()), ["b"]);
}

#[tokio::test]
async fn reads_are_of_the_callers_realm_and_the_present() {
    let mut reads = MockEconomyReads::new();
    reads.expect_ledger().withf(|query| query.realm == REALM).times(1).returning(|_| Ok(Some(Page::of(vec![], 5))));
    reads
        .expect_grants()
        .withf(|query| query.realm == REALM && query.now == minute(5))
        .times(1)
        .returning(|_| Ok(Some(Page::of(vec![], 5))));
    let (economy, _) = economy(reads);
    let order = Order::Ascending;
    let (realm, player) = (RealmId(99), external_id("p1"));
    let query = LedgerQuery { realm, player: player.clone(), kind: None, key: None, order, after: None, limit: 5 };
    economy.ledger(&caller(), query).await.unwrap();
    let (_, now) = economy.grants(&caller(), player, None, None, 5).await.unwrap();
    assert_eq!(now, minute(5));
}

#[tokio::test]
async fn an_unknown_player_is_a_failure_of_every_read() {
    let mut reads = MockEconomyReads::new();
    reads.expect_holdings().returning(|_, _, _| Ok(None));
    reads.expect_ledger().returning(|_| Ok(None));
    reads.expect_grants().returning(|_| Ok(None));
    let (economy, _) = economy(reads);
    let player = external_id("nobody");
    let (realm, order) = (REALM, Order::Descending);
    let query = LedgerQuery { realm, player: player.clone(), kind: None, key: None, order, after: None, limit: 5 };
    let failures = [
        economy.wallet(&caller(), &player).await.map(drop).unwrap_err(),
        economy.inventory(&caller(), &player).await.map(drop).unwrap_err(),
        economy.ledger(&caller(), query).await.map(drop).unwrap_err(),
        economy.grants(&caller(), player.clone(), None, None, 5).await.map(drop).unwrap_err(),
    ];
    assert!(failures.iter().all(|failure| matches!(failure, Failure::PlayerNotFound)), "{failures:?}");
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_from_a_refusal() {
    let mut reads = MockEconomyReads::new();
    reads.expect_holdings().times(1).returning(|_, _, _| Err(StoreError::unavailable("gone")));
    reads.expect_holdings().times(1).returning(|_, _, _| Err(StoreError::Overloaded));
    let (queue, lanes) = Queue::open(1, 1);
    drop(lanes);
    let economy = Economy::new(queue, Arc::new(reads), clock(), ids());
    let player = external_id("p1");
    assert!(matches!(economy.wallet(&caller(), &player).await, Err(Failure::Store(StoreError::Unavailable(_)))));
    assert!(matches!(economy.wallet(&caller(), &player).await, Err(Failure::Overloaded)));
    assert!(matches!(economy.adjust(&caller(), credit_request(1)).await, Err(Failure::Unknown)));
}

#[tokio::test]
async fn rows_of_an_import_are_commands_for_a_migration_each_with_an_outcome() {
    let (economy, store) = economy(MockEconomyReads::new());
    let row = |number: u8, import| ImportRow {
        player: external_id("p1"),
        once: Once { key: KeyDigest([number; 32]), fingerprint: Fingerprint([number; 32]) },
        import,
    };
    let gold = |number| Import::Currency { key: asset_key("gold"), amount: amount(number), reason: None };
    let swords = Import::Items { key: asset_key("sword"), quantity: amount(1), parameters: None, reason: None };
    let rows = vec![
        row(1, Import::Player { context_snapshot: None }),
        row(1, gold(5)),
        row(1, swords),
        row(1, gold(5)),
        row(2, gold(INTEGER_MAX)),
    ];
    let outcomes = economy.import(&caller(), rows).await.unwrap();
    let limit = Rejection::BalanceLimit { current: Balance::restore(5), amount: amount(INTEGER_MAX) };
    assert_eq!(outcomes, [Ok(Repeat::First), Ok(Repeat::First), Ok(Repeat::First), Ok(Repeat::Replay), Err(limit)]);
    let seen = store.seen.lock().unwrap();
    assert!(seen.iter().all(|command| (command.origin, command.at) == (Origin::Migration, minute(5))));
    let operations: Vec<_> = store.books.lock().unwrap().entries.iter().map(|entry| entry.operation).collect();
    assert_eq!(operations, [Operation::MigrateWallet, Operation::MigrateInventory]);
}
