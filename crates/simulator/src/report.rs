//! What a person is told of a failure: the seed, how to repeat it, the shortest schedule that was found, and its last lines.

use std::fmt::Write;

use crate::disk::Medium;
use crate::run::Plan;
use crate::shrink::shrunk;

/// How much of a trace is shown.
const LINES_SHOWN: usize = 40;

/// The report on `plan`; `None` when it does not fail.
pub fn report(plan: &Plan) -> Option<String> {
    let (short, outcome) = shrunk(plan)?;
    let failure = outcome.failure.as_ref()?;
    let store = match plan.medium {
        Medium::Memory => "memory",
        Medium::Sqlite => "sqlite",
    };
    let (seed, steps) = (plan.seed, plan.steps.last().map_or(0, |last| last + 1));
    let mut text = format!("seed {seed} fails: {}\n", failure.message);
    let kept: Vec<String> = short.steps.iter().map(u32::to_string).collect();
    let kept = kept.join(",");
    let command = format!("cargo xtask simulate --store {store} --seed {seed}");
    // Writing to a string never fails.
    let _ = writeln!(text, "repeat it with:       {command} --steps {steps}");
    let _ = writeln!(text, "{} steps are enough: {command} --only '{kept}'", short.steps.len());
    let skipped = outcome.trace.len().saturating_sub(LINES_SHOWN);
    if 0 < skipped {
        let _ = writeln!(text, "  … {skipped} lines before");
    }
    for line in outcome.trace.iter().skip(skipped) {
        let _ = writeln!(text, "{line}");
    }
    Some(text)
}
