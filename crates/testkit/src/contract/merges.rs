//! Merges: all that a player has and did becomes another player's, and what it cost to say so is on the ledger.

use std::collections::HashSet;
use std::time::Duration;

use domain::audit_log::AuditAction;
use domain::economy::{
    AssetKind, Balance, GrantStatus, INTEGER_MAX, LedgerQuery, LedgerRow, Operation, Order, Origin, Rejection, Repeat,
};
use domain::lobbies::PlayCounts;
use domain::players::{ExportAccount, MERGE_REASON, MergeCounts, MergeRefusal};
use domain::text::JsonObject;
use serde_json::{Value, json};

use super::lives::{ids, start};
use super::{World, acked, adjusted, granted, rejection};
use crate::commands::{
    Draft, ack, coins, create_grant, credit, debit, grant_item, immediate_grant, import_currency, import_items,
    import_player, revoke_item,
};
use crate::lives::{ban, erase, lift_ban, merge};
use crate::tenants::{asset_key, external_id};

const HOUR: Duration = Duration::from_secs(3_600);

async fn accept(world: &World, drafts: &[Draft]) {
    let outcomes = world.settle(drafts).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

/// Two players with gold, swords and gems between them, in turns, so that their positions interleave.
async fn two_players(world: &World) {
    for round in 0..4 {
        accept(world, &[credit("old", "gold", 10 + round), credit("new", "gold", 3)]).await;
        accept(world, &[grant_item("new", "sword", 2), grant_item("old", "sword", 1)]).await;
        accept(world, &[debit("old", "gold", 1), credit("new", "gems", 1), grant_item("old", "potion", 1)]).await;
    }
}

fn account<'a>(accounts: &'a [ExportAccount], kind: AssetKind, key: &str) -> Vec<&'a ExportAccount> {
    accounts.iter().filter(|account| account.asset.kind == kind && account.asset.key.as_str() == key).collect()
}

/// Both histories in the order of commits.
fn interleaved(one: &[LedgerRow], other: &[LedgerRow]) -> Vec<LedgerRow> {
    let mut rows: Vec<LedgerRow> = one.iter().chain(other).cloned().collect();
    rows.sort_by_key(|row| row.position);
    rows
}

/// An account that only the source has becomes the target's as it is: its id, its history, its times; and it goes on.
pub async fn an_account_that_only_the_source_has_changes_its_owner(world: World) {
    accept(&world, &[credit("old", "gold", 5).because("gift"), credit("new", "gems", 1), debit("old", "gold", 2)])
        .await;
    accept(&world, &[grant_item("old", "sword", 1), revoke_item("old", "sword", 1)]).await;
    let (old, new) = (world.head("old").await, world.head("new").await);
    let rows = interleaved(&world.history("old").await, &world.history("new").await);
    let merged = world.merge_now(&merge("old", "new").after(HOUR)).await;
    assert_eq!((merged.merge.source, merged.merge.target), (old.player.id, new.player.id));
    assert_eq!(merged.merge.at, start().plus(HOUR));
    let world = world.reopened().await;
    let mut expected: Vec<_> = old.accounts.iter().chain(&new.accounts).cloned().collect();
    expected.sort_by_key(|account| account.asset.clone());
    let head = world.head("new").await;
    assert_eq!((head.player.id, head.accounts), (new.player.id, expected), "no account changed but its owner");
    assert_eq!(world.history("new").await, rows, "no entry was made or changed");
    let outcome = world.settle_one(&credit("new", "gold", 4)).await;
    assert_eq!(adjusted(&outcome).balance.get(), 7);
    let last = world.history("new").await.pop().expect("the new credit");
    assert_eq!((last.sequence, last.delta), (3, 4));
    assert!(rows.iter().all(|row| row.position < last.position), "what comes later has a later position");
    world.sound_books().await;
}

