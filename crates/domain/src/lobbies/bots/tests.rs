//! What bots do, and what their plans may not say.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::lobbies::InvalidPart;

const SEED: BotSeed = BotSeed([9; 32]);

pub(super) fn points(points: i64) -> Score {
    Score::from_thousandths_clamped(points * 1_000)
}

fn at(millis: u64) -> BotMoment<'static> {
    BotMoment { elapsed: Duration::from_millis(millis), length: None, visible_scores: &[], target: None }
}

fn plan_of(behaviour: Value) -> BotPlan {
    BotPlan::try_new(&json!({ "behaviours": [behaviour] })).expect("the plan is in order")
}

fn single(block: Value) -> BotPlan {
    plan_of(json!({ "type": "single", "block": block }))
}

fn standing(plan: &BotPlan, moment: &BotMoment<'_>) -> (String, BotState) {
    let bot = plan.bot(SEED, 0, moment);
    (bot.score.to_string(), bot.state)
}

fn playing(score: &str) -> (String, BotState) {
    (score.to_owned(), BotState::Playing)
}

fn completed(score: &str) -> (String, BotState) {
    (score.to_owned(), BotState::Completed)
}

/// The paths of what is wrong with a plan.
fn wrong_paths(plan: &Value) -> Vec<String> {
    BotPlan::try_new(plan).expect_err("the plan is not in order").into_iter().map(|part| part.path).collect()
}

fn rich_plan() -> Value {
    json!({
        "avatars": ["https://example.com/a.png", "https://example.com/b.png"],
        "behaviours": [
            { "weight": 3, "type": "single",
              "block": { "type": "progress_linear", "perMinute": 12, "jitter": 0.2, "max": 500 } },
            { "type": "sequence", "steps": [
                { "seconds": 60,
                  "block": { "type": "progress_burst", "amount": 5, "everySeconds": 20, "jitter": 0.5 } },
                { "block": { "type": "wait", "seconds": 10 } },
                { "block": { "type": "complete_at", "fraction": 0.9, "score": 400 } } ] },
            { "type": "state_machine", "initial": "warmup", "states": {
                "warmup": { "block": { "type": "idle" },
                            "transitions": [{ "when": "elapsed > 30 && score < leader", "to": "sprint" }] },
                "sprint": { "block": { "type": "match_player_pace", "factor": 1.1, "jitter": 0.3 },
                            "transitions": [{ "when": "in_state > 100 && random < 0.5", "to": "follow" }] },
                "follow": { "block": { "type": "track_position", "position": 2, "offset": -3 } } } }
        ]
    })
}

#[test]
fn ten_thousand_reads_of_a_moment_give_the_same_bot() {
    let plan = BotPlan::try_new(&rich_plan()).unwrap();
    let visible = [points(90), points(50)];
    for slot in 0..5 {
        let moment = BotMoment { visible_scores: &visible, length: Some(Duration::from_secs(600)), ..at(200_000) };
        let first = plan.bot(SEED, slot, &moment);
        let copy = BotPlan::restore(plan.as_json());
        for _ in 0..2_000 {
            assert_eq!(plan.bot(SEED, slot, &moment), first);
        }
        assert_eq!(copy.bot(SEED, slot, &moment), first);
        assert_eq!(copy, plan);
    }
}

#[test]
fn the_bots_of_a_lobby_have_different_names_and_those_of_another_lobby_others() {
    let plan = BotPlan::default();
    let names = |seed, count| -> Vec<String> { (0..count).map(|slot| plan.bot(seed, slot, &at(0)).name).collect() };
    let ours = names(SEED, 3_500);
    assert_eq!(ours.iter().collect::<BTreeSet<_>>().len(), 3_500);
    assert!(ours.iter().take(1_600).all(|name| name.split(' ').count() == 2));
    assert!(ours.iter().skip(1_600).take(1_600).all(|name| name.ends_with(" 2")));
    assert_ne!(names(BotSeed([8; 32]), 10), names(SEED, 10));
    assert_eq!(names(SEED, 10), ours[..10]);
}

