//! What is told of bans, merges and erasures, and what becomes of older events; what is told of lobbies.

use std::time::Duration;

use domain::lobbies::{BoardMode, LobbyId};
use domain::webhooks::{EventName, ToldEvent};
use serde_json::json;
use tokio::task::JoinSet;

use super::World;
use super::lives::start;
use super::play_ways::{forming, pushed, second, started};
use super::webhook_ways::{assert_first_says, assert_says, data, said};

use crate::commands::{coins, create_grant, credit, debit, grant_item};
use crate::lives::{ban, erase, lift_ban, merge};
use crate::play_drafts::{close, join, push, start as start_attempt};

const MINUTE: Duration = Duration::from_secs(60);
const WEEK: u64 = 7 * 86_400;

/// A ban is told of when it is imposed and when it is lifted; another reason or another lift is not.
pub async fn a_ban_is_told_of_the_first_time_only(world: World) {
    world.settle_one(&credit("p1", "gold", 1)).await.expect("a credit is accepted");
    world.subscribe_to_all().await;
    let player = world.known("p1").await.player.id;
    world.change_ban(&lift_ban("p1")).await.expect("the player is known");
    assert_eq!(world.told().await, []);
    for (minutes, reason) in [(1, "cheating \"twice\""), (2, "worse")] {
        world.change_ban(&ban("p1", reason).after(MINUTE * minutes)).await.expect("the player is known");
    }
    for minutes in [3, 4] {
        world.change_ban(&lift_ban("p1").after(MINUTE * minutes)).await.expect("the player is known");
    }
    world.change_ban(&ban("p1", "again").after(MINUTE * 5)).await.expect("the player is known");
    world.change_ban(&ban("nobody", "x")).await.expect_err("nobody is called that");
    let banned = world.data_of(EventName::PlayerBanned).await;
    assert_eq!((banned.len(), world.told().await.len()), (2, 3));
    let at = start().plus(MINUTE);
    let expected = json!({ "playerId": player.0, "externalPlayerId": "p1", "reason": "cheating \"twice\"", "bannedAt": at.to_string() });
    assert_first_says(&banned, &expected);
    assert_says(banned.last().expect("two bans"), &json!({ "reason": "again" }));
    let unbanned = world.data_of(EventName::PlayerUnbanned).await;
    assert_first_says(&unbanned, &json!({ "playerId": player.0, "unbannedAt": start().plus(MINUTE * 3).to_string() }));
}

/// A merge is told of, and so is each holding of the target that it changed: one that both had, one that the source had
/// alone; not one that held nothing, and not one that only the target had. A repeat tells nothing.
pub async fn a_merge_is_told_of_with_the_holdings_that_it_changed(world: World) {
    let drafts = [
        credit("old", "gold", 5),
        credit("new", "gold", 2),
        grant_item("old", "sword", 3),
        credit("old", "spent", 1),
        debit("old", "spent", 1),
        credit("new", "own", 4),
        create_grant("old", "g", vec![coins("gold", 1)]),
    ];
    assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
    world.subscribe_to_all().await;
    let merged = world.merge_now(&merge("old", "new").keyed("m").after(MINUTE)).await;
    let repeated = world.merge(&merge("old", "new").keyed("m").after(MINUTE)).await.expect("a repeat is answered");
    assert!(repeated.earlier);
    let world = world.reopened().await;
    let expected = [EventName::InventoryChanged, EventName::WalletChanged, EventName::PlayerMerged];
    assert_eq!(world.told_names().await, expected);
    let target = json!(merged.merge.target.0);
    let told = world.data_of(EventName::PlayerMerged).await;
    let expected = json!({
        "playerId": target,
        "externalPlayerId": "new",
        "mergedPlayerId": merged.merge.source.0,
        "mergedExternalPlayerId": "old",
        "mergedAt": start().plus(MINUTE).to_string(),
        "grantsReassigned": 1,
        "walletsMerged": merged.counts.currencies,
        "itemsMerged": merged.counts.items,
    });
    assert_first_says(&told, &expected);
    let wallet = world.data_of(EventName::WalletChanged).await;
    let expected = json!({ "playerId": target, "economyKey": "gold", "delta": 5, "balance": 7 });
    assert_first_says(&wallet, &expected);
    let inventory = world.data_of(EventName::InventoryChanged).await;
    let expected = json!({ "playerId": target, "itemKey": "sword", "delta": 3, "quantity": 3, "ledgerId": null });
    assert_first_says(&inventory, &expected);
}