/// Where both have an account, a pair of entries that anyone can read empties the source's into the target's.
pub async fn an_account_that_both_have_is_emptied_by_a_visible_pair_of_entries(world: World) {
    two_players(&world).await;
    let (old, new) = (world.head("old").await, world.head("new").await);
    let before = interleaved(&world.history("old").await, &world.history("new").await);
    let merged = world.merge_now(&merge("old", "new").after(HOUR).by("ks_sandbox_merger000")).await;
    let world = world.reopened().await;
    let after = world.history("new").await;
    let (kept, made) = after.split_at(before.len());
    assert_eq!(kept, before);
    let placeholder = merged.merge.placeholder();
    for row in made {
        assert_eq!((row.operation, row.origin, row.at), (Operation::PlayerMerge, Origin::Server, start().plus(HOUR)));
        assert_eq!(row.reason.as_deref(), Some(MERGE_REASON));
        assert_eq!(row.source_ref.as_deref(), Some(placeholder.as_str()));
        assert_eq!(row.parameters, None);
    }
    let mut figures: Vec<_> = made
        .chunks(2)
        .map(|pair| pair.iter().map(|row| (row.asset.key.as_str(), row.delta, row.balance_after.get(), row.sequence)))
        .map(Iterator::collect::<Vec<_>>)
        .collect();
    figures.sort();
    assert_eq!(
        figures,
        [[("gold", -42, 0, 9), ("gold", 42, 54, 5)].to_vec(), [("sword", -4, 0, 5), ("sword", 4, 12, 5)].to_vec(),]
    );
    let head = world.head("new").await;
    for (kind, key, version) in [(AssetKind::Currency, "gold", 9), (AssetKind::Item, "sword", 5)] {
        let (source, target) = (account(&old.accounts, kind, key), account(&new.accounts, kind, key));
        let (source, target) = (source.first().expect("it had one"), target.first().expect("it had one"));
        let now = account(&head.accounts, kind, key);
        let [open, closed] = now.as_slice() else { panic!("an open account, then a closed one: {now:?}") };
        assert_eq!((open.id, open.closed, open.created_at), (target.id, false, target.created_at));
        assert_eq!((open.balance.get(), open.version), (source.balance.get() + target.balance.get(), 5));
        assert_eq!((closed.id, closed.closed, closed.created_at), (source.id, true, source.created_at));
        assert_eq!((closed.balance, closed.version), (Balance::ZERO, version));
        assert_eq!([open.updated_at, closed.updated_at], [start().plus(HOUR); 2]);
    }
    assert!(head.accounts.is_sorted_by_key(|account| account.closed), "open accounts come first");
    let wallet: Vec<_> = world.known("new").await.wallet.into_iter().map(|it| (it.key, it.balance.get())).collect();
    assert_eq!(wallet, [(asset_key("gems"), 4), (asset_key("gold"), 54)]);
    let report = world.sound_books().await;
    assert_eq!((report.accounts, report.entries), (6, u64::try_from(after.len()).expect("few rows")));
}

/// There is nothing to post from an account that holds nothing: it is closed as it is.
pub async fn an_account_that_holds_nothing_is_closed_without_entries(world: World) {
    accept(&world, &[credit("old", "gold", 5), debit("old", "gold", 5), credit("new", "gold", 2)]).await;
    let rows = interleaved(&world.history("old").await, &world.history("new").await);
    world.merge_now(&merge("old", "new")).await;
    assert_eq!(world.history("new").await, rows);
    assert_eq!(world.gold("new").await, Some(2));
    let closed: Vec<_> = world.head("new").await.accounts.iter().map(|it| (it.closed, it.version)).collect();
    assert_eq!(closed, [(false, 1), (true, 2)]);
    world.sound_books().await;
}

/// What was the source's ledger reads on under the target: every filter, every page size, both orders.
pub async fn a_closed_history_is_read_under_the_target_page_by_page(world: World) {
    two_players(&world).await;
    let before = interleaved(&world.history("old").await, &world.history("new").await);
    world.merge_now(&merge("old", "new")).await;
    accept(&world, &[credit("new", "gold", 1), grant_item("new", "sword", 1)]).await;
    let rows = world.history("new").await;
    assert_eq!(rows.len(), before.len() + 6);
    assert_eq!(rows.get(..before.len()), Some(before.as_slice()));
    assert!(rows.is_sorted_by(|earlier, later| earlier.position < later.position));
    let kinds = [None, Some(AssetKind::Currency), Some(AssetKind::Item)];
    let filters = kinds.into_iter().flat_map(|kind| [None, Some("gold"), Some("sword")].map(|key| (kind, key)));
    for (kind, key) in filters {
        for (order, limit) in [Order::Ascending, Order::Descending].into_iter().flat_map(|it| [(it, 1), (it, 5)]) {
            let wanted = |row: &&LedgerRow| {
                kind.is_none_or(|kind| row.asset.kind == kind) && key.is_none_or(|key| row.asset.key.as_str() == key)
            };
            let mut expected: Vec<LedgerRow> = rows.iter().filter(wanted).cloned().collect();
            if order == Order::Descending {
                expected.reverse();
            }
            let (realm, player, key) = (world.realm, external_id("new"), key.map(asset_key));
            let mut query = LedgerQuery { realm, player, kind, key, order, after: None, limit };
            let mut seen = Vec::new();
            loop {
                let page = world.stores.page(&query).await;
                query.after = page.rows.last().map(|row| row.position).or(query.after);
                seen.extend(page.rows);
                if !page.more {
                    break;
                }
            }
            assert_eq!(seen, expected, "{kind:?} {order:?} by {limit}");
        }
    }
}

