//! What a bot does with its time: blocks one after the other, or a machine of them.

use serde_json::Value;

use super::BotState;
use super::block::{Block, SECONDS, Scene, Standing, Start};
use super::machine::Machine;
use super::reader::{Limits, Members, Wrong};
use crate::lobbies::Score;

const STEPS_MAX: usize = 20;
const WEIGHTS: Limits = Limits::whole(1, 1_000);

/// A behaviour, and how often it is chosen among others.
#[derive(Debug)]
pub(super) struct Behaviour {
    pub(super) weight: u64,
    course: Course,
}

#[derive(Debug)]
enum Course {
    /// Single blocks are sequences of one.
    Sequence(Vec<Step>),
    Machine(Machine),
}

#[derive(Debug)]
struct Step {
    /// Which block of the plan this is: what its draws are made for.
    place: u64,
    block: Block,
    /// `None` when it never ends.
    millis: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Single,
    Sequence,
    StateMachine,
}

const KINDS: [(&str, Kind); 3] =
    [("single", Kind::Single), ("sequence", Kind::Sequence), ("state_machine", Kind::StateMachine)];

impl Behaviour {
    /// What bots do when a plan does not say.
    pub(super) fn standard() -> Self {
        Self { weight: 1, course: Course::Sequence(vec![Step { place: 0, block: Block::DEFAULT, millis: None }]) }
    }

    /// Reads a behaviour, whose blocks are at `place` and the places after it.
    pub(super) fn parse(value: &Value, path: &str, place: u64, wrong: &mut Wrong) -> Self {
        let mut members = Members::open(value, path, wrong);
        let weight = members.number("weight", WEIGHTS, wrong).unwrap_or(1_000) / 1_000;
        let weight = u64::try_from(weight).expect("a weight is positive");
        let Some(kind) = members.kind(&KINDS, wrong) else { return Self { weight, ..Self::standard() } };
        let course = match kind {
            Kind::Single => {
                let block = members.required("block", wrong);
                let block = block.map_or(Block::Idle, |block| Block::parse(block, &members.path_of("block"), wrong));
                Course::Sequence(vec![Step { place, block, millis: None }])
            }
            Kind::Sequence => {
                let listed = members.list("steps", STEPS_MAX, wrong);
                let last = listed.len().saturating_sub(1);
                let steps = listed
                    .iter()
                    .zip(place..)
                    .enumerate()
                    .map(|(index, ((path, value), place))| Step::parse(value, path, place, index == last, wrong));
                Course::Sequence(steps.collect())
            }
            Kind::StateMachine => Course::Machine(Machine::parse(&mut members, place, wrong)),
        };
        members.close(wrong);
        Self { weight, course }
    }

    /// Whether its score never falls, whatever the players do.
    pub(super) fn is_monotone(&self) -> bool {
        match &self.course {
            Course::Sequence(steps) => !steps.iter().any(|step| step.block.is_of_players()),
            Course::Machine(machine) => !machine.is_of_players(),
        }
    }

    /// Where the bot of a scene stands.
    pub(super) fn standing(&self, scene: &Scene<'_>) -> Standing {
        match &self.course {
            Course::Sequence(steps) => after_steps(steps, scene),
            Course::Machine(machine) => machine.standing(scene),
        }
    }
}

impl Step {
    fn parse(value: &Value, path: &str, place: u64, is_last: bool, wrong: &mut Wrong) -> Self {
        let mut members = Members::open(value, path, wrong);
        let block = members.required("block", wrong);
        let block = block.map_or(Block::Idle, |block| Block::parse(block, &members.path_of("block"), wrong));
        let knows_itself = block.own_millis().is_some() || block.is_last();
        let millis = if knows_itself {
            if members.optional("seconds").is_some() {
                wrong.push(&members.path_of("seconds"), "must be absent: the block says itself how long it takes");
            }
            block.own_millis()
        } else if is_last {
            members.number("seconds", SECONDS, wrong)
        } else {
            Some(members.required_number("seconds", SECONDS, wrong))
        };
        if block.is_last() && !is_last {
            wrong.push(path, "must be the last step: what comes after it is never reached");
        }
        members.close(wrong);
        Self { place, block, millis }
    }
}

/// Each step begins when the one before it is over, with the score that it ended with.
fn after_steps(steps: &[Step], scene: &Scene<'_>) -> Standing {
    let mut start = Start { at: 0, score: Score::ZERO };
    for step in steps {
        let end = step.millis.map(|millis| start.at.saturating_add(millis)).filter(|end| *end <= scene.elapsed);
        let standing = step.block.standing(scene, step.place, start, end.unwrap_or(scene.elapsed));
        match end {
            Some(end) if standing.state == BotState::Playing => start = Start { at: end, score: standing.score },
            Some(_) | None => return standing,
        }
    }
    Standing { score: start.score, state: BotState::Playing }
}
