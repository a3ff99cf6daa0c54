//! Events: stored with the change that they tell of, once, and only if somebody is told of them.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::economy::{BATCH_MAX, Batch, Command, Origin};
use domain::ids::Ids;
use domain::webhooks::{EndpointEdit, EventName, EventNames, OutboxEventId, ToldEvent};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::lives::start;
use super::webhook_ways::{assert_first_says, assert_says, data, said};

use super::{Stores, World, granted};
use crate::commands::{
    ack, coins, crates, create_grant, credit, debit, grant_item, immediate_grant, import_currency, import_items,
    import_player, items, revoke_item,
};
use crate::endpoints::{enabled, names, replay_between};
use crate::ids::SequentialIds;
use crate::lives::{ban, erase, lift_ban, merge};
use crate::memory::MemoryFixture;
use crate::workload::Workload;

/// Longer than any store needs, shorter than anyone waits.
const STUCK: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);

/// Each change of a holding is told with the facts of its ledger entry, what was said of it, and whose it is.
pub async fn each_change_is_told_with_its_ledger_entry(world: World) {
    world.subscribe_to_all().await;
    let drafts = [
        credit("p1", "gold", 5).because("won \"it\" 🦀").sourced("match-7"),
        debit("p1", "gold", 2),
        grant_item("p1", "sword", 3),
        revoke_item("p1", "sword", 1).because("sold"),
    ];
    assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
    let world = world.reopened().await;
    let wallet = EventName::WalletChanged;
    let inventory = EventName::InventoryChanged;
    assert_eq!(world.told_names().await, [inventory, inventory, wallet, wallet, EventName::PlayerRegistered]);
    let player = world.known("p1").await.player;
    let told = world.told().await;
    for row in world.history("p1").await {
        let of_row = told.iter().find(|event| data(event).get("ledgerId") == Some(&json!(row.id.0)));
        let event = of_row.expect("each entry is told");
        let (holding, amount) = if event.name == wallet { ("economyKey", "balance") } else { ("itemKey", "quantity") };
        let expected = json!({
            "playerId": player.id.0,
            "externalPlayerId": "p1",
            "delta": row.delta,
            "sequence": row.sequence,
            "operation": row.operation.as_str(),
            "origin": "server",
            "grantId": null,
            (holding): row.asset.key.as_str(),
            (amount): row.balance_after.get(),
        });
        assert_says(&data(event), &expected);
        let words = [("reason", row.reason), ("sourceRefId", row.source_ref)];
        for (name, text) in words {
            assert_eq!(data(event).get(name).and_then(Value::as_str), text.as_deref());
        }
        let [sandbox, _] = world.realms;
        assert_eq!((event.at, event.realm), (row.at, sandbox));
        assert_eq!(event.player, Some((player.id, player.external_id.clone())));
    }
}

/// Without an endpoint that is told of it, nothing is stored: whoever comes later finds nothing of before.
pub async fn what_nobody_is_told_of_is_not_stored(world: World) {
    world.settle_one(&credit("p1", "gold", 1)).await.expect("a credit is accepted");
    let endpoint = world.subscribe(&[EventName::PlayerBanned]).await;
    world.settle_one(&credit("p1", "gold", 2)).await.expect("a credit is accepted");
    let edit = crate::endpoints::subscribed(names(&[EventName::WalletChanged]));
    world.edit(endpoint.id, edit).await;
    world.settle_one(&credit("p1", "gold", 3)).await.expect("a credit is accepted");
    world.settle_one(&grant_item("p1", "sword", 1)).await.expect("a grant is accepted");
    world.change_ban(&ban("p1", "cheating")).await.expect("the player is known");
    world.edit(endpoint.id, EndpointEdit::Delete).await;
    world.settle_one(&credit("p1", "gold", 4)).await.expect("a credit is accepted");
    assert_eq!(world.told_names().await, [EventName::WalletChanged]);
    let all = world.subscribe_to_all().await;
    assert_first_says(&world.data_of(EventName::WalletChanged).await, &json!({ "delta": 3, "balance": 6 }));
    let whole = replay_between(world.realm, all.id, start(), start().plus(MINUTE));
    assert_eq!(world.replay(&whole).await, Some(1), "what is kept is all that can be told");
}