/// A merge that is refused tells nothing.
pub async fn a_refused_merge_tells_nothing(world: World) {
    world.subscribe(&[EventName::PlayerMerged, EventName::WalletChanged]).await;
    world.merge(&merge("nobody", "noone")).await.expect_err("nobody is called that");
    assert_eq!(world.told().await, []);
}

/// Events of the source are told as the target's from then on, under the same ids, and delivered so.
pub async fn a_merge_makes_older_events_the_targets(world: World) {
    world.subscribe_to_all().await;
    world.settle(&[credit("old", "gold", 5).because("prize"), credit("new", "gems", 1)]).await;
    let before = of_player(&world.told().await, "old");
    let merged = world.merge_now(&merge("old", "new").after(MINUTE)).await;
    let told = world.told().await;
    for event in &before {
        let after = told.iter().find(|known| known.id == event.id).expect("an event is kept");
        let target = world.known("new").await.player;
        assert_eq!(target.id, merged.merge.target);
        assert_eq!(after.player, Some((target.id, target.external_id)));
        assert_eq!((&after.data, &after.words, after.at), (&event.data, &event.words, event.at));
    }
    assert_eq!(before.len(), 2);
    assert_eq!(of_player(&told, "old"), []);
    let taken = world.take(start().plus(MINUTE)).await;
    assert_eq!(taken.len(), told.len());
    assert!(taken.iter().all(|taken| taken.event.player.as_ref().is_some_and(|(_, name)| name.as_str() == "new")));
}

/// An erasure is told of with the id that the studio knows, once; everything that was said in older events is gone, what
/// whoever was merged into the player was called too, and what happened stays.
pub async fn an_erasure_is_told_of_and_blanks_what_was_said_before(world: World) {
    world.subscribe_to_all().await;
    let drafts = [
        credit("old", "gold", 2).because("a secret").sourced("of somebody"),
        credit("p1", "gold", 5).because("a secret").sourced("of somebody"),
        create_grant("p1", "g", vec![coins("gold", 1)]).sourced("of somebody"),
        credit("p2", "gold", 1).because("kept"),
    ];
    world.settle(&drafts).await;
    world.merge_now(&merge("old", "p1").after(MINUTE)).await;
    world.change_ban(&ban("p1", "a secret").after(MINUTE)).await.expect("the player is known");
    let before = world.told().await;
    let erasure = world.erase_now(&erase("p1").keyed("e").after(MINUTE * 2)).await;
    world.erase(&erase("p1").keyed("e").after(MINUTE * 2)).await;
    let world = world.reopened().await;
    let deleted = world.data_of(EventName::PlayerDeleted).await;
    assert_eq!(deleted.len(), 1);
    let expected = json!({
        "playerId": erasure.player.0,
        "externalPlayerId": "p1",
        "deletedAt": start().plus(MINUTE * 2).to_string(),
        "legalBasis": "gdpr_erasure",
    });
    assert_first_says(&deleted, &expected);
    let told = world.told().await;
    assert_eq!(told.len(), before.len() + 1);
    let (mut of_erased, placeholder) = (0, erasure.placeholder());
    for event in told.iter().filter(|event| event.name != EventName::PlayerDeleted) {
        let known = before.iter().find(|known| known.id == event.id).expect("an event is kept");
        assert_eq!((&event.data, event.at, event.position), (&known.data, known.at, known.position));
        match &event.player {
            Some((id, name)) if *id == erasure.player => {
                of_erased += 1;
                assert_eq!((name, &event.words), (&placeholder, &None));
                let said = event.data_json();
                for secret in ["secret", "somebody", "\"p1\"", "\"old\""] {
                    assert!(!said.contains(secret), "{said}");
                }
            }
            Some(_) | None => assert_eq!(event.words, known.words),
        }
    }
    assert_eq!(of_erased, told.len() - 3, "all but two of somebody else and that of the erasure");
    let taken = world.take(start().plus(MINUTE * 3)).await;
    assert!(taken.iter().all(|taken| !taken.event.data_json().contains("secret")));
}

