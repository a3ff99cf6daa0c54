//! Endpoints, the outbox and deliveries: every port once, and what several processes on one database do to each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::audit_log::{AuditAction, AuditEntry, AuditId};
use domain::clock::Timestamp;
use domain::economy::{Actor, Page};
use domain::ids::Ids;
use domain::keys::{KeyChange, KeyHash, KeyId, KeyRecord, PermissionSet, PublicId};
use domain::limits::KeyLimits;
use domain::tenancy::RealmId;
use domain::webhooks::{
    Assignment, Attempt, AttemptOutcome, AttemptReport, ClaimId, DeliveryQuery, DeliveryStatus, Dialect,
    DisabledReason, Endpoint, EndpointChange, EndpointEdit, EndpointId, EndpointRefusal, EndpointUrl, EventName,
    EventNames, FeedPosition, NewEndpoint, Replay, ReplayRange, Rotating, Sealed, TakeDue, ToldEvent, Verdict,
};
use testkit::contract::{Stores, World};
use testkit::{START, SequentialIds, ban, coins, create_grant, credit, erase, external_id, merge, text};

use crate::faults::on_postgres;
use crate::outside::Outside;

const LEASE: Duration = Duration::from_secs(30);

fn start() -> Timestamp {
    Timestamp::from_unix_micros(START)
}

fn second(number: u64) -> Timestamp {
    start().plus(Duration::from_secs(number))
}

fn audit(realm: RealmId, action: AuditAction) -> AuditEntry {
    AuditEntry::new(realm, AuditId(SequentialIds.next(start())), start(), Actor::new("test"), action)
}

fn endpoint(dialect: Dialect, events: EventNames) -> Endpoint {
    let id = EndpointId(SequentialIds.next(start()));
    let key = Rotating::new(Sealed(vec![4, 5]));
    Endpoint {
        id,
        url: EndpointUrl::try_new(&format!("https://example.com/{}", id.0)).expect("a URL"),
        description: text("an endpoint"),
        dialect,
        events,
        disabled: None,
        failing_since: None,
        secret: Rotating::new(Sealed(vec![0, 1, 2])).rotated(Sealed(vec![3]), second(60)),
        callback_key: (dialect == Dialect::Kongregate).then_some(key),
        created_at: start(),
        updated_at: start(),
    }
}

async fn create(stores: &Stores, realm: RealmId, endpoint: &Endpoint) -> Result<(), EndpointRefusal> {
    let new = NewEndpoint { realm, endpoint: endpoint.clone(), audit: audit(realm, AuditAction::WebhookCreate) };
    stores.endpoints.create_endpoint(&new).await.expect("the store works")
}

/// An endpoint in the world's realm.
async fn subscribed(world: &World, dialect: Dialect, events: EventNames) -> Endpoint {
    let endpoint = endpoint(dialect, events);
    assert_eq!(create(&world.stores, world.realm, &endpoint).await, Ok(()));
    endpoint
}

async fn change(world: &World, id: EndpointId, edit: EndpointEdit) -> Result<Endpoint, EndpointRefusal> {
    let (realm, at, audit) = (world.realm, second(1), audit(world.realm, edit.action()));
    let change = EndpointChange { realm, id, at, edit, audit };
    world.stores.endpoints.change_endpoint(&change).await.expect("the store works")
}

fn ask(now: Timestamp) -> TakeDue {
    let claim = ClaimId(SequentialIds.next(now));
    TakeDue { now, until: now.plus(LEASE), claim, per_endpoint: 1_000, held: BTreeMap::new(), limit: 1_000 }
}

async fn take(stores: &Stores, now: Timestamp) -> Vec<Assignment> {
    stores.outbox.take_due(&ask(now)).await.expect("the store works")
}

/// Publishes and takes until there is no more.
async fn take_all(stores: &Stores, now: Timestamp) -> Vec<Assignment> {
    let mut all = Vec::new();
    loop {
        let taken = take(stores, now).await;
        if taken.is_empty() {
            return all;
        }
        all.extend(taken);
    }
}