/// Grants become the target's, in whatever state they are; only the target can acknowledge them.
pub async fn grants_become_the_targets(world: World) {
    let grant = |player, key| create_grant(player, key, vec![coins("gold", 1)]).sourced(key);
    let outcomes = world.settle(&[grant("old", "a"), grant("new", "b"), grant("old", "c"), grant("new", "d")]).await;
    let made: Vec<_> = outcomes.iter().map(|outcome| granted(outcome).grant.id).collect();
    let (pending, claimed) = (*made.first().expect("four grants"), *made.get(2).expect("four grants"));
    let claim = acked(&world.settle_one(&ack("old", claimed)).await).claim;
    let merged = world.merge_now(&merge("old", "new")).await;
    assert_eq!(merged.counts.grants, 2);
    let world = world.reopened().await;
    let grants = world.stores.grants(world.realm, "new", None, start()).await;
    assert_eq!(grants.iter().rev().map(|grant| grant.id).collect::<Vec<_>>(), made);
    assert!(grants.iter().all(|grant| grant.player == merged.merge.target));
    assert_eq!(grants.iter().find(|grant| grant.id == claimed).map(|grant| grant.claim), Some(claim));
    let profile = world.known("new").await;
    assert_eq!((profile.grants, profile.pending_grants, profile.recent_grants.len()), (4, 3, 4));
    let under_source = |outcome| assert_eq!(rejection(&outcome), &Rejection::GrantNotFound);
    under_source(world.settle_one(&ack("old", pending)).await);
    accept(&world, &[credit("old", "gold", 1)]).await;
    under_source(world.settle_one(&ack("old", pending)).await);
    assert_eq!(world.stores.grants(world.realm, "old", None, start()).await, []);
    acked(&world.settle_one(&ack("new", pending)).await);
    assert_eq!(world.stores.grants(world.realm, "new", Some(GrantStatus::Pending), start()).await.len(), 2);
}

/// A request to the source that comes again after the merge is answered as it was, and pays nobody.
pub async fn a_late_repeat_under_the_old_id_pays_nothing(world: World) {
    let requests = [
        credit("old", "gold", 5).keyed("k"),
        debit("old", "gold", 2).keyed("k"),
        grant_item("old", "sword", 3).keyed("k"),
        revoke_item("old", "sword", 1).keyed("k"),
        create_grant("old", "k", vec![coins("gold", 1)]),
        immediate_grant("old", "now", vec![coins("gold", 7)]),
        import_currency("old", "gold", 4).keyed("k"),
        import_items("old", "potion", 4).keyed("k"),
        import_player("old", "k").with_context(&json!({"level": 1})),
    ];
    let first = world.settle(&requests).await;
    assert!(first.iter().all(Result::is_ok), "{first:?}");
    accept(&world, &[credit("new", "gold", 100), import_player("new", "n").with_context(&json!({"level": 2}))]).await;
    world.merge_now(&merge("old", "new")).await;
    let world = world.reopened().await;
    let (before, report) = (world.seen(&["old", "new"]).await, world.sound_books().await);
    let again = world.settle(&requests).await;
    for (first, again) in first.iter().zip(&again).take(4) {
        assert_eq!((adjusted(again).balance, adjusted(again).repeat), (adjusted(first).balance, Repeat::Replay));
    }
    for (first, again) in first.iter().zip(&again).skip(4).take(2) {
        assert_eq!(granted(again).repeat, Repeat::Replay);
        assert_eq!(granted(again).grant.id, granted(first).grant.id);
    }
    assert!(again.iter().all(Result::is_ok), "{again:?}");
    assert_eq!(world.seen(&["old", "new"]).await, before);
    assert_eq!(world.sound_books().await, report);
    assert_eq!(world.stores.profile(world.realm, "old").await, None, "a repeat makes no player");
}

