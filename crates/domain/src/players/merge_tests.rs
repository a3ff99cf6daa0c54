//! The rules of merges, one by one.

use std::collections::BTreeSet;

use super::test_lives::*;
use super::*;
use crate::audit_log::AuditAction;
use crate::economy::test_books::*;
use crate::economy::{Asset, AssetKind, Delivery, Entry, INTEGER_MAX, Operation, Origin, Rejection, Repeat};
use crate::lobbies::PlayCounts;

/// `a` and `b` both have gold and swords; only `a` has gems and an empty purse of silver, only `b` has wood.
fn lives() -> Lives {
    let mut lives = Lives::default();
    lives.settle(vec![credit("a", "gold", 10).keyed("a-gold"), credit("b", "gold", 5), credit("a", "gems", 3)]);
    lives.settle(vec![give("a", "sword", 2), give("b", "sword", 1), give("b", "wood", 7), debit("a", "gold", 1)]);
    lives.settle(vec![credit("a", "silver", 4), debit("a", "silver", 4), credit("b", "silver", 6)]);
    lives
}

fn asset(kind: AssetKind, key: &str) -> Asset {
    Asset { kind, key: asset_key(key) }
}

fn merged(result: Result<Merged, MergeRefusal>) -> Merged {
    let merged = result.unwrap();
    assert!(!merged.earlier, "they were not merged before");
    merged
}

/// Asks again: answered with `first`, and nothing changes.
fn assert_repeat(lives: &mut Lives, command: &MergeCommand, first: Merged) {
    let before = lives.clone();
    let again = lives.merge(command);
    assert_eq!(again, Ok(Merged { merge: first.merge, counts: MergeCounts::default(), earlier: true }));
    assert_eq!(*lives, before);
}

/// What a merge of players who never played moves: grants, then accounts and entries of items and of currencies.
fn counted(grants: u64, (items, item_entries): (u64, u64), (currencies, currency_entries): (u64, u64)) -> MergeCounts {
    MergeCounts { grants, items, item_entries, currencies, currency_entries, play: PlayCounts::default() }
}

#[test]
fn the_target_holds_what_both_held_and_the_source_is_gone() {
    let mut lives = lives();
    merged(lives.merge(&merge(1, "a", "b", None)));
    let held = [
        (asset(AssetKind::Currency, "gems"), 3),
        (asset(AssetKind::Currency, "gold"), 14),
        (asset(AssetKind::Currency, "silver"), 6),
        (asset(AssetKind::Item, "sword"), 3),
        (asset(AssetKind::Item, "wood"), 7),
    ];
    assert_eq!(lives.held("b"), held.into());
    assert_eq!((lives.called("a"), lives.held("a").len()), (None, 0));
    assert_eq!(lives.audit().differences, []);
}

#[test]
fn only_accounts_that_both_have_are_emptied_by_a_pair_of_entries() {
    let mut lives = lives();
    let command = MergeCommand { at: minute(9), ..merge(1, "a", "b", None) };
    let (view, before) = (lives.merge_view(&command), lives.books.entries.len());
    let effect = command.decide(&view).unwrap().effect.unwrap();
    lives.merge(&command).unwrap();
    let made = &lives.books.entries[before..];
    assert_eq!(made, effect.entries);
    let held = |accounts: &[HeldAccount], key: &str| {
        accounts.iter().find(|held| held.asset.key == asset_key(key)).map(|held| held.state).unwrap()
    };
    let (source, target) = (&view.source_accounts, &view.target_accounts);
    let figures: Vec<_> =
        made.iter().map(|entry| (entry.account, entry.delta, entry.balance_after.get(), entry.sequence)).collect();
    assert_eq!(
        figures,
        [
            (held(source, "gold").id, -9, 0, 3),
            (held(target, "gold").id, 9, 14, 2),
            (held(source, "sword").id, -2, 0, 2),
            (held(target, "sword").id, 2, 3, 2),
        ]
    );
    for (entry, position) in made.iter().zip(view.last_position + 1..) {
        assert_eq!((entry.position, entry.at, &entry.actor), (position, minute(9), &command.actor));
        assert_eq!((entry.operation, entry.origin), (Operation::PlayerMerge, Origin::Server));
        assert_eq!((entry.grant, entry.once, &entry.parameters), (None, None, &None));
        assert_eq!(entry.reason, Some(reason(MERGE_REASON)));
        assert_eq!(entry.source_ref, Some(reason(effect.merge.placeholder().as_str())));
    }
    let closed: Vec<_> = effect.closed.iter().map(|it| (it.id, it.version_before, it.version)).collect();
    let (gold, silver, sword) = (held(source, "gold").id, held(source, "silver").id, held(source, "sword").id);
    assert_eq!(closed, [(gold, 2, 3), (silver, 2, 2), (sword, 1, 2)], "what was empty is closed without an entry");
}