#[test]
fn names_and_avatars_come_from_the_pools_of_the_plan() {
    let pools =
        json!({ "names": ["Ada", "Grace", "Edsger"], "avatars": ["https://a.example/1", "https://a.example/2"] });
    let plan = BotPlan::try_new(&pools).unwrap();
    let bots: Vec<Bot> = (0..6).map(|slot| plan.bot(SEED, slot, &at(0))).collect();
    let names: BTreeSet<&str> = bots.iter().map(|bot| bot.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["Ada", "Ada 2", "Edsger", "Edsger 2", "Grace", "Grace 2"]));
    assert_ne!(bots[0].avatar, bots[1].avatar);
    assert_eq!(bots[0].avatar, bots[2].avatar);
    assert_eq!(BotPlan::default().bot(SEED, 0, &at(0)).avatar, None);
}

#[test]
fn without_a_plan_everybody_makes_progress_at_a_pace_of_their_own() {
    let plan = BotPlan::default();
    assert!(plan.is_monotone());
    assert_eq!(standing(&plan, &at(0)), playing("0"));
    let scores: BTreeSet<i64> =
        (0..50).map(|slot| plan.bot(SEED, slot, &at(600_000)).score.thousandths() / 1_000).collect();
    assert!(scores.iter().all(|score| (50..=150).contains(score)), "{scores:?}");
    assert!(20 < scores.len(), "{scores:?}");
}

#[test]
fn progress_is_even_or_in_bursts_up_to_the_maximum() {
    let linear = single(json!({ "type": "progress_linear", "perMinute": 30, "max": 40 }));
    assert_eq!(standing(&linear, &at(3_999)), playing("1"));
    assert_eq!(standing(&linear, &at(4_000)), playing("2"));
    assert_eq!(standing(&linear, &at(9_000_000)), playing("40"));
    let fine = single(json!({ "type": "progress_linear", "perMinute": 30, "step": 0.25 }));
    assert_eq!(standing(&fine, &at(3_999)), playing("1.75"));
    let burst = single(json!({ "type": "progress_burst", "amount": 2.5, "everySeconds": 10, "max": 8 }));
    assert_eq!(standing(&burst, &at(9_999)), playing("0"));
    assert_eq!(standing(&burst, &at(10_000)), playing("2.5"));
    assert_eq!(standing(&burst, &at(35_000)), playing("7.5"));
    assert_eq!(standing(&burst, &at(40_000)), playing("8"));
}

#[test]
fn bursts_come_early_by_their_jitter_but_as_often() {
    let burst = single(json!({ "type": "progress_burst", "amount": 1, "everySeconds": 10, "jitter": 1 }));
    let moments: Vec<u64> = (0..1_000)
        .filter(|tenth| burst.bot(SEED, 0, &at(tenth * 100)).score < burst.bot(SEED, 0, &at(tenth * 100 + 100)).score)
        .collect();
    assert_eq!(moments.len(), 10);
    assert!(moments.iter().enumerate().all(|(index, tenth)| tenth / 100 == u64::try_from(index).unwrap()));
    let offsets: BTreeSet<u64> = moments.iter().map(|tenth| tenth % 100).collect();
    assert!(5 < offsets.len(), "{offsets:?}");
}

#[test]
fn a_position_is_followed_both_ways_and_the_last_one_when_there_is_none() {
    let second = single(json!({ "type": "track_position", "position": 2, "offset": -5 }));
    assert!(!second.is_monotone());
    let score = |visible: &[Score]| standing(&second, &BotMoment { visible_scores: visible, ..at(1_000) });
    assert_eq!(score(&[points(90), points(50), points(3)]), playing("45"));
    assert_eq!(score(&[points(90), points(20)]), playing("15"));
    assert_eq!(score(&[points(90)]), playing("85"));
    assert_eq!(score(&[points(90), points(3)]), playing("0"));
    assert_eq!(score(&[points(90), points(-3)]), playing("-3"));
    assert_eq!(score(&[]), playing("0"));
}

#[test]
fn a_pace_is_a_part_of_the_median_or_the_best_score() {
    let visible = [points(100), points(60), points(21), points(0)];
    let score = |block: Value| standing(&single(block), &BotMoment { visible_scores: &visible, ..at(1_000) });
    assert_eq!(score(json!({ "type": "match_player_pace" })), playing("40"));
    assert_eq!(score(json!({ "type": "match_player_pace", "step": 0.5 })), playing("40.5"));
    assert_eq!(score(json!({ "type": "match_player_pace", "factor": 0.755, "of": "best" })), playing("75"));
    let alone = single(json!({ "type": "match_player_pace" }));
    assert_eq!(standing(&alone, &at(1_000)), playing("0"));
}

