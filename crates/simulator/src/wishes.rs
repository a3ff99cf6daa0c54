//! What studios come to want: drawn so that a few players, assets, lobbies and keys meet again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::economy::{AdjustmentKind, INTEGER_MAX};
use domain::lobbies::AttemptId;

use crate::dice::Dice;
use crate::intent::{ASSETS, EVENTS, Game, KeyWish, Life, Name, PLAYERS, Request, Row, Trade};
use crate::judge::Judge;
use crate::seen::{Fate, Seen};

/// Draws wishes, and remembers how many points it gave out.
#[derive(Default)]
pub(crate) struct Wishes {
    scores: u32,
    progress: BTreeMap<AttemptId, u32>,
    lobbies: u64,
}

/// The most powers of two that points are made of.
const POINTS_MAX: u32 = 40;

impl Wishes {
    /// The next one, if there is something to want.
    pub(crate) fn draw(&mut self, dice: &Dice, judge: &Judge) -> Option<Request> {
        let seen = judge.now();
        match dice.below(100) {
            0..=22 => Some(Request::Trade(adjust(dice))),
            23..=28 => {
                let (player, asset, amount) = (player(dice), asset(dice), amount(dice));
                Some(Request::Trade(Trade::Spend { player, asset, amount }))
            }
            29..=35 => Some(Request::Trade(grant(dice, &seen))),
            36..=41 => ack(dice, &seen),
            42..=50 => Some(Request::Import(row(dice))),
            51..=57 => Some(Request::Life(Life::Ban { player: player(dice), impose: dice.chance(60) })),
            58..=66 => life(dice, judge),
            67..=91 => self.game(dice, &seen).map(Request::Play),
            _ => key_wish(dice, judge),
        }
    }

    fn game(&mut self, dice: &Dice, seen: &Seen) -> Option<Game> {
        let lobbies: Vec<_> = seen.lobbies.keys().copied().collect();
        let attempts: Vec<_> = seen.attempts.values().collect();
        let name = player(dice);
        match dice.below(26) {
            0..=3 => {
                self.lobbies += 1;
                let lobby = format!("lobby-{}", dice.below(self.lobbies));
                let mut players: Vec<Name> = PLAYERS.into_iter().filter(|_| dice.chance(40)).collect();
                players.truncate(3);
                let players = if players.is_empty() { vec![name] } else { players };
                Some(Game::Push { lobby, players })
            }
            4..=7 => Some(Game::Join { lobby: *dice.pick(&lobbies)?, player: name }),
            8..=10 => Some(Game::Leave { lobby: *dice.pick(&lobbies)?, player: name }),
            11 => Some(Game::Close { lobby: *dice.pick(&lobbies)? }),
            12..=16 => Some(Game::Start { event: dice.pick(&EVENTS)?, player: name }),
            17..=22 => {
                let attempt = dice.pick(&attempts)?;
                let (event, player) = of_attempt(seen, attempt.lobby.is_some(), attempt.player)?;
                let count = self.progress.entry(attempt.id).or_default();
                *count += 1;
                let points = (*count < POINTS_MAX).then(|| 1 << *count)?;
                Some(Game::Progress { event, player, attempt: attempt.id, points })
            }
            23 => {
                let attempt = dice.pick(&attempts)?;
                let (event, player) = of_attempt(seen, attempt.lobby.is_some(), attempt.player)?;
                Some(Game::Finish { event, player, attempt: attempt.id })
            }
            _ => {
                self.scores += 1;
                let points = (self.scores < POINTS_MAX).then(|| 1 << self.scores)?;
                Some(Game::Score { player: name, points })
            }
        }
    }
}

fn of_attempt(seen: &Seen, in_lobby: bool, owner: domain::players::PlayerId) -> Option<(Name, Name)> {
    let Fate::Called(name) = seen.players.get(&owner)?.fate else { return None };
    Some((if in_lobby { "duel" } else { "open" }, name))
}

fn adjust(dice: &Dice) -> Trade {
    let kind = match dice.below(10) {
        0..=3 => AdjustmentKind::WalletCredit,
        4..=6 => AdjustmentKind::WalletDebit,
        7..=8 => AdjustmentKind::InventoryGrant,
        _ => AdjustmentKind::InventoryRevoke,
    };
    Trade::Adjust { player: player(dice), kind, asset: asset(dice), amount: amount(dice) }
}

fn grant(dice: &Dice, seen: &Seen) -> Trade {
    let amounts = (0..=dice.below(2)).map(|_| (asset(dice), amount(dice))).collect();
    let immediate = dice.chance(50);
    let expires_at = dice.chance(60).then(|| seen.clock.plus(Duration::from_secs(10 + dice.below(200))));
    Trade::Grant { player: player(dice), amounts, immediate, expires_at }
}

fn ack(dice: &Dice, seen: &Seen) -> Option<Request> {
    let grants: Vec<_> = seen.grants.values().collect();
    let grant = dice.pick(&grants)?;
    let owner = match seen.players.get(&grant.player)?.fate {
        Fate::Called(name) if dice.chance(90) => name,
        Fate::Called(_) | Fate::Merged | Fate::Erased => player(dice),
    };
    Some(Request::Trade(Trade::Ack { player: owner, grant: grant.id }))
}

fn row(dice: &Dice) -> Row {
    let (player, asset, amount) = (player(dice), asset(dice), amount(dice));
    match dice.below(3) {
        0 => Row::Currency { player, asset, amount },
        1 => Row::Items { player, asset, amount },
        _ => Row::Player { player },
    }
}

/// A merge or an erasure. There is never more than one intent for the same that may still take
/// effect, because nobody could tell which of them it was.
fn life(dice: &Dice, judge: &Judge) -> Option<Request> {
    let (source, target) = (player(dice), player(dice));
    let wish = if dice.chance(60) { Life::Merge { source, target } } else { Life::Erase { player: source } };
    let wish = Request::Life(wish);
    let is_open = judge.intents.iter().any(|intent| intent.effect.is_none() && intent.sent.request == wish);
    (!is_open && source != target).then_some(wish)
}

fn key_wish(dice: &Dice, judge: &Judge) -> Option<Request> {
    // The first key of all is how everything else is asked for: it stays.
    let others: Vec<_> = judge.keys.iter().skip(1).collect();
    Some(Request::Key(match dice.below(5) {
        0..=1 => KeyWish::Issue { seconds: dice.chance(50).then(|| 5 + dice.below(200)) },
        2 => KeyWish::Rotate { key: dice.pick(&others)?.id, overlap_seconds: dice.below(60) },
        _ => KeyWish::Revoke { key: dice.pick(&others)?.id },
    }))
}

fn player(dice: &Dice) -> Name {
    dice.pick(&PLAYERS).copied().unwrap_or("ada")
}

fn asset(dice: &Dice) -> Name {
    dice.pick(&ASSETS).copied().unwrap_or("gold")
}

fn amount(dice: &Dice) -> i64 {
    let small = i64::try_from(dice.below(9)).unwrap_or(0) + 1;
    if dice.chance(3) { INTEGER_MAX - small } else { small }
}
