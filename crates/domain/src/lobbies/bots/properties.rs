//! What holds of every plan, whatever is in it, and of every value that is none.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::tests::points;
use super::*;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0_i64..100).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["single", "sequence", "state_machine", "idle", "wait", "quit", "score > 1", "a"])
            .prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "names",
        "avatars",
        "behaviours",
        "weight",
        "type",
        "block",
        "steps",
        "seconds",
        "initial",
        "states",
        "transitions",
        "when",
        "to",
        "perMinute",
        "a",
        "",
    ]);
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((keys.clone(), inner), 0..6).prop_map(|members| {
                let members = members.into_iter().map(|(key, value)| (key.to_owned(), value));
                Value::Object(members.collect::<Map<String, Value>>())
            }),
        ]
    })
}

fn thousandths(range: std::ops::Range<i64>) -> impl Strategy<Value = Value> {
    range.prop_map(|number| serde_json::from_str(&Score::restore(number).to_string()).unwrap())
}

fn jitters() -> impl Strategy<Value = Value> {
    thousandths(0..1_001)
}

fn growing_blocks() -> impl Strategy<Value = Value> {
    let seconds = || thousandths(0..100_000);
    let gains = || prop_oneof![thousandths(0..50_000), Just(json!(1e9))];
    let scores = || prop_oneof![thousandths(-10_000..500_000), Just(json!(1e9))];
    prop_oneof![
        Just(json!({ "type": "idle" })),
        (gains(), jitters(), scores(), thousandths(1..9_000)).prop_map(|(pace, jitter, max, step)| {
            json!({ "type": "progress_linear", "perMinute": pace, "jitter": jitter, "max": max, "step": step })
        }),
        (gains(), jitters(), scores(), thousandths(1_000..60_000)).prop_map(|(amount, jitter, max, every)| {
            json!({ "type": "progress_burst", "amount": amount, "everySeconds": every, "jitter": jitter, "max": max })
        }),
        seconds().prop_map(|seconds| json!({ "type": "wait", "seconds": seconds })),
        (seconds(), scores(), jitters()).prop_map(|(seconds, score, jitter)| {
            json!({ "type": "complete_at", "seconds": seconds, "score": score, "jitter": jitter })
        }),
        jitters().prop_map(|part| json!({ "type": "complete_at", "fraction": part })),
        scores().prop_map(|score| json!({ "type": "complete", "score": score })),
        Just(json!({ "type": "quit" })),
    ]
}

fn following_blocks() -> impl Strategy<Value = Value> {
    prop_oneof![
        (1_i64..5, thousandths(-9_000..9_000))
            .prop_map(|(position, offset)| json!({ "type": "track_position", "position": position, "offset": offset })),
        (thousandths(0..3_000), jitters(), prop::sample::select(vec!["median", "best"])).prop_map(
            |(factor, jitter, of)| json!({ "type": "match_player_pace", "factor": factor, "jitter": jitter, "of": of })
        ),
    ]
}

fn is(block: &Value, kinds: &[&str]) -> bool {
    kinds.contains(&block["type"].as_str().unwrap())
}

fn courses<B: Strategy<Value = Value> + Clone + 'static>(
    blocks: B,
    conditions: &'static [&'static str],
) -> impl Strategy<Value = Value> {
    let steps = vec((blocks.clone(), thousandths(0..60_000)), 1..6).prop_map(|drawn| {
        let mut steps = Vec::new();
        for (block, seconds) in drawn {
            let is_last = is(&block, &["complete_at", "complete", "quit"]);
            let knows_itself = is_last || is(&block, &["wait"]);
            steps.push(if knows_itself {
                json!({ "block": block })
            } else {
                json!({ "block": block, "seconds": seconds })
            });
            if is_last {
                break;
            }
        }
        json!({ "type": "sequence", "steps": steps })
    });
    let transition = (prop::sample::select(conditions), 0_usize..3);
    let machine = vec((blocks.clone(), vec(transition, 1..3)), 3).prop_map(|drawn| {
        let mut states = Map::new();
        for (index, (block, transitions)) in drawn.into_iter().enumerate() {
            let transitions: Vec<Value> =
                transitions.iter().map(|(when, to)| json!({ "when": when, "to": format!("s{to}") })).collect();
            let state = if is(&block, &["complete", "quit"]) {
                json!({ "block": block })
            } else {
                json!({ "block": block, "transitions": transitions })
            };
            states.insert(format!("s{index}"), state);
        }
        json!({ "type": "state_machine", "initial": "s0", "states": states })
    });
    prop_oneof![blocks.prop_map(|block| json!({ "type": "single", "block": block })), steps, machine]
}

fn growing_plans() -> impl Strategy<Value = Value> {
    let conditions =
        &["elapsed > 20", "in_state >= 7 && random < 0.5", "score > 50 || progress > 0.4", "remaining < 90"];
    vec(courses(growing_blocks().boxed(), conditions), 1..3).prop_map(|behaviours| json!({ "behaviours": behaviours }))
}

