//! The blocks that behaviour is made of: where each takes a score in the time since it began.

use serde_json::Value;

use super::BotState;
use super::draw::{Draws, MILLION, Purpose};
use super::reader::{Limits, Members, Wrong};
use crate::lobbies::Score;

/// The longest time in a plan: a year, in milliseconds.
pub(super) const MILLIS_MAX: i64 = 365 * 24 * 60 * 60 * 1_000;
/// The largest score in a plan, in thousandths.
const SCORE_MAX: i64 = 1_000_000_000_000;

const SCORE: Limits = Limits::thousandths(-SCORE_MAX, SCORE_MAX);
const GAIN: Limits = Limits::thousandths(0, SCORE_MAX);
const STEP: Limits = Limits::thousandths(1, SCORE_MAX);
const FRACTION: Limits = Limits::thousandths(0, 1_000);
/// Seconds in thousandths are milliseconds.
pub(super) const SECONDS: Limits = Limits::thousandths(0, MILLIS_MAX);

/// All that blocks of one bot depend on besides their own numbers and the time.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) draws: Draws,
    /// Milliseconds since the bot began.
    pub(super) elapsed: i64,
    /// Of the match, in milliseconds.
    pub(super) length: Option<i64>,
    /// Best first.
    pub(super) visible: &'a [Score],
    pub(super) target: Option<Score>,
}

impl Scene<'_> {
    pub(super) fn leader(&self) -> Option<Score> {
        self.visible.first().copied()
    }

    /// The visible score in the middle, or halfway between the two that are.
    pub(super) fn median(&self) -> Option<Score> {
        let count = self.visible.len();
        let upper = self.visible.get(count.checked_sub(1)? / 2)?.thousandths();
        let lower = self.visible.get(count / 2)?.thousandths();
        Some(score((i128::from(upper) + i128::from(lower)).div_euclid(2)))
    }

    /// One more than there are visible scores above this one.
    pub(super) fn rank(&self, own: Score) -> usize {
        1 + self.visible.partition_point(|score| own < *score)
    }
}

/// How a block was begun: when, in milliseconds since the bot began, and with which score.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) at: i64,
    pub(super) score: Score,
}

/// Where a bot stands at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) score: Score,
    pub(super) state: BotState,
}

/// A block of behaviour; see the module's header. Scores and fractions are in thousandths, times in milliseconds.
#[derive(Debug)]
pub(super) enum Block {
    Idle,
    Wait { millis: i64 },
    ProgressLinear { per_minute: i64, step: i64, jitter: i64, max: Option<i64> },
    ProgressBurst { amount: i64, every: i64, jitter: i64, max: Option<i64> },
    TrackPosition { position: usize, offset: i64 },
    MatchPlayerPace { factor: i64, of: Pace, step: i64, jitter: i64 },
    CompleteAt { when: Arrival, score: Option<i64>, step: i64, jitter: i64 },
    Complete { score: Option<i64> },
    Quit,
}

/// Whose pace is matched.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    Median,
    Best,
}

/// When a score is arrived at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arrival {
    /// So many milliseconds after the block began.
    After(i64),
    /// At this part of the match, in thousandths.
    Part(i64),
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Idle,
    Wait,
    ProgressLinear,
    ProgressBurst,
    TrackPosition,
    MatchPlayerPace,
    CompleteAt,
    Complete,
    Quit,
}

const KINDS: [(&str, Kind); 9] = [
    ("idle", Kind::Idle),
    ("wait", Kind::Wait),
    ("progress_linear", Kind::ProgressLinear),
    ("progress_burst", Kind::ProgressBurst),
    ("track_position", Kind::TrackPosition),
    ("match_player_pace", Kind::MatchPlayerPace),
    ("complete_at", Kind::CompleteAt),
    ("complete", Kind::Complete),
    ("quit", Kind::Quit),
];

impl Block {
    /// What an event without a plan has.
    pub(super) const DEFAULT: Self = Self::ProgressLinear { per_minute: 10_000, step: 1_000, jitter: 500, max: None };

