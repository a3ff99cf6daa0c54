//! Bots: who they are and where they stand, as a function of a seed, a slot, a plan, the time and the visible scores.
//!
//! Nothing about a bot is stored and nothing ticks: a score that nobody reads costs nothing, and ten thousand reads of
//! the same moment give the same answer. This module must know no clock, no lobby and no player.
//!
//! # The plan
//!
//! An event configures its bots with a JSON object, of at most 16 KiB; every member is optional.
//!
//! ```json
//! {
//!   "names": ["Ada", "Grace"],
//!   "avatars": ["https://cdn.example.com/1.png"],
//!   "behaviours": [
//!     { "weight": 3, "type": "single", "block": { "type": "progress_linear", "perMinute": 12, "jitter": 0.2 } },
//!     { "type": "sequence", "steps": [
//!       { "block": { "type": "progress_burst", "amount": 5, "everySeconds": 20 }, "seconds": 60 },
//!       { "block": { "type": "wait", "seconds": 10 } },
//!       { "block": { "type": "complete_at", "fraction": 0.9 } } ] },
//!     { "type": "state_machine", "initial": "warmup", "states": {
//!       "warmup": { "block": { "type": "idle" },
//!                   "transitions": [ { "when": "elapsed > 30 && score < leader", "to": "sprint" } ] },
//!       "sprint": { "block": { "type": "match_player_pace", "factor": 1.1 } } } }
//!   ]
//! }
//! ```
//!
//! - `names`: 1 to 200 different texts of 1 to 50 characters. Without them bots are called `Quiet Otter` or alike. The
//!   bots of one lobby have different names; when there are more bots than names, the later ones get a number.
//! - `avatars`: 1 to 200 `https://` addresses of at most 500 characters. Without them bots have none.
//! - `behaviours`: 1 to 20, of which each bot has one. `weight`, 1 to 1000 (1 without), says how often. Without them
//!   bots make ten points per minute, half as many more or less.
//!   - `single` has one `block`.
//!   - `sequence` has 1 to 20 `steps`, a `block` each, for so many `seconds`. A step begins with the score that the one
//!     before it ended with. `seconds` are required, except in the last step, which lasts for ever without, and except
//!     for `wait`, `complete_at`, `complete` and `quit`, which must not have them; the latter three must come last.
//!   - `state_machine` has 1 to 20 `states` by name, of which `initial` is the first. A state has a `block` and, if it
//!     can be left, 1 to 10 `transitions`, each to the state `to` `when` a condition holds; the conditions have at most
//!     600 characters together. They are looked at every second for ten minutes, and then ever less often, but always
//!     within a hundredth of the time that has passed: `remaining < 5` may never be seen to hold in a match of hours.
//!     At most one transition is taken at a time, the first whose condition holds.
//!
//! # The blocks
//!
//! Numbers have at most three decimals. Scores are -1e9 to 1e9, seconds 0 to 31,536,000 (a year), `jitter` is 0 to 1 (0
//! without): how much a bot's own pace may differ from the others', as a part of it. Scores move in whole multiples of
//! `step`, 0.001 to 1e9 (1 without).
//!
//! - `idle`: the score stays.
//! - `wait`: the score stays, for so many `seconds`.
//! - `progress_linear`: grows evenly by `perMinute`, 0 to 1e9, up to `max`, a score. `step`, `jitter`.
//! - `progress_burst`: grows by `amount`, 0 to 1e9, at the end of every `everySeconds`, from 1, or earlier by up to
//!   `jitter` of them, up to `max`.
//! - `track_position`: is the visible score at `position`, 1 to 10,000, or else the last one, plus `offset`, a score,
//!   which does not make it negative. Stays while there is none.
//! - `match_player_pace`: is `factor` times, 0 to 100 (1 without), the visible score `of` `median` (without) or `best`.
//!   Stays while there is none. `step`, `jitter`.
//! - `complete_at`: grows evenly to `score`, or else to the event's target, and comes there after so many `seconds` of
//!   the block, or at a `fraction` of the match, 0 to 1; then the bot has completed. At a `fraction` of a match without
//!   an end it never does, and the score stays. `step`, `jitter` of the time.
//! - `complete`: is `score`, or else the event's target, and the bot has completed.
//! - `quit`: stays for ever, and the bot has quit.
//!
//! A bot that comes to the event's target has completed there, whatever its block. `track_position` and
//! `match_player_pace` follow the players' scores both ways. With all other blocks a score never falls as time passes;
//! see [`BotPlan::is_monotone`].
//!
//! # The conditions
//!
//! At most 200 characters of numbers, `true`, `false`, variables, parentheses and the operators `||`, `&&`, `==`, `!=`,
//! `<`, `<=`, `>`, `>=`, `+`, `-`, `*`, `/`, `%` and `!`. Numbers have six decimals, exactly. A condition in which
//! something is divided by zero or grows too large does not hold. The variables are
//!
//! - `elapsed`, `in_state` and `remaining`: seconds since the bot began, since it came into its state, and to the end
//!   of the match (a billion when there is none); `progress`: how much of the match is over, from 0 to 1
//! - `score`; `rank`: one more than there are visible humans above it
//! - `leader`, `median`: the best and the middle visible score, 0 without any; `players`: how many there are
//! - `random`: a number from 0 to 1, another one for every bot and every visit to a state

mod behaviour;
mod block;
mod draw;
mod expression;
#[cfg(test)]
mod expression_tests;
#[cfg(test)]
mod fuzz;
mod machine;
mod names;
mod plan;
#[cfg(test)]
mod properties;
mod reader;
#[cfg(test)]
mod tests;
mod value;

use std::time::Duration;

pub use plan::BotPlan;

use super::Score;

/// The seed of everything random about the bots of one lobby or board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BotSeed(pub [u8; 32]);

/// What a bot's score depends on besides its seed.
#[derive(Debug, Clone, Copy)]
pub struct BotMoment<'a> {
    /// How long ago the bot began. Past the end of the match nothing moves any more.
    pub elapsed: Duration,
    /// Of the match; `None` when it has no end.
    pub length: Option<Duration>,
    /// The scores of the humans that can be seen, best first.
    pub visible_scores: &'a [Score],
    /// The score at which an attempt is complete, if the event has one.
    pub target: Option<Score>,
}

/// A bot at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bot {
    /// What it is called.
    pub name: String,
    /// The address of its picture, if the plan has any.
    pub avatar: Option<String>,
    /// What it has scored.
    pub score: Score,
    /// Whether it is still playing.
    pub state: BotState,
}

/// Whether a bot is still playing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BotState {
    /// It is.
    Playing,
    /// It has come to its end.
    Completed,
    /// It has left, and keeps what it had scored.
    Quit,
}

impl BotState {
    /// The name that clients see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Playing => "playing",
            Self::Completed => "completed",
            Self::Quit => "quit",
        }
    }
}
