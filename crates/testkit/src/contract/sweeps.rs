//! Sweeps: what the clock did to lobbies is stored and told, once, whoever comes first.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::lobbies::{BoardMode, LobbyId, LobbyStatus, LobbyTransition};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::World;
use super::play_ways::{forming, pushed, second, started};
use crate::play_drafts::{close, event, join, push, start};

/// Longer than any store needs, shorter than anyone waits: what takes this long is a deadlock.
const STUCK: Duration = Duration::from_secs(60);
const WEEK: u64 = 7 * 86_400;

fn steps(told: &[LobbyTransition]) -> Vec<(LobbyId, LobbyStatus)> {
    told.iter().map(|step| (step.lobby, step.status)).collect()
}

/// So many lobbies with one player each, made a second apart, that form alone.
async fn waiting(world: &World, count: u64) -> Vec<LobbyId> {
    let mut lobbies = Vec::new();
    for number in 0..count {
        let name = format!("duel-{number}");
        world.add_event(&name, BoardMode::LobbyMatched, |_| {}).await;
        let draft = start(&name, &format!("p{number}")).after_seconds(number);
        lobbies.push(forming(&world.played(&draft).await).id);
    }
    lobbies
}

/// A lobby that is due moves on, with its bots; one that is not stays; a second sweep finds nothing.
pub async fn a_sweep_stores_and_tells_what_the_clock_did(world: World) {
    let lobbies = waiting(&world, 2).await;
    let [first, later] = lobbies.as_slice() else { panic!("two lobbies") };
    assert_eq!(world.stores.sweep(second(29), 100).await, []);
    let told = world.stores.sweep(second(30), 100).await;
    let (realm, at) = (world.realm, second(30));
    assert_eq!(told, [LobbyTransition { realm, lobby: *first, status: LobbyStatus::Active, at }]);
    let world = world.reopened().await;
    let stored = world.lobby(*first).await.lobby;
    assert_eq!((stored.started_at(), stored.bots.len(), stored.version), (Some(second(30)), 3, 2));
    assert_eq!(world.lobby(*later).await.lobby.status(), LobbyStatus::Forming);
    assert_eq!(steps(&world.stores.sweep(second(30), 100).await), []);
    assert_eq!(steps(&world.stores.sweep(second(50), 100).await), [(*later, LobbyStatus::Active)]);
    assert_eq!(world.stores.sweep(second(WEEK), 100).await.len(), 2, "the window is over");
    assert_eq!(world.stores.sweep(second(2 * WEEK), 100).await, []);
}

/// A lobby that nobody looked at for long has gone through all its steps, each at its own time.
pub async fn a_late_sweep_tells_every_step(world: World) {
    let lobbies = waiting(&world, 1).await;
    let told = world.stores.sweep(second(WEEK + 5), 100).await;
    let told: Vec<_> = told.iter().map(|step| (step.lobby, step.status, step.at)).collect();
    let id = *lobbies.first().expect("one lobby");
    assert_eq!(told, [(id, LobbyStatus::Active, second(30)), (id, LobbyStatus::Closed, second(WEEK))]);
    let stored = world.lobby(id).await.lobby;
    assert_eq!((stored.started_at(), stored.closed_at()), (Some(second(30)), Some(second(WEEK))));
}

/// A sweep takes no more than its limit, those that are due longest first.
pub async fn a_sweep_begins_with_what_is_due_longest(world: World) {
    let lobbies = waiting(&world, 5).await;
    let mut told = Vec::new();
    for limit in [2, 2, 2] {
        let swept = world.stores.sweep(second(100), limit).await;
        assert!(swept.len() <= 2);
        told.extend(swept.iter().map(|step| step.lobby));
    }
    assert_eq!(told, lobbies);
}

