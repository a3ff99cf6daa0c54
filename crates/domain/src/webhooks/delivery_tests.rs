//! What becomes of a delivery after an attempt, and who is told of an event.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use super::test_webhooks::*;
use super::*;
use crate::clock::Timestamp;
use crate::tenancy::RealmId;

/// How long the wait after the attempt number `tries` is.
fn wait(outcome: &AttemptOutcome, tries: u32, jitter: u8) -> Option<Duration> {
    match Verdict::of(outcome, tries, second(0), jitter) {
        Verdict::Retry { at } => Some(at.since(second(0))),
        Verdict::Delivered | Verdict::Exhausted | Verdict::Gone => None,
    }
}

#[test]
fn a_delivery_is_attempted_ten_times_within_about_three_days() {
    let waits: Vec<_> = (1..=12).map_while(|tries| wait(&failed(), tries, 0)).collect();
    assert_eq!(waits, RETRY_DELAYS);
    assert_eq!(Verdict::of(&failed(), 10, second(0), 0), Verdict::Exhausted);
    assert_eq!(Verdict::of(&failed(), u32::MAX, second(0), 255), Verdict::Exhausted);
    let all: Duration = RETRY_DELAYS.iter().sum();
    assert!((3.0..3.5).contains(&(all.as_secs_f64() / 86_400.0)));
}

#[test]
fn every_success_is_a_delivery_and_nothing_else_is() {
    for status in 100..=999 {
        let verdict = Verdict::of(&answered(status, None), 1, second(0), 0);
        let expected = match status {
            200..=299 => Verdict::Delivered,
            410 => Verdict::Gone,
            _ => Verdict::Retry { at: second(5) },
        };
        assert_eq!(verdict, expected, "{status}");
    }
}

#[test]
fn a_redirect_is_a_failure() {
    for status in [301, 302, 303, 307, 308] {
        assert_eq!(wait(&answered(status, None), 1, 0), Some(Duration::from_secs(5)));
        assert_eq!(Verdict::of(&answered(status, None), 10, second(0), 0), Verdict::Exhausted);
    }
}

#[test]
fn a_success_or_a_farewell_counts_at_the_last_attempt_too() {
    assert_eq!(Verdict::of(&answered(204, None), 10, second(0), 0), Verdict::Delivered);
    assert_eq!(Verdict::of(&answered(410, Some(5)), 10, second(0), 0), Verdict::Gone);
}

#[test]
fn an_answer_may_ask_for_a_longer_wait_of_a_day_at_most() {
    let asked = |seconds| wait(&answered(503, Some(seconds)), 1, 0);
    assert_eq!(asked(0), Some(Duration::from_secs(5)));
    assert_eq!(asked(4), Some(Duration::from_secs(5)), "never shorter than the schedule says");
    assert_eq!(asked(90), Some(Duration::from_secs(90)));
    assert_eq!(asked(48 * HOUR), Some(RETRY_AFTER_MAX));
    assert_eq!(asked(u64::MAX), Some(RETRY_AFTER_MAX));
    let last = Verdict::of(&answered(503, Some(90)), 10, second(0), 0);
    assert_eq!(last, Verdict::Exhausted, "an answer cannot ask for more attempts");
}

