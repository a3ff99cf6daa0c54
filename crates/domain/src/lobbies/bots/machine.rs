//! State machines: which state a bot is in follows from the time alone, by going through its whole history at every
//! read.
//!
//! Conditions are looked at on a grid of moments that is the same for every read, so that history does not change
//! between two of them: every second for the first ten minutes, then every hundredth of the next ten, of the twenty
//! after those, of the forty after those, and so on. The first year has 2,161 moments, every doubling of it a hundred
//! more. At each moment at most one transition is taken, the first whose condition holds.

use std::iter;

use serde_json::{Map, Value};

use super::BotState;
use super::block::{Block, Scene, Standing, Start};
use super::draw::{MILLION, Purpose};
use super::expression::{Condition, Facts};
use super::reader::{Members, Wrong, list_of, text_of};
use crate::lobbies::Score;

const STATES_MAX: usize = 20;
const TRANSITIONS_MAX: usize = 10;
/// The longest that the conditions of one state may be together: all of them are evaluated at every moment of a read.
const CONDITIONS_CHARS_MAX: usize = 600;
const STATE_NAME_MAX: usize = 50;
/// Milliseconds for which the grid has a moment each second.
const FINE_MILLIS: i64 = 600_000;
/// The seconds that remain in a match without an end.
const ENDLESS_SECONDS: i128 = 1_000_000_000;

/// States, of which the bot is in one at a time.
#[derive(Debug)]
pub(super) struct Machine {
    states: Vec<State>,
    /// Which of the states is the first.
    initial: usize,
}

#[derive(Debug)]
struct State {
    /// Which block of the plan this is: what its draws are made for.
    place: u64,
    block: Block,
    transitions: Vec<Transition>,
}

#[derive(Debug)]
struct Transition {
    /// `None` in place of one that was refused.
    when: Option<Condition>,
    to: usize,
}

impl Machine {
    pub(super) fn parse(members: &mut Members<'_>, place: u64, wrong: &mut Wrong) -> Self {
        let initial = members.required("initial", wrong);
        let states = members.required("states", wrong);
        let path = members.path_of("states");
        let empty = Map::new();
        let map = states.and_then(Value::as_object).unwrap_or(&empty);
        if states.is_some() && !(1..=STATES_MAX).contains(&map.len()) {
            wrong.push(&path, &format!("must be an object of 1 to {STATES_MAX} states"));
        }
        // The order of the names, whatever order the object keeps: draws are made by place.
        let mut named: Vec<(&str, &Value)> = map.iter().map(|(name, state)| (name.as_str(), state)).collect();
        named.sort_unstable_by_key(|(name, _)| *name);
        let names: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
        let initial = initial.map_or(0, |initial| state_named(initial, &members.path_of("initial"), &names, wrong));
        let states = named.iter().zip(place..).map(|((name, state), place)| {
            let path = format!("{path}.{name}");
            let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            if !is_plain || !(1..=STATE_NAME_MAX).contains(&name.len()) {
                let message = format!("must be named with 1 to {STATE_NAME_MAX} letters, digits, - or _");
                wrong.push(&path, &message);
            }
            State::parse(state, &path, place, &names, wrong)
        });
        Self { states: states.collect(), initial }
    }

    /// Whether the score may fall when the players' scores change.
    pub(super) fn is_of_players(&self) -> bool {
        self.states.iter().any(|state| {
            let mut conditions = state.transitions.iter().filter_map(|transition| transition.when.as_ref());
            state.block.is_of_players() || conditions.any(Condition::is_of_players)
        })
    }

    /// Where the bot of a scene stands.
    pub(super) fn standing(&self, scene: &Scene<'_>) -> Standing {
        let mut start = Start { at: 0, score: Score::ZERO };
        let stopped = Standing { score: start.score, state: BotState::Playing };
        let Some(mut state) = self.states.get(self.initial) else { return stopped };
        let mut visit = 0;
        let mut facts = Facts { random: random(scene, visit), ..lasting_facts(scene) };
        for moment in grid().take_while(|moment| *moment <= scene.elapsed) {
            if state.transitions.is_empty() {
                break;
            }
            let standing = state.block.standing(scene, state.place, start, moment);
            if standing.state != BotState::Playing {
                break;
            }
            set_passing_facts(&mut facts, scene, start, standing.score, moment);
            let holds = |transition: &&Transition| transition.when.as_ref().is_some_and(|when| when.holds(&facts));
            let taken = state.transitions.iter().find(holds);
            if let Some(next) = taken.and_then(|transition| self.states.get(transition.to)) {
                state = next;
                start = Start { at: moment, score: standing.score };
                visit += 1;
                facts.random = random(scene, visit);
            }
        }
        state.block.standing(scene, state.place, start, scene.elapsed)
    }
}