/// Several sweepers at several handles at once, with writes among them: every step is told once.
pub async fn concurrent_sweeps_tell_every_step_once(world: World) {
    let lobbies = waiting(&world, 20).await;
    let handles = [world.stores.clone(), world.second().await];
    let mut working = JoinSet::new();
    for number in 0..6_usize {
        let stores = handles.get(number % 2).expect("two handles").clone();
        working.spawn(async move {
            let mut told = Vec::new();
            for _ in 0..6 {
                told.extend(stores.sweep(second(100), 7).await);
            }
            told
        });
    }
    for (number, lobby) in lobbies.iter().copied().enumerate().take(8) {
        let stores = handles.get(number % 2).expect("two handles").clone();
        let (realm, draft) = (world.realm, join(lobby, "late").after_seconds(100));
        working.spawn(async move {
            let settlement = stores.play(realm, &[draft]).await;
            assert!(settlement.outcomes.iter().all(Result::is_ok), "{:?}", settlement.outcomes);
            settlement.transitions
        });
    }
    let told = timeout(STUCK, working.join_all()).await.expect("nobody waits for ever");
    let mut told: Vec<_> = told.into_iter().flatten().collect();
    // Who swept while another did found nothing; somebody comes again.
    told.extend(world.stores.sweep(second(100), 1_000).await);
    let mut told: Vec<_> = steps(&told);
    told.sort();
    let expected: Vec<_> = lobbies.iter().map(|lobby| (*lobby, LobbyStatus::Active)).collect();
    assert_eq!(told, expected);
}

/// What a write has stored and told of a lobby, no sweep tells again; a replay and a read store nothing.
pub async fn a_step_that_a_write_told_is_not_told_by_a_sweep(world: World) {
    let lobbies = waiting(&world, 2).await;
    let [first, later] = lobbies.as_slice() else { panic!("two lobbies") };
    let settlement = world.stores.play(world.realm, &[start("duel-0", "p0").after_seconds(60)]).await;
    assert_eq!(steps(&settlement.transitions), [(*first, LobbyStatus::Active)]);
    let attempt = started(settlement.outcomes.first().expect("one").as_ref().expect("it is not refused"));
    assert_eq!(attempt.lobby, Some(*first));
    assert_eq!(world.lobby(*later).await.lobby.status(), LobbyStatus::Forming);
    assert_eq!(steps(&world.stores.sweep(second(60), 100).await), [(*later, LobbyStatus::Active)]);
    let settlement = world.stores.play(world.realm, &[close(*first).after_seconds(61)]).await;
    assert_eq!(steps(&settlement.transitions), [(*first, LobbyStatus::Closed)]);
    assert_eq!(steps(&world.stores.sweep(second(WEEK), 100).await), [(*later, LobbyStatus::Closed)]);
}

/// A sweep is of all realms, and names the realm of every step.
pub async fn a_sweep_is_of_all_realms(world: World) {
    let mut expected = BTreeSet::new();
    for realm in [world.realm, world.other_realms[0], world.other_realms[1]] {
        world.stores.add_event(realm, &event("duel", BoardMode::LobbyMatched)).await;
        let waits = world.stores.play_one(realm, &start("duel", "p1")).await.expect("it is not refused");
        expected.insert((realm, forming(&waits).id, LobbyStatus::Active));
        world.stores.play_one(realm, &push("duel", "k", &["p2"])).await.expect("it is not refused");
    }
    let told = world.stores.sweep(second(40), 100).await;
    let told: BTreeSet<_> = told.iter().map(|step| (step.realm, step.lobby, step.status)).collect();
    assert_eq!(told, expected);
    assert_eq!(world.stores.sweep(second(WEEK), 100).await.len(), 6);
}

/// A lobby that everybody left is not open any more once its time is over, and who starts then gets another.
pub async fn a_lobby_that_the_clock_closed_takes_nobody_in(world: World) {
    let lobbies = waiting(&world, 1).await;
    let id = *lobbies.first().expect("one lobby");
    world.played(&crate::play_drafts::leave(id, "p0").after_seconds(5)).await;
    let other = forming(&world.played(&start("duel-0", "p1").after_seconds(41)).await);
    assert_ne!(other.id, id);
    assert_eq!(world.lobby(id).await.lobby.status(), LobbyStatus::Closed, "the start stored what the clock did");
    assert_eq!(world.stores.sweep(second(41), 100).await, []);
    let next = pushed(&world.played(&push("duel-0", "k", &["p2"]).after_seconds(42)).await);
    assert_eq!(next.status(), LobbyStatus::Active);
}