/// The next one who comes with the source's id is somebody else.
pub async fn the_sources_id_is_free(world: World) {
    two_players(&world).await;
    let merged = world.merge_now(&merge("old", "new")).await;
    assert_eq!(world.stores.profile(world.realm, "old").await, None);
    assert_eq!(world.stores.head(world.realm, "old").await, None);
    assert_eq!(world.gold("old").await, None);
    let before = world.seen(&["new"]).await;
    accept(&world, &[credit("old", "gold", 1), grant_item("old", "sword", 1)]).await;
    let anew = world.known("old").await;
    assert!(![merged.merge.source, merged.merge.target].contains(&anew.player.id));
    assert_eq!(world.history("old").await.iter().map(|row| (row.sequence, row.delta)).collect::<Vec<_>>(), [(1, 1); 2]);
    assert_eq!(world.seen(&["new"]).await, before);
    let placeholder = world.profile_of(&merged.merge.placeholder()).await.expect("the row of the source stays");
    assert_eq!((placeholder.player.id, placeholder.player.banned_at), (merged.merge.source, None));
    assert_eq!((placeholder.wallet, placeholder.inventory, placeholder.grants), (Vec::new(), Vec::new(), 0));
}

/// The target learns what another platform knew of the source, unless it knew something of the target.
pub async fn the_target_inherits_a_context_if_it_has_none(world: World) {
    let context = async |player: &str| {
        let context = world.known(player).await.last_context_snapshot;
        context.map(|context| serde_json::from_str::<Value>(context.as_json()).expect("what is stored is JSON"))
    };
    let known = |player, level| import_player(player, player).with_context(&json!({ "level": level }));
    accept(&world, &[known("a", 1), credit("b", "gold", 1), known("c", 3), known("d", 4), credit("e", "gold", 1)])
        .await;
    let merged = world.merge_now(&merge("a", "b")).await;
    world.merge_now(&merge("c", "d")).await;
    world.merge_now(&merge("e", "d")).await;
    assert_eq!((context("b").await, context("d").await), (Some(json!({"level": 1})), Some(json!({"level": 4}))));
    let source = world.profile_of(&merged.merge.placeholder()).await.expect("the row of the source stays");
    assert_eq!(source.last_context_snapshot, None);
    accept(&world, &[credit("a", "gold", 1)]).await;
    assert_eq!(context("a").await, None);
}

/// Where the two would hold too much of anything, nothing at all is merged; at exactly the top, all of it is.
pub async fn a_merge_above_the_top_changes_nothing_at_all(world: World) {
    accept(&world, &[credit("old", "a", 1), credit("old", "b", 5), grant_item("old", "c", 1), credit("old", "d", 1)])
        .await;
    accept(&world, &[credit("new", "a", 1), credit("new", "b", INTEGER_MAX - 4), grant_item("new", "c", 1)]).await;
    accept(
        &world,
        &[create_grant("old", "g", vec![coins("gold", 1)]), import_player("old", "i").with_context(&json!({}))],
    )
    .await;
    let (before, report) = (world.seen(&["old", "new"]).await, world.sound_books().await);
    let refusal = world.merge(&merge("old", "new").keyed("k")).await.expect_err("it is one too much");
    let MergeRefusal::BalanceLimit { asset, current, amount } = refusal else { panic!("not the limit: {refusal:?}") };
    assert_eq!((asset.kind, asset.key), (AssetKind::Currency, asset_key("b")));
    assert_eq!((current.get(), amount.get()), (INTEGER_MAX - 4, 5));
    let world = world.reopened().await;
    assert_eq!(world.seen(&["old", "new"]).await, before);
    assert_eq!(world.sound_books().await, report);
    assert_eq!(world.audit_rows().await, []);
    accept(&world, &[debit("new", "b", 1)]).await;
    world.merge_now(&merge("old", "new").keyed("k")).await;
    assert_eq!(world.balance("new", AssetKind::Currency, "b").await, Some(INTEGER_MAX));
    world.sound_books().await;
}

