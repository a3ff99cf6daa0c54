//! What the studio configures: events and leaderboards.

use std::time::Duration;

use domain::audit_log::AuditAction;
use domain::lobbies::{
    Aggregation, BoardId, BoardMode, BotPlan, ConfigurationRefusal, EventId, EventRevision, LeaderboardRevision,
    Metric, ResetCadence, Revised, Score, SortOrder, Span, Windows,
};
use domain::text::JsonObject;
use serde_json::json;
use tokio::task::JoinSet;

use super::World;
use super::play_ways::second;
use crate::play_drafts::{
    event, event_change, leaderboard, leaderboard_change, metric_key, new_event, new_leaderboard, points,
};
use crate::tenants::asset_key;

fn plan() -> JsonObject {
    let plan = json!({ "names": ["Ada", "Grace"], "behaviours": [{ "type": "single", "block": { "type": "idle" } }] });
    BotPlan::try_new(&plan).expect("the plan is in order");
    JsonObject::restore(plan.to_string())
}

fn object(value: &serde_json::Value) -> JsonObject {
    JsonObject::try_new(value).expect("a small object")
}

/// Every field of an event, with windows of both kinds, is there after a reopen, by key and by id.
pub async fn events_come_back_exactly(world: World) {
    let mut rich = event("rich", BoardMode::GlobalSegmented);
    rich.definition.name = "Größer 🦀".to_owned();
    rich.definition.board.bots = Some(plan());
    rich.definition.board.aggregation = Aggregation::Latest;
    rich.definition.board.order = SortOrder::Ascending;
    rich.definition.metadata = Some(object(&json!({ "b": [1, 2.50], "a": null })));
    rich.definition.enabled = false;
    rich.definition.metrics = vec![
        Metric { key: metric_key("laps"), target: Some(points(3)), cap: None, weight: Score::restore(-1) },
        Metric { key: metric_key("a-lap"), target: None, cap: Some(Score::restore(1_001)), weight: Score::ZERO },
    ];
    let span = |from, to| Span { starts_at: second(from), ends_at: second(to) };
    rich.definition.windows = Windows::explicit(vec![span(5, 9), span(0, 2)]).expect("they are apart");
    rich.updated_at = second(7);
    let plain = event("plain", BoardMode::LobbyMatched);
    for event in [&rich, &plain] {
        world.stores.add_event(world.realm, event).await;
    }
    let world = world.reopened().await;
    let events = &world.stores.events;
    for event in [rich, plain] {
        let (by_key, by_id) =
            (events.event(world.realm, &event.key).await, events.event_by_id(world.realm, event.id).await);
        assert_eq!(by_key.expect("the store works").as_ref(), Some(&event));
        assert_eq!(by_id.expect("the store works"), Some(event));
    }
    assert_eq!(events.event(world.realm, &asset_key("none")).await.expect("the store works"), None);
    let nobody = EventId(uuid::Uuid::nil());
    assert_eq!(events.event_by_id(world.realm, nobody).await.expect("the store works"), None);
}

/// Every field of a leaderboard is there after a reopen, by key and by id.
pub async fn leaderboards_come_back_exactly(world: World) {
    let mut rich = leaderboard("rich");
    rich.definition.aggregation = Aggregation::Sum;
    rich.definition.order = SortOrder::Ascending;
    rich.definition.reset = ResetCadence::Weekly;
    (rich.definition.segmented, rich.definition.enabled, rich.definition.fill_bots_to) = (true, false, 17);
    (rich.definition.bots, rich.definition.metadata) = (Some(plan()), Some(object(&json!({ "a": 1 }))));
    let plain = leaderboard("plain");
    for board in [&rich, &plain] {
        world.stores.add_board(world.realm, board).await;
    }
    let world = world.reopened().await;
    let boards = &world.stores.leaderboards;
    for board in [rich, plain] {
        let by_key = boards.leaderboard(world.realm, &board.key).await;
        let by_id = boards.leaderboard_by_id(world.realm, board.id).await;
        assert_eq!(by_key.expect("the store works").as_ref(), Some(&board));
        assert_eq!(by_id.expect("the store works"), Some(board));
    }
    let nobody = BoardId(uuid::Uuid::nil());
    assert_eq!(boards.leaderboard_by_id(world.realm, nobody).await.expect("the store works"), None);
}

/// A key is given once in a realm, and a refusal leaves no trace; events and leaderboards do not share keys.
pub async fn a_taken_configuration_key_is_refused(world: World) {
    let stores = &world.stores;
    let (first, second) = (event("duel", BoardMode::Global), event("duel", BoardMode::Grouped));
    stores.add_event(world.realm, &first).await;
    let refused = stores.events.create_event(&new_event(world.realm, &second)).await.expect("the store works");
    assert_eq!(refused, Err(ConfigurationRefusal::KeyTaken));
    stores.add_event(world.other_realms[0], &second).await;
    let board = leaderboard("duel");
    stores.add_board(world.realm, &board).await;
    let again = stores.leaderboards.create_leaderboard(&new_leaderboard(world.realm, &leaderboard("duel"))).await;
    assert_eq!(again.expect("the store works"), Err(ConfigurationRefusal::KeyTaken));
    assert_eq!(stores.events.event(world.realm, &first.key).await.expect("the store works"), Some(first));
    assert_eq!(stores.leaderboards.leaderboard(world.realm, &board.key).await.expect("the store works"), Some(board));
    assert_eq!(world.audit_rows().await.len(), 2, "a refusal is not logged");
}