    pub(super) fn parse(value: &Value, path: &str, wrong: &mut Wrong) -> Self {
        let mut members = Members::open(value, path, wrong);
        let Some(kind) = members.kind(&KINDS, wrong) else { return Self::Idle };
        let of = &mut members;
        let block = match kind {
            Kind::Idle => Self::Idle,
            Kind::Wait => Self::Wait { millis: of.required_number("seconds", SECONDS, wrong) },
            Kind::ProgressLinear => Self::ProgressLinear {
                per_minute: of.required_number("perMinute", GAIN, wrong),
                step: of.number("step", STEP, wrong).unwrap_or(1_000),
                jitter: jitter(of, wrong),
                max: of.number("max", SCORE, wrong),
            },
            Kind::ProgressBurst => Self::ProgressBurst {
                amount: of.required_number("amount", GAIN, wrong),
                every: of.required_number("everySeconds", Limits::thousandths(1_000, MILLIS_MAX), wrong),
                jitter: jitter(of, wrong),
                max: of.number("max", SCORE, wrong),
            },
            Kind::TrackPosition => {
                let position = of.required_number("position", Limits::whole(1, 10_000), wrong) / 1_000;
                let position = usize::try_from(position).expect("a position is positive and small");
                Self::TrackPosition { position, offset: of.number("offset", SCORE, wrong).unwrap_or(0) }
            }
            Kind::MatchPlayerPace => Self::MatchPlayerPace {
                factor: of.number("factor", Limits::thousandths(0, 100_000), wrong).unwrap_or(1_000),
                of: of.choice("of", &[("median", Pace::Median), ("best", Pace::Best)], wrong).unwrap_or(Pace::Median),
                step: of.number("step", STEP, wrong).unwrap_or(1_000),
                jitter: jitter(of, wrong),
            },
            Kind::CompleteAt => Self::CompleteAt {
                when: arrival(of, path, wrong),
                score: of.number("score", SCORE, wrong),
                step: of.number("step", STEP, wrong).unwrap_or(1_000),
                jitter: jitter(of, wrong),
            },
            Kind::Complete => Self::Complete { score: of.number("score", SCORE, wrong) },
            Kind::Quit => Self::Quit,
        };
        members.close(wrong);
        block
    }

    /// How long it takes, if it knows that itself.
    pub(super) fn own_millis(&self) -> Option<i64> {
        if let Self::Wait { millis } = self { Some(*millis) } else { None }
    }

    /// Whether nothing can come after it.
    pub(super) fn is_last(&self) -> bool {
        matches!(self, Self::CompleteAt { .. } | Self::Complete { .. } | Self::Quit)
    }

    /// Whether a bot that is in it has stopped for good.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Complete { .. } | Self::Quit)
    }

    /// Whether its score follows the players, and so may fall.
    pub(super) fn is_of_players(&self) -> bool {
        matches!(self, Self::TrackPosition { .. } | Self::MatchPlayerPace { .. })
    }

    /// Where a bot stands `at` so many milliseconds since it began, when it has been in this block since `start`. A bot
    /// at the target of the event has completed, whatever the block.
    pub(super) fn standing(&self, scene: &Scene<'_>, place: u64, start: Start, at: i64) -> Standing {
        let standing = self.unbounded(scene, place, start, at);
        match scene.target {
            Some(target) if Score::ZERO < target && target <= standing.score => {
                Standing { score: target, state: BotState::Completed }
            }
            Some(_) | None => standing,
        }
    }

    fn unbounded(&self, scene: &Scene<'_>, place: u64, start: Start, at: i64) -> Standing {
        let since = i128::from(at.saturating_sub(start.at).max(0));
        let own = start.score;
        let playing = |score| Standing { score, state: BotState::Playing };
        match self {
            Self::Idle | Self::Wait { .. } => playing(own),
            Self::ProgressLinear { per_minute, step, jitter, max } => {
                let pace = i128::from(*per_minute) * scene.draws.factor(*jitter, place);
                playing(raised(own, in_steps(pace * since / (60_000 * MILLION), *step), *max))
            }
            Self::ProgressBurst { amount, every, jitter, max } => {
                let count = bursts(scene, place, since, i128::from(*every), *jitter);
                playing(raised(own, i128::from(*amount) * count, *max))
            }
            Self::TrackPosition { position, offset } => {
                let Some(human) = scene.visible.get(position - 1).or(scene.visible.last()) else { return playing(own) };
                let human = i128::from(human.thousandths());
                // An offset alone does not make a score negative.
                playing(score((human + i128::from(*offset)).max(human.min(0))))
            }
            Self::MatchPlayerPace { factor, of, step, jitter } => {
                let followed = match of {
                    Pace::Median => scene.median(),
                    Pace::Best => scene.leader(),
                };
                let Some(followed) = followed else { return playing(own) };
                let pace = i128::from(*factor) * scene.draws.factor(*jitter, place);
                playing(score(in_steps(i128::from(followed.thousandths()) * pace / (1_000 * MILLION), *step)))
            }
            Self::CompleteAt { when, score, step, jitter } => {
                let end = aim(scene, own, *score);
                let Some(total) = when.millis(scene, start) else { return playing(own) };
                let total = i128::from(total) * scene.draws.factor(*jitter, place) / MILLION;
                if total <= since {
                    return Standing { score: end, state: BotState::Completed };
                }
                let distance = i128::from(end.thousandths()) - i128::from(own.thousandths());
                playing(raised(own, in_steps(distance * since / total, *step), None))
            }
            Self::Complete { score } => Standing { score: aim(scene, own, *score), state: BotState::Completed },
            Self::Quit => Standing { score: own, state: BotState::Quit },
        }
    }
}

