//! What an export reads: all accounts, all entries, all grants of one player, in pieces.

use std::time::Duration;

use domain::economy::{Asset, AssetKind, GrantId, LedgerRow};
use domain::players::{ExportAccount, ExportHead};
use serde_json::json;

use super::World;
use super::lives::start;
use crate::commands::{coins, create_grant, credit, debit, grant_item, immediate_grant, import_player, revoke_item};
use crate::lives::{ban, merge};

const HOUR: Duration = Duration::from_secs(3_600);

async fn entries(world: &World, account: &ExportAccount, limit: u32) -> Vec<LedgerRow> {
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let rows = world.stores.players.export_entries(world.realm, account, after, limit).await;
        let rows = rows.expect("the store works");
        assert!(rows.len() <= usize::try_from(limit).expect("a small limit"));
        let Some(last) = rows.last() else { return seen };
        after = last.position;
        seen.extend(rows);
    }
}

/// The head has the player, what is known of them, and all accounts: open ones by asset, whatever they hold.
pub async fn a_head_shows_the_player_and_every_account(world: World) {
    let context = json!({"level": 7});
    let drafts = [
        grant_item("p1", "sword", 2),
        credit("p1", "gold", 5),
        credit("p1", "gems", 1),
        revoke_item("p1", "sword", 2).after(HOUR),
        debit("p1", "gold", 1).after(HOUR),
        import_player("p1", "i").with_context(&context),
        credit("p2", "gold", 100),
    ];
    assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
    world.change_ban(&ban("p1", "cheating")).await.expect("the player is known");
    let world = world.reopened().await;
    let (head, profile) = (world.head("p1").await, world.known("p1").await);
    let ExportHead { player, last_context_snapshot, ban_reason, accounts } = head;
    assert_eq!(player, profile.player);
    assert_eq!((last_context_snapshot, ban_reason), (profile.last_context_snapshot, profile.ban_reason));
    let (early, late) = (start(), start().plus(HOUR));
    let figures: Vec<_> = accounts
        .iter()
        .map(|it| (it.asset.kind, it.asset.key.as_str(), it.balance.get(), it.version, it.created_at, it.updated_at))
        .collect();
    assert_eq!(
        figures,
        [
            (AssetKind::Currency, "gems", 1, 1, early, early),
            (AssetKind::Currency, "gold", 4, 2, early, late),
            (AssetKind::Item, "sword", 0, 2, early, late),
        ]
    );
    assert!(accounts.iter().all(|account| !account.closed));
}

/// Nobody who is not a player of the realm has anything to export.
pub async fn an_unknown_player_has_no_head(world: World) {
    world.settle_one(&credit("p1", "gold", 5)).await.expect("a credit is accepted");
    let [live, other_game] = world.other_realms;
    for (realm, name) in [(world.realm, "nobody"), (world.realm, "P1"), (live, "p1"), (other_game, "p1")] {
        assert_eq!(world.stores.head(realm, name).await, None);
    }
    let imported = import_player("empty", "i");
    world.settle_one(&imported).await.expect("it is accepted");
    assert_eq!(world.head("empty").await.accounts, [], "a player need not have an account");
}

/// Account by account, in pieces of every size, the entries are those of the ledger; those of a closed account too.
pub async fn the_entries_of_all_accounts_are_the_whole_ledger(world: World) {
    for round in 0..5 {
        let drafts = [
            credit("p1", "gold", 5).because("won").sourced(&format!("round-{round}")),
            credit("p2", "gold", 1),
            grant_item("p2", "sword", 1),
            grant_item("p1", "sword", 1),
            immediate_grant("p2", &format!("g{round}"), vec![coins("gems", 1)]),
        ];
        assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
    }
    world.merge_now(&merge("p2", "p1")).await;
    let (head, history) = (world.head("p1").await, world.history("p1").await);
    let closed: Vec<bool> = head.accounts.iter().map(|account| account.closed).collect();
    assert_eq!(closed, [false, false, false, true, true]);
    for limit in [1, 2, 3, 100] {
        let mut all = Vec::new();
        for account in &head.accounts {
            let rows = entries(&world, account, limit).await;
            assert_eq!(i64::try_from(rows.len()), Ok(account.version));
            assert!(
                rows.iter().zip(1..).all(|(row, sequence)| row.sequence == sequence),
                "oldest first, without a gap"
            );
            let assets: Vec<&Asset> = rows.iter().map(|row| &row.asset).collect();
            assert!(assets.iter().all(|asset| **asset == account.asset));
            assert_eq!(rows.iter().map(|row| row.delta).sum::<i64>(), account.balance.get());
            all.extend(rows);
        }
        all.sort_by_key(|row| row.position);
        assert_eq!(all, history, "by {limit}");
    }
    let [live, _] = world.other_realms;
    for account in &head.accounts {
        let elsewhere = world.stores.players.export_entries(live, account, 0, 100).await;
        assert_eq!(elsewhere.expect("the store works"), []);
    }
}

/// An export reads what there was when it began: its accounts stay readable through a merge, and later entries are not in it.
pub async fn an_export_that_began_before_a_merge_is_read_to_its_end(world: World) {
    for player in ["p1", "p2"] {
        let drafts = [credit(player, "gold", 5), debit(player, "gold", 1), grant_item(player, player, 1)];
        assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
    }
    let (head, history) = (world.head("p1").await, world.history("p1").await);
    world.merge_now(&merge("p1", "p2")).await;
    world.settle_one(&credit("p2", "gold", 1)).await.expect("a credit is accepted");
    world.settle_one(&grant_item("p2", "p1", 1)).await.expect("it is accepted");
    let mut all = Vec::new();
    for account in &head.accounts {
        all.extend(entries(&world, account, 1).await);
    }
    all.sort_by_key(|row| row.position);
    assert_eq!(all, history);
}

/// Grants come newest first, in pieces of every size; nobody else's, and no other realm's.
pub async fn the_grants_of_an_export_follow_each_other(world: World) {
    let mut newest_first: Vec<GrantId> = Vec::new();
    for number in 0..7 {
        let draft = create_grant("p1", &format!("g{number}"), vec![coins("gold", 1)]).sourced("quest");
        let outcome = world.settle_one(&draft.after(Duration::from_secs(number / 3))).await;
        newest_first.insert(0, super::granted(&outcome).grant.id);
    }
    world.settle_one(&create_grant("p2", "other", vec![coins("gold", 1)])).await.expect("a grant is accepted");
    let player = world.known("p1").await.player.id;
    let listed = world.stores.grants(world.realm, "p1", None, start()).await;
    for limit in [1, 2, 7, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let rows = world.stores.players.export_grants(world.realm, player, after, limit).await;
            let rows = rows.expect("the store works");
            assert!(rows.len() <= usize::try_from(limit).expect("a small limit"));
            after = rows.last().map(|grant| grant.id);
            seen.extend(rows);
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, listed, "by {limit}");
        assert_eq!(seen.iter().map(|grant| grant.id).collect::<Vec<_>>(), newest_first);
    }
    let [live, _] = world.other_realms;
    let elsewhere = world.stores.players.export_grants(live, player, None, 100).await;
    assert_eq!(elsewhere.expect("the store works"), []);
}