fn plans() -> impl Strategy<Value = Value> {
    let conditions = &["rank > 1 && elapsed % 7 == 0", "score / (players - 2) > leader", "median - score < 10", "true"];
    let blocks = prop_oneof![growing_blocks(), following_blocks()].boxed();
    vec(courses(blocks, conditions), 1..3).prop_map(|behaviours| json!({ "behaviours": behaviours }))
}

/// Visible scores, the length of the match and the target.
type Setting = (Vec<Score>, Option<u64>, Option<Score>);

fn settings() -> impl Strategy<Value = Setting> {
    let scores = || {
        let anywhere = any::<i64>().prop_map(Score::from_thousandths_clamped);
        prop_oneof![9 => (-50_i64..300).prop_map(points), 1 => anywhere]
    };
    let visible = vec(scores(), 0..6).prop_map(|mut scores| {
        scores.sort_unstable();
        scores.reverse();
        scores
    });
    (visible, prop::option::of(0_u64..2_000_000), prop::option::of(scores()))
}

fn moment<'a>((visible, length, target): &'a Setting, elapsed: u64) -> BotMoment<'a> {
    let length = length.map(Duration::from_millis);
    BotMoment { elapsed: Duration::from_millis(elapsed), length, visible_scores: visible, target: *target }
}

/// Replaces the part of a value that `pick` chooses on its way down.
fn replace(value: &mut Value, pick: &[prop::sample::Index], with: Value) {
    let count = match &*value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    };
    let Some((first, rest)) = pick.split_first().filter(|_| count != 0) else {
        *value = with;
        return;
    };
    let inner = match value {
        Value::Array(items) => items.get_mut(first.index(count)),
        Value::Object(members) => members.values_mut().nth(first.index(count)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    replace(inner.unwrap(), rest, with);
}

proptest! {
    #[test]
    fn the_score_of_a_plan_that_follows_nobody_never_falls_and_an_end_is_an_end(
        plan in growing_plans(),
        setting in settings(),
        mut times in vec(0_u64..1_500_000, 2..20),
        slot in 0_u32..4,
    ) {
        let plan = BotPlan::try_new(&plan).unwrap();
        prop_assert!(plan.is_monotone());
        times.sort_unstable();
        let read = |time: &u64| plan.bot(BotSeed([3; 32]), slot, &moment(&setting, *time));
        let bots: Vec<Bot> = times.iter().map(read).collect();
        for (one, next) in bots.iter().zip(bots.iter().skip(1)) {
            prop_assert!(one.score <= next.score, "{:?} {:?}", one, next);
            if one.state != BotState::Playing {
                prop_assert_eq!(one, next);
            }
        }
    }

    #[test]
    fn players_do_not_move_the_bots_of_a_plan_that_follows_nobody(
        plan in growing_plans(),
        (one, other) in (settings(), settings()),
        time in 0_u64..1_500_000,
    ) {
        let plan = BotPlan::try_new(&plan).unwrap();
        let other = (other.0, one.1, one.2);
        let read = |setting| plan.bot(BotSeed([4; 32]), 1, &moment(setting, time));
        prop_assert_eq!(read(&one), read(&other));
    }

    #[test]
    fn a_plan_in_order_has_bots_at_any_moment_and_comes_back_from_its_json(
        plan in plans(),
        setting in settings(),
        time in prop_oneof![0_u64..2_000_000, any::<u64>()],
        seed in any::<[u8; 32]>(),
        slot in any::<u32>(),
    ) {
        let plan = BotPlan::try_new(&plan).unwrap();
        let moment = moment(&setting, time);
        let bot = plan.bot(BotSeed(seed), slot, &moment);
        prop_assert_eq!(&bot, &plan.bot(BotSeed(seed), slot, &moment));
        prop_assert_eq!(&bot, &BotPlan::restore(plan.as_json()).bot(BotSeed(seed), slot, &moment));
    }

    #[test]
    fn any_json_is_a_plan_or_is_refused_with_reasons(value in any_json()) {
        match BotPlan::try_new(&value) {
            Ok(plan) => prop_assert_eq!(plan.as_json(), value.to_string()),
            Err(parts) => prop_assert!(!parts.is_empty()),
        }
    }

    #[test]
    fn a_plan_with_one_part_replaced_is_a_plan_or_is_refused(
        mut plan in plans(),
        pick in vec(any::<prop::sample::Index>(), 0..8),
        with in any_json(),
        setting in settings(),
        time in any::<u64>(),
    ) {
        replace(&mut plan, &pick, with);
        if let Ok(plan) = BotPlan::try_new(&plan) {
            plan.bot(BotSeed([5; 32]), 0, &moment(&setting, time));
        }
    }
}
