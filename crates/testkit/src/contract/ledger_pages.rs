//! Pages of a ledger: filters, both directions, and no row skipped or repeated while writes go on.

use domain::economy::{AssetKind, EntryId, LedgerQuery, LedgerRow, Order};
use domain::tenancy::RealmId;

use super::{Stores, World};
use crate::commands::{Draft, credit, debit, grant_item, revoke_item};
use crate::lanes::start_lanes;
use crate::tenants::{asset_key, external_id};

const BOTH: [Order; 2] = [Order::Ascending, Order::Descending];

fn query(realm: RealmId, order: Order, limit: u32) -> LedgerQuery {
    LedgerQuery { realm, player: external_id("p1"), kind: None, key: None, order, after: None, limit }
}

/// Follows pages to the end, doing `between` after each.
async fn walk(stores: &Stores, mut query: LedgerQuery, mut between: impl AsyncFnMut()) -> Vec<LedgerRow> {
    let mut seen = Vec::new();
    loop {
        let page = stores.page(&query).await;
        let count = u32::try_from(page.rows.len()).expect("a page is small");
        assert!(count <= query.limit && (!page.more || count == query.limit), "{count} rows, more: {}", page.more);
        seen.extend(page.rows);
        query.after = seen.last().map(|row| row.position);
        if !page.more {
            return seen;
        }
        between().await;
    }
}

/// Thirty entries over eight accounts, in several batches, with another player's between them.
async fn busy_player(world: &World) -> Vec<LedgerRow> {
    let names = ["a", "b", "c", "d"];
    for round in 0..3 {
        let mut drafts: Vec<Draft> = Vec::new();
        for name in names {
            drafts.push(credit("p1", name, 5 + round));
            drafts.push(credit("p2", name, 1));
            drafts.push(grant_item("p1", name, 3));
        }
        drafts.extend([debit("p1", "a", 2), revoke_item("p1", "b", 1)]);
        assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
    }
    world.history("p1").await
}

/// Positions ascend, and each account's history has no gap.
pub async fn a_ledger_is_read_in_the_order_of_commits(world: World) {
    let rows = busy_player(&world).await;
    assert_eq!(rows.len(), 30);
    assert!(rows.is_sorted_by(|earlier, later| earlier.position < later.position));
    for kind in AssetKind::ALL {
        for name in ["a", "b", "c", "d"] {
            let of_account = rows.iter().filter(|row| row.asset.kind == kind && row.asset.key.as_str() == name);
            let mut balance = 0;
            for (row, sequence) in of_account.zip(1..) {
                balance += row.delta;
                assert_eq!((row.sequence, row.balance_after.get()), (sequence, balance));
            }
        }
    }
}

/// Every limit, in both directions, sees the same rows.
pub async fn ledger_pages_follow_each_other(world: World) {
    let rows = busy_player(&world).await;
    for order in BOTH {
        let mut expected = rows.clone();
        if order == Order::Descending {
            expected.reverse();
        }
        for limit in [1, 2, 7, 29, 30, 31, 1_000] {
            let seen = walk(&world.stores, query(world.realm, order, limit), async || ()).await;
            assert_eq!(seen, expected, "{order:?} by {limit}");
        }
    }
}

/// By kind, by key, by both, and by what matches nothing; page by page.
pub async fn a_ledger_is_filtered_by_kind_and_key(world: World) {
    let rows = busy_player(&world).await;
    for kind in [None, Some(AssetKind::Currency), Some(AssetKind::Item)] {
        for key in [None, Some("a"), Some("b"), Some("A"), Some("none")] {
            let wanted = |row: &&LedgerRow| {
                kind.is_none_or(|kind| row.asset.kind == kind) && key.is_none_or(|key| row.asset.key.as_str() == key)
            };
            let expected: Vec<LedgerRow> = rows.iter().filter(wanted).cloned().collect();
            for order in BOTH {
                let query = LedgerQuery { kind, key: key.map(asset_key), ..query(world.realm, order, 4) };
                let mut seen = walk(&world.stores, query, async || ()).await;
                if order == Order::Descending {
                    seen.reverse();
                }
                assert_eq!(seen, expected, "{kind:?} {key:?} {order:?}");
            }
        }
    }
}

/// Oldest first, a walk ends with the newest row; newest first, it sees what was there when it began.
pub async fn pages_skip_and_repeat_nothing_while_writes_go_on(world: World) {
    busy_player(&world).await;
    for order in BOTH {
        let before = world.history("p1").await;
        let mut left = 12;
        let seen = walk(&world.stores, query(world.realm, order, 5), async || {
            if 0 < left {
                left -= 1;
                // To the oldest account, to a new one, and to another player.
                let fresh = format!("new-{order:?}-{left}");
                world.settle(&[credit("p1", "a", 1), credit("p1", &fresh, 1), credit("p2", "a", 1)]).await;
            }
        })
        .await;
        let mut expected = match order {
            Order::Ascending => world.history("p1").await,
            Order::Descending => before,
        };
        if order == Order::Descending {
            expected.reverse();
        }
        assert_eq!(seen, expected, "{order:?}");
    }
}

/// A reader that follows a ledger while two processes write to it misses nothing: a commit never lands behind a row
/// that was already read.
pub async fn a_follower_misses_nothing_while_two_handles_write(world: World) {
    const EACH: usize = 40;
    world.settle_one(&credit("p1", "gold", 1)).await.expect("a credit is accepted");
    let second = world.second().await;
    let mut writers = tokio::task::JoinSet::new();
    for (stores, asset) in [(&world.stores, "gold"), (&second, "gold"), (&second, "gems")] {
        let queue = start_lanes(&stores.economy, 1);
        let realm = world.realm;
        writers.spawn(async move {
            for _ in 0..EACH {
                queue.submit(credit("p1", asset, 1).in_realm(realm)).await.expect("answered").expect("accepted");
            }
        });
    }
    let mut query = query(world.realm, Order::Ascending, 7);
    let mut seen: Vec<EntryId> = Vec::new();
    loop {
        let done = writers.is_empty();
        let page = world.stores.page(&query).await;
        query.after = page.rows.last().map(|row| row.position).or(query.after);
        seen.extend(page.rows.iter().map(|row| row.id));
        if done && !page.more {
            break;
        }
        if !page.more
            && let Some(writer) = writers.try_join_next()
        {
            writer.expect("a writer does its work");
        }
        tokio::task::yield_now().await;
    }
    let all: Vec<EntryId> = world.history("p1").await.iter().map(|row| row.id).collect();
    assert_eq!(all.len(), 1 + 3 * EACH);
    assert_eq!(seen, all);
}
