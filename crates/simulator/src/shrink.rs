//! Makes a failing schedule short: cut off what comes after the failure, then leave out whatever it does not need.

use crate::run::{Outcome, Plan};

/// How many shorter schedules are tried at most.
const TRIES_MAX: usize = 300;

/// A schedule that still fails, as short as it was found, and what comes of it; `None` when `plan` does not fail.
pub fn shrunk(plan: &Plan) -> Option<(Plan, Outcome)> {
    let mut best = (plan.clone(), plan.run());
    let failure = best.1.failure.clone()?;
    let mut tries = 0;
    // The end of a run asks everything again, so the failure may come sooner with fewer steps.
    let cut = Plan { steps: plan.steps.iter().take(failure.steps).copied().collect(), ..plan.clone() };
    keep_failing(&mut best, cut);
    let mut size = best.0.steps.len() / 2;
    while 0 < size {
        let mut start = 0;
        while start < best.0.steps.len() && tries < TRIES_MAX {
            tries += 1;
            let steps = best.0.steps.iter().enumerate();
            let kept = steps.filter(|(index, _)| *index < start || start + size <= *index).map(|(_, step)| *step);
            let shorter = Plan { steps: kept.collect(), ..plan.clone() };
            if !keep_failing(&mut best, shorter) {
                start += size;
            }
        }
        size /= 2;
    }
    Some(best)
}

/// Takes `shorter` in place of the best if it fails too; whether it does.
fn keep_failing(best: &mut (Plan, Outcome), shorter: Plan) -> bool {
    let outcome = shorter.run();
    let fails = outcome.failure.is_some();
    if fails {
        *best = (shorter, outcome);
    }
    fails
}