/// One key at two handles at once is given once.
pub async fn a_configuration_key_is_given_once_at_two_handles(world: World) {
    let second = world.second().await;
    for round in 0..5 {
        let name = format!("duel-{round}");
        let mut asking = JoinSet::new();
        for stores in [world.stores.clone(), second.clone()] {
            let (new, board) = (event(&name, BoardMode::Global), leaderboard(&name));
            let (new, board) = (new_event(world.realm, &new), new_leaderboard(world.realm, &board));
            asking.spawn(async move {
                let event = stores.events.create_event(&new).await.expect("the store works");
                (event, stores.leaderboards.create_leaderboard(&board).await.expect("the store works"))
            });
        }
        let answers = asking.join_all().await;
        assert_eq!(answers.iter().filter(|(event, _)| event.is_ok()).count(), 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|(_, board)| board.is_ok()).count(), 1, "{answers:?}");
    }
}

/// A change is decided on what is stored, and stored as the next version; a refused one changes nothing.
pub async fn a_configuration_is_changed_under_its_version(world: World) {
    let before = world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let board = leaderboard("board");
    world.stores.add_board(world.realm, &board).await;
    let revision = EventRevision {
        capacity: Some(7),
        bots: Revised::Set(plan()),
        enabled: Some(false),
        ..EventRevision::default()
    };
    let hour = Duration::from_secs(3_600);
    let change = event_change(world.realm, "duel", hour, revision);
    let after = world.stores.events.change_event(&change).await.expect("the store works").expect("it makes sense");
    assert_eq!((after.version, after.updated_at, after.created_at), (2, second(3_600), before.created_at));
    assert_eq!((after.id, after.definition.board.capacity, after.definition.enabled), (before.id, 7, false));
    let revision = LeaderboardRevision { fill_bots_to: Some(9), ..LeaderboardRevision::default() };
    let change = leaderboard_change(world.realm, "board", hour, revision);
    let changed = world.stores.leaderboards.change_leaderboard(&change).await.expect("the store works");
    let changed = changed.expect("it makes sense");
    assert_eq!((changed.version, changed.definition.fill_bots_to), (2, 9));
    let wrong = EventRevision { capacity: Some(0), ..EventRevision::default() };
    let wrong = world.stores.events.change_event(&event_change(world.realm, "duel", hour, wrong)).await;
    assert!(matches!(wrong.expect("the store works"), Err(ConfigurationRefusal::Invalid(_))));
    let nothing = event_change(world.realm, "none", hour, EventRevision::default());
    let nothing = world.stores.events.change_event(&nothing).await.expect("the store works");
    assert_eq!(nothing, Err(ConfigurationRefusal::NotFound));
    let world = world.reopened().await;
    let stored = world.stores.events.event(world.realm, &before.key).await.expect("the store works");
    assert_eq!(stored, Some(after));
    let stored = world.stores.leaderboards.leaderboard(world.realm, &board.key).await.expect("the store works");
    assert_eq!(stored, Some(changed));
    let actions: Vec<_> = world.audit_rows().await.iter().map(|row| row.entry.action).collect();
    assert_eq!(actions.len(), 4, "{actions:?}");
    assert!(actions.contains(&AuditAction::EventChange) && actions.contains(&AuditAction::LeaderboardChange));
}

/// Changes of different parts at two handles at once are all there in the end.
pub async fn concurrent_changes_of_a_configuration_are_not_lost(world: World) {
    const CHANGES: u64 = 12;
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let other = world.second().await;
    let mut changing = JoinSet::new();
    for number in 0..CHANGES {
        let stores = if number % 2 == 0 { world.stores.clone() } else { other.clone() };
        let revision = match number {
            0 => EventRevision { capacity: Some(9), ..EventRevision::default() },
            1 => EventRevision { fill_bots: Some(false), ..EventRevision::default() },
            _ => EventRevision { name: Some(format!("name {number}")), ..EventRevision::default() },
        };
        let change = event_change(world.realm, "duel", Duration::from_secs(number), revision);
        changing.spawn(async move { stores.events.change_event(&change).await.expect("the store works") });
    }
    let mut versions: Vec<_> =
        changing.join_all().await.into_iter().map(|changed| changed.expect("it makes sense").version).collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..14).collect::<Vec<_>>());
    let stored = world.stores.events.event(world.realm, &asset_key("duel")).await.expect("the store works");
    let board = stored.expect("it is there").definition.board;
    assert_eq!((board.capacity, board.fill_bots), (9, false));
}

/// Pages of events and of leaderboards follow each other, newest first, in their realm.
pub async fn pages_of_configurations_follow_each_other(world: World) {
    let (mut events, mut boards) = (Vec::new(), Vec::new());
    for number in 0..5 {
        let (event, board) = (event(&format!("e{number}"), BoardMode::Global), leaderboard(&format!("b{number}")));
        world.stores.add_event(world.realm, &event).await;
        world.stores.add_board(world.realm, &board).await;
        events.insert(0, event);
        boards.insert(0, board);
    }
    world.stores.add_event(world.other_realms[0], &event("elsewhere", BoardMode::Global)).await;
    world.stores.add_board(world.other_realms[1], &leaderboard("elsewhere")).await;
    let (mut after, mut read) = (None, Vec::new());
    loop {
        let page = world.stores.events.events(world.realm, after, 2).await.expect("the store works");
        after = page.rows.last().map(|event| event.id);
        read.extend(page.rows);
        if !page.more {
            break;
        }
    }
    assert_eq!(read, events);
    let (mut after, mut read) = (None, Vec::new());
    loop {
        let page = world.stores.leaderboards.leaderboards(world.realm, after, 2).await.expect("the store works");
        after = page.rows.last().map(|board| board.id);
        read.extend(page.rows);
        if !page.more {
            break;
        }
    }
    assert_eq!(read, boards);
}
