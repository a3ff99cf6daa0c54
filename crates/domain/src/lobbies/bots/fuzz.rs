//! Whatever is configured as the behaviour of bots, at any moment. See `cargo xtask fuzz`.

use std::time::Duration;

use bolero::check;
use serde_json::{Value, json};

use super::*;

/// Plans in order, to be edited.
fn plans() -> [Value; 3] {
    [
        json!({ "names": ["Ada", "Grace"], "behaviours": [
            { "weight": 3, "type": "single", "block": { "type": "progress_linear", "perMinute": 12, "jitter": 0.2 } },
            { "type": "single", "block": { "type": "match_player_pace", "factor": 1.1, "of": "best", "jitter": 0.5 } },
            { "type": "single", "block": { "type": "track_position", "position": 2, "offset": -5 } } ] }),
        json!({ "behaviours": [{ "type": "sequence", "steps": [
            { "block": { "type": "progress_burst", "amount": 5, "everySeconds": 20, "max": 50 }, "seconds": 60 },
            { "block": { "type": "wait", "seconds": 10 } },
            { "block": { "type": "complete_at", "fraction": 0.9, "score": 70, "step": 0.5 } } ] }] }),
        json!({ "behaviours": [{ "type": "state_machine", "initial": "a", "states": {
            "a": { "block": { "type": "idle" }, "transitions": [
                { "when": "elapsed > 30 && score < leader || random * 2 > 1.5", "to": "b" },
                { "when": "remaining / (players - 2) < median % 7", "to": "c" } ] },
            "b": { "block": { "type": "progress_linear", "perMinute": 1e9 },
                   "transitions": [{ "when": "rank == 1 || in_state >= 5", "to": "a" }] },
            "c": { "block": { "type": "quit" } } } }] }),
    ]
}

/// What parts of plans are replaced with.
const PARTS: [&str; 24] = [
    "null",
    "0",
    "-1",
    "1e9",
    "1e400",
    "0.001",
    "0.0001",
    "9007199254740991",
    "31536000",
    "true",
    "\"\"",
    "[]",
    "{}",
    "\"wait\"",
    "\"complete\"",
    "\"idle\"",
    "\"single\"",
    "\"score > 1\"",
    "\"1 / 0 > elapsed\"",
    "\"((1))\"",
    "\"!(true == false)\"",
    "\"elapsed * elapsed * elapsed * elapsed * 1000000 > 0\"",
    "\"- - -1 < 2\"",
    "{\"type\":\"complete_at\",\"seconds\":0.001}",
];

/// The plan that the input says: JSON as it is, or edits of one that is in order.
fn plan(input: &[u8]) -> Option<Value> {
    match input.split_first() {
        Some((first, edits)) if 0x80 <= *first => {
            let mut plan = plans().into_iter().nth(usize::from(*first) % 3)?;
            for edit in edits.chunks(8).take(3) {
                let (with, path) = edit.split_first()?;
                replace(&mut plan, path, serde_json::from_str(PARTS.get(usize::from(*with) % PARTS.len())?).ok()?);
            }
            Some(plan)
        }
        Some(_) | None => serde_json::from_slice(input).ok(),
    }
}

/// Replaces the part that `path` leads to; a large number ends the way early.
fn replace(value: &mut Value, path: &[u8], with: Value) {
    let count = match &*value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    };
    let step = path.split_first().filter(|(first, _)| count != 0 && **first < 0xF0);
    let Some((first, rest)) = step else {
        *value = with;
        return;
    };
    let index = usize::from(*first) % count;
    match value {
        Value::Array(items) => replace(items.get_mut(index).expect("it is within"), rest, with),
        Value::Object(members) => replace(members.values_mut().nth(index).expect("it is within"), rest, with),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn a_plan_is_refused_with_reasons_or_has_bots_at_any_moment_the_same_for_all_who_look() {
    let visible: Vec<Score> = [Score::WHOLE_MAX, 500, 7, 0, -3]
        .into_iter()
        .filter_map(|whole| Score::from_thousandths(whole * 1_000))
        .collect();
    let ends = [None, Some(0), Some(90_000), Some(u64::MAX)];
    check!(name = "bot_behaviours").with_iterations(3_000).with_max_len(512).for_each(|input: &[u8]| {
        let Some(value) = plan(input) else { return };
        let plan = match BotPlan::try_new(&value) {
            Ok(plan) => plan,
            Err(parts) => return assert!(!parts.is_empty(), "{value}"),
        };
        let again = BotPlan::restore(plan.as_json());
        let last = input.last().copied().unwrap_or_default();
        let length = ends.get(usize::from(last) % ends.len()).copied().flatten().map(Duration::from_millis);
        let target = (last < 0x80).then(|| Score::from_thousandths(i64::from(last) * 1_000)).flatten();
        let mut before: Option<Bot> = None;
        for millis in [0, 1, 999, 30_001, 60_000, 61_500, 89_999, 3_600_000, 31_536_000_000, u64::MAX] {
            for visible_scores in [&visible, &Vec::new()] {
                let moment = BotMoment { elapsed: Duration::from_millis(millis), length, visible_scores, target };
                let seed = BotSeed([last; 32]);
                let bot = plan.bot(seed, u32::from(last), &moment);
                assert_eq!(bot, again.bot(seed, u32::from(last), &moment), "{value}");
                let size = bot.score.thousandths().unsigned_abs();
                assert!(size <= Score::WHOLE_MAX.unsigned_abs() * 1_000, "{value}: {bot:?}");
                if !plan.is_monotone() {
                    continue;
                }
                if let Some(before) = &before {
                    assert!(before.score <= bot.score, "{value}: {before:?} became {bot:?}");
                    assert!(before.state == BotState::Playing || *before == bot, "{value}: {before:?} became {bot:?}");
                }
                before = Some(bot);
            }
        }
    });
}