/// A disabled endpoint is not told, but events are kept for it.
pub async fn events_are_kept_for_an_endpoint_that_is_disabled(world: World) {
    let endpoint = world.subscribe(&[EventName::WalletChanged]).await;
    world.edit(endpoint.id, enabled(false)).await;
    world.settle_one(&credit("p1", "gold", 1)).await.expect("a credit is accepted");
    assert_eq!(world.told_names().await, [EventName::WalletChanged]);
    assert_eq!(world.take(start().plus(MINUTE)).await, []);
    world.edit(endpoint.id, enabled(true)).await;
    let whole = replay_between(world.realm, endpoint.id, start(), start().plus(MINUTE));
    assert_eq!(world.replay(&whole).await, Some(1));
    assert_eq!(world.take(start().plus(MINUTE)).await.len(), 1);
}

/// Who is told of one realm is not told of another, and nothing is stored for them there.
pub async fn a_subscription_is_of_its_realm(world: World) {
    let [live, other] = world.other_realms;
    world.stores.subscribe(live, EventNames::ALL).await;
    let commands: Vec<Command> = [world.realm, live, other]
        .into_iter()
        .flat_map(|realm| [credit("p1", "gold", 1).in_realm(realm), grant_item("p1", "gold", 1).in_realm(realm)])
        .collect();
    assert!(world.stores.settle_all(commands).await.outcomes.iter().all(Result::is_ok));
    assert_eq!(world.told().await, []);
    assert_eq!(world.stores.told(other).await, []);
    let told = world.stores.told(live).await;
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|event| event.realm.id == live));
}

/// What is refused is told to nobody, alone and among others.
pub async fn a_refused_command_stores_no_event(world: World) {
    world.subscribe_to_all().await;
    world.settle_one(&debit("nobody", "gold", 1)).await.expect_err("there is nothing to take");
    world
        .settle_one(&ack("nobody", domain::economy::GrantId(SequentialIds.next(start()))))
        .await
        .expect_err("no grant");
    assert_eq!(world.told().await, []);
    let outcomes = world.settle(&[credit("p1", "gold", 5), debit("p1", "gold", 9), debit("p2", "gold", 1)]).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 2);
    assert_eq!(world.told_names().await, [EventName::WalletChanged, EventName::PlayerRegistered]);
}

/// A repeat is answered and not told: in the same batch, in a later one, after a reopen, at another handle at once.
pub async fn a_repeated_command_stores_no_second_event(world: World) {
    world.subscribe(&[EventName::WalletChanged, EventName::GrantCreated]).await;
    let requests = [credit("p1", "gold", 5).keyed("k"), create_grant("p1", "g", vec![coins("gold", 1)])];
    let twice = [requests.clone(), requests.clone()].concat();
    assert!(world.settle(&twice).await.iter().all(Result::is_ok));
    assert!(world.settle(&requests).await.iter().all(Result::is_ok));
    let world = world.reopened().await;
    assert!(world.settle(&requests).await.iter().all(Result::is_ok));
    assert_eq!(world.told_names().await, [EventName::GrantCreated, EventName::WalletChanged]);
    let second = world.second().await;
    for round in 0..5 {
        let request = credit("p1", "gold", 5).keyed(&format!("at-once-{round}"));
        let mut asking = JoinSet::new();
        for stores in [world.stores.clone(), second.clone()] {
            let (realm, request) = (world.realm, request.clone());
            asking.spawn(async move { stores.settle_one(realm, &request).await });
        }
        assert!(asking.join_all().await.iter().all(Result::is_ok));
    }
    assert_eq!(world.told().await.len(), 2 + 5);
}

/// What comes from another platform is told to nobody, not even that a player is new.
pub async fn an_import_is_told_to_nobody(world: World) {
    world.subscribe_to_all().await;
    let drafts = [
        import_player("p1", "k1"),
        import_currency("p2", "gold", 5).keyed("k2"),
        import_items("p3", "sword", 2).keyed("k3"),
    ];
    let drafts = drafts.map(|draft| draft.by("ka_sandbox_import00000", Origin::Migration));
    assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
    assert_eq!(world.told().await, []);
    world.settle_one(&credit("p2", "gold", 1)).await.expect("a credit is accepted");
    assert_eq!(world.told_names().await, [EventName::WalletChanged]);
    assert_first_says(&world.data_of(EventName::WalletChanged).await, &json!({ "delta": 1, "balance": 6 }));
}

