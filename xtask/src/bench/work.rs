//! What a phase sends: which request is next, and what the server has acknowledged of it.

use std::cell::Cell;
use std::fmt::Write;

use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, Uri};

/// The requests of one phase.
pub(crate) enum Work {
    /// Each credits one gold to one of some players.
    Credits(Credits),
    /// Each asks who is asking.
    Ping(Uri),
}

/// Credits to the players of one phase, and what became of them.
pub(crate) struct Credits {
    namespace: String,
    players: Vec<Player>,
    sent: Cell<u64>,
}

/// A player of the generator's, built before the phase so that a request costs little.
pub(crate) struct Player {
    /// Where credits go; the wallet is read from elsewhere.
    credit: Uri,
    /// The path of the wallet.
    pub(crate) wallet: String,
    /// How many credits the server answered with 200.
    pub(crate) acknowledged: Cell<u64>,
    /// How many credits may or may not have happened: the connection broke, or the server said that it does not know.
    pub(crate) unknown: Cell<u64>,
}

/// What became of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was answered with 200.
    Acknowledged,
    /// It was refused: it has no effect.
    Refused,
    /// It may have an effect.
    Unknown,
}

impl Work {
    /// The cheapest request that needs a key.
    pub(crate) fn ping() -> Self {
        Self::Ping(Uri::from_static("/server/v1/ping"))
    }

    /// The next request, and the player it is for.
    pub(crate) fn next(&self, random: &mut Random) -> (Option<&Player>, Request<Full<Bytes>>) {
        match self {
            Self::Ping(uri) => {
                let mut request = Request::new(Full::default());
                request.uri_mut().clone_from(uri);
                (None, request)
            }
            Self::Credits(credits) => {
                let player = credits.choose(random);
                (Some(player), credits.request(player))
            }
        }
    }
}

impl Credits {
    /// `count` players whose names begin with `namespace`.
    pub(crate) fn new(namespace: &str, count: u32) -> Result<Self> {
        let player = |number| {
            let wallet = format!("/server/v1/players/{namespace}-{number}/wallet");
            let credit = Uri::try_from(format!("{wallet}/gold/credit")).context("a player's name is a path")?;
            Ok(Player { credit, wallet, acknowledged: Cell::new(0), unknown: Cell::new(0) })
        };
        let players = (0..count).map(player).collect::<Result<Vec<Player>>>()?;
        Ok(Self { namespace: namespace.to_owned(), players, sent: Cell::new(0) })
    }

    /// Everyone who may have been credited.
    pub(crate) fn players(&self) -> &[Player] {
        &self.players
    }

    /// A credit of one gold under a key that was never used before.
    pub(crate) fn request(&self, player: &Player) -> Request<Full<Bytes>> {
        let number = self.sent.get();
        self.sent.set(number + 1);
        let mut body = String::with_capacity(80);
        write!(body, r#"{{"amount":1,"idempotencyKey":"{}-{number}"}}"#, self.namespace).expect("a string has room");
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = Method::POST;
        request.uri_mut().clone_from(&player.credit);
        request
    }

    fn choose(&self, random: &mut Random) -> &Player {
        let count = u64::try_from(self.players.len()).expect("there are fewer than 2^32 players");
        let index = usize::try_from(random.next() % count).expect("there are fewer than 2^32 players");
        self.players.get(index).expect("the remainder is below the count")
    }
}

impl Player {
    /// Writes down what became of a credit to this player.
    pub(crate) fn note(&self, fate: Fate) {
        match fate {
            Fate::Acknowledged => self.acknowledged.set(self.acknowledged.get() + 1),
            Fate::Unknown => self.unknown.set(self.unknown.get() + 1),
            Fate::Refused => {}
        }
    }
}

/// Splitmix64: cheap, even enough to choose players, and the same in every run.
pub(crate) struct Random(u64);

impl Random {
    /// A sequence of its own for every seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_random_workload_reaches_every_player_with_paths_of_the_contract() {
        let credits = Credits::new("random-16-1", 50).unwrap();
        let mut random = Random::new(1);
        let wallets: BTreeSet<&str> = (0..2_000).map(|_| credits.choose(&mut random).wallet.as_str()).collect();
        assert_eq!(wallets.len(), 50);
        assert!(wallets.contains("/server/v1/players/random-16-1-49/wallet"));
    }

    #[test]
    fn every_credit_has_a_key_of_its_own() {
        let credits = Credits::new("hot-1-0", 1).unwrap();
        let player = credits.players().first().unwrap();
        assert_eq!(credits.request(player).uri(), "/server/v1/players/hot-1-0-0/wallet/gold/credit");
        credits.request(player);
        assert_eq!(credits.sent.get(), 2);
    }
}