#[test]
fn an_account_that_only_the_source_has_keeps_its_id_and_its_history() {
    let mut lives = lives();
    let command = merge(1, "a", "b", None);
    let gems = lives.merge_view(&command).source_accounts.into_iter().find(|held| held.asset.key == asset_key("gems"));
    merged(lives.merge(&command));
    assert_eq!(adjusted(&lives.outcome(credit("b", "gems", 1))), (4, Repeat::First));
    let last = lives.books.entries.last().unwrap();
    assert_eq!((last.account, last.sequence), (gems.unwrap().state.id, 2));
}

#[test]
fn everything_that_the_source_did_is_read_under_the_target() {
    let mut lives = lives();
    let both: Vec<Entry> = lives.history("a").into_iter().chain(lives.history("b")).cloned().collect();
    merged(lives.merge(&merge(1, "a", "b", None)));
    let history = lives.history("b");
    assert!(both.iter().all(|entry| history.contains(&entry)));
    assert_eq!(history.len(), both.len() + 4);
}

#[test]
fn a_merge_counts_what_it_moved() {
    let mut lives = lives();
    lives.settle(vec![grant("a", "g", vec![coins("gold", 1)], Delivery::Claim)]);
    let first = merged(lives.merge(&merge(1, "a", "b", None))).counts;
    assert_eq!(first, counted(1, (1, 1), (3, 5)));
    lives.outcome(credit("c", "gold", 1)).unwrap();
    // b: gold 2, gems 1, silver 1, sword 2 and wood 1; closed: gold 3, silver 2, sword 2.
    let onward = merged(lives.merge(&merge(2, "b", "c", None))).counts;
    assert_eq!(onward, counted(1, (2, 5), (3, 9)));
}

#[test]
fn a_merge_is_audited_with_what_it_moved() {
    let mut lives = lives();
    let command = merge(1, "a", "b", None);
    let Merged { merge, .. } = merged(lives.merge(&command));
    let audit = lives.log.last().unwrap();
    assert_eq!((audit.realm, audit.id, audit.at), (command.realm, command.audit, command.at));
    assert_eq!((audit.action, &audit.actor, &audit.reason), (AuditAction::PlayerMerge, &command.actor, &None));
    assert_eq!((audit.player, audit.into), (Some(merge.source), Some(merge.target)));
    let details: serde_json::Value = serde_json::from_str(audit.details.as_ref().unwrap().as_json()).unwrap();
    let moved = serde_json::json!({
        "grantsReassigned": 0, "itemsMerged": 1, "itemLedgerRowsMoved": 1, "walletsMerged": 3, "walletLedgerRowsMoved": 5,
        "attemptsReassigned": 0, "lobbiesTouched": 0, "leaderboardsScrubbed": 0,
    });
    assert_eq!(details, moved);
}

