//! The books add up, and every store comes to the same books.

use std::collections::HashSet;

use domain::clock::Timestamp;
use domain::economy::{Batch, LedgerRow, SpotCheck};

use super::World;
use crate::clock::START;
use crate::commands::credit;
use crate::memory::MemoryStore;
use crate::workload::Workload;

/// The audit of an empty store finds nothing to check.
pub async fn an_empty_store_adds_up(world: World) {
    let report = world.stores.audit.audit().await.expect("the store works");
    assert_eq!((report.accounts, report.entries, report.differences_count), (0, 0, 0));
}

/// The audit counts every account and entry of every realm, and finds no difference.
pub async fn the_audit_agrees_after_a_random_workload(world: World) {
    let mut workload = Workload::new(7);
    let (mut accounts, mut entries) = (HashSet::new(), 0);
    let [live, other_game] = world.other_realms;
    for realm in [world.realm, live, other_game].into_iter().cycle().take(45) {
        let commands = workload.batch(12).iter().map(|draft| draft.in_realm(realm)).collect();
        let settlement = world.stores.settle_all(commands).await;
        workload.learn(&settlement.outcomes);
        accounts.extend(settlement.accounts.iter().map(|account| account.id));
        entries += settlement.entries.len();
    }
    let world = world.reopened().await;
    let report = world.stores.audit.audit().await.expect("the store works");
    assert_eq!(report.differences, []);
    assert_eq!(report.differences_count, 0);
    assert_eq!(report.accounts, u64::try_from(accounts.len()).expect("few accounts"));
    assert_eq!(report.entries, u64::try_from(entries).expect("few entries"));
    assert!(100 < entries, "the workload does something");
}

/// A spot check comes past every open account once, page by page, and finds no difference where there is none.
pub async fn a_spot_check_comes_past_every_open_account(world: World) {
    let check = async |after| world.stores.audit.spot_check(after, 5).await.expect("the store works");
    assert_eq!(check(None).await, SpotCheck::default());
    let mut workload = Workload::new(11);
    let mut accounts = HashSet::new();
    let [live, other_game] = world.other_realms;
    for realm in [world.realm, live, other_game].into_iter().cycle().take(12) {
        let commands = workload.batch(12).iter().map(|draft| draft.in_realm(realm)).collect();
        let settlement = world.stores.settle_all(commands).await;
        workload.learn(&settlement.outcomes);
        accounts.extend(settlement.accounts.iter().map(|account| account.id));
    }
    // One whose history is longer than what is looked at.
    for _ in 0..3 {
        let credits = (0..50).map(|_| credit("a-regular", "gold", 1).in_realm(world.realm)).collect();
        let settlement = world.stores.settle_all(credits).await;
        accounts.extend(settlement.accounts.iter().map(|account| account.id));
    }
    let (mut after, mut checked, mut entries) = (None, 0, 0);
    for _ in 0..1_000 {
        let page = check(after).await;
        assert_eq!(page.report.differences, []);
        assert!(page.report.accounts <= 5 && after.is_none_or(|after| page.next.is_none_or(|next| after < next)));
        checked += page.report.accounts;
        entries += page.report.entries;
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(checked, u64::try_from(accounts.len()).expect("few accounts"));
    let all = world.stores.audit.audit().await.expect("the store works");
    assert_eq!(entries + 50, all.entries, "of the long history the latest entries only");
}

/// The same commands come to the same outcomes and the same books as in memory, where nothing can be lost.
pub async fn a_random_workload_ends_as_in_memory(world: World) {
    let reference = MemoryStore::new().stores();
    for seed in 0..4 {
        let mut workload = Workload::new(seed);
        for _ in 0..15 {
            let drafts = workload.batch(20);
            let batch = Batch::new(drafts.iter().map(|draft| draft.in_realm(world.realm)).collect());
            let (expected, found) = (reference.economy.settle(&batch).await, world.stores.economy.settle(&batch).await);
            let (expected, found) = (expected.expect("memory works"), found.expect("the store works"));
            assert_eq!(found.outcomes, expected.outcomes);
            workload.learn(&found.outcomes);
        }
    }
    let start = Timestamp::from_unix_micros(START);
    for number in 0..4 {
        let (realm, player) = (world.realm, format!("player-{number}"));
        let (expected, found) = (reference.history(realm, &player).await, world.history(&player).await);
        assert_eq!(without_positions(found), without_positions(expected));
        let (expected, found) = (reference.profile(realm, &player).await, world.stores.profile(realm, &player).await);
        assert_eq!(found, expected);
        let expected = reference.grants(realm, &player, None, start).await;
        assert_eq!(world.stores.grants(realm, &player, None, start).await, expected);
    }
}

/// Positions may have gaps, which differ from store to store; their order may not.
fn without_positions(mut rows: Vec<LedgerRow>) -> Vec<LedgerRow> {
    for (row, position) in rows.iter_mut().zip(1..) {
        row.position = position;
    }
    rows
}