/// Who never existed is not told of, and neither is a player of the same id in another realm touched.
pub async fn an_erasure_of_nobody_tells_nothing(world: World) {
    world.subscribe_to_all().await;
    let live = world.other_realms[0];
    world.stores.subscribe(live, domain::webhooks::EventNames::ALL).await;
    world.stores.settle_one(live, &credit("p1", "gold", 1).because("said")).await.expect("a credit is accepted");
    let before = world.stores.told(live).await;
    world.erase(&erase("p1").after(MINUTE)).await;
    assert_eq!(world.told().await, []);
    assert_eq!(world.stores.told(live).await, before);
}

/// What is stored while a player is erased is blanked, or the erased player's no more.
pub async fn what_is_told_during_an_erasure_is_blanked_or_somebody_elses(world: World) {
    world.subscribe_to_all().await;
    world.settle_one(&credit("p1", "gold", 1).because("a secret")).await.expect("a credit is accepted");
    let mut writing = JoinSet::new();
    for stores in [world.stores.clone(), world.second().await] {
        let realm = world.realm;
        writing.spawn(async move {
            for _ in 0..20 {
                let draft = credit("p1", "gold", 1).because("a secret").after(MINUTE);
                stores.settle_one(realm, &draft).await.expect("a credit is accepted");
            }
        });
    }
    let erasure = world.erase_now(&erase("p1").after(MINUTE)).await;
    writing.join_all().await;
    let told = world.told().await;
    for event in told.iter().filter(|event| event.name == EventName::WalletChanged) {
        let is_of_erased = event.player.as_ref().is_some_and(|(id, _)| *id == erasure.player);
        assert_eq!(event.words.is_none(), is_of_erased, "{event:?}");
    }
    assert_eq!(told.iter().filter(|event| event.name == EventName::WalletChanged).count(), 41);
}

/// A pushed lobby is told of as made and as started, and as closed when it is; each once, repeats never.
pub async fn a_pushed_lobby_is_told_of_at_each_step(world: World) {
    world.subscribe_to_all().await;
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let draft = push("duel", "k", &["p1", "p2"]);
    let lobby = pushed(&world.played(&draft).await);
    world.played(&draft).await;
    for seconds in [60, 61] {
        // Closing a lobby that is closed may be refused or change nothing; it is not told of.
        let _ = world.play_one(&close(lobby.id).after_seconds(seconds)).await;
    }
    let registered = EventName::PlayerRegistered;
    let [created, began, closed] = [EventName::LobbyCreated, EventName::LobbyStarted, EventName::LobbyClosed];
    assert_eq!(world.told_names().await, [registered, registered, created, began, closed]);
    for (name, status, at) in [(created, "forming", 0), (began, "active", 0), (closed, "closed", 60)] {
        let told = world.data_of(name).await;
        let expected = json!({ "lobbyId": lobby.id.0, "eventId": lobby.event.0, "key": "k", "status": status });
        assert_first_says(&told, &expected);
        let events = world.told().await;
        let event = events.iter().find(|event| event.name == name).expect("it is told");
        assert_eq!((event.at, &event.player), (second(at), &None));
    }
}

/// What the clock did to lobbies is told of once: by a sweep, by the write that came first, by one of several sweepers.
pub async fn what_the_clock_did_to_lobbies_is_told_of_once(world: World) {
    world.subscribe(&[EventName::LobbyCreated, EventName::LobbyStarted, EventName::LobbyClosed]).await;
    let mut lobbies = Vec::new();
    for number in 0..6 {
        let name = format!("duel-{number}");
        world.add_event(&name, BoardMode::LobbyMatched, |_| {}).await;
        lobbies.push(forming(&world.played(&start_attempt(&name, "p0")).await).id);
    }
    let [first, ..] = lobbies.as_slice() else { panic!("six lobbies") };
    world.played(&join(*first, "late").after_seconds(60)).await;
    for now in [60, WEEK] {
        let mut sweeping = JoinSet::new();
        for stores in [world.stores.clone(), world.second().await, world.stores.clone()] {
            sweeping.spawn(async move { stores.sweep(second(now), 100).await });
        }
        sweeping.join_all().await;
        world.stores.sweep(second(now), 100).await;
    }
    let told = world.told().await;
    for name in [EventName::LobbyCreated, EventName::LobbyStarted, EventName::LobbyClosed] {
        assert_eq!(lobbies_of(&told, name), lobbies, "{name}");
    }
    let started_at = |event: &ToldEvent| said(&data(event), "startedAt").clone();
    let mut began = told.iter().filter(|event| event.name == EventName::LobbyStarted);
    assert!(began.all(|event| event.at == second(40) || started_at(event) == json!(event.at.to_string())));
    assert!(told.iter().filter(|event| event.name == EventName::LobbyClosed).all(|event| event.at == second(WEEK)));
}