fn report(assignment: &Assignment, at: Timestamp, verdict: Verdict) -> AttemptReport {
    let outcome = match verdict {
        Verdict::Delivered => AttemptOutcome::Answered { status: 200, body: "ok".to_owned(), retry_after: None },
        Verdict::Gone => AttemptOutcome::Answered { status: 410, body: String::new(), retry_after: Some(LEASE) },
        Verdict::Retry { .. } | Verdict::Exhausted => AttemptOutcome::Failed { error: "refused\0".to_owned() },
    };
    AttemptReport {
        realm: assignment.event.realm.id,
        endpoint: assignment.endpoint.id,
        delivery: assignment.delivery,
        claim: assignment.claim,
        attempt: Attempt { number: assignment.attempts + 1, at, took: Duration::from_millis(3), outcome },
        verdict,
        was_failing: assignment.endpoint.failing_since.is_some(),
        audit: AuditId(SequentialIds.next(at)),
    }
}

async fn record(stores: &Stores, reports: &[AttemptReport]) -> Vec<(RealmId, Endpoint)> {
    stores.outbox.record(reports).await.expect("the store works")
}

async fn feed(stores: &Stores, realm: RealmId, after: FeedPosition, limit: u32) -> Page<ToldEvent> {
    stores.feed.feed(realm, after, EventNames::ALL, limit).await.expect("the store works")
}

async fn statuses(world: &World, endpoint: EndpointId, status: Option<DeliveryStatus>) -> Vec<DeliveryStatus> {
    let query = DeliveryQuery { realm: world.realm, endpoint, status, after: None, limit: 100 };
    let page = world.stores.deliveries.deliveries(&query).await.expect("the store works");
    page.rows.iter().map(|delivery| delivery.status).collect()
}

async fn replay(world: &World, endpoint: EndpointId, at: Timestamp, range: ReplayRange) -> Option<u32> {
    let audit = audit(world.realm, AuditAction::WebhookReplay);
    let replay = Replay { realm: world.realm, endpoint, at, range, audit };
    world.stores.deliveries.replay(&replay).await.expect("the store works")
}

async fn credited(world: &World, count: usize) {
    let drafts = vec![credit("p", "gold", 1); count];
    assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
}

fn only(name: EventName) -> EventNames {
    [name].into_iter().collect()
}

#[test]
fn endpoints_come_back_as_they_were_stored_until_they_are_removed() {
    on_postgres(async |world, _| {
        let first = subscribed(&world, Dialect::Json, EventNames::ALL).await;
        let second_one = subscribed(&world, Dialect::Kongregate, Dialect::Kongregate.speaks_of()).await;
        let stores = &world.stores;
        assert_eq!(stores.endpoints.endpoint(world.realm, first.id).await.unwrap(), Some(first.clone()));
        assert_eq!(stores.endpoints.endpoints(world.realm).await.unwrap(), [second_one.clone(), first.clone()]);
        assert_eq!(stores.endpoints.endpoints(world.other_realms[0]).await.unwrap(), []);
        let rotate = EndpointEdit::Rotate { secret: Sealed(vec![9]), callback_key: Sealed(vec![8]), until: second(99) };
        let rotated = change(&world, second_one.id, rotate).await.expect("it is there");
        assert_eq!(rotated.callback_key.as_ref().unwrap().current, Sealed(vec![8]));
        assert_eq!(stores.endpoints.endpoint(world.realm, rotated.id).await.unwrap(), Some(rotated));
        assert_eq!(change(&world, first.id, EndpointEdit::Delete).await, Ok(first.clone()));
        assert_eq!(change(&world, first.id, EndpointEdit::Delete).await, Err(EndpointRefusal::NotFound));
        assert_eq!(stores.endpoints.endpoint(world.realm, first.id).await.unwrap(), None);
    });
}

#[test]
fn a_realm_takes_so_many_endpoints_and_no_more_even_at_once() {
    on_postgres(async |world, _| {
        for _ in 1..Endpoint::COUNT_MAX {
            subscribed(&world, Dialect::Json, EventNames::ALL).await;
        }
        let (one, other) = (endpoint(Dialect::Json, EventNames::ALL), endpoint(Dialect::Json, EventNames::ALL));
        let second = world.second().await;
        let created = tokio::join!(create(&world.stores, world.realm, &one), create(&second, world.realm, &other));
        assert!([created.0, created.1].contains(&Ok(())), "{created:?}");
        assert!([created.0, created.1].contains(&Err(EndpointRefusal::TooMany)), "{created:?}");
    });
}