impl Arrival {
    /// How long it takes from the start of the block; `None` when the match has no end to be a part of.
    fn millis(self, scene: &Scene<'_>, start: Start) -> Option<i64> {
        match self {
            Self::After(millis) => Some(millis),
            Self::Part(part) => {
                let arrival = i128::from(scene.length?) * i128::from(part) / 1_000;
                Some(i64::try_from(arrival).unwrap_or(i64::MAX).saturating_sub(start.at).max(0))
            }
        }
    }
}

fn jitter(members: &mut Members<'_>, wrong: &mut Wrong) -> i64 {
    members.number("jitter", FRACTION, wrong).unwrap_or(0)
}

fn arrival(members: &mut Members<'_>, path: &str, wrong: &mut Wrong) -> Arrival {
    let is_there = ["seconds", "fraction"].map(|name| members.optional(name).is_some());
    if is_there != [true, false] && is_there != [false, true] {
        wrong.push(path, "must have either seconds or fraction");
    }
    let seconds = members.number("seconds", SECONDS, wrong);
    let fraction = members.number("fraction", FRACTION, wrong);
    seconds.map_or(Arrival::Part(fraction.unwrap_or(1_000)), Arrival::After)
}

/// The score to complete with: the block's own, or the event's, or the one the bot has; never less than it has.
fn aim(scene: &Scene<'_>, own: Score, aimed: Option<i64>) -> Score {
    let aimed = aimed.map(Score::from_thousandths_clamped).or(scene.target);
    aimed.map_or(own, |aimed| aimed.max(own))
}

/// How often `every` milliseconds have passed, when each time may come early by up to its `jitter`.
fn bursts(scene: &Scene<'_>, place: u64, since: i128, every: i128, jitter: i64) -> i128 {
    let (passed, into) = (since / every, since % every);
    let index = u64::try_from(passed).unwrap_or(u64::MAX);
    let early = i128::from(scene.draws.below(1_000_001, Purpose::Burst, place, index));
    let moment = every - every * i128::from(jitter) * early / (1_000 * MILLION);
    if moment <= into { passed + 1 } else { passed }
}

/// The next whole number of steps below.
fn in_steps(thousandths: i128, step: i64) -> i128 {
    let step = i128::from(step);
    thousandths.div_euclid(step) * step
}

/// A score after a gain that may not take it above `max`. A score that is above already stays.
fn raised(own: Score, gain: i128, max: Option<i64>) -> Score {
    let raised = i128::from(own.thousandths()) + gain;
    let raised = max.map_or(raised, |max| raised.min(i128::from(max)));
    score(raised).max(own)
}

fn score(thousandths: i128) -> Score {
    let fits = thousandths.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    Score::from_thousandths_clamped(i64::try_from(fits).expect("it was clamped"))
}