proptest! {
    #[test]
    fn a_wait_is_never_shorter_than_the_schedule_and_a_fifth_longer_at_most(tries in 1_u32..10, jitter: u8) {
        let delay = RETRY_DELAYS[usize::try_from(tries).unwrap() - 1];
        let wait = wait(&failed(), tries, jitter).unwrap();
        prop_assert!(delay <= wait && wait <= delay * 6 / 5, "{wait:?}");
        if jitter == 255 {
            prop_assert_eq!(wait, delay * 6 / 5);
        }
    }

    #[test]
    fn an_asked_wait_is_kept_to_whatever_the_jitter(tries in 1_u32..10, jitter: u8, asked in 0_u64..200_000) {
        let wait = wait(&answered(429, Some(asked)), tries, jitter).unwrap();
        prop_assert!(Duration::from_secs(asked).min(RETRY_AFTER_MAX) <= wait);
        let longest = (RETRY_DELAYS[usize::try_from(tries).unwrap() - 1] * 6 / 5).max(RETRY_AFTER_MAX);
        prop_assert!(wait <= longest);
    }

    #[test]
    fn each_event_is_told_once_to_each_subscriber_that_is_told_of_it(
        drawn in vec((0_i64..2, 0..EventName::ALL.len()), 0..12),
        of in vec((0_i64..2, vec(0..EventName::ALL.len(), 0..4), any::<bool>(), any::<bool>()), 0..6),
    ) {
        let events: Vec<_> = drawn.iter().zip(1_u64..).map(|((realm, name), number)| undispatched(*realm, EventName::ALL[*name], number)).collect();
        let subscribers: Vec<_> = of.iter().zip(1_u128..).map(|((realm, of, all, is_disabled), number)| Subscriber {
            realm: RealmId(*realm),
            id: EndpointId(Uuid::from_u128(number)),
            events: if *all { EventNames::ALL } else { of.iter().map(|name| EventName::ALL[*name]).collect() },
            is_disabled: *is_disabled,
        }).collect();
        let told = fan_out(&events, &subscribers);
        let ids: BTreeSet<_> = told.iter().map(|delivery| (delivery.realm, delivery.id)).collect();
        prop_assert_eq!(ids.len(), told.len());
        let mut count = 0;
        for event in &events {
            for subscriber in &subscribers {
                let is_told = event.realm == subscriber.realm && subscriber.events.contains(event.name) && !subscriber.is_disabled;
                let delivery = told.iter().find(|it| (it.event, it.endpoint) == (event.id, subscriber.id));
                prop_assert_eq!(delivery.is_some(), is_told);
                if let Some(delivery) = delivery {
                    prop_assert_eq!((delivery.name, delivery.occurred_at), (event.name, event.at));
                    count += 1;
                }
            }
        }
        prop_assert_eq!(count, told.len());
        prop_assert!(told.is_sorted_by_key(|delivery| delivery.occurred_at), "in the order of the events");
    }
}

fn undispatched(realm: i64, name: EventName, number: u64) -> Undispatched {
    let at = second(number);
    Undispatched { realm: RealmId(realm), id: OutboxEventId::of(name, at, &number.to_be_bytes()), name, at }
}

#[test]
fn the_id_of_a_delivery_follows_from_its_event_and_endpoint() {
    let (one, other) = (EndpointId(Uuid::from_u128(1)), EndpointId(Uuid::from_u128(2)));
    let event = undispatched(1, EventName::WalletChanged, 9);
    let id = DeliveryId::of(one, event.id, event.at);
    assert_eq!(id, DeliveryId::of(one, event.id, event.at));
    assert_ne!(id, DeliveryId::of(other, event.id, event.at));
    let later = undispatched(1, EventName::WalletChanged, 10);
    assert!(id < DeliveryId::of(one, later.id, later.at), "ids ascend with the time of the event");
    assert_eq!(id.0.get_version_num(), 7);
    let (seconds, nanos) = id.0.get_timestamp().unwrap().to_unix();
    let millis = i64::try_from(seconds).unwrap() * 1_000 + i64::from(nanos) / 1_000_000;
    assert_eq!(millis, event.at.unix_millis());
}

#[test]
fn a_delivery_of_before_our_time_has_an_id() {
    let event = OutboxEventId::of(EventName::WalletChanged, Timestamp::from_unix_micros(-5), b"x");
    assert_eq!(event.0.get_timestamp().unwrap().to_unix(), (0, 0));
}

#[test]
fn statuses_read_back_what_they_write() {
    for status in DeliveryStatus::ALL {
        assert_eq!(DeliveryStatus::parse(status.as_str()), Some(status));
    }
    assert_eq!(DeliveryStatus::parse("lost"), None);
}