#[test]
fn a_change_is_told_once_it_is_stored_and_to_nobody_who_did_not_ask() {
    on_postgres(async |world, url| {
        credited(&world, 1).await;
        assert_eq!(take(&world.stores, second(1)).await, []);
        let endpoint = subscribed(&world, Dialect::Json, only(EventName::WalletChanged)).await;
        credited(&world, 2).await;
        world.stores.outbox.rung().await;
        let taken = take(&world.stores, second(1)).await;
        assert_eq!(taken.len(), 2);
        for assignment in &taken {
            assert_eq!(assignment.endpoint, endpoint);
            assert_eq!((assignment.attempts, assignment.tries, assignment.player_number), (0, 0, None));
            assert_eq!(assignment.event.realm, world.realms[0]);
            assert_eq!(assignment.event.name, EventName::WalletChanged);
            assert_eq!(assignment.event.player.as_ref().unwrap().1, external_id("p"));
            let told = world.stores.feed.event_told(world.realm, assignment.event.id).await.unwrap();
            assert_eq!(told.as_ref(), Some(&assignment.event));
        }
        let lag = world.stores.deliveries.lag().await.unwrap();
        assert_eq!((lag.pending, lag.oldest_due_at), (2, Some(second(1).plus(LEASE))));
        let count = "SELECT count(*)::text AS text FROM outbox_events";
        assert_eq!(Outside::connect(&url).await.texts(count).await, ["2"]);
    });
}

#[test]
fn what_was_taken_is_nobody_elses_until_its_time_is_over() {
    on_postgres(async |world, _| {
        subscribed(&world, Dialect::Json, EventNames::ALL).await;
        credited(&world, 1).await;
        let taken = take(&world.stores, second(1)).await;
        assert_eq!(taken.len(), 2, "the player was registered, and has gold");
        let second_store = world.second().await;
        assert_eq!(take(&second_store, second(30)).await, []);
        let again = take(&second_store, second(31)).await;
        assert_eq!(again.len(), 2);
        // Who held them first is too late: it is logged, and no more.
        let late: Vec<_> = taken.iter().map(|taken| report(taken, second(32), Verdict::Delivered)).collect();
        assert_eq!(record(&world.stores, &late).await, []);
        let (delivery, attempts) =
            world.stores.deliveries.delivery(world.realm, again[0].delivery).await.unwrap().unwrap();
        assert_eq!((delivery.status, delivery.attempts, attempts.len()), (DeliveryStatus::Pending, 0, 1));
        let done: Vec<_> = again.iter().map(|again| report(again, second(33), Verdict::Delivered)).collect();
        record(&second_store, &done).await;
        assert_eq!(take(&world.stores, second(1_000)).await, []);
    });
}

#[test]
fn a_report_moves_its_delivery_on_and_its_endpoint() {
    on_postgres(async |world, _| {
        let endpoint = subscribed(&world, Dialect::Json, only(EventName::WalletChanged)).await;
        credited(&world, 3).await;
        let taken = take(&world.stores, second(1)).await;
        let verdicts = [Verdict::Retry { at: second(10) }, Verdict::Exhausted, Verdict::Delivered];
        let reports: Vec<_> =
            taken.iter().zip(verdicts).map(|(taken, verdict)| report(taken, second(2), verdict)).collect();
        assert_eq!(record(&world.stores, &reports[..2]).await, []);
        let failing = world.stores.endpoints.endpoint(world.realm, endpoint.id).await.unwrap().unwrap();
        assert_eq!((failing.failing_since, failing.disabled), (Some(second(2)), None));
        let success = AttemptReport { was_failing: true, ..reports[2].clone() };
        record(&world.stores, &[success]).await;
        let mended = world.stores.endpoints.endpoint(world.realm, endpoint.id).await.unwrap().unwrap();
        assert_eq!(mended, endpoint);
        for status in DeliveryStatus::ALL {
            assert_eq!(statuses(&world, endpoint.id, Some(status)).await, [status]);
        }
        assert_eq!(statuses(&world, endpoint.id, None).await.len(), 3);
        let (delivery, attempts) =
            world.stores.deliveries.delivery(world.realm, taken[1].delivery).await.unwrap().unwrap();
        assert_eq!((delivery.attempts, delivery.due_at), (1, None));
        assert_eq!(delivery.ended_at, Some(second(2).plus(Duration::from_millis(3))));
        let error = AttemptOutcome::Failed { error: "refused\u{fffd}".to_owned() };
        assert_eq!(attempts, [Attempt { outcome: error, ..reports[1].attempt.clone() }]);
        assert_eq!(take(&world.stores, second(9)).await, []);
        let again = take(&world.stores, second(10)).await;
        let [again] = again.as_slice() else { panic!("{again:?}") };
        assert_eq!((again.delivery, again.attempts, again.tries), (taken[0].delivery, 1, 1));
        let disabled = record(&world.stores, &[report(again, second(11), Verdict::Gone)]).await;
        let gone = Endpoint {
            disabled: Some((DisabledReason::Gone, second(11))),
            failing_since: Some(second(11)),
            ..endpoint.clone()
        };
        assert_eq!(disabled, [(world.realm, gone)]);
        let log = world.stores.audit_log.page(world.realm, None, 1).await.unwrap();
        assert_eq!(log.rows[0].entry.action, AuditAction::WebhookDisable);
        // Nothing is queued for it, but it is kept.
        credited(&world, 1).await;
        assert_eq!(take(&world.stores, second(12)).await, []);
        assert_eq!(feed(&world.stores, world.realm, FeedPosition(0), 10).await.rows.len(), 4);
    });
}