#[test]
fn complete_at_arrives_exactly_at_its_time() {
    let after = single(json!({ "type": "complete_at", "seconds": 30.5, "score": 61.25 }));
    assert_eq!(standing(&after, &at(15_250)), playing("30"));
    assert_eq!(standing(&after, &at(30_499)), playing("61"));
    assert_eq!(standing(&after, &at(30_500)), completed("61.25"));
    assert_eq!(standing(&after, &at(99_999_999)), completed("61.25"));
    let part = single(json!({ "type": "complete_at", "fraction": 0.5 }));
    let moment = |millis| BotMoment { length: Some(Duration::from_secs(100)), target: Some(points(80)), ..at(millis) };
    assert_eq!(standing(&part, &moment(25_000)), playing("40"));
    assert_eq!(standing(&part, &moment(49_999)), playing("79"));
    assert_eq!(standing(&part, &moment(50_000)), completed("80"));
    assert_eq!(standing(&part, &at(50_000)), playing("0"));
    assert_eq!(standing(&part, &BotMoment { target: None, ..moment(50_000) }), completed("0"));
}

#[test]
fn who_comes_to_the_target_of_the_event_has_completed_there() {
    let linear = single(json!({ "type": "progress_linear", "perMinute": 60 }));
    let moment = |millis| BotMoment { target: Some(points(10)), ..at(millis) };
    assert_eq!(standing(&linear, &moment(9_999)), playing("9"));
    assert_eq!(standing(&linear, &moment(10_000)), completed("10"));
    assert_eq!(standing(&linear, &moment(99_000)), completed("10"));
    let now = single(json!({ "type": "complete" }));
    assert_eq!(standing(&now, &moment(0)), completed("10"));
    assert_eq!(standing(&now, &at(0)), completed("0"));
}

#[test]
fn past_the_end_of_the_match_nothing_moves() {
    let linear = single(json!({ "type": "progress_linear", "perMinute": 60 }));
    let moment = BotMoment { length: Some(Duration::from_secs(20)), ..at(50_000) };
    assert_eq!(standing(&linear, &moment), playing("20"));
    assert!(points(60_000_000) < linear.bot(SEED, 0, &BotMoment { elapsed: Duration::MAX, ..at(0) }).score);
}

#[test]
fn steps_begin_with_the_score_that_the_one_before_ended_with() {
    let plan = plan_of(json!({ "type": "sequence", "steps": [
        { "block": { "type": "progress_linear", "perMinute": 60 }, "seconds": 10 },
        { "block": { "type": "wait", "seconds": 5 } },
        { "block": { "type": "progress_burst", "amount": 100, "everySeconds": 2 }, "seconds": 3 },
        { "block": { "type": "complete_at", "seconds": 10, "score": 120 } } ] }));
    let scores = [9_999, 10_000, 14_999, 15_000, 16_999, 17_000, 18_000, 23_000, 27_999];
    let scores = scores.map(|millis| standing(&plan, &at(millis)));
    assert_eq!(scores, ["9", "10", "10", "10", "10", "110", "110", "115", "119"].map(playing));
    assert_eq!(standing(&plan, &at(28_000)), completed("120"));
}

#[test]
fn a_sequence_whose_last_step_ends_stays_where_it_is() {
    let plan = plan_of(json!({ "type": "sequence", "steps": [
        { "block": { "type": "progress_linear", "perMinute": 60 }, "seconds": 10 } ] }));
    assert_eq!(standing(&plan, &at(50_000)), playing("10"));
}

#[test]
fn who_has_quit_keeps_the_score_for_ever() {
    let plan = plan_of(json!({ "type": "sequence", "steps": [
        { "block": { "type": "progress_linear", "perMinute": 60 }, "seconds": 10 },
        { "block": { "type": "quit" } } ] }));
    assert_eq!(standing(&plan, &at(9_999)), playing("9"));
    for millis in [10_000, 10_001, 1_000_000, u64::MAX] {
        let visible = [points(5_000)];
        let moment = BotMoment { visible_scores: &visible, ..at(millis) };
        assert_eq!(standing(&plan, &moment), ("10".to_owned(), BotState::Quit), "{millis}");
    }
}