/// Every reason against a merge, none of which leaves a trace; a banned source is no reason, and its ban ends with it.
pub async fn refused_merges_leave_no_trace(world: World) {
    accept(&world, &[credit("a", "gold", 1), credit("b", "gold", 2), credit("banned", "gold", 3)]).await;
    accept(&world, &[credit("erased", "gold", 4)]).await;
    world.change_ban(&ban("banned", "cheating")).await.expect("the player is known");
    world.erase_now(&erase("erased")).await;
    let players = ["a", "b", "banned", "erased", "nobody"];
    let (before, log) = (world.seen(&players).await, world.audit_rows().await);
    for (source, target, refusal) in [
        ("a", "a", MergeRefusal::SamePlayer),
        ("nobody", "nobody", MergeRefusal::SamePlayer),
        ("nobody", "b", MergeRefusal::SourceNotFound),
        ("erased", "b", MergeRefusal::SourceNotFound),
        ("a", "nobody", MergeRefusal::TargetNotFound),
        ("a", "A", MergeRefusal::TargetNotFound),
        ("a", "banned", MergeRefusal::TargetBanned),
        ("a", "erased", MergeRefusal::TargetErased),
    ] {
        for draft in [merge(source, target), merge(source, target).keyed("k")] {
            assert_eq!(world.merge(&draft).await, Err(refusal.clone()), "{source} into {target}");
        }
    }
    assert_eq!(world.seen(&players).await, before);
    assert_eq!(world.audit_rows().await, log);
    let merged = world.merge_now(&merge("banned", "b").keyed("k")).await;
    let source = world.profile_of(&merged.merge.placeholder()).await.expect("the row of the source stays");
    assert_eq!((source.player.banned_at, source.ban_reason), (None, None));
    let target = world.known("b").await;
    assert_eq!((target.player.banned_at, target.ban_reason), (None, None));
    accept(&world, &[credit("banned", "gold", 1)]).await;
    assert_eq!(world.known("banned").await.player.banned_at, None, "the ban was not the id's");
    assert!(!world.change_ban(&lift_ban("banned")).await.expect("the player is known").applied);
    assert_eq!(world.gold("b").await, Some(5));
}

