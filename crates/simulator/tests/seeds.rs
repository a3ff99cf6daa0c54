//! A thousand seeds, the same every time; and that the simulator would find something if there were something.

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use simulator::{Defect, Medium, Plan, report, shrunk};

/// How many steps a run has here.
const STEPS: u32 = 80;

/// Runs the plans of `seeds` seeds on all processors; the first report of a failure, if there is any.
fn first_failure(seeds: u64, plan: impl Fn(u64) -> Plan + Sync) -> Option<String> {
    let (next, plan) = (AtomicU64::new(0), &plan);
    let run = || {
        while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds) {
            if plan(seed).run().failure.is_some() {
                next.store(seeds, Ordering::Relaxed);
                return report(&plan(seed));
            }
        }
        None
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().find_map(|thread| thread.join().expect("a run does not panic"))
    })
}

#[test]
fn a_thousand_seeds_lose_nothing_and_invent_nothing() {
    if let Some(report) = first_failure(1_000, |seed| Plan::new(seed, STEPS)) {
        panic!("{report}");
    }
}

#[test]
fn some_seeds_lose_nothing_on_a_sqlite_file_either() {
    if let Some(report) = first_failure(6, |seed| Plan { medium: Medium::Sqlite, ..Plan::new(seed, 60) }) {
        panic!("{report}");
    }
}

#[test]
fn a_seed_gives_the_same_trace_every_time_byte_for_byte() {
    for seed in [0, 7, 23] {
        let (first, second) = (Plan::new(seed, STEPS).run(), Plan::new(seed, STEPS).run());
        assert!(200 < first.trace.len(), "little happens: {:?}", first.trace);
        assert_eq!(first.trace, second.trace);
        assert_eq!(first, second);
    }
}

#[test]
fn a_step_draws_the_same_whatever_was_left_out_before_it() {
    let whole = Plan::new(3, 1).run();
    let last = Plan { steps: vec![0], ..Plan::new(3, 40) }.run();
    assert_eq!(whole, last);
}

#[test]
fn stores_with_a_defect_are_found_out_within_some_seeds_and_the_schedule_is_made_short() {
    for defect in [Defect::AnswersWithoutStoring, Defect::LosesTheLast, Defect::StoresTwice] {
        let plan = |seed| Plan { defect: Some(defect), ..Plan::new(seed, STEPS) };
        let found = (0..40).map(plan).find(|plan| plan.run().failure.is_some());
        let found = found.unwrap_or_else(|| panic!("{defect:?} is not found"));
        let (short, outcome) = shrunk(&found).expect("it fails again");
        assert!(short.steps.len() < found.steps.len() / 2, "{defect:?} still takes {:?}", short.steps);
        assert_eq!(short.run(), outcome, "the short schedule fails the same way every time");
    }
}