#[test]
fn a_machine_takes_the_first_transition_that_holds_and_one_at_a_time() {
    let plan = plan_of(json!({ "type": "state_machine", "initial": "slow", "states": {
        "slow": { "block": { "type": "progress_linear", "perMinute": 6 }, "transitions": [
            { "when": "false", "to": "out" },
            { "when": "elapsed >= 20", "to": "fast" },
            { "when": "elapsed >= 20", "to": "out" } ] },
        "fast": { "block": { "type": "progress_linear", "perMinute": 60 }, "transitions": [
            { "when": "in_state >= 5 && score > leader", "to": "out" } ] },
        "out": { "block": { "type": "quit" } } } }));
    assert!(!plan.is_monotone());
    let score = |millis, leader| standing(&plan, &BotMoment { visible_scores: &[points(leader)], ..at(millis) });
    assert_eq!(score(19_999, 9), playing("1"));
    assert_eq!(score(20_000, 9), playing("2"));
    assert_eq!(score(23_000, 1), playing("5"));
    assert_eq!(score(25_000, 1), ("7".to_owned(), BotState::Quit));
    assert_eq!(score(25_000, 9), playing("7"));
    assert_eq!(score(27_999, 9), playing("9"));
    assert_eq!(score(28_000, 9), ("10".to_owned(), BotState::Quit));
    assert_eq!(score(99_000_000, 9), ("10".to_owned(), BotState::Quit));
}

#[test]
fn two_states_that_lead_to_each_other_take_turns() {
    let plan = plan_of(json!({ "type": "state_machine", "initial": "go", "states": {
        "go": { "block": { "type": "progress_linear", "perMinute": 60 },
                "transitions": [{ "when": "in_state >= 3", "to": "rest" }] },
        "rest": { "block": { "type": "idle" }, "transitions": [{ "when": "in_state >= 2", "to": "go" }] } } }));
    assert!(plan.is_monotone());
    let scores =
        [2_999, 3_000, 5_000, 6_000, 8_000, 9_999, 10_000, 11_000].map(|millis| standing(&plan, &at(millis)).0);
    assert_eq!(scores, ["2", "3", "3", "4", "6", "6", "6", "7"]);
}

#[test]
fn conditions_know_the_match_the_players_and_a_number_of_their_own() {
    let visible = [points(30), points(20), points(10)];
    let length = Some(Duration::from_secs(200));
    let holds = |condition: &str, length: Option<Duration>| {
        let plan = plan_of(json!({ "type": "state_machine", "initial": "a", "states": {
            "a": { "block": { "type": "progress_linear", "perMinute": 15 },
                   "transitions": [{ "when": condition, "to": "b" }] },
            "b": { "block": { "type": "quit" } } } }));
        plan.bot(SEED, 0, &BotMoment { visible_scores: &visible, length, ..at(100_000) }).state == BotState::Quit
    };
    for condition in [
        "elapsed == 100 && remaining == 100 && progress == 0.5",
        "score == 25 && rank == 2 && leader == 30 && median == 20 && players == 3",
        "in_state == elapsed && random >= 0 && random <= 1",
        "progress * 3 == 1.5 && -score + 2 * 25 == 25 && elapsed % 30 == 10",
    ] {
        assert!(holds(condition, length), "{condition}");
    }
    assert!(holds("progress == 0 && remaining > 999999 && elapsed == 100", None));
    for condition in [
        "elapsed / (players - 3) > 0",
        "1 / 0 == 1 || true",
        "elapsed * 100000000000000 * 999999999999999 * 999999999999999 > 0",
    ] {
        assert!(!holds(condition, length), "{condition}");
    }
    let lucky = |slot| {
        let plan = plan_of(json!({ "type": "state_machine", "initial": "a", "states": {
            "a": { "block": { "type": "idle" }, "transitions": [{ "when": "random < 0.3", "to": "b" }] },
            "b": { "block": { "type": "quit" } } } }));
        plan.bot(SEED, slot, &at(100_000)).state == BotState::Quit
    };
    let count = (0..1_000).filter(|slot| lucky(*slot)).count();
    assert!((250..350).contains(&count), "{count}");
}

#[test]
fn behaviours_are_chosen_by_weight() {
    let plan = BotPlan::try_new(&json!({ "behaviours": [
        { "weight": 9, "type": "single", "block": { "type": "idle" } },
        { "type": "single", "block": { "type": "quit" } } ] }));
    let plan = plan.unwrap();
    let quitters = (0..1_000).filter(|slot| plan.bot(SEED, *slot, &at(0)).state == BotState::Quit).count();
    assert!((70..130).contains(&quitters), "{quitters}");
}

