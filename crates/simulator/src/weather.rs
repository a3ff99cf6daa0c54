//! How bad it gets: which faults a run has and how often, drawn once from its seed, so that some runs have much of one fault
//! and none of another.

use domain::webhooks::{Dialect, EventName, EventNames};

use crate::dice::Dice;

/// What befalls a run. Numbers without a unit are percent.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    /// Store calls that fail before they do anything.
    pub(crate) fails_before: u64,
    /// Store calls that fail after they were committed.
    pub(crate) fails_after: u64,
    /// Batches that are decided for nothing first.
    pub(crate) races: u64,
    /// How many times at most a store call gives way to others, before and after.
    pub(crate) pauses_max: u64,
    /// Deliveries that a studio answers with an error.
    pub(crate) refusals: u64,
    /// Steps in which a process is torn.
    pub(crate) crashes: u64,
    /// Steps in which a caller hangs up.
    pub(crate) hang_ups: u64,
    /// Whether the clock is set back at times.
    pub(crate) clock_goes_back: bool,
    /// How many processes there are.
    pub(crate) processes: usize,
    /// How many lanes each has.
    pub(crate) lanes: usize,
    /// How many commands may wait in a lane.
    pub(crate) depth: usize,
    /// Whether bots fill lobbies.
    pub(crate) bots: bool,
    /// What the endpoints are told of, and how.
    pub(crate) endpoints: Vec<(Dialect, EventNames)>,
}

impl Weather {
    /// The weather of a run.
    pub(crate) fn drawn(dice: &Dice) -> Self {
        let often = |percent: u64| if dice.chance(50) { dice.below(percent) } else { 0 };
        let count = |from: u64, to: u64| usize::try_from(from + dice.below(to - from + 1)).unwrap_or(1);
        let names = || match dice.below(4) {
            0 | 1 => EventNames::ALL,
            _ => EventName::ALL.into_iter().filter(|_| dice.chance(50)).collect(),
        };
        let mut endpoints = vec![(Dialect::Json, names())];
        match dice.below(4) {
            0 => endpoints.clear(),
            1 => endpoints.push((Dialect::Json, names())),
            2 => endpoints.push((Dialect::Kongregate, Dialect::Kongregate.speaks_of())),
            _ => {}
        }
        endpoints.retain(|(_, names)| !names.is_empty());
        Self {
            fails_before: often(20),
            fails_after: often(30),
            races: often(40),
            pauses_max: dice.below(5),
            refusals: often(60),
            crashes: often(8),
            hang_ups: often(10),
            clock_goes_back: dice.chance(30),
            processes: count(1, 3),
            lanes: count(1, 3),
            depth: if dice.chance(25) { count(1, 3) } else { 64 },
            bots: dice.chance(50),
            endpoints,
        }
    }

    /// The same without any fault, for the end of a run.
    pub(crate) fn calm(&self) -> Self {
        let (fails_before, fails_after, races, pauses_max, refusals, crashes, hang_ups) = (0, 0, 0, 0, 0, 0, 0);
        let (clock_goes_back, endpoints) = (false, self.endpoints.clone());
        Self {
            fails_before,
            fails_after,
            races,
            pauses_max,
            refusals,
            crashes,
            hang_ups,
            clock_goes_back,
            endpoints,
            ..*self
        }
    }

    /// The events that some endpoint is told of.
    pub(crate) fn wanted(&self) -> EventNames {
        self.endpoints.iter().fold(EventNames::NONE, |wanted, (_, names)| wanted.union(*names))
    }
}