/// A player is told of on first contact, once, at two handles at once too.
pub async fn a_new_player_is_told_of_once(world: World) {
    world.subscribe(&[EventName::PlayerRegistered]).await;
    let second = world.second().await;
    for round in 0..5 {
        let mut asking = JoinSet::new();
        for stores in [world.stores.clone(), second.clone()] {
            let (realm, draft) = (world.realm, credit(&format!("p{round}"), "gold", 1));
            asking.spawn(async move { stores.settle_one(realm, &draft).await });
        }
        assert!(asking.join_all().await.iter().all(Result::is_ok));
    }
    let players: BTreeSet<_> = world.told().await.iter().map(|event| event.player.clone()).collect();
    let mut expected = BTreeSet::new();
    for round in 0..5 {
        let player = world.known(&format!("p{round}")).await.player;
        expected.insert(Some((player.id, player.external_id)));
    }
    assert_eq!(players, expected);
    assert_eq!(world.told().await.len(), 5);
}

/// A grant is told of when it is created and when it is claimed, once each; what it delivers at once, with its id.
pub async fn a_grant_is_told_of_when_it_is_created_and_when_it_is_claimed(world: World) {
    world.subscribe_to_all().await;
    let entries = vec![coins("gold", 5), crates("box", 2)];
    let outcome = world.settle_one(&create_grant("p1", "g1", entries).sourced("quest-3")).await;
    let id = granted(&outcome).grant.id;
    let created = world.data_of(EventName::GrantCreated).await;
    let expected = json!({
        "grantId": id.0,
        "externalPlayerId": "p1",
        "status": "pending",
        "delivery": "claim",
        "ackedBy": null,
        "sourceRefId": "quest-3",
        "entries": [
            { "kind": "currency", "economyKey": "gold", "amount": 5 },
            { "kind": "crate", "itemKey": "box", "quantity": 2 },
        ],
    });
    assert_first_says(&created, &expected);
    for minutes in [1, 2] {
        world.settle_one(&ack("p1", id).after(MINUTE * minutes)).await.expect("it can be acknowledged again");
    }
    let claimed = world.data_of(EventName::GrantClaimed).await;
    assert_eq!((created.len(), claimed.len()), (1, 1));
    assert_first_says(&claimed, &json!({ "grantId": id.0, "status": "claimed", "sourceRefId": "quest-3" }));
    let outcome = world.settle_one(&immediate_grant("p1", "g2", vec![coins("gold", 1), items("sword", 2)])).await;
    let id = granted(&outcome).grant.id.0;
    let names = [EventName::GrantCreated, EventName::WalletChanged, EventName::InventoryChanged];
    for (name, count) in names.into_iter().zip([2, 1, 1]) {
        let told = world.data_of(name).await;
        assert_eq!(told.len(), count, "{name}");
        assert!(told.iter().any(|data| said(data, "grantId") == json!(id)), "{name}");
    }
}

/// The largest batch tells all that it changes.
pub async fn a_batch_of_the_largest_size_tells_everything(world: World) {
    world.subscribe_to_all().await;
    let drafts: Vec<_> = (0..BATCH_MAX).map(|number| credit(&format!("p{number}"), "gold", 1)).collect();
    assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
    let entries: Vec<_> = (0..100).map(|number| items(&format!("i{number}"), 1)).collect();
    let grants: Vec<_> =
        (0..20).map(|number| immediate_grant(&format!("p{number}"), &format!("k{number}"), entries.clone())).collect();
    assert!(world.settle(&grants).await.iter().all(Result::is_ok));
    let told = world.told_names().await;
    let count = |name| told.iter().filter(|told| **told == name).count();
    let all = [EventName::PlayerRegistered, EventName::WalletChanged].map(count);
    assert_eq!(all, [BATCH_MAX; 2]);
    assert_eq!((count(EventName::GrantCreated), count(EventName::InventoryChanged)), (20, 2_000));
}

/// Writers at two handles, all told at once: each entry is told, once, and nothing else is.
pub async fn concurrent_writers_tell_every_entry_once(world: World) {
    world.subscribe(&[EventName::WalletChanged]).await;
    let handles = [world.stores.clone(), world.second().await];
    let mut writing = JoinSet::new();
    for (number, stores) in handles.iter().cycle().cloned().enumerate().take(8) {
        let realm = world.realm;
        writing.spawn(async move {
            for round in 0..10 {
                let drafts = [credit(&format!("p{}", number % 3), "gold", 1), credit("hot", "gold", 1)];
                let drafts = drafts.map(|draft| draft.after(Duration::from_secs(round)));
                assert!(stores.settle(realm, &drafts).await.iter().all(Result::is_ok));
            }
        });
    }
    timeout(STUCK, writing.join_all()).await.expect("nobody waits for ever");
    let mut entries = Vec::new();
    for player in ["p0", "p1", "p2", "hot"] {
        entries.extend(world.history(player).await.iter().map(|row| json!(row.id.0).to_string()));
    }
    let mut told: Vec<_> =
        world.data_of(EventName::WalletChanged).await.iter().map(|data| said(data, "ledgerId").to_string()).collect();
    entries.sort();
    told.sort();
    assert_eq!(told.len(), 160);
    assert_eq!(told, entries);
}

