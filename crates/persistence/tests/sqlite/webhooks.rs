//! The outbox on SQLite, each port once: the contract has the clauses, these look at what is SQLite's own.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use domain::audit_log::AuditAction;
use domain::ids::Ids;
use domain::keys::{KeyChange, KeyId, KeyRecord, MintedKey, PermissionSet};
use domain::limits::KeyLimits;
use domain::lobbies::{BoardMode, PlayBatch};
use domain::queue::Turn;
use domain::webhooks::{
    AttemptOutcome, DeliveryQuery, DeliveryStatus, Dialect, DisabledReason, EndpointEdit, EndpointRefusal, EventName,
    EventNames, FeedPosition, NewEndpoint, ReplayRange, Sealed, TakeDue, Verdict,
};
use futures_util::FutureExt as _;
use testkit::contract::{World, run};
use testkit::{
    SequentialIds, coins, create_grant, credit, event, external_id, grant_item, new_event, push, start, text,
};

use crate::fixture::SqliteFixture;
use crate::life_commands::{ban, erase, merge};
use crate::webhook_drafts::{
    ask, at, audited, edit, enabled, endpoint, feed, names, record, replay, report, subscribe, take,
};

const DAY: u64 = 86_400;

async fn page(world: &World, query: &DeliveryQuery) -> Vec<(DeliveryStatus, u32)> {
    let page = world.stores.deliveries.deliveries(query).await.expect("the store works");
    page.rows.iter().map(|delivery| (delivery.status, delivery.attempts)).collect()
}

async fn gold(world: &World, count: usize) {
    for some in (0..count).collect::<Vec<_>>().chunks(500) {
        let drafts: Vec<_> = some.iter().map(|number| credit(&format!("p{number}"), "gold", 1)).collect();
        assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
    }
}

#[test]
fn an_endpoint_comes_back_as_it_was_until_it_is_removed() {
    run(SqliteFixture::create(), async |world: World| {
        let (realm, stores) = (world.realm, &world.stores);
        let first = subscribe(&world, Dialect::Kongregate, "wallet.changed").await;
        let second = subscribe(&world, Dialect::Json, "*").await;
        assert_eq!(stores.endpoints.endpoint(realm, first.id).await.expect("works"), Some(first.clone()));
        assert_eq!(stores.endpoints.endpoints(realm).await.expect("works"), [second.clone(), first.clone()]);
        assert_eq!(stores.endpoints.endpoint(world.other_realms[0], first.id).await.expect("works"), None);
        let rotate = EndpointEdit::Rotate {
            secret: Sealed(b"next".to_vec()),
            callback_key: Sealed(b"next key".to_vec()),
            until: at(100),
        };
        let rotated = edit(&world, first.id, rotate).await;
        assert_eq!(
            rotated.callback_key.as_ref().and_then(|key| key.previous_at(at(99))),
            Some(&Sealed(b"key".to_vec()))
        );
        assert_eq!(stores.endpoints.endpoint(realm, first.id).await.expect("works"), Some(rotated.clone()));
        let disabled = edit(&world, first.id, enabled(false)).await;
        assert_eq!(disabled.disabled, Some((DisabledReason::ByRequest, at(9))));
        assert_eq!(edit(&world, first.id, EndpointEdit::Delete).await, disabled);
        let world = world.reopened().await;
        assert_eq!(world.stores.endpoints.endpoints(realm).await.expect("works"), [second]);
        let log = world.stores.audit_log.page(realm, None, 10).await.expect("works");
        let actions: Vec<AuditAction> = log.rows.iter().map(|row| row.entry.action).collect();
        assert_eq!(actions.len(), 5, "{actions:?}");
        for _ in 1..50 {
            subscribe(&world, Dialect::Json, "*").await;
        }
        let audit = audited(realm, AuditAction::WebhookCreate);
        let new = NewEndpoint { realm, endpoint: endpoint(Dialect::Json, "*"), audit };
        let refused = world.stores.endpoints.create_endpoint(&new).await.expect("works");
        assert_eq!(refused, Err(EndpointRefusal::TooMany));
    });
}