/// A player who is merged onward takes along all that was merged into them.
pub async fn a_merged_player_is_merged_onward(world: World) {
    for player in ["a", "b", "c"] {
        let own = format!("own-{player}");
        accept(&world, &[credit(player, "gold", 5), grant_item(player, &own, 1), debit(player, "gold", 1)]).await;
        accept(&world, &[create_grant(player, player, vec![coins("gold", 1)])]).await;
    }
    let rows = [world.history("a").await, world.history("b").await, world.history("c").await].concat();
    let first = world.merge_now(&merge("a", "b").keyed("ab").after(HOUR)).await;
    let second = world.merge_now(&merge("b", "c").keyed("bc").after(HOUR * 2)).await;
    assert_eq!(
        second.counts,
        MergeCounts {
            grants: 2,
            items: 2,
            item_entries: 2,
            currencies: 1,
            currency_entries: 6,
            play: PlayCounts::default()
        }
    );
    let world = world.reopened().await;
    assert_eq!(world.gold("c").await, Some(12));
    let history = world.history("c").await;
    assert_eq!(history.len(), rows.len() + 4);
    assert!(rows.iter().all(|row| history.contains(row)), "every entry of all three is there as it was");
    assert_eq!(ids(&history).into_iter().collect::<HashSet<_>>().len(), history.len());
    let head = world.head("c").await;
    let order: Vec<_> = head.accounts.iter().map(|it| (it.closed, &it.asset, it.closed.then_some(it.id))).collect();
    assert!(order.is_sorted(), "open ones by asset, then closed ones by asset and id: {order:?}");
    let gold: Vec<_> = account(&head.accounts, AssetKind::Currency, "gold");
    assert_eq!(gold.iter().map(|account| account.closed).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(world.known("c").await.inventory.len(), 3);
    assert_eq!(world.known("c").await.grants, 3);
    for (draft, merged) in [(merge("a", "b"), first), (merge("b", "c"), second)] {
        let again = world.merge(&draft).await.expect("it is a repeat");
        assert_eq!((again.earlier, again.merge, again.counts), (true, merged.merge, MergeCounts::default()));
    }
    assert_eq!(world.history("c").await, history);
    world.sound_books().await;
}

/// Many assets at once: fifty of each kind on both sides, and as many on one side only.
pub async fn players_with_many_assets_are_merged(world: World) {
    let names: Vec<String> = (0..50).map(|number| format!("asset-{number}")).collect();
    for name in &names {
        let alone = format!("old-{name}");
        let drafts = [credit("old", name, 2), grant_item("old", name, 3), credit("old", &alone, 1)];
        accept(&world, &drafts).await;
        accept(&world, &[credit("new", name, 5), grant_item("new", name, 7)]).await;
    }
    let merged = world.merge_now(&merge("old", "new")).await;
    let counts = MergeCounts {
        grants: 0,
        items: 50,
        item_entries: 50,
        currencies: 100,
        currency_entries: 100,
        play: PlayCounts::default(),
    };
    assert_eq!(merged.counts, counts);
    let history = world.history("new").await;
    assert_eq!(history.len(), 250 + 200);
    assert_eq!(ids(&history).into_iter().collect::<HashSet<_>>().len(), history.len(), "each entry has its own id");
    let profile = world.known("new").await;
    assert_eq!((profile.wallet.len(), profile.inventory.len()), (100, 50));
    assert!(profile.inventory.iter().all(|holding| holding.balance.get() == 10));
    assert_eq!(profile.wallet.iter().map(|holding| holding.balance.get()).sum::<i64>(), 50 * 7 + 50);
    let report = world.sound_books().await;
    assert_eq!((report.accounts, report.entries), (250, 450));
}

/// Players of the same names in other realms are nobody's source and nobody's target.
pub async fn a_merge_stays_in_its_realm(world: World) {
    let [live, other_game] = world.other_realms;
    let drafts = [
        credit("old", "gold", 5).keyed("k"),
        credit("new", "gold", 7).keyed("n"),
        grant_item("old", "sword", 1),
        create_grant("old", "g", vec![coins("gold", 1)]),
        import_player("old", "i").with_context(&json!({"level": 1})),
    ];
    for realm in [world.realm, live, other_game] {
        assert!(world.stores.settle(realm, &drafts).await.iter().all(Result::is_ok));
    }
    let elsewhere =
        async || [world.stores.seen(live, &["old", "new"]).await, world.stores.seen(other_game, &["old", "new"]).await];
    let before = elsewhere().await;
    world.merge_now(&merge("old", "new").keyed("m")).await;
    assert_eq!(elsewhere().await, before);
    assert_eq!(world.stores.audit_rows(live).await, []);
    let there = world.stores.merge(live, &merge("old", "new").keyed("m")).await.expect("they are merged there too");
    assert!(!there.earlier, "the same request in another realm is another request");
    assert_eq!(world.stores.balance(live, "new", AssetKind::Currency, "gold").await, Some(12));
    world.sound_books().await;
}

/// The log tells who was merged into whom, by what they are called now, and how much was moved.
pub async fn a_merge_is_logged_with_what_it_moved(world: World) {
    two_players(&world).await;
    accept(&world, &[create_grant("old", "g", vec![coins("gold", 1)])]).await;
    let merged = world.merge_now(&merge("old", "new").after(HOUR).by("ks_sandbox_merger000")).await;
    let counts = MergeCounts {
        grants: 1,
        items: 2,
        item_entries: 8,
        currencies: 1,
        currency_entries: 8,
        play: PlayCounts::default(),
    };
    assert_eq!(merged.counts, counts);
    let world = world.reopened().await;
    let rows = world.audit_rows().await;
    let [row] = rows.as_slice() else { panic!("one entry: {rows:?}") };
    assert_eq!((row.entry.action, row.entry.at), (AuditAction::PlayerMerge, start().plus(HOUR)));
    assert_eq!(row.entry.actor.as_str(), "ks_sandbox_merger000");
    assert_eq!((row.entry.player, row.entry.into), (Some(merged.merge.source), Some(merged.merge.target)));
    assert_eq!(
        (&row.external_id, &row.into_external_id),
        (&Some(merged.merge.placeholder()), &Some(external_id("new")))
    );
    assert_eq!(row.entry.reason, None);
    let details: Value =
        serde_json::from_str(row.entry.details.as_ref().map_or("", JsonObject::as_json)).expect("JSON");
    let moved = json!({
        "grantsReassigned": 1, "itemsMerged": 2, "itemLedgerRowsMoved": 8, "walletsMerged": 1, "walletLedgerRowsMoved": 8,
        "attemptsReassigned": 0, "lobbiesTouched": 0, "leaderboardsScrubbed": 0,
    });
    assert_eq!(details, moved);
    assert_eq!(world.done_to(merged.merge.source).await.first(), Some(&row.entry));
}