/// Whoever waits in this process is woken by everything that is stored to be told.
pub async fn the_bell_rings_when_something_is_to_be_told(world: World) {
    let endpoint = world.subscribe_to_all().await;
    let (stores, realm) = (&world.stores, world.realm);
    silence(stores).await;
    world.settle(&[credit("p1", "gold", 1), credit("p2", "gold", 1)]).await;
    heard(stores, "a settlement").await;
    world.change_ban(&ban("p1", "cheating")).await.expect("the player is known");
    heard(stores, "a ban").await;
    world.change_ban(&lift_ban("p1")).await.expect("the player is known");
    heard(stores, "a lifted ban").await;
    world.merge_now(&merge("p1", "p2")).await;
    heard(stores, "a merge").await;
    world.erase_now(&erase("p2")).await;
    heard(stores, "an erasure").await;
    world.add_event("duel", domain::lobbies::BoardMode::LobbyMatched, |_| {}).await;
    world.played(&crate::play_drafts::start("duel", "p3")).await;
    heard(stores, "play").await;
    assert_eq!(stores.sweep(start().plus(MINUTE), 10).await.len(), 1);
    heard(stores, "a sweep").await;
    let whole = replay_between(realm, endpoint.id, start(), start().plus(MINUTE));
    world.replay(&whole).await.expect("there is such an endpoint");
    heard(stores, "a replay").await;
    world.edit(endpoint.id, enabled(false)).await;
    silence(stores).await;
    world.edit(endpoint.id, enabled(true)).await;
    heard(stores, "an endpoint that is enabled").await;
}

/// Forgets a ring of before.
async fn silence(stores: &Stores) {
    let _ = timeout(Duration::ZERO, stores.outbox.rung()).await;
}

async fn heard(stores: &Stores, what: &str) {
    let rung = timeout(STUCK, stores.outbox.rung()).await;
    assert!(rung.is_ok(), "{what} rings");
}

/// The same commands are told as in memory, where nothing can be lost.
pub async fn a_random_workload_is_told_as_in_memory(world: World) {
    let memory = World::open(Box::new(MemoryFixture::create().await)).await;
    world.subscribe_to_all().await;
    memory.subscribe_to_all().await;
    for seed in 10..13 {
        let mut workload = Workload::new(seed);
        for _ in 0..10 {
            let commands: Vec<Command> = workload.batch(20).iter().map(|draft| draft.in_realm(world.realm)).collect();
            let in_memory = commands.iter().cloned().map(|command| Command { realm: memory.realm, ..command });
            let in_memory = Batch::new(in_memory.collect());
            let settled = world.stores.economy.settle(&Batch::new(commands)).await.expect("the store works");
            memory.stores.economy.settle(&in_memory).await.expect("memory works");
            workload.learn(&settled.outcomes);
        }
        let (source, target) = (format!("player-{}", seed % 4), format!("player-{}", (seed + 1) % 4));
        let command = merge(&source, &target).after(MINUTE * 60).in_realm(world.realm);
        let merged = world.stores.lives.merge(&command).await.expect("the store works").is_ok();
        let in_memory = domain::players::MergeCommand { realm: memory.realm, ..command };
        assert_eq!(memory.stores.lives.merge(&in_memory).await.expect("memory works").is_ok(), merged);
    }
    let (found, expected) = (by_id(world.told().await), by_id(memory.told().await));
    assert!(200 < expected.len(), "the workload does something");
    assert_eq!(found, expected);
}

/// All that is told of each event but its realm and its place in the feed, which differ from store to store.
fn by_id(told: Vec<ToldEvent>) -> Vec<(OutboxEventId, String)> {
    let mut told: Vec<_> =
        told.into_iter().map(|event| (event.id, format!("{} {} {}", event.name, event.at, data(&event)))).collect();
    told.sort();
    told
}