#[test]
fn every_reason_against_a_merge_is_told_and_nothing_changes() {
    let mut lives = lives();
    lives.settle(vec![credit("banned", "gold", 1), credit("erased", "gold", 1)]);
    lives.change_ban(&ban("banned", 1, "cheating")).unwrap();
    lives.erase(&erase("erased", 1, None));
    let before = lives.clone();
    for (source, target, refusal) in [
        ("a", "a", MergeRefusal::SamePlayer),
        ("nobody", "nobody", MergeRefusal::SamePlayer),
        ("nobody", "b", MergeRefusal::SourceNotFound),
        ("nobody", "banned", MergeRefusal::SourceNotFound),
        ("a", "nobody", MergeRefusal::TargetNotFound),
        ("a", "banned", MergeRefusal::TargetBanned),
        ("a", "erased", MergeRefusal::TargetErased),
    ] {
        for named in [None, Some("k")] {
            assert_eq!(lives.merge(&merge(1, source, target, named)), Err(refusal.clone()), "{source} into {target}");
            assert_eq!(lives, before);
        }
    }
}

#[test]
fn the_id_of_an_erased_player_is_a_target_again_once_somebody_has_it() {
    let mut lives = lives();
    lives.erase(&erase("b", 1, None));
    assert_eq!(lives.merge(&merge(1, "a", "b", None)), Err(MergeRefusal::TargetErased));
    lives.outcome(credit("b", "gold", 1)).unwrap();
    merged(lives.merge(&merge(1, "a", "b", None)));
    assert_eq!(lives.books.gold("b"), Some(10));
}

#[test]
fn a_banned_source_is_merged_and_the_target_is_not_banned() {
    let mut lives = lives();
    lives.change_ban(&ban("a", 1, "cheating")).unwrap();
    merged(lives.merge(&merge(1, "a", "b", None)));
    lives.outcome(credit("a", "gold", 1)).unwrap();
    assert_eq!(lives.called("a").unwrap().banned_at, None);
    assert_eq!(lives.called("b").unwrap().banned_at, None);
}

#[test]
fn together_they_hold_at_most_the_largest_balance() {
    let mut lives = lives();
    // b's silver, the last of the currencies that both have, is one too much.
    lives.settle(vec![credit("a", "silver", 7), credit("b", "silver", INTEGER_MAX - 12)]);
    let before = lives.clone();
    let refusal = lives.merge(&merge(1, "a", "b", Some("k"))).unwrap_err();
    let MergeRefusal::BalanceLimit { asset: of, current, amount } = refusal else { panic!("not the limit: {refusal}") };
    assert_eq!(of, asset(AssetKind::Currency, "silver"));
    assert_eq!((current.get(), amount.get()), (INTEGER_MAX - 6, 7));
    assert_eq!(lives, before);
    lives.outcome(debit("a", "silver", 1)).unwrap();
    merged(lives.merge(&merge(1, "a", "b", Some("k"))));
    assert_eq!(lives.books.balance("b", AssetKind::Currency, "silver"), Some(INTEGER_MAX));
    assert_eq!(lives.audit().differences, []);
}

#[test]
fn a_repeat_is_answered_with_the_merge_while_nobody_has_the_sources_id() {
    let mut lives = lives();
    let first = merged(lives.merge(&merge(1, "a", "b", Some("k"))));
    for named in [Some("k"), None, Some("other")] {
        assert_repeat(&mut lives, &merge(2, "a", "b", named), first);
    }
    lives.change_ban(&ban("b", 1, "cheating")).unwrap();
    assert_repeat(&mut lives, &merge(2, "a", "b", None), first);
    lives.erase(&erase("b", 1, None));
    assert_repeat(&mut lives, &merge(2, "a", "b", Some("k")), first);
}

#[test]
fn a_late_repeat_does_not_merge_whoever_has_the_id_by_then() {
    let mut lives = lives();
    let first = merged(lives.merge(&merge(1, "a", "b", Some("k1"))));
    lives.outcome(credit("a", "gold", 100)).unwrap();
    assert_repeat(&mut lives, &merge(2, "a", "b", Some("k1")), first);
    let second = merged(lives.merge(&merge(3, "a", "b", Some("k2"))));
    assert_ne!(first.merge.source, second.merge.source);
    assert_repeat(&mut lives, &merge(4, "a", "b", Some("k1")), first);
    assert_repeat(&mut lives, &merge(4, "a", "b", Some("k2")), second);
    assert_repeat(&mut lives, &merge(4, "a", "b", None), second);
    lives.outcome(credit("a", "gold", 1)).unwrap();
    merged(lives.merge(&merge(5, "a", "b", None)));
    assert_eq!(lives.books.gold("b"), Some(115));
}