impl State {
    fn parse(value: &Value, path: &str, place: u64, names: &[&str], wrong: &mut Wrong) -> Self {
        let mut members = Members::open(value, path, wrong);
        let block = members.required("block", wrong);
        let block = block.map_or(Block::Idle, |block| Block::parse(block, &members.path_of("block"), wrong));
        let path = members.path_of("transitions");
        let listed = match members.optional("transitions") {
            Some(_) if block.is_final() => {
                wrong.push(&path, "must be absent: a bot that has stopped leaves no state");
                Vec::new()
            }
            Some(value) => list_of(value, &path, TRANSITIONS_MAX, wrong),
            None => Vec::new(),
        };
        members.close(wrong);
        let conditions = listed.iter().filter_map(|(_, transition)| transition.get("when")?.as_str());
        if CONDITIONS_CHARS_MAX < conditions.map(|condition| condition.chars().count()).sum() {
            wrong.push(&path, &format!("must have conditions of at most {CONDITIONS_CHARS_MAX} characters together"));
        }
        let transitions = listed.iter().map(|(path, value)| Transition::parse(value, path, names, wrong)).collect();
        Self { place, block, transitions }
    }
}

impl Transition {
    fn parse(value: &Value, path: &str, names: &[&str], wrong: &mut Wrong) -> Self {
        let mut members = Members::open(value, path, wrong);
        let when = members.required("when", wrong);
        let path = members.path_of("when");
        let compiled = when.and_then(|when| text_of(when, &path, wrong)).map(Condition::try_new);
        let when = compiled.and_then(|compiled| compiled.map_err(|message| wrong.push(&path, &message)).ok());
        let to = members.required("to", wrong);
        let to = to.map_or(0, |to| state_named(to, &members.path_of("to"), names, wrong));
        members.close(wrong);
        Self { when, to }
    }
}

fn state_named(value: &Value, path: &str, names: &[&str], wrong: &mut Wrong) -> usize {
    let found = names.iter().position(|name| value.as_str() == Some(name));
    if found.is_none() {
        wrong.push(path, "must be the name of a state");
    }
    found.unwrap_or(0)
}

/// The moments at which conditions are looked at, in milliseconds.
fn grid() -> impl Iterator<Item = i64> {
    iter::successors(Some(0_i64), |moment| {
        let coarseness = (moment / FINE_MILLIS).checked_ilog2();
        moment.checked_add(coarseness.map_or(1_000, |doublings| (FINE_MILLIS / 100) << doublings))
    })
}

/// A number from 0 to 1 that lasts as long as a visit to a state.
fn random(scene: &Scene<'_>, visit: u64) -> i128 {
    i128::from(scene.draws.below(1_000_001, Purpose::Visit, 0, visit))
}

/// What does not change from moment to moment.
fn lasting_facts(scene: &Scene<'_>) -> Facts {
    Facts {
        leader: millionths(scene.leader()),
        median: millionths(scene.median()),
        players: count(scene.visible.len()),
        remaining: ENDLESS_SECONDS * MILLION,
        ..Facts::default()
    }
}

fn set_passing_facts(facts: &mut Facts, scene: &Scene<'_>, start: Start, score: Score, moment: i64) {
    facts.elapsed = i128::from(moment) * 1_000;
    facts.in_state = i128::from(moment - start.at) * 1_000;
    facts.score = millionths(Some(score));
    facts.rank = count(scene.rank(score));
    if let Some(length) = scene.length {
        facts.remaining = i128::from((length - moment).max(0)) * 1_000;
        facts.progress = (i128::from(moment) * MILLION).checked_div(i128::from(length)).unwrap_or(MILLION).min(MILLION);
    }
}

fn millionths(score: Option<Score>) -> i128 {
    i128::from(score.unwrap_or(Score::ZERO).thousandths()) * 1_000
}

fn count(number: usize) -> i128 {
    i128::try_from(number).expect("fewer than 2^127 things fit into memory") * MILLION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_is_fine_at_first_and_has_a_hundred_moments_in_every_doubling_after() {
        let within = |from: i64, to: i64| {
            grid().skip_while(|moment| *moment < from * 1_000).take_while(|moment| *moment < to * 1_000).count()
        };
        assert_eq!(within(0, 600), 600);
        assert_eq!([within(600, 1_200), within(1_200, 2_400), within(2_400, 4_800)], [100, 100, 100]);
        assert_eq!(within(0, 365 * 24 * 60 * 60), 2_161);
        assert!(grid().zip(grid().skip(1)).take(3_000).all(|(one, next)| one < next));
    }
}
