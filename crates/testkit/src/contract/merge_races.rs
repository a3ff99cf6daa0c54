//! Merges in the middle of everything else, at two handles: nothing lost, nothing doubled, nobody stuck.

use std::time::Duration;

use domain::economy::{AssetKind, Repeat};
use domain::players::{EraseOutcome, MergeRefusal, Merged};
use domain::tenancy::RealmId;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::lives::start;
use super::{Stores, World, adjusted, granted};
use crate::commands::{Draft, coins, create_grant, credit};
use crate::lives::{LifeDraft, MergeInto, erase, merge};

/// Longer than any store needs, shorter than anyone waits: what takes this long is a deadlock.
const STUCK: Duration = Duration::from_secs(60);

async fn pay(world: &World, player: &str, gold: i64) {
    world.settle_one(&credit(player, "gold", gold)).await.expect("a credit is accepted");
}

/// The gold of all `players`, who need not be known.
async fn gold_of(world: &World, players: &[String]) -> i64 {
    let mut sum = 0;
    for player in players {
        sum += world.gold(player).await.unwrap_or(0);
    }
    sum
}

/// Asks for both merges at the same time, at two handles.
async fn at_once(
    [here, there]: [&Stores; 2],
    realm: RealmId,
    [one, other]: [LifeDraft<MergeInto>; 2],
) -> [Result<Merged, MergeRefusal>; 2] {
    let (here, there) = (here.clone(), there.clone());
    let one = tokio::spawn(async move { here.merge(realm, &one).await });
    let other = tokio::spawn(async move { there.merge(realm, &other).await });
    let both = async { [one.await.expect("it is answered"), other.await.expect("it is answered")] };
    timeout(STUCK, both).await.expect("merges do not wait for each other for ever")
}

/// Credits to both players go on at two handles while they merge: each is paid once, to whoever has the id by then, and
/// a repeat of each pays nothing.
pub async fn credits_go_on_while_players_merge(world: World) {
    const CREDITS: usize = 15;
    let second = world.second().await;
    for round in 0..6 {
        let players = [format!("old-{round}"), format!("new-{round}")];
        let [old, new] = &players;
        pay(&world, old, 1).await;
        pay(&world, new, 1).await;
        let drafts: Vec<Draft> = (0..CREDITS)
            .flat_map(|number| players.iter().map(move |player| (number, player)))
            .map(|(number, player)| credit(player, "gold", 1).keyed(&format!("{player}-{number}")))
            .collect();
        let mut writers = JoinSet::new();
        for (stores, part) in [world.stores.clone(), second.clone()].into_iter().zip(drafts.chunks(CREDITS)) {
            let (realm, part) = (world.realm, part.to_vec());
            writers.spawn(async move {
                for draft in part {
                    let outcome = stores.settle_one(realm, &draft).await;
                    assert_eq!(adjusted(&outcome).repeat, Repeat::First);
                }
            });
        }
        tokio::task::yield_now().await;
        let merging = merge(old, new);
        let merging = second.merge(world.realm, &merging);
        timeout(STUCK, merging).await.expect("a merge is not held up for ever").expect("both are known");
        timeout(STUCK, writers.join_all()).await.expect("credits are not held up for ever");
        let total = i64::try_from(2 + 2 * CREDITS).expect("few credits");
        assert_eq!(gold_of(&world, &players).await, total);
        for outcome in world.settle(&drafts).await {
            assert_eq!(adjusted(&outcome).repeat, Repeat::Replay);
        }
        assert_eq!(gold_of(&world, &players).await, total);
        if world.gold(old).await.is_some() {
            world.merge_now(&merge(old, new)).await;
        }
        assert_eq!(world.gold(new).await, Some(total));
        let sum: i64 = world.history(new).await.iter().map(|row| row.delta).sum();
        assert_eq!(sum, total);
    }
    world.sound_books().await;
}

/// Grants that are created while their players merge belong to whoever has the id, and none is lost.
pub async fn grants_go_on_while_players_merge(world: World) {
    const GRANTS: usize = 10;
    let second = world.second().await;
    for player in ["old", "new"] {
        pay(&world, player, 1).await;
    }
    let mut writers = JoinSet::new();
    for (stores, player) in [(world.stores.clone(), "old"), (second.clone(), "new")] {
        let realm = world.realm;
        writers.spawn(async move {
            for number in 0..GRANTS {
                let draft = create_grant(player, &format!("{player}-{number}"), vec![coins("gold", 1)]);
                assert_eq!(granted(&stores.settle_one(realm, &draft).await).repeat, Repeat::First);
            }
        });
    }
    let merged = timeout(STUCK, second.merge(world.realm, &merge("old", "new"))).await.expect("it is answered");
    timeout(STUCK, writers.join_all()).await.expect("grants are not held up for ever");
    let merged = merged.expect("both are known");
    let (old, new) = (
        world.stores.grants(world.realm, "old", None, start()).await,
        world.stores.grants(world.realm, "new", None, start()).await,
    );
    assert_eq!(old.len() + new.len(), 2 * GRANTS);
    assert!(new.iter().all(|grant| grant.player == merged.merge.target));
    let left = world.stores.players.export_grants(world.realm, merged.merge.source, None, 100).await;
    assert_eq!(left.expect("the store works"), [], "the source has none");
    world.sound_books().await;
}