#[test]
fn everything_that_is_wrong_is_named_at_once() {
    let paths = wrong_paths(&json!({
        "names": ["Ada", "Ada", "Ada 2", "", 5, "a\u{7}"],
        "avatars": ["http://insecure.example", "https://", "https://a b"],
        "colour": "red",
        "behaviours": [
            { "type": "single", "block": { "type": "progress_linear", "perMinuet": 12, "jitter": 1.5 }, "weight": 0 },
            { "type": "sequence", "steps": [
                { "block": { "type": "idle" } },
                { "block": { "type": "wait", "seconds": -1 }, "seconds": 5 },
                { "block": { "type": "quit" } },
                { "block": { "type": "complete_at", "seconds": 5, "fraction": 0.5 } },
                { "block": { "type": "complete_at", "seconds": 0.0001 } } ] },
            { "type": "state_machine", "initial": "x", "states": {
                "a b": { "block": { "type": "jump" } },
                "done": { "block": { "type": "complete" }, "transitions": [{ "when": "true", "to": "a b" }] },
                "go": { "block": { "type": "track_position", "position": 1.5 }, "transitions": [
                    { "when": "speed > 3", "to": "nowhere" }, { "to": "done" },
                    { "when": "score + 1", "to": "done" } ] } } },
            { "type": "maybe" },
            { "weight": 1 },
            7
        ]
    }));
    let expected = [
        "names[3]",
        "names[4]",
        "names[5]",
        "avatars[0]",
        "avatars[1]",
        "avatars[2]",
        "names[1]",
        "names[2]",
        "behaviours[0].weight",
        "behaviours[0].block.perMinute",
        "behaviours[0].block.jitter",
        "behaviours[0].block.perMinuet",
        "behaviours[1].steps[0].seconds",
        "behaviours[1].steps[1].block.seconds",
        "behaviours[1].steps[1].seconds",
        "behaviours[1].steps[2]",
        "behaviours[1].steps[3].block",
        "behaviours[1].steps[3]",
        "behaviours[1].steps[4].block.seconds",
        "behaviours[2].initial",
        "behaviours[2].states.a b",
        "behaviours[2].states.a b.block.type",
        "behaviours[2].states.done.transitions",
        "behaviours[2].states.go.block.position",
        "behaviours[2].states.go.transitions[0].when",
        "behaviours[2].states.go.transitions[0].to",
        "behaviours[2].states.go.transitions[1].when",
        "behaviours[2].states.go.transitions[2].when",
        "behaviours[3].type",
        "behaviours[4].type",
        "behaviours[5]",
        "colour",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn lists_and_whole_plans_are_bounded() {
    let idle = json!({ "type": "single", "block": { "type": "idle" } });
    assert_eq!(wrong_paths(&json!({ "behaviours": vec![idle; 21] })), ["behaviours"]);
    assert_eq!(wrong_paths(&json!({ "behaviours": [] })), ["behaviours"]);
    let names: Vec<String> = (0..201).map(|number| format!("Bot{number}")).collect();
    assert_eq!(wrong_paths(&json!({ "names": names })), ["names"]);
    let step = json!({ "block": { "type": "wait", "seconds": 1 } });
    let steps = json!({ "type": "sequence", "steps": vec![step; 21] });
    assert_eq!(wrong_paths(&json!({ "behaviours": [steps] })), ["behaviours[0].steps"]);
    let transition = json!({ "when": format!("score > {}1", " ".repeat(100)), "to": "a" });
    let states = json!({ "a": { "block": { "type": "idle" }, "transitions": vec![transition; 6] } });
    let machine = json!({ "type": "state_machine", "initial": "a", "states": states });
    assert_eq!(wrong_paths(&json!({ "behaviours": [machine] })), ["behaviours[0].states.a.transitions"]);
    assert_eq!(wrong_paths(&json!({ "x": "y".repeat(BotPlan::BYTES_MAX) })), [""]);
    assert_eq!(wrong_paths(&json!([])), [""]);
}

#[test]
fn a_refusal_says_why() {
    let plan = json!({ "behaviours": [{ "type": "single", "block": { "type": "progress_linear", "perMinute": -1 } }] });
    let message = "must be a number between 0 and 1000000000, with at most three decimals".to_owned();
    let path = "behaviours[0].block.perMinute".to_owned();
    assert_eq!(BotPlan::try_new(&plan), Err(vec![InvalidPart { path, message }]));
}
