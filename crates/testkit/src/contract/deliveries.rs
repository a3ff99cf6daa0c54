//! Deliveries: made for whoever is told, taken by one at a time, and moved on by what came of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::audit_log::{AuditAction, AuditId};
use domain::clock::Timestamp;
use domain::economy::Actor;
use domain::ids::Ids;
use domain::webhooks::{
    Assignment, Attempt, AttemptOutcome, AttemptReport, ClaimId, Delivery, DeliveryId, DeliveryQuery, DeliveryStatus,
    DisabledReason, Endpoint, EndpointEdit, EventName, EventNames, OutboxLag, TakeDue, Verdict,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::World;
use super::lives::start;
use super::webhook_ways::told_to;
use crate::commands::{credit, grant_item};
use crate::endpoints::{enabled, form_endpoint, names, report, subscribed, take};
use crate::ids::SequentialIds;

/// Longer than any store needs, shorter than anyone waits: what takes this long is a deadlock.
const STUCK: Duration = Duration::from_secs(60);
const HOUR: u64 = 60 * 60;

/// So many seconds after a test starts.
fn second(number: u64) -> Timestamp {
    start().plus(Duration::from_secs(number))
}

/// So many credits to one player, a second apart.
async fn credits(world: &World, count: u64) {
    for number in 0..count {
        let draft = credit("p1", "gold", 1).after(Duration::from_secs(number));
        world.settle_one(&draft).await.expect("a credit is accepted");
    }
}

/// An endpoint that is told of credits, and so many deliveries to it that were just taken.
async fn taken(world: &World, count: u64) -> (Endpoint, Vec<Assignment>) {
    let endpoint = world.subscribe(&[EventName::WalletChanged]).await;
    credits(world, count).await;
    let taken = world.take(second(count)).await;
    assert_eq!(taken.len(), usize::try_from(count).expect("few"));
    (endpoint, taken)
}

fn retry(seconds: u64) -> Verdict {
    Verdict::Retry { at: second(seconds) }
}

fn ids(taken: &[Assignment]) -> BTreeSet<DeliveryId> {
    taken.iter().map(|taken| taken.delivery).collect()
}

/// An event goes to every endpoint that is subscribed, and to no other: not of other events, of another realm, disabled or
/// removed. To each of them once.
pub async fn an_event_goes_to_every_endpoint_that_is_subscribed(world: World) {
    let wallet = [EventName::WalletChanged];
    let (one, all) = (world.subscribe(&wallet).await, world.subscribe_to_all().await);
    let several = world.subscribe(&[EventName::PlayerRegistered, EventName::WalletChanged]).await;
    world.subscribe(&[EventName::PlayerBanned]).await;
    let (disabled, removed) = (world.subscribe(&wallet).await, world.subscribe_to_all().await);
    world.edit(disabled.id, enabled(false)).await;
    world.edit(removed.id, EndpointEdit::Delete).await;
    world.stores.subscribe(world.other_realms[0], EventNames::ALL).await;
    credits(&world, 1).await;
    let (registered, changed) = (EventName::PlayerRegistered, EventName::WalletChanged);
    let mut expected =
        [(one.id, changed), (all.id, changed), (all.id, registered), (several.id, changed), (several.id, registered)];
    expected.sort();
    assert_eq!(told_to(&world.take(second(1)).await), expected);
    assert_eq!(world.take(second(1)).await, []);
    world.edit(one.id, subscribed(names(&[registered]))).await;
    credits(&world, 1).await;
    let mut expected = [(all.id, changed), (several.id, changed)];
    expected.sort();
    assert_eq!(told_to(&world.take(second(1)).await), expected);
}

/// What is taken has everything that an attempt needs, as it is stored.
pub async fn what_is_taken_is_complete(world: World) {
    let made = world.subscribe(&[EventName::WalletChanged]).await;
    credits(&world, 1).await;
    let world = world.reopened().await;
    let ask = take(second(1));
    let taken = world.stores.take_due(&ask).await;
    let told = world.told().await;
    let event = told.first().expect("it is told").clone();
    let expected = Assignment {
        delivery: DeliveryId::of(made.id, event.id, event.at),
        claim: ask.claim,
        attempts: 0,
        tries: 0,
        endpoint: made.clone(),
        event: event.clone(),
        player_number: None,
    };
    assert_eq!(taken.as_slice(), std::slice::from_ref(&expected));
    let (delivery, attempts) = world.delivery(expected.delivery).await;
    let waiting = Delivery {
        id: expected.delivery,
        endpoint: made.id,
        event: event.id,
        name: event.name,
        status: DeliveryStatus::Pending,
        attempts: 0,
        due_at: Some(ask.until),
        occurred_at: event.at,
        ended_at: None,
    };
    assert_eq!((delivery, attempts), (waiting, vec![]));
    world.record(&[report(&expected, second(2), retry(10))]).await;
    let [again] = world.take(second(10)).await.try_into().expect("one is due");
    assert_eq!((again.attempts, again.tries), (1, 1));
    assert_eq!((again.delivery, &again.event), (expected.delivery, &event));
    assert_ne!(again.claim, expected.claim);
}

/// A player has one number towards those who want numbers: positive, always the same, and nobody else's in the realm.
pub async fn a_player_has_one_number_towards_forms(world: World) {
    let (one, other) = (form_endpoint(), form_endpoint());
    for endpoint in [&one, &other] {
        world.stores.add_endpoint(world.realm, endpoint).await;
    }
    let json = world.subscribe(&[EventName::WalletChanged]).await;
    let mut numbers: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for round in 0..3 {
        for player in ["p1", "p2", "p3"] {
            let drafts = [credit(player, "gold", 1), grant_item(player, "sword", 1)];
            world.settle(&drafts.map(|draft| draft.after(Duration::from_secs(round)))).await;
        }
        for taken in world.take(second(round)).await {
            let (_, name) = taken.event.player.clone().expect("it is of a player");
            match taken.player_number {
                Some(number) => drop(numbers.entry(name.as_str().to_owned()).or_default().insert(number)),
                None => assert_eq!(taken.endpoint.id, json.id),
            }
        }
    }
    let all: BTreeSet<i64> = numbers.values().flatten().copied().collect();
    assert_eq!((numbers.len(), all.len()), (3, 3), "{numbers:?}");
    assert!(all.iter().all(|number| 0 < *number && *number < 1_000_000), "{numbers:?}");
}

/// Who has no room for all takes those that have been due longest, of all endpoints together.
pub async fn deliveries_come_longest_due_first(world: World) {
    let (_, taken_first) = taken(&world, 6).await;
    let other = world.subscribe(&[EventName::InventoryChanged]).await;
    let due = [500, 300, 600, 100, 400, 200];
    let reports: Vec<_> =
        taken_first.iter().zip(due).map(|(taken, due)| report(taken, second(7), retry(due))).collect();
    world.record(&reports).await;
    world.settle_one(&grant_item("p1", "sword", 1)).await.expect("a grant is accepted");
    let [item] = world.take(second(10)).await.try_into().expect("one is due");
    world.record(&[report(&item, second(10), retry(250))]).await;
    let due_at = |number: u64| reports.iter().find(|report| report.verdict == retry(number)).map(|it| it.delivery);
    let expected = [due_at(100), due_at(200), Some(item.delivery), due_at(300), due_at(400), due_at(500), due_at(600)];
    let expected: Vec<_> = expected.into_iter().flatten().collect();
    let mut found = Vec::new();
    for limit in [2, 3, 2] {
        let taken = world.stores.take_due(&TakeDue { limit, ..take(second(1_000)) }).await;
        found.push(ids(&taken));
    }
    let [first, second_three, last] = found.try_into().expect("three takings");
    assert_eq!(first, expected.iter().take(2).copied().collect());
    assert_eq!(second_three, expected.iter().skip(2).take(3).copied().collect());
    assert_eq!(last, expected.iter().skip(5).copied().collect());
    assert_eq!(item.endpoint.id, other.id);
}

/// Of each endpoint, no more are taken than it may have at once; those that the taker has of it already count.
pub async fn no_endpoint_has_more_than_its_share(world: World) {
    let wallet = [EventName::WalletChanged];
    let made = [world.subscribe(&wallet).await, world.subscribe(&wallet).await, world.subscribe(&wallet).await];
    let [free, busy, full] = &made;
    credits(&world, 10).await;
    let held = BTreeMap::from([
        ((world.realm, busy.id), 3),
        ((world.realm, full.id), 7),
        ((world.other_realms[0], free.id), 4),
    ]);
    let ask = TakeDue { per_endpoint: 4, held, ..take(second(20)) };
    let taken = world.stores.take_due(&ask).await;
    let count = |endpoint: &Endpoint| taken.iter().filter(|taken| taken.endpoint.id == endpoint.id).count();
    assert_eq!([count(free), count(busy), count(full)], [4, 1, 0]);
    assert_eq!(world.take(second(20)).await.len(), 25);
}

/// What was taken is nobody else's until its time is over; then it is due again, with the attempts that were reported.
pub async fn what_was_taken_is_due_again_when_its_time_is_over(world: World) {
    world.subscribe(&[EventName::WalletChanged]).await;
    credits(&world, 3).await;
    let second_handle = world.second().await;
    let ask = TakeDue { until: second(100), ..take(second(10)) };
    let first = world.stores.take_due(&ask).await;
    assert_eq!(first.len(), 3);
    for stores in [&world.stores, &second_handle] {
        assert_eq!(stores.take_all(second(10)).await, []);
        assert_eq!(stores.take_all(second(99)).await, []);
    }
    let world = world.reopened().await;
    assert_eq!(world.take(second(99)).await, []);
    let again = second_handle.take_all(second(100)).await;
    assert_eq!(ids(&again), ids(&first));
    assert!(again.iter().all(|taken| taken.attempts == 0 && taken.claim != ask.claim));
}

/// Takers at two handles at once get different deliveries, and all of them together.
pub async fn takers_at_two_handles_get_different_deliveries(world: World) {
    let wallet = [EventName::WalletChanged];
    for _ in 0..3 {
        world.subscribe(&wallet).await;
    }
    for round in 0..5 {
        let drafts: Vec<_> = (0..20).map(|number| credit(&format!("p{number}"), "gold", round + 1)).collect();
        assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
    }
    let handles = [world.stores.clone(), world.second().await];
    let mut taking = JoinSet::new();
    for number in 0..6_usize {
        let stores = handles.get(number % 2).expect("two handles").clone();
        taking.spawn(async move {
            let mut taken = Vec::new();
            for _ in 0..10 {
                let ask = TakeDue { limit: 13, per_endpoint: 7, until: second(1_000), ..take(second(100)) };
                taken.extend(stores.take_due(&ask).await);
            }
            taken
        });
    }
    let taken = timeout(STUCK, taking.join_all()).await.expect("nobody waits for ever");
    let mut taken: Vec<_> = taken.into_iter().flatten().collect();
    // Who looked while another did may have found nothing; somebody comes again.
    taken.extend(world.take(second(100)).await);
    assert_eq!(taken.len(), 300);
    assert_eq!(ids(&taken).len(), 300, "no delivery was taken twice");
}

/// Every verdict does to a delivery what it says.
pub async fn a_delivery_becomes_what_its_attempt_came_to(world: World) {
    let (endpoint, taken) = taken(&world, 4).await;
    let verdicts = [Verdict::Delivered, retry(500), Verdict::Exhausted, retry(500)];
    let reports: Vec<_> =
        taken.iter().zip(verdicts).map(|(taken, verdict)| report(taken, second(20), verdict)).collect();
    assert_eq!(world.record(&reports).await, []);
    let world = world.reopened().await;
    for report in &reports {
        let (delivery, attempts) = world.delivery(report.delivery).await;
        assert_eq!(attempts.as_slice(), std::slice::from_ref(&report.attempt));
        let (status, due_at) = match report.verdict {
            Verdict::Delivered => (DeliveryStatus::Delivered, None),
            Verdict::Retry { at } => (DeliveryStatus::Pending, Some(at)),
            Verdict::Exhausted | Verdict::Gone => (DeliveryStatus::Failed, None),
        };
        assert_eq!((delivery.status, delivery.due_at, delivery.attempts), (status, due_at, 1));
        assert_eq!(delivery.ended_at.is_none(), status == DeliveryStatus::Pending);
    }
    for (status, count) in DeliveryStatus::ALL.into_iter().zip([2, 1, 1]) {
        assert_eq!(world.deliveries(endpoint.id, Some(status)).await.len(), count);
    }
    assert_eq!(world.take(second(499)).await, []);
    let again = world.take(second(500)).await;
    assert_eq!(again.len(), 2);
    let reports: Vec<_> = again.iter().map(|taken| report(taken, second(501), Verdict::Delivered)).collect();
    world.record(&reports).await;
    for taken in &again {
        let (delivery, attempts) = world.delivery(taken.delivery).await;
        assert_eq!((delivery.status, delivery.attempts), (DeliveryStatus::Delivered, 2));
        assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
    }
}

/// What came back of attempts is kept as it was; of many, the latest hundred.
pub async fn attempts_of_a_delivery_come_back_exactly(world: World) {
    let (_, taken) = taken(&world, 1).await;
    let [assignment] = taken.try_into().expect("one was taken");
    let answered =
        |status, body: &str, retry_after| AttemptOutcome::Answered { status, body: body.to_owned(), retry_after };
    let outcomes = [
        answered(500, "naïve \"body\" 🦀 '; --", Some(Duration::from_secs(90))),
        answered(999, &"x".repeat(Attempt::BODY_BYTES_MAX), None),
        answered(302, "", Some(Duration::ZERO)),
        AttemptOutcome::Failed { error: "the name resolves to 10.0.0.1, which is not allowed".to_owned() },
    ];
    let mut expected = Vec::new();
    for number in 1..=104 {
        let outcome = outcomes.iter().cycle().nth(usize::try_from(number).expect("few")).expect("a cycle").clone();
        let took = Duration::from_micros(u64::from(number) * 1_000);
        expected.push(Attempt { number, at: second(u64::from(number) * 100), took, outcome });
    }
    let stale = ClaimId(SequentialIds.next(start()));
    let (first, rest) = expected.split_first().expect("there are attempts");
    let of = |attempt: &Attempt, claim| AttemptReport {
        claim,
        attempt: attempt.clone(),
        ..report(&assignment, attempt.at, retry(100_000))
    };
    let late: Vec<_> = rest.iter().map(|attempt| of(attempt, stale)).collect();
    world.record(&late).await;
    world.record(&[of(first, assignment.claim)]).await;
    let world = world.reopened().await;
    let (delivery, attempts) = world.delivery(assignment.delivery).await;
    assert_eq!(delivery.attempts, 1);
    assert_eq!(attempts, expected.split_off(4));
}

/// A report of somebody whose time was over says what happened, and changes nothing else: not the delivery, which is
/// another's, nor the endpoint. A report that comes twice counts once.
pub async fn a_late_report_changes_nothing_but_the_log(world: World) {
    let (endpoint, first) = taken(&world, 1).await;
    let [late] = first.try_into().expect("one was taken");
    let [current] = world.take(second(100)).await.try_into().expect("it is due again");
    for verdict in [Verdict::Delivered, Verdict::Gone, Verdict::Exhausted, retry(50)] {
        let report = report(&late, second(101), verdict);
        assert_eq!(world.record(&[report]).await, []);
    }
    let (delivery, attempts) = world.delivery(late.delivery).await;
    assert_eq!((delivery.status, delivery.attempts), (DeliveryStatus::Pending, 0));
    assert_eq!(delivery.due_at, Some(second(130)), "it is the other's");
    assert_eq!(attempts.len(), 1, "the first attempt is in the log");
    assert_eq!(world.endpoint(endpoint.id).await, endpoint);
    let delivered = report(&current, second(102), Verdict::Delivered);
    for _ in 0..2 {
        world.record(std::slice::from_ref(&delivered)).await;
    }
    let (delivery, attempts) = world.delivery(late.delivery).await;
    assert_eq!((delivery.status, delivery.attempts), (DeliveryStatus::Delivered, 1));
    assert_eq!(attempts.len(), 1);
    assert_eq!(world.take(second(10_000)).await, []);
}

/// An endpoint fails from its first failure on, until a success.
pub async fn an_endpoint_is_failing_until_a_success(world: World) {
    let (endpoint, first) = taken(&world, 3).await;
    let [one, two, three] = first.try_into().expect("three were taken");
    world.record(&[report(&one, second(10), retry(100))]).await;
    assert_eq!(world.endpoint(endpoint.id).await, Endpoint { failing_since: Some(second(10)), ..endpoint.clone() });
    world.record(&[report(&two, second(20), Verdict::Exhausted)]).await;
    assert_eq!(world.endpoint(endpoint.id).await.failing_since, Some(second(10)));
    let seen_failing = AttemptReport { was_failing: true, ..report(&three, second(30), Verdict::Delivered) };
    world.record(&[seen_failing]).await;
    assert_eq!(world.endpoint(endpoint.id).await, endpoint);
    let [again] = world.take(second(100)).await.try_into().expect("one is due");
    assert_eq!(again.endpoint, endpoint);
    world.record(&[report(&again, second(100), retry(200))]).await;
    let [again] = world.take(second(200)).await.try_into().expect("one is due");
    assert_eq!(again.endpoint.failing_since, Some(second(100)));
}

/// Of several reports at once each counts, in order: a failure after a success fails from then on.
pub async fn reports_of_one_endpoint_count_in_order(world: World) {
    let (endpoint, first) = taken(&world, 3).await;
    let [one, two, three] = first.try_into().expect("three were taken");
    let reports = [
        report(&one, second(10), retry(100)),
        report(&two, second(20), Verdict::Delivered),
        report(&three, second(30), retry(100)),
    ];
    assert_eq!(world.record(&reports).await, []);
    assert_eq!(world.endpoint(endpoint.id).await.failing_since, Some(second(30)));
    assert_eq!(world.deliveries(endpoint.id, Some(DeliveryStatus::Pending)).await.len(), 2);
}

/// An endpoint that says that it is gone is disabled at once; one that failed for five days, with the attempt that shows it.
/// Both are told and logged, once, with the reason; deliveries that wait are not taken any more.
pub async fn an_endpoint_that_is_gone_or_fails_for_days_is_disabled(world: World) {
    let five_days = 5 * 24 * HOUR;
    for (verdict, reason) in [(Verdict::Gone, DisabledReason::Gone), (Verdict::Exhausted, DisabledReason::Failing)] {
        let endpoint = world.subscribe(&[EventName::InventoryChanged]).await;
        let drafts = ["sword", "shield", "bow"].map(|item| grant_item("p1", item, 1));
        assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
        let [one, two, _] = world.take(second(1)).await.try_into().expect("three are due");
        assert_eq!(world.record(&[report(&one, second(10), retry(20))]).await, []);
        let at = second(10 + if reason == DisabledReason::Gone { 5 } else { five_days });
        if reason == DisabledReason::Failing {
            let early = second(9 + five_days);
            let [again] = world.take(second(20)).await.try_into().expect("one is due");
            assert_eq!(world.record(&[report(&again, early, retry(five_days + 20))]).await, []);
        }
        let last = report(&two, at, verdict);
        let after = Endpoint { disabled: Some((reason, at)), failing_since: Some(second(10)), ..endpoint.clone() };
        assert_eq!(world.record(std::slice::from_ref(&last)).await, [(world.realm, after.clone())]);
        assert_eq!(world.record(std::slice::from_ref(&last)).await, [], "it is told once");
        assert_eq!(world.endpoint(endpoint.id).await, after);
        let rows = world.audit_rows().await;
        let logged = rows.iter().find(|row| row.entry.id == last.audit).expect("it is logged").entry.clone();
        assert_eq!((logged.action, logged.actor, logged.at), (AuditAction::WebhookDisable, Actor::new("purser"), at));
        let details: Value =
            serde_json::from_str(logged.details.expect("it has details").as_json()).expect("details are JSON");
        assert_eq!(details, json!({ "webhookId": endpoint.id.0, "reason": reason.as_str() }));
        assert_eq!(world.take(second(2 * five_days)).await, []);
        world.edit(endpoint.id, EndpointEdit::Delete).await;
    }
    let disabled =
        world.audit_rows().await.iter().filter(|row| row.entry.action == AuditAction::WebhookDisable).count();
    assert_eq!(disabled, 2);
}

/// What waits for an endpoint that is disabled waits until it is enabled.
pub async fn deliveries_to_a_disabled_endpoint_wait(world: World) {
    let (endpoint, other) = (world.subscribe_to_all().await, world.subscribe(&[EventName::PlayerRegistered]).await);
    credits(&world, 1).await;
    world.stores.publish(second(1)).await;
    world.edit(endpoint.id, enabled(false)).await;
    assert_eq!(told_to(&world.take(second(10)).await), [(other.id, EventName::PlayerRegistered)]);
    assert_eq!(world.deliveries(endpoint.id, Some(DeliveryStatus::Pending)).await.len(), 2);
    world.edit(endpoint.id, enabled(true)).await;
    assert_eq!(world.take(second(20)).await.len(), 2);
}

/// Reports of one endpoint at two handles at once are all kept, and it is disabled once.
pub async fn concurrent_reports_are_all_kept(world: World) {
    let (endpoint, taken) = taken(&world, 20).await;
    let handles = [world.stores.clone(), world.second().await];
    let mut reporting = JoinSet::new();
    for (number, assignment) in taken.iter().enumerate() {
        let stores = handles.get(number % 2).expect("two handles").clone();
        let report = report(assignment, second(30), if number < 10 { Verdict::Gone } else { retry(500) });
        reporting.spawn(async move { stores.outbox.record(&[report]).await.expect("the store works") });
    }
    let disabled = timeout(STUCK, reporting.join_all()).await.expect("nobody waits for ever");
    assert_eq!(disabled.into_iter().flatten().count(), 1);
    let found = world.deliveries(endpoint.id, None).await;
    assert!(found.iter().all(|delivery| delivery.attempts == 1));
    assert_eq!(found.iter().filter(|delivery| delivery.status == DeliveryStatus::Failed).count(), 10);
    let stored = world.endpoint(endpoint.id).await;
    assert_eq!((stored.disabled, stored.failing_since), (Some((DisabledReason::Gone, second(30))), Some(second(30))));
}

/// Deliveries are listed newest first, page by page, all or of one status.
pub async fn delivery_pages_follow_each_other(world: World) {
    let (endpoint, taken) = taken(&world, 7).await;
    let reports: Vec<_> = taken.iter().step_by(2).map(|taken| report(taken, second(9), Verdict::Delivered)).collect();
    world.record(&reports).await;
    let expected: Vec<DeliveryId> = ids(&taken).into_iter().rev().collect();
    let delivered: BTreeSet<_> = reports.iter().map(|report| report.delivery).collect();
    let pending: Vec<_> = expected.iter().copied().filter(|id| !delivered.contains(id)).collect();
    let delivered: Vec<_> = delivered.into_iter().rev().collect();
    let of = [
        (None, expected),
        (Some(DeliveryStatus::Delivered), delivered),
        (Some(DeliveryStatus::Pending), pending),
        (Some(DeliveryStatus::Failed), vec![]),
    ];
    for (status, expected) in of {
        let mut query = DeliveryQuery { realm: world.realm, endpoint: endpoint.id, status, after: None, limit: 2 };
        let mut found = Vec::new();
        loop {
            let page = world.stores.deliveries.deliveries(&query).await.expect("the store works");
            assert!(page.rows.len() <= 2);
            found.extend(page.rows.iter().map(|delivery| delivery.id));
            query.after = found.last().copied();
            assert_eq!(page.more, found.len() < expected.len());
            if !page.more {
                break;
            }
        }
        assert_eq!(found, expected, "{status:?}");
    }
}

/// The lag is of what waits for enabled endpoints of all realms, and since when.
pub async fn the_lag_is_of_what_waits_for_enabled_endpoints(world: World) {
    let lag = async || world.stores.deliveries.lag().await.expect("the store works");
    assert_eq!(lag().await, OutboxLag::default());
    let (endpoint, taken) = taken(&world, 3).await;
    let verdicts = [Verdict::Delivered, retry(300), retry(200)];
    let reports: Vec<_> =
        taken.iter().zip(verdicts).map(|(taken, verdict)| report(taken, second(9), verdict)).collect();
    world.record(&reports).await;
    assert_eq!(lag().await, OutboxLag { pending: 2, oldest_due_at: Some(second(200)) });
    let live = world.other_realms[0];
    let other = world.stores.subscribe(live, names(&[EventName::PlayerRegistered])).await;
    world.stores.settle_one(live, &credit("p1", "gold", 1)).await.expect("a credit is accepted");
    let with_new = lag().await;
    assert_eq!(with_new.pending, 3, "an event that nobody has looked at yet waits too");
    assert!(with_new.oldest_due_at < Some(second(200)), "{with_new:?}");
    let [far] = world.take(second(20)).await.try_into().expect("one is due");
    assert_eq!(far.endpoint.id, other.id);
    world.record(&[report(&far, second(20), retry(100))]).await;
    assert_eq!(lag().await, OutboxLag { pending: 3, oldest_due_at: Some(second(100)) });
    world.edit(endpoint.id, enabled(false)).await;
    assert_eq!(lag().await, OutboxLag { pending: 1, oldest_due_at: Some(second(100)) });
    world.stores.edit(live, other.id, EndpointEdit::Delete).await.expect("it is not refused");
    assert_eq!(lag().await, OutboxLag::default());
}

/// A report about a delivery that there is not, of an endpoint that was removed, changes nothing.
pub async fn a_report_about_what_was_removed_changes_nothing(world: World) {
    let (endpoint, taken) = taken(&world, 1).await;
    world.edit(endpoint.id, EndpointEdit::Delete).await;
    let reports: Vec<_> = taken.iter().map(|taken| report(taken, second(9), Verdict::Gone)).collect();
    assert_eq!(world.record(&reports).await, []);
    let stray = AttemptReport {
        delivery: DeliveryId(SequentialIds.next(start())),
        audit: AuditId(SequentialIds.next(start())),
        ..reports.first().expect("one report").clone()
    };
    assert_eq!(world.record(&[stray]).await, []);
    assert_eq!(world.record(&[]).await, []);
    let disabled =
        world.audit_rows().await.iter().filter(|row| row.entry.action == AuditAction::WebhookDisable).count();
    assert_eq!(disabled, 0);
}