#[test]
fn no_endpoint_gets_more_than_it_may_hold_and_no_taker_more_than_it_asked_for() {
    on_postgres(async |world, _| {
        let one = subscribed(&world, Dialect::Json, only(EventName::WalletChanged)).await;
        let other = subscribed(&world, Dialect::Json, only(EventName::WalletChanged)).await;
        credited(&world, 10).await;
        let held = BTreeMap::from([((world.realm, one.id), 3)]);
        let asked = TakeDue { per_endpoint: 4, limit: 4, held: held.clone(), ..ask(second(1)) };
        let new = world.stores.outbox.take_due(&asked).await.unwrap();
        let of = |taken: &[Assignment], of: &Endpoint| taken.iter().filter(|taken| taken.endpoint == *of).count();
        assert_eq!((of(&new, &one), of(&new, &other)), (1, 3));
        let asked = TakeDue { per_endpoint: 5, limit: 100, held, ..ask(second(2)) };
        let due = world.stores.outbox.take_due(&asked).await.unwrap();
        assert_eq!((of(&due, &one), of(&due, &other)), (2, 5));
        let asked = TakeDue { limit: 7, ..ask(second(2)) };
        assert_eq!(world.stores.outbox.take_due(&asked).await.unwrap().len(), 7);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_share_the_work_without_doing_any_of_it_twice() {
    let work = tokio::task::spawn_blocking(|| {
        on_postgres(async |world, _| {
            subscribed(&world, Dialect::Json, only(EventName::WalletChanged)).await;
            for _ in 0..4 {
                credited(&world, 300).await;
            }
            let mut takers = Vec::new();
            for _ in 0..3 {
                let stores = world.second().await;
                takers.push(tokio::spawn(async move {
                    let mut taken = Vec::new();
                    let mut misses = 0;
                    while misses < 20 {
                        let asked = TakeDue { limit: 50, per_endpoint: 50, ..ask(second(1)) };
                        let some = stores.outbox.take_due(&asked).await.expect("the store works");
                        misses = if some.is_empty() { misses + 1 } else { 0 };
                        taken.extend(some.into_iter().map(|assignment| assignment.delivery));
                    }
                    taken
                }));
            }
            let mut all = Vec::new();
            for taker in takers {
                all.extend(taker.await.expect("no panic"));
            }
            assert_eq!(all.len(), 1_200);
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 1_200);
        });
    });
    work.await.expect("no panic");
}

#[test]
fn the_feed_never_skips_an_event_whose_transaction_took_its_time() {
    on_postgres(async |world, url| {
        subscribed(&world, Dialect::Json, EventNames::NONE.with(EventName::WalletChanged)).await;
        let insert = |id: u32, at: i64| {
            format!(
                "INSERT INTO outbox_events (realm, id, name, occurred_at, data)
                VALUES ({}, '00000000-0000-7000-8000-00000000000{id}', 'wallet.changed', {at}, '{{}}')",
                world.realm.0
            )
        };
        let (mut slow, mut quick) = (Outside::connect(&url).await, Outside::connect(&url).await);
        slow.execute(&format!("BEGIN; {}", insert(1, START))).await;
        quick.execute(&insert(2, START + 1)).await;
        assert_eq!(take(&world.stores, second(5)).await.len(), 1);
        let first = feed(&world.stores, world.realm, FeedPosition(0), 10).await.rows;
        assert_eq!(first.len(), 1);
        slow.execute("COMMIT").await;
        assert_eq!(feed(&world.stores, world.realm, first[0].position, 10).await.rows, []);
        // By a clock that is behind.
        assert_eq!(take(&world.stores, second(1)).await.len(), 1);
        let next = feed(&world.stores, world.realm, first[0].position, 10).await.rows;
        assert_eq!(next.len(), 1);
        assert!(first[0].position < next[0].position && next[0].at < first[0].at);
    });
}

#[test]
fn a_crash_that_loses_what_was_published_last_does_not_give_its_positions_to_other_events() {
    on_postgres(async |world, url| {
        subscribed(&world, Dialect::Json, only(EventName::WalletChanged)).await;
        credited(&world, 3).await;
        take(&world.stores, second(1)).await;
        let read = feed(&world.stores, world.realm, FeedPosition(0), 10).await.rows;
        let last = read.last().expect("there were events").position;
        let lost =
            "UPDATE outbox_events SET position = NULL; DELETE FROM webhook_deliveries; DELETE FROM outbox_positions";
        Outside::connect(&url).await.execute(lost).await;
        assert_eq!(feed(&world.stores, world.realm, FeedPosition(0), 10).await.rows, []);
        credited(&world, 1).await;
        assert_eq!(take(&world.stores, second(2)).await.len(), 4);
        let again = feed(&world.stores, world.realm, last, 10).await.rows;
        assert_eq!(again.len(), 4, "who reads on from the last one misses none");
    });
}

#[test]
fn pages_of_the_feed_follow_each_other_through_the_wanted_names() {
    on_postgres(async |world, _| {
        subscribed(&world, Dialect::Json, EventNames::ALL).await;
        credited(&world, 5).await;
        take_all(&world.stores, second(1)).await;
        let (mut after, mut read) = (FeedPosition(0), Vec::new());
        loop {
            let page = feed(&world.stores, world.realm, after, 2).await;
            after = page.rows.last().map_or(after, |event| event.position);
            read.extend(page.rows.iter().map(|event| event.name));
            if !page.more {
                break;
            }
        }
        assert_eq!(read.len(), 6);
        let registered = only(EventName::PlayerRegistered);
        let page = world.stores.feed.feed(world.realm, FeedPosition(0), registered, 10).await.unwrap();
        assert_eq!(page.rows.len(), 1);
        assert_eq!(feed(&world.stores, world.other_realms[0], FeedPosition(0), 10).await.rows, []);
    });
}

#[test]
fn while_one_process_publishes_another_only_takes() {
    on_postgres(async |world, url| {
        subscribed(&world, Dialect::Json, only(EventName::WalletChanged)).await;
        credited(&world, 1).await;
        let mut publisher = Outside::connect(&url).await;
        let lock = format!("BEGIN; SELECT pg_advisory_xact_lock({})", 6_318_120_417_755_136_000 + world.realm.0);
        publisher.execute(&lock).await;
        world.stores.outbox.rung().await;
        assert_eq!(take(&world.stores, second(1)).await, []);
        publisher.execute("COMMIT").await;
        // It looks again of its own accord.
        world.stores.outbox.rung().await;
        assert_eq!(take(&world.stores, second(1)).await.len(), 1);
    });
}

#[test]
fn an_event_that_a_merge_or_an_erasure_holds_is_published_after_it() {
    on_postgres(async |world, url| {
        subscribed(&world, Dialect::Json, only(EventName::WalletChanged)).await;
        credited(&world, 1).await;
        let mut outside = Outside::connect(&url).await;
        outside.execute("BEGIN; UPDATE outbox_events SET words = NULL").await;
        assert_eq!(take(&world.stores, second(1)).await, []);
        outside.execute("COMMIT").await;
        assert_eq!(take(&world.stores, second(1)).await.len(), 1);
    });
}

#[test]
fn deliveries_are_queued_again_one_by_one_and_by_time() {
    on_postgres(async |world, _| {
        let endpoint = subscribed(&world, Dialect::Json, only(EventName::WalletChanged)).await;
        credited(&world, 3).await;
        let taken = take(&world.stores, second(1)).await;
        let verdicts = [Verdict::Delivered, Verdict::Exhausted, Verdict::Retry { at: second(100) }];
        let reports: Vec<_> =
            taken.iter().zip(verdicts).map(|(taken, verdict)| report(taken, second(2), verdict)).collect();
        record(&world.stores, &reports).await;
        let between =
            |since, until, only_failed| ReplayRange::Between { since, until, names: EventNames::ALL, only_failed };
        let id = endpoint.id;
        assert_eq!(replay(&world, id, second(3), between(start(), start(), false)).await, Some(0));
        assert_eq!(replay(&world, id, second(3), between(start(), second(1), true)).await, Some(1));
        assert_eq!(replay(&world, id, second(3), between(start(), second(1), false)).await, Some(1));
        let again = take(&world.stores, second(4)).await;
        let counts: Vec<_> = again.iter().map(|again| (again.attempts, again.tries)).collect();
        assert_eq!(counts, [(1, 0), (1, 0)]);
        // The third one waits, and is due now; one that is being attempted is left alone.
        assert_eq!(replay(&world, id, second(5), ReplayRange::One(taken[2].delivery)).await, Some(1));
        assert_eq!(replay(&world, id, second(5), ReplayRange::One(again[0].delivery)).await, Some(0));
        assert_eq!(take(&world.stores, second(5)).await.len(), 1);
        let other = EndpointId(SequentialIds.next(start()));
        assert_eq!(replay(&world, other, second(5), ReplayRange::One(taken[0].delivery)).await, None);
    });
}

#[test]
fn what_happened_while_an_endpoint_was_disabled_can_be_asked_for() {
    on_postgres(async |world, _| {
        let endpoint = subscribed(&world, Dialect::Json, only(EventName::WalletChanged)).await;
        let enabled =
            |enabled| EndpointEdit::Revise { url: None, description: None, events: None, enabled: Some(enabled) };
        change(&world, endpoint.id, enabled(false)).await.expect("it is there");
        credited(&world, 2).await;
        assert_eq!(take(&world.stores, second(1)).await, []);
        credited(&world, 1).await;
        change(&world, endpoint.id, enabled(true)).await.expect("it is there");
        let (names, since, until) = (EventNames::ALL, start(), second(1));
        let missed = ReplayRange::Between { since, until, names, only_failed: true };
        // Of these, one is not published yet: then it is queued once and not twice.
        assert_eq!(replay(&world, endpoint.id, second(2), missed).await, Some(3));
        assert_eq!(take_all(&world.stores, second(2)).await.len(), 3);
    });
}

#[test]
fn what_is_old_is_discarded_and_what_is_left_of_removed_endpoints() {
    on_postgres(async |world, url| {
        let kept = subscribed(&world, Dialect::Json, only(EventName::WalletChanged)).await;
        let removed = subscribed(&world, Dialect::Json, only(EventName::WalletChanged)).await;
        credited(&world, 3).await;
        let late = vec![credit("p", "gold", 1).after(Duration::from_secs(60)); 2];
        assert!(world.settle(&late).await.iter().all(Result::is_ok));
        let taken = take(&world.stores, second(61)).await;
        assert_eq!(taken.len(), 10);
        let done: Vec<_> = taken.iter().map(|taken| report(taken, second(62), Verdict::Delivered)).collect();
        record(&world.stores, &done).await;
        change(&world, removed.id, EndpointEdit::Delete).await.expect("it is there");
        assert_eq!(statuses(&world, removed.id, None).await, []);
        let of_removed = taken.iter().find(|taken| taken.endpoint.id == removed.id).expect("it was told");
        assert_eq!(world.stores.deliveries.delivery(world.realm, of_removed.delivery).await.unwrap(), None);
        let mut gone = 0;
        loop {
            match world.stores.outbox.discard(second(30), 4).await.unwrap() {
                0 => break,
                some => gone += some,
            }
        }
        // Five deliveries with their attempts and an endpoint; then three events, and three deliveries with their attempts.
        assert_eq!(gone, 11 + 9);
        assert_eq!(statuses(&world, kept.id, None).await.len(), 2);
        let left =
            "SELECT concat_ws(' ', (SELECT count(*) FROM outbox_events), (SELECT count(*) FROM webhook_deliveries),
            (SELECT count(*) FROM webhook_attempts), (SELECT count(*) FROM webhook_endpoints)) AS text";
        assert_eq!(Outside::connect(&url).await.texts(left).await, ["2 2 2 1"]);
    });
}

#[test]
fn grants_that_expire_unclaimed_are_told_of_once() {
    on_postgres(async |world, _| {
        subscribed(&world, Dialect::Json, only(EventName::GrantExpired)).await;
        let grant = |key: &str, at: u64| create_grant("p", key, vec![coins("gold", 1)]).expiring(second(at));
        let drafts = [grant("past", 1), grant("soon", 20), grant("later", 1_000)];
        assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
        let (one, other) = (world.stores.clone(), world.second().await);
        let tell = async |stores: &Stores, at: u64| stores.outbox.tell_expiries(second(at), 100).await.unwrap();
        assert_eq!(tell(&one, 10).await, 0, "nothing is told of what was before");
        assert_eq!(tell(&one, 21).await, 0);
        let told = tokio::join!(tell(&one, 22), tell(&other, 22));
        assert_eq!(told.0 + told.1, 1);
        assert_eq!(tell(&one, 70).await, 0);
        assert_eq!(tell(&one, 1_002).await, 1);
        let taken = take(&world.stores, second(1_003)).await;
        let at: Vec<_> = taken.iter().map(|taken| (taken.event.name, taken.event.at)).collect();
        assert_eq!(at, [(EventName::GrantExpired, second(20)), (EventName::GrantExpired, second(1_000))]);
    });
}

#[test]
fn more_grants_than_are_told_at_once_are_told_in_pieces() {
    on_postgres(async |world, _| {
        subscribed(&world, Dialect::Json, only(EventName::GrantExpired)).await;
        assert_eq!(world.stores.outbox.tell_expiries(start(), 100).await.unwrap(), 0);
        for batch in 0..5 {
            let drafts = (0..250).map(|number| {
                create_grant("p", &format!("{batch} {number}"), vec![coins("gold", 1)]).expiring(second(20))
            });
            assert!(world.settle(&drafts.collect::<Vec<_>>()).await.iter().all(Result::is_ok));
        }
        let mut told = Vec::new();
        loop {
            match world.stores.outbox.tell_expiries(second(100), 400).await.unwrap() {
                0 => break,
                some => told.push(some),
            }
        }
        assert_eq!(told.iter().sum::<u32>(), 1_250);
        assert!(1 < told.len(), "{told:?}");
    });
}

#[test]
fn a_key_that_will_expire_is_told_of_once_at_each_threshold() {
    on_postgres(async |world, _| {
        subscribed(&world, Dialect::Json, only(EventName::ApiKeyExpiring)).await;
        let day = |number: u64| second(number * 24 * 60 * 60);
        let key = KeyRecord {
            id: KeyId(SequentialIds.next(start())),
            realm: world.realms[0],
            public_id: PublicId::restore("0123456789".to_owned()),
            hash: KeyHash([1; 32]),
            name: text("backend"),
            permissions: PermissionSet::Admin,
            limits: KeyLimits::default(),
            created_at: start(),
            expires_at: Some(day(7)),
            expiry_set_at: start(),
            last_used_at: None,
            revocation: None,
            rotated_from: None,
        };
        let audit = audit(world.realm, AuditAction::KeyIssue);
        world.stores.keys.apply(&KeyChange::Issue(Box::new(key)), &audit).await.expect("the store works");
        let (one, other) = (world.stores.clone(), world.second().await);
        let tell = async |stores: &Stores, at: Timestamp| stores.outbox.tell_expiries(at, 100).await.unwrap();
        let told = tokio::join!(tell(&one, start()), tell(&other, start()));
        assert_eq!(told.0 + told.1, 1);
        assert_eq!(tell(&one, day(5)).await, 0);
        assert_eq!(tell(&one, day(6)).await, 1);
        assert_eq!(tell(&one, day(6)).await, 0);
        assert_eq!(take(&world.stores, day(6)).await.len(), 2);
    });
}

#[test]
fn a_merge_gives_events_to_the_target_and_an_erasure_takes_the_words() {
    on_postgres(async |world, _| {
        subscribed(&world, Dialect::Json, EventNames::ALL).await;
        let drafts = [credit("old", "gold", 1).because("secret"), credit("new", "gold", 2)];
        assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
        let banned = world.stores.lives.change_ban(&ban("old", "cheated").in_realm(world.realm)).await.unwrap();
        assert!(banned.is_ok());
        take_all(&world.stores, second(1)).await;
        let read = async || feed(&world.stores, world.realm, FeedPosition(0), 100).await.rows;
        let names = |events: &[ToldEvent], name: &str| {
            let of = |event: &&ToldEvent| event.player.as_ref().is_some_and(|(_, player)| *player == external_id(name));
            events.iter().filter(of).count()
        };
        assert_eq!((names(&read().await, "old"), names(&read().await, "new")), (3, 2));
        let merged = world.stores.lives.merge(&merge("old", "new").in_realm(world.realm)).await.unwrap();
        assert!(merged.is_ok(), "{merged:?}");
        take_all(&world.stores, second(2)).await;
        let events = read().await;
        assert_eq!((events.len(), names(&events, "new")), (7, 7));
        assert!(events.iter().any(|event| event.name == EventName::PlayerMerged));
        assert!(events.iter().any(|event| event.words.is_some()));
        world.stores.lives.erase(&erase("new").in_realm(world.realm)).await.expect("the store works");
        take_all(&world.stores, second(3)).await;
        let with_words: Vec<_> =
            read().await.into_iter().filter(|event| event.words.is_some()).map(|event| event.name).collect();
        assert_eq!(with_words, [EventName::PlayerDeleted]);
    });
}

#[test]
fn a_number_that_stands_for_a_player_is_given_once_and_for_good() {
    on_postgres(async |world, _| {
        subscribed(&world, Dialect::Kongregate, only(EventName::WalletChanged)).await;
        let both = [credit("p", "gold", 1), credit("q", "gold", 1)];
        let mut seen = BTreeMap::new();
        for at in 1..4 {
            assert!(world.settle(&both).await.iter().all(Result::is_ok));
            for assignment in take(&world.stores, second(at)).await {
                let number = assignment.player_number.expect("there is a player");
                assert!(0 < number);
                let (player, _) = assignment.event.player.expect("there is a player");
                assert_eq!(*seen.entry(player).or_insert(number), number);
            }
        }
        assert_eq!(seen.values().collect::<BTreeSet<_>>().len(), 2);
    });
}

#[test]
fn batches_merges_erasures_deliveries_replays_and_discards_never_wait_for_each_other_in_a_circle() {
    on_postgres(async |world, url| {
        let endpoint = subscribed(&world, Dialect::Kongregate, Dialect::Kongregate.speaks_of()).await;
        subscribed(&world, Dialect::Json, EventNames::ALL).await;
        let realm = world.realm;
        let mut workers = Vec::new();
        for worker in 0..2 {
            let stores = world.second().await;
            workers.push(tokio::spawn(async move {
                for round in 0..30 {
                    let drafts: Vec<_> = (0..20)
                        .map(|player| credit(&format!("{worker} {}", player % 7), "gold", 1).because("x"))
                        .collect();
                    assert!(stores.settle(realm, &drafts).await.iter().all(Result::is_ok));
                    let (one, other) = (format!("{worker} {}", round % 7), format!("{worker} {}", (round + 1) % 7));
                    let merged = stores.lives.merge(&merge(&one, &other).in_realm(realm)).await;
                    assert!(merged.expect("the store works").is_ok());
                    stores.lives.erase(&erase(&other).in_realm(realm)).await.expect("the store works");
                }
            }));
            let stores = world.second().await;
            workers.push(tokio::spawn(async move {
                for round in 0..60 {
                    let taken = take(&stores, second(round)).await;
                    let verdict = |number: usize| match number % 3 {
                        0 => Verdict::Delivered,
                        1 => Verdict::Exhausted,
                        _ => Verdict::Retry { at: second(round + 1) },
                    };
                    let reports =
                        taken.iter().enumerate().map(|(number, taken)| report(taken, second(round), verdict(number)));
                    record(&stores, &reports.collect::<Vec<_>>()).await;
                }
            }));
        }
        for round in 0..30 {
            let (since, until, names) = (start(), second(100), EventNames::ALL);
            let failed = ReplayRange::Between { since, until, names, only_failed: true };
            assert!(replay(&world, endpoint.id, second(round), failed).await.is_some());
            world.stores.outbox.discard(start(), 100).await.expect("the store works");
            world.stores.outbox.tell_expiries(second(round), 100).await.expect("the store works");
        }
        for worker in workers {
            worker.await.expect("no panic");
        }
        let deadlocks =
            "SELECT pg_stat_get_db_deadlocks(oid)::text AS text FROM pg_database WHERE datname = current_database()";
        assert_eq!(Outside::connect(&url).await.texts(deadlocks).await, ["0"]);
    });
}