/// A late sweep tells of every step, each at its own time, and only what somebody of the realm is told of.
pub async fn a_late_sweep_tells_what_is_wanted_of_every_step(world: World) {
    let live = world.other_realms[0];
    world.subscribe(&[EventName::LobbyStarted, EventName::LobbyClosed]).await;
    world.stores.subscribe(live, crate::endpoints::names(&[EventName::LobbyClosed])).await;
    for realm in [world.realm, live, world.other_realms[1]] {
        world.stores.add_event(realm, &crate::play_drafts::event("duel", BoardMode::LobbyMatched)).await;
        world.stores.play_one(realm, &start_attempt("duel", "p1")).await.expect("it is not refused");
    }
    assert_eq!(world.stores.sweep(second(WEEK + 5), 100).await.len(), 6);
    assert_eq!(world.told_names().await, [EventName::LobbyStarted, EventName::LobbyClosed]);
    assert_eq!(world.stores.told_names(live).await, [EventName::LobbyClosed]);
    assert_eq!(world.stores.told(world.other_realms[1]).await, []);
}

/// A merge that comes upon a lobby that is due moves it on, and that is told of.
pub async fn a_merge_that_moves_a_lobby_on_tells_of_it(world: World) {
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let lobby = forming(&world.played(&start_attempt("duel", "old")).await).id;
    world.played(&join(lobby, "new").after_seconds(1)).await;
    world.subscribe_to_all().await;
    world.merge_now(&merge("old", "new").after(MINUTE)).await;
    assert_eq!(world.told_names().await, [EventName::PlayerMerged, EventName::LobbyStarted]);
    assert_eq!(lobbies_of(&world.told().await, EventName::LobbyStarted), [lobby]);
    assert_eq!(world.stores.sweep(start().plus(MINUTE), 10).await, []);
}

/// A player who is made by playing is told of, and so is the lobby that they start.
pub async fn what_is_played_is_told_of(world: World) {
    world.subscribe_to_all().await;
    world.add_event("duel", BoardMode::LobbyMatched, |event| event.definition.board.capacity = 2).await;
    let lobby = forming(&world.played(&start_attempt("duel", "p1")).await).id;
    assert_eq!(world.told_names().await, [EventName::PlayerRegistered, EventName::LobbyCreated]);
    let attempt = started(&world.played(&start_attempt("duel", "p2").after_seconds(5)).await);
    assert_eq!(attempt.lobby, Some(lobby));
    let told = world.told().await;
    assert_eq!(told.len(), 4);
    assert_eq!(lobbies_of(&told, EventName::LobbyStarted), [lobby]);
    world.play_one(&join(lobby, "p3").after_seconds(6)).await.expect_err("there is no room");
    assert_eq!(world.told().await.len(), 4);
}

/// The events of whoever is called `name` now.
fn of_player(told: &[ToldEvent], name: &str) -> Vec<ToldEvent> {
    let is_of = |event: &&ToldEvent| event.player.as_ref().is_some_and(|(_, called)| called.as_str() == name);
    told.iter().filter(is_of).cloned().collect()
}

/// The lobbies that events of that name are of, oldest first.
fn lobbies_of(told: &[ToldEvent], name: EventName) -> Vec<LobbyId> {
    let of_name = told.iter().filter(|event| event.name == name);
    let ids = of_name.map(|event| said(&data(event), "lobbyId").as_str().and_then(|id| id.parse().ok()).map(LobbyId));
    let mut ids: Vec<LobbyId> = ids.map(|id| id.expect("an event of a lobby says which")).collect();
    ids.sort();
    ids
}