/// The same merge at two handles at once happens once, and is answered twice.
pub async fn the_same_merge_at_two_handles_at_once_happens_once(world: World) {
    let second = world.second().await;
    for round in 0..10 {
        let [old, new] = [format!("old-{round}"), format!("new-{round}")];
        pay(&world, &old, 5).await;
        pay(&world, &new, 7).await;
        let request = merge(&old, &new).keyed(&format!("k{round}"));
        let answers = at_once([&world.stores, &second], world.realm, [request.clone(), request]).await;
        let [one, other] = answers.map(|answer| answer.expect("a repeat is answered too"));
        assert_eq!(one.merge, other.merge);
        assert!(one.earlier != other.earlier, "one of them merged");
        assert_eq!(world.gold(&new).await, Some(12));
    }
    world.sound_books().await;
}

/// Of two merges of one player into two others, exactly one happens.
pub async fn one_player_is_merged_into_one_of_two(world: World) {
    let second = world.second().await;
    for round in 0..10 {
        let players = ["old", "one", "other"].map(|name| format!("{name}-{round}"));
        let [old, one, other] = &players;
        for player in &players {
            pay(&world, player, 5).await;
        }
        let answers = at_once([&world.stores, &second], world.realm, [merge(old, one), merge(old, other)]).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        assert!(answers.contains(&Err(MergeRefusal::SourceNotFound)), "{answers:?}");
        assert_eq!(world.gold(old).await, None);
        let mut gold = [world.gold(one).await, world.gold(other).await];
        gold.sort_unstable();
        assert_eq!(gold, [Some(5), Some(10)]);
    }
    world.sound_books().await;
}

/// Two players who are merged into each other at once: one of them is, and nobody waits for ever.
pub async fn merges_into_each_other_do_not_deadlock(world: World) {
    let second = world.second().await;
    for round in 0..10 {
        let players = ["a", "b"].map(|name| format!("{name}-{round}"));
        let [a, b] = &players;
        pay(&world, a, 5).await;
        pay(&world, b, 7).await;
        let answers = at_once([&world.stores, &second], world.realm, [merge(a, b), merge(b, a)]).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        assert!(answers.contains(&Err(MergeRefusal::TargetNotFound)), "{answers:?}");
        assert_eq!(gold_of(&world, &players).await, 12);
    }
    world.sound_books().await;
}

/// A player who is merged onward while another is merged into them: either both happen, or only the onward one.
pub async fn a_chain_that_is_merged_at_once_loses_nothing(world: World) {
    let second = world.second().await;
    for round in 0..10 {
        let players = ["a", "b", "c"].map(|name| format!("{name}-{round}"));
        let [a, b, c] = &players;
        for player in &players {
            pay(&world, player, 5).await;
        }
        let [first, onward] = at_once([&world.stores, &second], world.realm, [merge(a, b), merge(b, c)]).await;
        assert!(onward.is_ok(), "{onward:?}");
        match first {
            Ok(_) => assert_eq!((world.gold(a).await, world.gold(c).await), (None, Some(15))),
            Err(refusal) => {
                assert_eq!(refusal, MergeRefusal::TargetNotFound);
                assert_eq!((world.gold(a).await, world.gold(c).await), (Some(5), Some(10)));
            }
        }
        assert_eq!(world.gold(b).await, None);
    }
    world.sound_books().await;
}

/// A target that is erased while a player is merged into it: the source is merged and erased with it, or stays.
pub async fn a_merge_into_a_player_who_is_being_erased_is_whole_or_refused(world: World) {
    let second = world.second().await;
    for round in 0..10 {
        let [old, new] = [format!("old-{round}"), format!("new-{round}")];
        for player in [&old, &new] {
            let draft = credit(player, "gold", 5).because("PERSONAL");
            world.settle_one(&draft).await.expect("a credit is accepted");
        }
        let account = world.head(&old).await.accounts.pop().expect("one account");
        let (realm, merging, erasing) = (world.realm, merge(&old, &new), erase(&new));
        let (here, there) = (world.stores.clone(), second.clone());
        let merging = tokio::spawn(async move { here.merge(realm, &merging).await });
        let erasing = tokio::spawn(async move { there.erase(realm, &erasing).await });
        let both = async { (merging.await.expect("it is answered"), erasing.await.expect("it is answered")) };
        let (merged, erased) = timeout(STUCK, both).await.expect("they do not wait for each other for ever");
        assert!(matches!(erased, EraseOutcome::Erased(_)), "{erased:?}");
        let rows = world.stores.players.export_entries(realm, &account, 0, 10).await.expect("the store works");
        let reasons: Vec<_> = rows.iter().map(|row| row.reason.as_deref()).collect();
        match merged {
            Ok(_) => {
                assert_eq!(world.gold(&old).await, None);
                assert!(reasons.iter().all(Option::is_none), "what was merged is erased with its new owner");
            }
            Err(refusal) => {
                assert_eq!(refusal, MergeRefusal::TargetErased);
                assert_eq!(world.stores.balance(realm, &old, AssetKind::Currency, "gold").await, Some(5));
                assert_eq!(reasons, [Some("PERSONAL")]);
            }
        }
    }
    world.sound_books().await;
}
