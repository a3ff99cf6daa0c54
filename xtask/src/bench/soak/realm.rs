//! The players of one realm as the generator remembers them: what each must hold, and what can be sent again.
//!
//! Everything is of a fixed size, so that a run of hours needs no more memory than one of a minute.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::super::client::Target;
use super::super::work::Random;

/// How many requests are remembered, to be repeated or acknowledged.
const REMEMBERED: usize = 2_048;

/// What everybody holds at the beginning.
pub(super) const ENDOWMENT: u64 = 1_000_000;

/// One realm, with the key that opens it now.
pub(super) struct Realm {
    /// What the names of its players begin with.
    pub(super) name: &'static str,
    /// The id of its game, as paths have it.
    pub(super) game: String,
    /// How it is called: with another key after each rotation.
    pub(super) target: RefCell<Target>,
    /// How many changes of wallets were acknowledged that a subscriber must hear of.
    pub(super) changes: Cell<u64>,
    players: Vec<Player>,
    numbers: Cell<u64>,
    credits: RefCell<VecDeque<Sent>>,
    grants: RefCell<VecDeque<String>>,
}

/// What is known of one player's gold.
pub(super) struct Player {
    /// What was acknowledged.
    pub(super) gold: Cell<u64>,
    /// Whether the outcome of a change is unknown.
    pub(super) unknown: Cell<bool>,
}

/// A credit that was acknowledged: enough to make the same request again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    /// Whom it was for.
    pub(super) player: usize,
    /// Its number, of which key and amount follow.
    pub(super) number: u64,
}

impl Sent {
    /// How much it is, from 1 to 5.
    pub(super) fn amount(self) -> u64 {
        1 + self.number % 5
    }
}

impl Realm {
    /// A realm of so many players.
    pub(super) fn new(name: &'static str, game: String, target: Target, players: usize) -> Self {
        let player = || Player { gold: Cell::new(ENDOWMENT), unknown: Cell::new(false) };
        Self {
            name,
            game,
            target: RefCell::new(target),
            changes: Cell::new(0),
            players: (0..players).map(|_| player()).collect(),
            numbers: Cell::new(0),
            credits: RefCell::default(),
            grants: RefCell::default(),
        }
    }

    /// How many players there are.
    pub(super) fn count(&self) -> usize {
        self.players.len()
    }

    /// The players in order.
    pub(super) fn players(&self) -> &[Player] {
        &self.players
    }

    /// A number that was never used before.
    pub(super) fn number(&self) -> u64 {
        self.numbers.replace(self.numbers.get() + 1)
    }

    /// Some player.
    pub(super) fn choose(&self, random: &mut Random) -> usize {
        below(random, self.players.len())
    }

    /// Some credit that was acknowledged not long ago.
    pub(super) fn earlier(&self, random: &mut Random) -> Option<Sent> {
        let credits = self.credits.borrow();
        credits.get(below(random, credits.len().max(1))).copied()
    }

    /// Remembers a credit that was acknowledged.
    pub(super) fn remember(&self, sent: Sent) {
        let mut credits = self.credits.borrow_mut();
        credits.push_back(sent);
        if REMEMBERED < credits.len() {
            credits.pop_front();
        }
    }

    /// A grant that was made and not yet acknowledged, as a path.
    pub(super) fn due(&self) -> Option<String> {
        self.grants.borrow_mut().pop_front()
    }

    /// Remembers a grant to be acknowledged, unless too many wait already.
    pub(super) fn owe(&self, grant: String) {
        let mut grants = self.grants.borrow_mut();
        if grants.len() < REMEMBERED {
            grants.push_back(grant);
        }
    }

    /// Notes an acknowledged change of somebody's gold.
    pub(super) fn changed(&self, player: usize, change: impl Fn(u64) -> u64) {
        self.changes.set(self.changes.get() + 1);
        if let Some(player) = self.players.get(player) {
            player.gold.set(change(player.gold.get()));
        }
    }

    /// Notes that nobody knows whether a change happened.
    pub(super) fn in_doubt(&self, player: usize) {
        if let Some(player) = self.players.get(player) {
            player.unknown.set(true);
        }
    }
}

/// A number below `count`, which is not 0.
pub(super) fn below(random: &mut Random, count: usize) -> usize {
    let count = u64::try_from(count).expect("there are fewer than 2^64");
    usize::try_from(random.next() % count).expect("the remainder is below the count")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_the_newest() {
        let target = Target::new("127.0.0.1:1".parse().unwrap(), "key").unwrap();
        let realm = Realm::new("soak", "game".to_owned(), target, 2);
        let mut random = Random::new(1);
        assert!(realm.earlier(&mut random).is_none());
        for number in 0..3_000 {
            realm.remember(Sent { player: 0, number });
            realm.owe(number.to_string());
        }
        let oldest = (0..2_000).filter_map(|_| realm.earlier(&mut random)).map(|sent| sent.number).min();
        assert!(oldest.is_some_and(|number| 3_000 - 2_048 <= number), "{oldest:?}");
        assert_eq!((realm.due().as_deref(), realm.grants.borrow().len()), (Some("0"), REMEMBERED - 1));
    }
}
