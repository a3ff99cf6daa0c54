//! The feed: what is kept of a realm, in the order in which it became known.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::webhooks::{EventName, EventNames, FeedPosition, OutboxEventId, ToldEvent};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::World;
use super::lives::start;
use crate::commands::{credit, grant_item};
use crate::endpoints::names;
use crate::ids::SequentialIds;

/// Longer than any store needs, shorter than anyone waits: what takes this long is a deadlock.
const STUCK: Duration = Duration::from_secs(60);

fn ids(told: &[ToldEvent]) -> Vec<OutboxEventId> {
    told.iter().map(|event| event.id).collect()
}

fn ascends(told: &[ToldEvent]) -> bool {
    told.is_sorted_by(|one, next| one.position < next.position)
}

/// Pages are in the order of positions, follow each other by the last one, and skip and repeat nothing.
pub async fn feed_pages_follow_each_other(world: World) {
    world.subscribe_to_all().await;
    for number in 0..5 {
        world.settle(&[credit(&format!("p{number}"), "gold", 1), grant_item("p0", "sword", 1)]).await;
        world.stores.publish(start()).await;
    }
    let all = world.told().await;
    assert_eq!(all.len(), 15);
    assert!(ascends(&all));
    assert!(all.first().is_some_and(|event| FeedPosition::default() < event.position));
    let world = world.reopened().await;
    for limit in [1, 4, 15] {
        let (mut found, mut after) = (Vec::new(), FeedPosition::default());
        loop {
            let page =
                world.stores.feed.feed(world.realm, after, EventNames::ALL, limit).await.expect("the store works");
            after = page.rows.last().map_or(after, |event| event.position);
            found.extend(page.rows);
            if !page.more {
                break;
            }
        }
        assert_eq!(found, all);
    }
    let last = all.last().expect("there are events").position;
    let end = world.stores.feed.feed(world.realm, last, EventNames::ALL, 10).await.expect("the store works");
    assert_eq!((end.rows, end.more), (vec![], false));
}

/// Only events of the names that are asked for are shown, page by page too.
pub async fn the_feed_has_only_the_names_that_are_asked_for(world: World) {
    world.subscribe_to_all().await;
    for number in 0..6 {
        world.settle(&[credit(&format!("p{number}"), "gold", 1), grant_item("p0", "sword", 1)]).await;
    }
    let all = world.told().await;
    let cases = [
        (vec![EventName::WalletChanged], 6),
        (vec![EventName::PlayerRegistered, EventName::InventoryChanged], 12),
        (vec![EventName::PlayerBanned], 0),
        (vec![], 0),
    ];
    for (asked, count) in cases {
        let expected: Vec<_> = all.iter().filter(|event| asked.contains(&event.name)).cloned().collect();
        assert_eq!(expected.len(), count);
        let (mut found, mut after) = (Vec::new(), FeedPosition::default());
        loop {
            let page = world.stores.feed.feed(world.realm, after, names(&asked), 5).await.expect("the store works");
            after = page.rows.last().map_or(after, |event| event.position);
            found.extend(page.rows);
            if !page.more {
                break;
            }
        }
        assert_eq!(found, expected);
    }
}

/// What becomes known later comes after all that was there, whatever its time says.
pub async fn what_becomes_known_later_comes_after_all_that_was_there(world: World) {
    world.subscribe(&[EventName::WalletChanged]).await;
    let mut known: Vec<ToldEvent> = Vec::new();
    for hours in [9, 3, 7, 1] {
        let late = credit("p1", "gold", 1).after(Duration::from_secs(hours * 3_600));
        world.settle_one(&late).await.expect("a credit is accepted");
        let told = world.told().await;
        assert_eq!(told.iter().take(known.len()).cloned().collect::<Vec<_>>(), known);
        assert_eq!(told.len(), known.len() + 1);
        known = told;
    }
}

/// An event is found by its id as the feed shows it, and one that there is not is not.
pub async fn an_event_is_found_by_its_id(world: World) {
    world.subscribe_to_all().await;
    world.settle_one(&credit("p1", "gold", 1).because("said")).await.expect("a credit is accepted");
    for event in world.told().await {
        let found = world.stores.feed.event_told(world.realm, event.id).await.expect("the store works");
        assert_eq!(found, Some(event));
    }
    let nothing = OutboxEventId(domain::ids::Ids::next(&SequentialIds, start()));
    let found = world.stores.feed.event_told(world.realm, nothing).await.expect("the store works");
    assert_eq!(found, None);
}

/// Who reads on from the last event that they saw misses none and sees none twice, while writers and publishers at two
/// handles go on.
pub async fn a_reader_of_the_feed_misses_nothing_while_writes_go_on(world: World) {
    world.subscribe_to_all().await;
    let live = world.other_realms[0];
    world.stores.subscribe(live, EventNames::ALL).await;
    let handles = [world.stores.clone(), world.second().await];
    let mut writing = JoinSet::new();
    for (number, stores) in handles.iter().cycle().cloned().enumerate().take(6) {
        let realm = if number < 4 { world.realm } else { live };
        writing.spawn(async move {
            for round in 0..15 {
                let drafts = [credit(&format!("p{number}-{round}"), "gold", 1), credit("hot", "gold", 1)];
                assert!(stores.settle(realm, &drafts).await.iter().all(Result::is_ok));
            }
        });
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let mut publishing = JoinSet::new();
    for stores in handles.clone() {
        let is_over = is_over.clone();
        publishing.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                stores.publish(start()).await;
                tokio::task::yield_now().await;
            }
        });
    }
    let (reader, realm, over) = (handles[1].clone(), world.realm, is_over.clone());
    let reading = tokio::spawn(async move {
        let mut seen: Vec<ToldEvent> = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let after = seen.last().map_or(FeedPosition::default(), |event| event.position);
            let page = reader.feed.feed(realm, after, EventNames::ALL, 7).await.expect("the store works");
            seen.extend(page.rows);
            tokio::task::yield_now().await;
        }
        seen
    });
    timeout(STUCK, writing.join_all()).await.expect("nobody waits for ever");
    is_over.store(true, Ordering::Relaxed);
    timeout(STUCK, publishing.join_all()).await.expect("nobody waits for ever");
    let mut seen = timeout(STUCK, reading).await.expect("nobody waits for ever").expect("the reader goes on");
    let all = world.told().await;
    let after = seen.last().map_or(FeedPosition::default(), |event| event.position);
    seen.extend(world.stores.feed_after(world.realm, after, EventNames::ALL).await);
    assert_eq!(ids(&seen), ids(&all));
    assert!(ascends(&all));
    // A registration and two credits in each round of four writers, and the first contact of who is hot.
    assert_eq!(all.len(), 4 * 15 * 3 + 1);
    assert_eq!(all.iter().map(|event| event.id).collect::<BTreeSet<_>>().len(), all.len());
    assert!(all.iter().all(|event| event.realm.id == world.realm));
    assert_eq!(world.stores.told(live).await.len(), 2 * 15 * 3 + 1);
}
