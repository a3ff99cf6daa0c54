//! Merges that are asked for again: by the same request, by another one, and after the source's id found a new owner.

use std::time::Duration;

use domain::players::{MergeCounts, MergeRefusal, Merged};

use super::World;
use super::lives::start;
use crate::commands::{credit, grant_item};
use crate::lives::{LifeDraft, MergeInto, erase, merge};

async fn pay(world: &World, player: &str, gold: i64) {
    world.settle_one(&credit(player, "gold", gold)).await.expect("a credit is accepted");
}

/// Asks for a merge that happened before: it is answered as it was, and nothing changes.
async fn repeat(world: &World, draft: &LifeDraft<MergeInto>, first: Merged) {
    let players = ["old", "new", "last"];
    let (before, report, log) = (world.seen(&players).await, world.sound_books().await, world.audit_rows().await.len());
    let again = world.merge(draft).await.expect("a repeat is answered");
    assert_eq!(again, Merged { merge: first.merge, counts: MergeCounts::default(), earlier: true });
    assert_eq!(world.seen(&players).await, before);
    assert_eq!((world.sound_books().await, world.audit_rows().await.len()), (report, log));
}

/// While nobody has the source's id, every repeat is one, whatever its key, and after a reopen.
pub async fn a_repeated_merge_happens_once(world: World) {
    pay(&world, "old", 5).await;
    pay(&world, "new", 7).await;
    let first = world.merge_now(&merge("old", "new").keyed("k")).await;
    let world = world.reopened().await;
    let later = Duration::from_secs(60);
    for draft in [merge("old", "new").keyed("k"), merge("old", "new"), merge("old", "new").keyed("other").after(later)]
    {
        repeat(&world, &draft, first).await;
    }
    assert_eq!((first.merge.at, world.gold("new").await), (start(), Some(12)));
}

/// Once somebody else has the source's id, the same request is still a repeat, and any other is a merge of its own.
pub async fn a_late_repeat_does_not_merge_whoever_has_the_id_by_then(world: World) {
    pay(&world, "old", 5).await;
    pay(&world, "new", 7).await;
    let first = world.merge_now(&merge("old", "new").keyed("k1")).await;
    pay(&world, "old", 100).await;
    let somebody_else = world.known("old").await.player.id;
    repeat(&world, &merge("old", "new").keyed("k1"), first).await;
    assert_eq!((world.gold("old").await, world.gold("new").await), (Some(100), Some(12)));
    let second = world.merge_now(&merge("old", "new").keyed("k2")).await;
    assert_eq!(second.merge.source, somebody_else);
    assert_eq!(world.gold("new").await, Some(112));
    let world = world.reopened().await;
    repeat(&world, &merge("old", "new").keyed("k1"), first).await;
    repeat(&world, &merge("old", "new").keyed("k2"), second).await;
    repeat(&world, &merge("old", "new"), second).await;
    repeat(&world, &merge("old", "new").keyed("k3"), second).await;
}

/// Without a key, a merge of somebody who is there is a merge.
pub async fn without_a_key_whoever_has_the_id_is_merged(world: World) {
    pay(&world, "new", 7).await;
    for round in 1..=3 {
        pay(&world, "old", 5).await;
        let merged = world.merge_now(&merge("old", "new").after(Duration::from_secs(round))).await;
        repeat(&world, &merge("old", "new"), merged).await;
    }
    assert_eq!(world.gold("new").await, Some(22));
    world.sound_books().await;
}

/// A key names a merge of two ids; with other ids, or the other way round, it names another one.
pub async fn a_key_names_a_merge_of_these_two_ids(world: World) {
    for player in ["old", "new", "last"] {
        pay(&world, player, 5).await;
        world.settle_one(&grant_item(player, player, 1)).await.expect("it is accepted");
    }
    world.merge_now(&merge("old", "new").keyed("k")).await;
    assert_eq!(world.merge(&merge("new", "old").keyed("k")).await, Err(MergeRefusal::TargetNotFound));
    assert_eq!(world.merge(&merge("old", "last").keyed("k")).await, Err(MergeRefusal::SourceNotFound));
    world.merge_now(&merge("new", "last").keyed("k")).await;
    assert_eq!(world.gold("last").await, Some(15));
}

/// Whatever becomes of the target, a repeat is answered with the merge that happened.
pub async fn a_repeat_is_answered_after_the_target_is_gone(world: World) {
    for player in ["old", "new", "last"] {
        pay(&world, player, 5).await;
    }
    let first = world.merge_now(&merge("old", "new").keyed("k")).await;
    let second = world.merge_now(&merge("new", "last")).await;
    repeat(&world, &merge("old", "new").keyed("k"), first).await;
    repeat(&world, &merge("old", "new"), first).await;
    world.erase_now(&erase("last")).await;
    repeat(&world, &merge("old", "new"), first).await;
    repeat(&world, &merge("new", "last"), second).await;
    pay(&world, "new", 1).await;
    assert_eq!(world.merge(&merge("new", "last")).await, Err(MergeRefusal::TargetErased));
    pay(&world, "last", 1).await;
    world.merge_now(&merge("new", "last")).await;
    assert_eq!(world.gold("last").await, Some(2), "the id of an erased player is as good as any");
}