#[test]
fn a_merge_of_other_ids_under_the_same_key_is_another_merge() {
    let mut lives = lives();
    lives.outcome(credit("c", "gold", 1)).unwrap();
    merged(lives.merge(&merge(1, "a", "b", Some("k"))));
    assert_eq!(lives.merge(&merge(2, "b", "a", Some("k"))), Err(MergeRefusal::TargetNotFound));
    assert_eq!(lives.merge(&merge(2, "a", "c", Some("k"))), Err(MergeRefusal::SourceNotFound));
    merged(lives.merge(&merge(2, "b", "c", Some("k"))));
    assert_eq!(lives.books.gold("c"), Some(15));
}

#[test]
fn what_was_merged_into_a_player_is_merged_onward_with_them() {
    let mut lives = lives();
    lives.outcome(credit("c", "gold", 1)).unwrap();
    let entries = lives.books.entries.clone();
    let first = merged(lives.merge(&merge(1, "a", "b", None)));
    let second = merged(lives.merge(&merge(2, "b", "c", None)));
    assert_repeat(&mut lives, &merge(3, "a", "b", None), first);
    assert_repeat(&mut lives, &merge(3, "b", "c", None), second);
    assert_eq!(lives.books.gold("c"), Some(15));
    let history = lives.history("c");
    assert!(entries.iter().all(|entry| history.contains(&entry)));
    assert_eq!(history.len(), lives.books.entries.len());
    assert_eq!(lives.audit().differences, []);
}

#[test]
fn a_late_repeat_of_a_credit_to_the_source_pays_nobody() {
    let mut lives = lives();
    merged(lives.merge(&merge(1, "a", "b", None)));
    let before = lives.clone();
    assert_eq!(adjusted(&lives.outcome(credit("a", "gold", 10).keyed("a-gold"))), (10, Repeat::Replay));
    assert_eq!(lives, before);
    assert_eq!(adjusted(&lives.outcome(credit("a", "gold", 10).keyed("another"))), (10, Repeat::First));
    assert_eq!(lives.books.gold("b"), Some(14), "the id is somebody else's now");
}

#[test]
fn the_targets_grants_are_acknowledged_by_the_target_only() {
    let mut lives = lives();
    let pending = granted(&lives.outcome(grant("a", "g", vec![coins("gold", 1)], Delivery::Claim))).grant.id;
    merged(lives.merge(&merge(1, "a", "b", None)));
    lives.outcome(credit("a", "gold", 1)).unwrap();
    assert_eq!(lives.outcome(ack("a", pending)), Err(Rejection::GrantNotFound));
    assert!(acked(&lives.outcome(ack("b", pending))).claim.is_some());
}

#[test]
fn the_entries_of_a_merge_have_ids_of_their_own() {
    let mut lives = Lives::default();
    let names: Vec<String> = (0..60).map(|number| format!("asset-{number}")).collect();
    for player in ["a", "b", "c"] {
        lives.settle(names.iter().map(|name| credit(player, name, 1)).collect());
    }
    let before = lives.books.entries.len();
    merged(lives.merge(&merge(1, "a", "b", None)));
    merged(lives.merge(&merge(2, "b", "c", None)));
    let made: BTreeSet<_> = lives.books.entries[before..].iter().map(|entry| entry.id).collect();
    assert_eq!(made.len(), 4 * names.len());
    let versions = made.iter().map(|id| id.0.as_u128() >> 100).collect::<BTreeSet<_>>();
    assert_eq!(versions.len(), 1, "they begin like the id they were made from");
}

#[test]
fn the_placeholder_is_an_id_that_no_studio_can_use() {
    let first = merged(lives().merge(&merge(1, "a", "b", None))).merge;
    assert_eq!(first.placeholder().as_str(), format!("__merged_{}__", first.source.0));
    assert_eq!(ExternalId::try_new(first.placeholder().as_str()), Err(InvalidExternalId::Reserved));
}
