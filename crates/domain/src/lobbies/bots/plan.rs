//! Plans: a configuration that was checked and compiled as a whole, and the bots that follow from it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::behaviour::Behaviour;
use super::block::{MILLIS_MAX, Scene};
use super::draw::{Draws, Purpose};
use super::names::Pools;
use super::reader::{Members, Wrong};
use super::{Bot, BotMoment, BotSeed};
use crate::lobbies::InvalidPart;

/// How the bots of an event are called and how they behave: see the description of its JSON where bots are introduced.
///
/// Cheap to clone. Making one compiles its conditions, so it is kept rather than made for every read.
#[derive(Clone)]
pub struct BotPlan(Arc<Compiled>);

struct Compiled {
    json: String,
    pools: Pools,
    /// Never empty.
    behaviours: Vec<Behaviour>,
    weight: u64,
    is_monotone: bool,
}

impl BotPlan {
    /// The largest plan, in bytes of compact JSON.
    pub const BYTES_MAX: usize = 16 * 1024;
    /// How many behaviours a plan may have.
    pub const BEHAVIOURS_MAX: usize = 20;
    /// How many draws apart the places of two behaviours are: more than one has blocks.
    const PLACES: usize = 1_000;
    /// The longest time that a bot is followed: a hundred years, in milliseconds.
    const ELAPSED_MAX: i64 = 100 * MILLIS_MAX;

    /// Accepts a plan, or names all parts of it that are wrong.
    pub fn try_new(value: &Value) -> Result<Self, Vec<InvalidPart>> {
        let json = value.to_string();
        let mut wrong = Wrong::default();
        if Self::BYTES_MAX < json.len() {
            wrong.push("", &format!("must be at most {} bytes of JSON", Self::BYTES_MAX));
            return Err(wrong.into_parts());
        }
        let mut members = Members::open(value, "", &mut wrong);
        let pools = Pools::parse(&mut members, &mut wrong);
        let behaviours = if members.optional("behaviours").is_some() {
            let listed = members.list("behaviours", Self::BEHAVIOURS_MAX, &mut wrong);
            let places = (0_u64..).step_by(Self::PLACES);
            let parsed = listed.iter().zip(places);
            parsed.map(|((path, value), place)| Behaviour::parse(value, path, place, &mut wrong)).collect()
        } else {
            vec![Behaviour::standard()]
        };
        members.close(&mut wrong);
        let wrong = wrong.into_parts();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let weight = behaviours.iter().map(|behaviour| behaviour.weight).sum();
        let is_monotone = behaviours.iter().all(Behaviour::is_monotone);
        Ok(Self(Arc::new(Compiled { json, pools, behaviours, weight, is_monotone })))
    }

    /// Rebuilds a stored plan. Panics if storage holds what the rules forbid.
    pub fn restore(json: &str) -> Self {
        let value = serde_json::from_str(json).expect("a stored plan is JSON");
        Self::try_new(&value).expect("a stored plan is in order")
    }

    /// The compact JSON of the plan as it was accepted.
    pub fn as_json(&self) -> &str {
        &self.0.json
    }

    /// Whether no bot's score ever falls as time passes, whatever the players do: nothing in the plan follows their
    /// scores.
    ///
    /// A state machine of blocks that do not is not monotone either when a condition of it looks at the players: a
    /// bot's history is told anew with what is visible at each read.
    pub fn is_monotone(&self) -> bool {
        self.0.is_monotone
    }

    /// The bot in a slot at a moment.
    pub fn bot(&self, seed: BotSeed, slot: u32, moment: &BotMoment<'_>) -> Bot {
        let lobby = Draws::of_lobby(seed);
        let draws = Draws::of_bot(seed, slot);
        let length = moment.length.map(millis);
        let elapsed = millis(moment.elapsed).min(length.unwrap_or(i64::MAX));
        let scene = Scene { draws, elapsed, length, visible: moment.visible_scores, target: moment.target };
        let standing = self.behaviour(&draws).standing(&scene);
        Bot {
            name: self.0.pools.name(&lobby, slot),
            avatar: self.0.pools.avatar(&lobby, slot),
            score: standing.score,
            state: standing.state,
        }
    }

    /// The behaviour that a bot has, by weight.
    fn behaviour(&self, draws: &Draws) -> &Behaviour {
        let mut drawn = draws.below(self.0.weight, Purpose::Behaviour, 0, 0);
        let chosen = self.0.behaviours.iter().find(|behaviour| match drawn.checked_sub(behaviour.weight) {
            Some(rest) => {
                drawn = rest;
                false
            }
            None => true,
        });
        chosen.expect("what is drawn is below the sum of the weights")
    }
}

impl Default for BotPlan {
    /// The plan that says nothing: built-in names, and everybody makes some progress at a pace of their own.
    fn default() -> Self {
        Self::try_new(&json!({})).expect("the plan that says nothing is in order")
    }
}

impl PartialEq for BotPlan {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

impl fmt::Debug for BotPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("BotPlan").field(&self.as_json()).finish()
    }
}

/// Whole milliseconds, up to [`BotPlan::ELAPSED_MAX`].
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).min(BotPlan::ELAPSED_MAX)
}
