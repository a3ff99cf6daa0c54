//! The rule, on single cases and on schedules that nobody chose.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Meter, Spending};
use crate::clock::Timestamp;

const SECOND: i64 = 1_000_000;
const WINDOW: i64 = 60 * SECOND;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_unix_micros(1_772_366_400_000_000 + micros)
}

fn limit(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap()
}

/// A schedule: after what time, in microseconds, how much is to be spent.
fn schedule() -> impl Strategy<Value = Vec<(i64, u32)>> {
    let pause = prop_oneof![4 => 0..2 * SECOND, 2 => 0..20 * SECOND, 1 => 55 * SECOND..65 * SECOND, 1 => Just(WINDOW)];
    vec((pause, 0..12_u32), 1..200)
}

#[test]
fn a_budget_is_spent_to_its_end_and_comes_back_as_its_minute_passes() {
    let mut meter = Meter::default();
    let spending = |admitted, remaining, resets, retry| Spending {
        admitted,
        limit: 3,
        remaining,
        resets_after: Duration::from_secs(resets),
        retry_after: Duration::from_secs(retry),
    };
    assert_eq!(meter.spend(at(0), limit(3), 0), spending(true, 3, 0, 0));
    assert_eq!(meter.spend(at(0), limit(3), 1), spending(true, 2, 61, 0));
    assert_eq!(meter.spend(at(20 * SECOND), limit(3), 2), spending(true, 0, 61, 0));
    assert_eq!(meter.spend(at(30 * SECOND), limit(3), 1), spending(false, 0, 51, 31));
    assert_eq!(meter.spend(at(30 * SECOND), limit(3), 2), spending(false, 0, 51, 51));
    assert_eq!(meter.spend(at(61 * SECOND), limit(3), 1), spending(true, 0, 61, 0));
    assert_eq!(meter.spend(at(81 * SECOND), limit(3), 2), spending(true, 0, 61, 0));
}

#[test]
fn more_than_the_whole_limit_is_admitted_when_nothing_was_spent_and_is_all_of_it() {
    let mut meter = Meter::default();
    assert!(meter.spend(at(0), limit(5), 1).admitted);
    let refused = meter.spend(at(0), limit(5), 10);
    assert_eq!((refused.admitted, refused.retry_after), (false, Duration::from_secs(61)));
    let admitted = meter.spend(at(61 * SECOND), limit(5), 10);
    assert_eq!((admitted.admitted, admitted.remaining), (true, 0));
    assert!(!meter.spend(at(61 * SECOND + WINDOW), limit(5), 1).admitted);
}

#[test]
fn a_limit_that_was_lowered_holds_at_once() {
    let mut meter = Meter::default();
    assert!(meter.spend(at(0), limit(50), 30).admitted);
    assert!(meter.spend(at(10 * SECOND), limit(50), 5).admitted);
    let refused = meter.spend(at(20 * SECOND), limit(10), 1);
    assert_eq!((refused.admitted, refused.remaining, refused.retry_after), (false, 0, Duration::from_secs(41)));
}

#[test]
fn a_clock_that_is_set_back_neither_gives_nor_takes_for_ever() {
    let mut meter = Meter::default();
    assert!(meter.spend(at(0), limit(2), 2).admitted);
    let day = 24 * 60 * WINDOW;
    let refused = meter.spend(at(-day), limit(2), 1);
    assert_eq!((refused.admitted, refused.retry_after), (false, Duration::from_secs(61)));
    assert!(!meter.spend(at(WINDOW - day), limit(2), 1).admitted);
    assert!(meter.spend(at(61 * SECOND - day), limit(2), 2).admitted);
}

#[test]
fn what_was_spent_elsewhere_counts() {
    let mut meter = Meter::default();
    meter.note(at(0), 7);
    assert!(!meter.spend(at(SECOND), limit(5), 1).admitted);
    assert!(!meter.is_empty(at(WINDOW)));
    assert!(meter.is_empty(at(61 * SECOND)));
}

proptest! {
    #[test]
    fn in_any_60_seconds_no_more_is_spent_than_the_limit(
        schedule in schedule(), most in 1..40_u32, behind in vec(0..59 * SECOND, 200),
    ) {
        // By the clock as far as it has come.
        let (mut meter, mut now, mut come) = (Meter::default(), 0, 0);
        let mut spent: Vec<(i64, u32)> = Vec::new();
        for (index, (pause, cost)) in schedule.into_iter().enumerate() {
            now += pause;
            // Every fifth is told a time that has passed already.
            let told = if index % 5 == 4 { now - behind[index] } else { now };
            come = told.max(come);
            if meter.spend(at(told), limit(most), cost).admitted {
                spent.push((come, cost.min(most)));
            }
            let window = spent.iter().filter(|(then, _)| come - then <= WINDOW);
            prop_assert!(window.map(|(_, cost)| cost).sum::<u32>() <= most);
        }
    }

    #[test]
    fn what_is_61_seconds_old_is_in_nobodys_way(schedule in schedule(), most in 1..40_u32) {
        let (mut meter, mut now) = (Meter::default(), 0);
        let mut spent: Vec<(i64, u32)> = Vec::new();
        for (pause, cost) in schedule {
            now += pause;
            let counts: u32 = spent.iter().filter(|(then, _)| now - then < 61 * SECOND).map(|(_, cost)| cost).sum();
            let told = meter.spend(at(now), limit(most), cost);
            if told.admitted {
                spent.push((now, cost.min(most)));
            } else {
                prop_assert!(most < counts + cost.clamp(1, most), "{told:?} of {counts} and {cost}");
            }
        }
    }

    #[test]
    fn who_waits_as_told_is_admitted_and_nobody_is_sooner(schedule in schedule(), most in 1..40_u32) {
        let (mut meter, mut now) = (Meter::default(), 0);
        for (pause, cost) in schedule {
            now += pause;
            let told = meter.spend(at(now), limit(most), cost);
            let free = now + micros(told.resets_after);
            prop_assert_eq!(meter.clone().spend(at(free), limit(most), most).admitted, true);
            if told.admitted {
                prop_assert_eq!(told.retry_after, Duration::ZERO);
                continue;
            }
            let before = meter.clone();
            prop_assert_eq!(&before, &meter);
            let then = now + micros(told.retry_after);
            prop_assert!(now < then && told.retry_after <= told.resets_after);
            prop_assert!(!meter.clone().spend(at(then - 1), limit(most), cost).admitted);
            prop_assert!(meter.clone().spend(at(then), limit(most), cost).admitted);
        }
    }

    #[test]
    fn a_refused_attempt_changes_nothing(schedule in schedule(), most in 1..40_u32) {
        let (mut meter, mut twin, mut now) = (Meter::default(), Meter::default(), 0);
        for (pause, cost) in schedule {
            now += pause;
            let told = meter.spend(at(now), limit(most), cost);
            if told.admitted {
                prop_assert_eq!(twin.spend(at(now), limit(most), cost), told);
            }
        }
    }
}