#[test]
fn what_was_stored_is_told_once_to_everybody_who_is_subscribed() {
    run(SqliteFixture::create(), async |world: World| {
        gold(&world, 3).await;
        assert_eq!(feed(&world).await, [], "nobody wanted it");
        let wallets = subscribe(&world, Dialect::Json, "wallet.changed").await;
        let all = subscribe(&world, Dialect::Json, "*").await;
        world.settle(&[credit("a", "gold", 5).because("why"), grant_item("a", "sword", 1)]).await;
        let told = feed(&world).await;
        let happened: Vec<EventName> = told.iter().map(|event| event.name).collect();
        let expected = [EventName::PlayerRegistered, EventName::WalletChanged, EventName::InventoryChanged];
        assert_eq!(happened, expected);
        assert!(told.iter().all(|event| event.realm.id == world.realm));
        assert!(told.windows(2).all(|pair| pair[0].position < pair[1].position));
        let changed = &told[1];
        assert_eq!(changed.player.as_ref().map(|(_, external_id)| external_id.as_str()), Some("a"));
        assert_eq!(
            changed.words.as_ref().map(|words| words.as_json().to_owned()),
            Some(r#"{"reason":"why"}"#.to_owned())
        );
        let one = world.stores.feed.event_told(world.realm, changed.id).await.expect("works");
        assert_eq!(one.as_ref(), Some(changed));
        let only = names("inventory.changed");
        let page = world.stores.feed.feed(world.realm, told[0].position, only, 1).await.expect("works");
        assert_eq!((page.rows.len(), page.more), (1, false));
        let page = world.stores.feed.feed(world.realm, FeedPosition(0), EventNames::ALL, 2).await.expect("works");
        assert_eq!((page.rows.len(), page.more), (2, true));

        let taken = take(&world, 1).await;
        assert_eq!(taken.len(), 4);
        let of = |id| taken.iter().filter(move |assignment| assignment.endpoint.id == id).count();
        assert_eq!((of(wallets.id), of(all.id)), (1, 3));
        assert!(taken.iter().all(|one| (one.attempts, one.tries, one.player_number) == (0, 0, None)));
        assert!(taken.iter().all(|one| told.contains(&one.event)));
        assert_eq!(take(&world, 2).await, [], "they are taken");
        assert_eq!(take(&world, 61).await.len(), 4, "the claims are over");
        assert_eq!(take(&world, 62).await, []);
        let lag = world.stores.deliveries.lag().await.expect("works");
        assert_eq!((lag.pending, lag.oldest_due_at), (4, Some(at(121))));
    });
}

#[test]
fn one_endpoint_takes_no_more_than_its_share() {
    run(SqliteFixture::create(), async |world: World| {
        let first = subscribe(&world, Dialect::Json, "wallet.changed").await;
        let second = subscribe(&world, Dialect::Json, "wallet.changed").await;
        gold(&world, 20).await;
        let mut few = TakeDue { per_endpoint: 5, limit: 8, ..ask(1) };
        few.held.insert((world.realm, first.id), 3);
        let taken = world.stores.outbox.take_due(&few).await.expect("works");
        let of = |id| taken.iter().filter(move |assignment| assignment.endpoint.id == id).count();
        assert_eq!((of(first.id), of(second.id)), (2, 5));
        edit(&world, first.id, enabled(false)).await;
        assert_eq!(take(&world, 2).await.len(), 15, "a disabled endpoint is told nothing");
        edit(&world, first.id, enabled(true)).await;
        let taken = take(&world, 3).await;
        assert_eq!(taken.len(), 18, "what waited for it");
        assert!(taken.windows(2).all(|pair| pair[0].event.at <= pair[1].event.at));
    });
}

#[test]
fn each_verdict_leaves_the_delivery_as_it_says() {
    run(SqliteFixture::create(), async |world: World| {
        let (realm, hook) = (world.realm, subscribe(&world, Dialect::Json, "wallet.changed").await);
        gold(&world, 4).await;
        let taken = take(&world, 1).await;
        let verdicts =
            [Verdict::Delivered, Verdict::Retry { at: at(10) }, Verdict::Exhausted, Verdict::Retry { at: at(9) }];
        let reports: Vec<_> = taken.iter().zip(verdicts).map(|(one, verdict)| report(one, 2, verdict)).collect();
        assert_eq!(record(&world, &reports).await, []);
        assert_eq!(record(&world, &reports).await, [], "once");
        let stored = world.stores.endpoints.endpoint(realm, hook.id).await.expect("works").expect("there");
        assert_eq!((stored.failing_since, stored.disabled), (Some(at(2)), None));
        let query = DeliveryQuery { realm, endpoint: hook.id, status: None, after: None, limit: 10 };
        let mut all = page(&world, &query).await;
        all.sort_unstable();
        let (pending, delivered, failed) = (DeliveryStatus::Pending, DeliveryStatus::Delivered, DeliveryStatus::Failed);
        assert_eq!(all, [(pending, 1), (pending, 1), (delivered, 1), (failed, 1)]);
        let found = world.stores.deliveries.delivery(realm, taken[0].delivery).await.expect("works");
        let (delivery, attempts) = found.expect("there");
        assert_eq!(delivery.ended_at, Some(at(2).plus(Duration::from_micros(1_234))));
        assert_eq!((delivery.due_at, delivery.occurred_at, delivery.event), (None, at(0), taken[0].event.id));
        assert_eq!(attempts, [reports[0].attempt.clone()]);

        assert_eq!(take(&world, 8).await, []);
        let again = take(&world, 10).await;
        assert_eq!(again.iter().map(|one| one.delivery).collect::<Vec<_>>(), [taken[3].delivery, taken[1].delivery]);
        assert!(again.iter().all(|one| (one.attempts, one.tries) == (1, 1)));
        let late = report(&again[0], 11, Verdict::Delivered);
        let third = take(&world, 71).await;
        assert_eq!(third.len(), 2, "the claims are over");
        record(&world, &[late]).await;
        let found = world.stores.deliveries.delivery(realm, again[0].delivery).await.expect("works");
        let (delivery, attempts) = found.expect("there");
        assert_eq!((delivery.status, attempts.len()), (pending, 2), "a late report is in the log only");

        let gone = report(&third[0], 72, Verdict::Gone);
        let disabled = record(&world, std::slice::from_ref(&gone)).await;
        assert_eq!(disabled.len(), 1);
        assert_eq!(disabled[0].1.disabled, Some((DisabledReason::Gone, at(72))));
        let AttemptOutcome::Answered { retry_after, .. } = &gone.attempt.outcome else { panic!("an answer") };
        assert_eq!(*retry_after, Some(Duration::from_secs(7)));
        let log = world.stores.audit_log.page(realm, None, 1).await.expect("works");
        let entry = &log.rows[0].entry;
        assert_eq!((entry.action, entry.id, entry.actor.as_str()), (AuditAction::WebhookDisable, gone.audit, "purser"));
        let details = entry.details.as_ref().expect("details").as_json();
        assert_eq!(details, format!(r#"{{"reason":"gone","webhookId":"{}"}}"#, hook.id.0));
        edit(&world, hook.id, enabled(true)).await;
        let fourth = take(&world, 200).await;
        record(&world, &[report(&fourth[0], 200, Verdict::Delivered)]).await;
        let stored = world.stores.endpoints.endpoint(realm, hook.id).await.expect("works").expect("there");
        assert_eq!((stored.failing_since, stored.disabled), (None, None));
    });
}

#[test]
fn pages_of_deliveries_follow_each_other_whatever_became_of_them() {
    run(SqliteFixture::create(), async |world: World| {
        let hook = subscribe(&world, Dialect::Json, "wallet.changed").await;
        gold(&world, 9).await;
        let taken = take(&world, 1).await;
        let verdicts = [Verdict::Delivered, Verdict::Exhausted, Verdict::Retry { at: at(100) }];
        let reports: Vec<_> =
            taken.iter().zip(verdicts.iter().cycle()).map(|(one, verdict)| report(one, 2, *verdict)).collect();
        record(&world, &reports).await;
        let mut query = DeliveryQuery { realm: world.realm, endpoint: hook.id, status: None, after: None, limit: 4 };
        let mut seen = Vec::new();
        loop {
            let page = world.stores.deliveries.deliveries(&query).await.expect("works");
            seen.extend(page.rows.iter().map(|delivery| delivery.id));
            query.after = page.rows.last().map(|delivery| delivery.id);
            if !page.more {
                break;
            }
        }
        let mut expected: Vec<_> = taken.iter().map(|one| one.delivery).collect();
        expected.sort_unstable();
        expected.reverse();
        assert_eq!(seen, expected);
        let failed = DeliveryQuery { status: Some(DeliveryStatus::Failed), after: None, limit: 10, ..query };
        assert_eq!(page(&world, &failed).await.len(), 3);
    });
}

#[test]
fn deliveries_are_queued_again_one_or_a_range() {
    run(SqliteFixture::create(), async |world: World| {
        let (realm, hook) = (world.realm, subscribe(&world, Dialect::Json, "wallet.changed").await);
        gold(&world, 1_200).await;
        let everything =
            |only_failed| ReplayRange::Between { since: at(0), until: at(1), names: EventNames::ALL, only_failed };
        let mut taken = Vec::new();
        for _ in 0..6 {
            taken.extend(take(&world, 1).await);
        }
        assert_eq!(taken.len(), 1_200);
        let verdict = |number| if number % 2 == 0 { Verdict::Delivered } else { Verdict::Exhausted };
        let reports: Vec<_> = taken.iter().enumerate().map(|(number, one)| report(one, 2, verdict(number))).collect();
        record(&world, &reports).await;
        assert_eq!(replay(&world, hook.id, 3, ReplayRange::One(taken[0].delivery)).await, Some(1));
        let again = take(&world, 3).await;
        assert_eq!(
            again.iter().map(|one| (one.delivery, one.attempts, one.tries)).collect::<Vec<_>>(),
            [(taken[0].delivery, 1, 0)]
        );
        record(&world, &[report(&again[0], 4, Verdict::Delivered)]).await;
        assert_eq!(replay(&world, hook.id, 5, everything(true)).await, Some(600));
        assert_eq!(replay(&world, hook.id, 5, everything(false)).await, Some(600), "those that wait are left alone");
        let other = subscribe(&world, Dialect::Json, "wallet.changed").await;
        assert_eq!(replay(&world, other.id, 5, ReplayRange::One(taken[0].delivery)).await, None);
        assert_eq!(replay(&world, other.id, 5, everything(true)).await, Some(1_200), "never queued");
        let none = ReplayRange::Between { since: at(0), until: at(0), names: EventNames::ALL, only_failed: false };
        assert_eq!(replay(&world, other.id, 5, none).await, Some(0));
        edit(&world, other.id, EndpointEdit::Delete).await;
        assert_eq!(replay(&world, other.id, 5, everything(false)).await, None);
        let log = world.stores.audit_log.page(realm, None, 100).await.expect("works");
        let replays = log.rows.iter().filter(|row| row.entry.action == AuditAction::WebhookReplay).count();
        assert_eq!(replays, 5);
        let taken = world.stores.outbox.take_due(&TakeDue { per_endpoint: 9_999, limit: 9_999, ..ask(6) }).await;
        assert_eq!(taken.expect("works").len(), 1_200, "of the one that is left");
    });
}

#[test]
fn what_is_old_and_what_was_of_removed_endpoints_is_discarded_in_pieces() {
    run(SqliteFixture::create(), async |world: World| {
        let hook = subscribe(&world, Dialect::Json, "wallet.changed").await;
        gold(&world, 10).await;
        let taken = take(&world, 1).await;
        let reports: Vec<_> = taken.iter().map(|one| report(one, 2, Verdict::Delivered)).collect();
        record(&world, &reports).await;
        let removed = subscribe(&world, Dialect::Json, "wallet.changed").await;
        world.settle(&[credit("later", "gold", 1).after(Duration::from_secs(DAY))]).await;
        let waiting = take(&world, DAY).await;
        assert_eq!(waiting.len(), 2);
        edit(&world, removed.id, EndpointEdit::Delete).await;
        let its = waiting.iter().find(|one| one.endpoint.id == removed.id).expect("taken");
        assert_eq!(world.stores.deliveries.delivery(world.realm, its.delivery).await.expect("works"), None);
        assert_eq!(world.stores.deliveries.lag().await.expect("works").pending, 1);

        let outbox = &world.stores.outbox;
        let mut pieces = Vec::new();
        loop {
            match outbox.discard(at(DAY), 7).await.expect("works") {
                0 => break,
                piece => pieces.push(piece),
            }
        }
        assert!(pieces.iter().all(|piece| *piece <= 9), "{pieces:?}");
        // One delivery and the endpoint; an attempt, a delivery and an event of each of ten.
        assert_eq!(pieces.iter().sum::<u32>(), 32, "{pieces:?}");
        assert_eq!(feed(&world).await.len(), 1);
        record(&world, &[report(its, DAY + 1, Verdict::Delivered)]).await;
        assert_eq!(outbox.discard(at(DAY), 7).await.expect("works"), 0, "nothing is logged of what is gone");
        let kept = waiting.iter().find(|one| one.endpoint.id == hook.id).expect("taken");
        record(&world, &[report(kept, DAY + 1, Verdict::Delivered)]).await;
        assert_eq!(outbox.discard(at(2 * DAY), 100).await.expect("works"), 3);
        assert_eq!(feed(&world).await, []);
        world.settle(&[credit("later", "gold", 1)]).await;
        assert!(feed(&world).await[0].position > FeedPosition(11), "no place is given twice");
    });
}

#[test]
fn a_grant_that_expires_is_told_of_once() {
    run(SqliteFixture::create(), async |world: World| {
        let tell = async |seconds, limit| world.stores.outbox.tell_expiries(at(seconds), limit).await.expect("works");
        let expiring = |key: &str, seconds| create_grant("a", key, vec![coins("gold", 1)]).expiring(at(seconds));
        world.settle(&[expiring("before", 5)]).await;
        subscribe(&world, Dialect::Json, "grant.expired").await;
        assert_eq!(tell(10, 100).await, 0);
        let drafts: Vec<_> = (0..10).map(|number| expiring(&format!("g{number}"), 100)).collect();
        world.settle(&drafts).await;
        assert_eq!(tell(101, 100).await, 0, "whoever claimed it in time may still be on the way");
        for told in [4, 4, 2, 0] {
            assert_eq!(tell(102, 4).await, told);
        }
        assert_eq!(feed(&world).await.len(), 10);
        world.settle(&[expiring("late", 90)]).await;
        assert_eq!(tell(140, 100).await, 1, "stored after its expiry was passed");
        assert_eq!(tell(3_600, 100).await, 0);
        let told = feed(&world).await;
        assert!(told.iter().all(|event| event.name == EventName::GrantExpired));
        assert_eq!(told.last().map(|event| event.at), Some(at(90)));
    });
}

#[test]
fn what_expires_while_nobody_wants_to_know_is_not_made_up_for() {
    run(SqliteFixture::create(), async |world: World| {
        let tell = async |seconds| world.stores.outbox.tell_expiries(at(seconds), 100).await.expect("works");
        let hook = subscribe(&world, Dialect::Json, "grant.expired").await;
        tell(0).await;
        world.settle(&[create_grant("a", "g", vec![coins("gold", 1)]).expiring(at(100))]).await;
        edit(&world, hook.id, EndpointEdit::Delete).await;
        tell(50).await;
        subscribe(&world, Dialect::Json, "grant.expired").await;
        assert_eq!(tell(200).await, 0);
        assert_eq!(tell(400).await, 0);
        assert_eq!(feed(&world).await, []);
    });
}

#[test]
fn a_key_that_is_about_to_expire_is_told_of_once_at_each_threshold() {
    run(SqliteFixture::create(), async |world: World| {
        subscribe(&world, Dialect::Json, "api_key.expiring").await;
        let presented = MintedKey::mint(world.realms[0].environment, || SequentialIds.random()).presented();
        let key = KeyRecord {
            id: KeyId(SequentialIds.next(at(0))),
            realm: world.realms[0],
            public_id: presented.public_id,
            hash: presented.hash,
            name: text("back end"),
            permissions: PermissionSet::ServerIntegration,
            limits: KeyLimits::default(),
            created_at: at(0),
            expires_at: Some(at(7 * DAY)),
            expiry_set_at: at(0),
            last_used_at: None,
            revocation: None,
            rotated_from: None,
        };
        let issue = KeyChange::Issue(Box::new(key));
        world.stores.keys.apply(&issue, &audited(world.realm, AuditAction::KeyIssue)).await.expect("works");
        let world = world.reopened().await;
        for (day, told) in [(0, 1), (0, 0), (5, 0), (6, 1), (6, 0), (8, 0)] {
            assert_eq!(world.stores.outbox.tell_expiries(at(day * DAY), 100).await.expect("works"), told, "{day}");
        }
        let told = feed(&world).await;
        assert_eq!(told.len(), 2);
        assert!(told[1].data.as_json().contains(r#""daysRemaining":1"#), "{told:?}");
        let taken = take(&world, 0).await;
        assert_eq!(taken.len(), 2);
    });
}

#[test]
fn what_happens_to_players_is_told_and_their_events_go_with_them() {
    run(SqliteFixture::create(), async |world: World| {
        let (realm, lives) = (world.realm, &world.stores.lives);
        subscribe(&world, Dialect::Json, "*").await;
        world.settle(&[credit("a", "gold", 3).because("because of a"), credit("b", "gold", 5).because("of b")]).await;
        lives.change_ban(&ban(realm, "a", "cheating")).await.expect("works").expect("known");
        lives.merge(&merge(realm, "a", "b")).await.expect("works").expect("mergeable");
        let told = feed(&world).await;
        let happened: Vec<&str> = told.iter().map(|event| event.name.as_str()).collect();
        let expected = [
            "player.registered",
            "wallet.changed",
            "player.registered",
            "wallet.changed",
            "player.banned",
            "player.merged",
            "wallet.changed",
        ];
        assert_eq!(happened, expected);
        let called = |told: &[domain::webhooks::ToldEvent]| {
            told.iter().map(|event| event.player.clone().expect("of a player").1).collect::<Vec<_>>()
        };
        assert!(called(&told).iter().all(|name| *name == external_id("b")), "they are all the target's");
        lives.erase(&erase(realm, "b", None)).await.expect("works");
        let told = feed(&world).await;
        let (last, before) = told.split_last().expect("there are some");
        assert_eq!(last.name, EventName::PlayerDeleted);
        assert_eq!(last.words.as_ref().map(|words| words.as_json()), Some(r#"{"externalPlayerId":"b"}"#));
        assert!(before.iter().all(|event| event.words.is_none()), "{before:?}");
        assert!(called(&told).iter().all(|name| name.as_str().starts_with("__deleted_")));
    });
}

#[test]
fn what_becomes_of_lobbies_is_told_by_whoever_stores_it() {
    run(SqliteFixture::create(), async |world: World| {
        let (realm, play) = (world.realm, &world.stores.play);
        subscribe(&world, Dialect::Json, "lobby.created lobby.started lobby.closed").await;
        let duel = event("duel", BoardMode::LobbyMatched);
        world.stores.events.create_event(&new_event(realm, &duel)).await.expect("works").expect("a new key");
        let started = PlayBatch::new(vec![start("duel", "a").in_realm(realm)]);
        assert!(play.settle_play(&started, Turn::default()).await.expect("works").outcomes.iter().all(Result::is_ok));
        assert!(world.stores.outbox.rung().now_or_never().is_some());
        play.sweep_lobbies(at(8 * DAY), 10).await.expect("works");
        assert!(world.stores.outbox.rung().now_or_never().is_some());
        let told = feed(&world).await;
        let happened: Vec<&str> = told.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(happened, ["lobby.created", "lobby.started", "lobby.closed"]);
        play.sweep_lobbies(at(9 * DAY), 10).await.expect("works");
        assert!(world.stores.outbox.rung().now_or_never().is_none());

        let group = event("group", BoardMode::LobbyMatched);
        world.stores.events.create_event(&new_event(realm, &group)).await.expect("works").expect("a new key");
        let pushed = PlayBatch::new(vec![push("group", "k", &["b", "c"]).in_realm(realm)]);
        assert!(play.settle_play(&pushed, Turn::default()).await.expect("works").outcomes.iter().all(Result::is_ok));
        assert!(3 < feed(&world).await.len());
    });
}

#[test]
fn a_long_past_of_events_is_blanked_to_the_last() {
    run(SqliteFixture::create(), async |world: World| {
        subscribe(&world, Dialect::Json, "wallet.changed").await;
        for _ in 0..5 {
            let drafts: Vec<_> = (0..500).map(|_| credit("a", "gold", 1).because("why")).collect();
            world.settle(&drafts).await;
        }
        world.settle(&[credit("b", "gold", 1).because("why")]).await;
        world.stores.lives.erase(&erase(world.realm, "a", None)).await.expect("works");
        let told = feed(&world).await;
        assert_eq!(told.iter().filter(|event| event.words.is_some()).count(), 1);
        assert_eq!(told.len(), 2_501);
    });
}

#[test]
fn a_player_has_one_number_in_a_realm_for_ever() {
    run(SqliteFixture::create(), async |world: World| {
        subscribe(&world, Dialect::Kongregate, "wallet.changed inventory.changed").await;
        gold(&world, 3).await;
        let numbers = async |world: &World, seconds| {
            let taken = take(world, seconds).await;
            let mut numbers: Vec<_> = taken
                .iter()
                .map(|one| (one.event.player.clone().expect("of a player").1, one.player_number.expect("numbered")))
                .collect();
            numbers.sort_unstable();
            numbers
        };
        let first = numbers(&world, 1).await;
        let mut alone: Vec<i64> = first.iter().map(|(_, number)| *number).collect();
        alone.sort_unstable();
        assert_eq!(alone, [1, 2, 3]);
        let world = world.reopened().await;
        assert_eq!(numbers(&world, 61).await, first);
        gold(&world, 4).await;
        let second = numbers(&world, 62).await;
        assert_eq!(second.len(), 4);
        assert!(first.iter().all(|one| second.contains(one)));
        assert!(second.contains(&(external_id("p3"), 4)));
    });
}

#[test]
fn the_bell_rings_after_what_may_be_due_and_only_then() {
    run(SqliteFixture::create(), async |world: World| {
        let rings = || world.stores.outbox.rung().now_or_never().is_some();
        gold(&world, 1).await;
        assert!(!rings());
        let hook = subscribe(&world, Dialect::Json, "wallet.changed").await;
        gold(&world, 1).await;
        assert!(rings() && !rings());
        edit(&world, hook.id, enabled(true)).await;
        assert!(rings());
        let taken = take(&world, 1).await;
        assert!(!rings());
        replay(&world, hook.id, 1, ReplayRange::One(taken[0].delivery)).await;
        assert!(rings());
        gold(&world, 700).await;
        assert!(rings());
        take(&world, 1).await;
        assert!(rings(), "there is more to publish");
        take(&world, 1).await;
        take(&world, 1).await;
        assert!(rings() && !rings());
    });
}

#[test]
fn one_realms_flood_does_not_keep_another_waiting() {
    run(SqliteFixture::create(), async |world: World| {
        subscribe(&world, Dialect::Json, "wallet.changed").await;
        let other = world.other_realms[1];
        let audit = audited(other, AuditAction::WebhookCreate);
        let new = NewEndpoint { realm: other, endpoint: endpoint(Dialect::Json, "*"), audit };
        world.stores.endpoints.create_endpoint(&new).await.expect("works").expect("stored");
        gold(&world, 2_000).await;
        world.stores.settle(other, &[credit("a", "gold", 1)]).await;
        let taken = take(&world, 1).await;
        assert_eq!(taken.iter().filter(|one| one.event.realm.id == other).count(), 2);
        assert!(taken.len() < 300, "no call does everything: {}", taken.len());
    });
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    secret: String,
}

#[test]
fn the_secrets_of_a_removed_endpoint_are_gone_at_once() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let fixture = runtime.block_on(SqliteFixture::create());
    let path = fixture.path();
    run(async { fixture }, async |world: World| {
        let hook = subscribe(&world, Dialect::Kongregate, "wallet.changed").await;
        edit(&world, hook.id, EndpointEdit::Delete).await;
        let mut outside = SqliteConnection::establish(&path.to_string_lossy()).expect("the file opens");
        let select = "SELECT hex(secret) || coalesce(hex(previous_secret), '') || coalesce(hex(callback_key), '')
            || coalesce(hex(previous_callback_key), '') AS secret FROM webhook_endpoints";
        let found = diesel::sql_query(select).get_result::<Found>(&mut outside).expect("it is still there");
        assert_eq!(found.secret, "");
        // What a settlement stores of events fails with it.
        subscribe(&world, Dialect::Json, "wallet.changed").await;
        outside
            .batch_execute("CREATE TRIGGER fault BEFORE INSERT ON outbox_events BEGIN SELECT RAISE(FAIL, 'fault'); END")
            .expect("made");
        let batch = domain::economy::Batch::new(vec![credit("a", "gold", 1).in_realm(world.realm)]);
        assert!(world.stores.economy.settle(&batch).await.is_err());
        outside.batch_execute("DROP TRIGGER fault").expect("dropped");
        assert_eq!(world.gold("a").await, None);
        assert_eq!(feed(&world).await, []);
    });
}

#[test]
fn two_handles_that_take_at_once_get_each_delivery_once() {
    run(SqliteFixture::create(), async |world: World| {
        subscribe(&world, Dialect::Json, "wallet.changed").await;
        gold(&world, 400).await;
        let handles = [world.stores.clone(), world.second().await];
        let takers = (0..8_usize).map(|number| {
            let outbox = handles[number % 2].outbox.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                for _ in 0..10 {
                    let some = TakeDue { limit: 20, ..ask(1) };
                    taken.extend(outbox.take_due(&some).await.expect("works").into_iter().map(|one| one.delivery));
                }
                taken
            })
        });
        let takers: Vec<_> = takers.collect();
        let mut taken = Vec::new();
        for taker in takers {
            taken.extend(taker.await.expect("no panic"));
        }
        taken.sort_unstable();
        assert_eq!(taken.len(), 400);
        taken.dedup();
        assert_eq!(taken.len(), 400);
    });
}
