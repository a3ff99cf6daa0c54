//! What a soak sends: kinds of requests with their shares, what each must be answered, and what follows from the answer.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Uri};
use serde_json::Value;

use super::super::work::Random;
use super::realm::{Realm, Sent, below};

/// The name of the event and of the leaderboard.
pub(super) const KEY: &str = "soak";

/// More than anybody holds.
const TOO_MUCH: u64 = 9_007_199_254_740_991;

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A credit under a new key.
    Credit,
    /// A credit that was acknowledged before, again.
    Replay,
    /// A debit of what the player has.
    Debit,
    /// A debit of more than anybody has, which must be refused.
    Overdraft,
    /// A key that was used, for another amount, which must be refused.
    Conflict,
    /// An item.
    Item,
    /// A grant.
    Grant,
    /// The acknowledgement of a grant.
    Ack,
    /// A read of a wallet.
    Wallet,
    /// A read of the newest entries of a ledger.
    Ledger,
    /// A read of a profile.
    Profile,
    /// A lobby of four.
    Push,
    /// A score and its rank.
    Score,
    /// Ten places of a leaderboard around a player.
    Ranks,
}

/// Of a thousand requests, so many are of this kind.
const SHARES: [(Kind, usize); 14] = [
    (Kind::Credit, 330),
    (Kind::Replay, 30),
    (Kind::Debit, 160),
    (Kind::Overdraft, 20),
    (Kind::Conflict, 10),
    (Kind::Item, 50),
    (Kind::Grant, 40),
    (Kind::Ack, 40),
    (Kind::Wallet, 120),
    (Kind::Ledger, 40),
    (Kind::Profile, 30),
    (Kind::Push, 20),
    (Kind::Score, 70),
    (Kind::Ranks, 40),
];

/// A request, and how its answer is to be taken.
pub(super) struct Planned {
    pub(super) kind: Kind,
    pub(super) request: Request<Full<Bytes>>,
    expected: Expected,
    effect: Effect,
}

/// What must be answered.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// One of these.
    Success(&'static [StatusCode]),
    /// A refusal with this status, which has this word in it.
    Refusal(StatusCode, &'static str),
}

/// What an acknowledgement means for the books of the generator.
enum Effect {
    Nothing,
    Credited(Sent),
    Debited(usize),
    Granted(usize),
}

/// What an answer was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Success, as it must be.
    Fine,
    /// A refusal that was asked for.
    Intended(&'static str),
    /// Anything else.
    Unintended(String),
}

const OK: Expected = Expected::Success(&[StatusCode::OK]);

impl Planned {
    /// The next request to `realm`.
    pub(super) fn next(realm: &Realm, random: &mut Random) -> Result<Self> {
        let player = realm.choose(random);
        match choose(random) {
            Kind::Credit => credit(realm, Sent { player, number: realm.number() }),
            Kind::Replay => match realm.earlier(random) {
                Some(sent) => Ok(Self { kind: Kind::Replay, effect: Effect::Nothing, ..credit(realm, sent)? }),
                None => credit(realm, Sent { player, number: realm.number() }),
            },
            Kind::Debit => {
                let body = format!(r#"{{"amount":1,"idempotencyKey":"{}-d{}"}}"#, realm.name, realm.number());
                let request = post(&wallet(realm, player, "/gold/debit"), body)?;
                Ok(Self { kind: Kind::Debit, request, expected: OK, effect: Effect::Debited(player) })
            }
            Kind::Overdraft => {
                let body = format!(r#"{{"amount":{TOO_MUCH}}}"#);
                let expected = Expected::Refusal(StatusCode::CONFLICT, "insufficient_funds");
                plain(Kind::Overdraft, post(&wallet(realm, player, "/gold/debit"), body)?, expected)
            }
            Kind::Conflict => {
                let Some(sent) = realm.earlier(random) else { return Self::next(realm, random) };
                let body = format!(r#"{{"amount":6,"idempotencyKey":"{}-c{}"}}"#, realm.name, sent.number);
                let expected = Expected::Refusal(StatusCode::CONFLICT, "idempotency_conflict");
                plain(Kind::Conflict, post(&wallet(realm, sent.player, "/gold/credit"), body)?, expected)
            }
            Kind::Item => {
                let body = format!(r#"{{"quantity":1,"idempotencyKey":"{}-i{}"}}"#, realm.name, realm.number());
                plain(Kind::Item, post(&named(realm, player, "/inventory/sword/grant"), body)?, OK)
            }
            Kind::Grant => grant(realm, player),
            Kind::Ack => match realm.due() {
                Some(path) => plain(Kind::Ack, post(&path, "{}")?, OK),
                None => grant(realm, player),
            },
            Kind::Wallet => plain(Kind::Wallet, get(&wallet(realm, player, ""))?, OK),
            Kind::Ledger => plain(Kind::Ledger, get(&named(realm, player, "/ledger?limit=20"))?, OK),
            Kind::Profile => plain(Kind::Profile, get(&named(realm, player, ""))?, OK),
            Kind::Push => push(realm, random),
            Kind::Score => {
                let (name, value) = (realm.name, random.next() % 1_000_000);
                let body = format!(r#"{{"externalPlayerId":"{name}-{player}","value":{value}}}"#);
                plain(Kind::Score, post(&format!("/server/v1/leaderboards/{KEY}/score"), body)?, OK)
            }
            Kind::Ranks => {
                let (name, query) = (realm.name, "limit=10&around=true&externalId=");
                plain(Kind::Ranks, get(&format!("/server/v1/leaderboards/{KEY}?{query}{name}-{player}"))?, OK)
            }
        }
    }

    /// Whether the answer must be kept to be understood.
    pub(super) fn wants_body(&self) -> bool {
        matches!(self.effect, Effect::Granted(_))
    }

    /// Whether an answer with this status needs no look at its body.
    pub(super) fn is_met_by(&self, status: StatusCode) -> bool {
        match self.expected {
            Expected::Success(statuses) => statuses.contains(&status),
            Expected::Refusal(..) => false,
        }
    }

    /// Notes what the answer means for `realm`, and judges it. `None` when there was none.
    pub(super) fn settle(&self, realm: &Realm, answer: Option<(StatusCode, &[u8])>) -> Verdict {
        let Some((status, body)) = answer else {
            self.doubt(realm);
            return Verdict::Unintended("no answer".to_owned());
        };
        match self.expected {
            Expected::Success(statuses) if statuses.contains(&status) => {
                self.note(realm, body);
                Verdict::Fine
            }
            Expected::Refusal(expected, word) if expected == status && contains(body, word) => Verdict::Intended(word),
            Expected::Success(_) | Expected::Refusal(..) => {
                if status.is_server_error() {
                    self.doubt(realm);
                }
                Verdict::Unintended(format!("{:?}: {status}", self.kind))
            }
        }
    }

    fn note(&self, realm: &Realm, body: &[u8]) {
        match self.effect {
            Effect::Nothing => {}
            Effect::Credited(sent) => {
                realm.changed(sent.player, |gold| gold + sent.amount());
                realm.remember(sent);
            }
            Effect::Debited(player) => realm.changed(player, |gold| gold - 1),
            Effect::Granted(player) => {
                let grant: Value = serde_json::from_slice(body).unwrap_or_default();
                if let Some(id) = grant.pointer("/data/id").and_then(Value::as_str) {
                    realm.owe(named(realm, player, &format!("/grants/{id}/ack")));
                }
            }
        }
    }

    fn doubt(&self, realm: &Realm) {
        match self.effect {
            Effect::Nothing | Effect::Granted(_) => {}
            Effect::Credited(Sent { player, .. }) | Effect::Debited(player) => realm.in_doubt(player),
        }
    }
}

fn choose(random: &mut Random) -> Kind {
    let total = SHARES.iter().map(|(_, share)| share).sum();
    let mut left = below(random, total);
    for (kind, share) in SHARES {
        match left.checked_sub(share) {
            Some(rest) => left = rest,
            None => return kind,
        }
    }
    unreachable!("the number is below the sum of the shares")
}

fn credit(realm: &Realm, sent: Sent) -> Result<Planned> {
    let body = format!(r#"{{"amount":{},"idempotencyKey":"{}-c{}"}}"#, sent.amount(), realm.name, sent.number);
    let request = post(&wallet(realm, sent.player, "/gold/credit"), body)?;
    Ok(Planned { kind: Kind::Credit, request, expected: OK, effect: Effect::Credited(sent) })
}

fn grant(realm: &Realm, player: usize) -> Result<Planned> {
    let number = realm.number();
    let body = format!(
        r#"{{"idempotencyKey":"{}-g{number}","entries":[{{"type":"currency","currencyKey":"gems","amount":3}}]}}"#,
        realm.name
    );
    let request = post(&named(realm, player, "/grants"), body)?;
    let expected = Expected::Success(&[StatusCode::CREATED]);
    Ok(Planned { kind: Kind::Grant, request, expected, effect: Effect::Granted(player) })
}

fn push(realm: &Realm, random: &mut Random) -> Result<Planned> {
    let (name, first, number) = (realm.name, realm.choose(random), realm.number());
    let players: Vec<String> =
        (0..4).map(|next| format!(r#""{name}-{}""#, (first + next) % realm.count().max(4))).collect();
    let body = format!(r#"{{"key":"{name}-l{number}","capacity":4,"externalPlayerIds":[{}]}}"#, players.join(","));
    let request = post(&format!("/server/v1/games/{}/events/{KEY}/lobbies", realm.game), body)?;
    plain(Kind::Push, request, Expected::Success(&[StatusCode::CREATED]))
}

fn plain(kind: Kind, request: Request<Full<Bytes>>, expected: Expected) -> Result<Planned> {
    Ok(Planned { kind, request, expected, effect: Effect::Nothing })
}

fn named(realm: &Realm, player: usize, rest: &str) -> String {
    format!("/server/v1/players/{}-{player}{rest}", realm.name)
}

fn wallet(realm: &Realm, player: usize, rest: &str) -> String {
    named(realm, player, &format!("/wallet{rest}"))
}

fn contains(body: &[u8], word: &str) -> bool {
    body.windows(word.len()).any(|window| window == word.as_bytes())
}

/// A request with a body.
pub(super) fn post(path: &str, body: impl Into<Bytes>) -> Result<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::new(body.into()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::try_from(path).context("not a path")?;
    Ok(request)
}

/// A request without one.
pub(super) fn get(path: &str) -> Result<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = Uri::try_from(path).context("not a path")?;
    Ok(request)
}

/// How often each kind is sent, for the report.
pub(super) fn shares() -> String {
    let by_share: BTreeMap<usize, Vec<String>> = SHARES.iter().fold(BTreeMap::new(), |mut all, (kind, share)| {
        all.entry(*share).or_insert_with(Vec::new).push(format!("{kind:?}").to_lowercase());
        all
    });
    let shown = by_share.iter().rev().map(|(share, kinds)| format!("{} {share}", kinds.join(" and ")));
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::super::client::Target;
    use super::*;

    fn realm() -> Realm {
        let target = Target::new("127.0.0.1:1".parse().unwrap(), "key").unwrap();
        Realm::new("soak", "game".to_owned(), target, 10)
    }

    #[test]
    fn the_shares_are_of_a_thousand_and_every_kind_is_sent() {
        assert_eq!(SHARES.iter().map(|(_, share)| share).sum::<usize>(), 1_000);
        let (realm, mut random) = (realm(), Random::new(1));
        realm.remember(Sent { player: 1, number: 1 });
        let mut sent: BTreeMap<Kind, usize> = BTreeMap::new();
        for _ in 0..5_000 {
            let planned = Planned::next(&realm, &mut random).unwrap();
            *sent.entry(planned.kind).or_default() += 1;
            if planned.kind == Kind::Grant {
                planned.settle(&realm, Some((StatusCode::CREATED, br#"{"data":{"id":"g"}}"#)));
            }
        }
        assert_eq!(sent.len(), SHARES.len(), "{sent:?}");
    }

    #[test]
    fn only_the_refusal_that_was_asked_for_is_intended() {
        let (realm, mut random) = (realm(), Random::new(1));
        let overdraft = loop {
            let planned = Planned::next(&realm, &mut random).unwrap();
            if planned.kind == Kind::Overdraft {
                break planned;
            }
        };
        let conflict = StatusCode::CONFLICT;
        assert_eq!(
            overdraft.settle(&realm, Some((conflict, br#"{"reason":"insufficient_funds"}"#))),
            Verdict::Intended("insufficient_funds")
        );
        for (status, body) in [(conflict, &b"{}"[..]), (StatusCode::OK, b"{}"), (StatusCode::SERVICE_UNAVAILABLE, b"")]
        {
            assert!(matches!(overdraft.settle(&realm, Some((status, body))), Verdict::Unintended(_)), "{status}");
        }
    }

    #[test]
    fn an_acknowledged_credit_is_in_the_books_and_one_without_an_answer_is_in_doubt() {
        let realm = realm();
        let sent = Sent { player: 3, number: 9 };
        let credit = credit(&realm, sent).unwrap();
        assert_eq!(credit.settle(&realm, Some((StatusCode::OK, b"{}"))), Verdict::Fine);
        let player = realm.players().get(3).unwrap();
        assert_eq!((player.gold.get(), player.unknown.get()), (1_000_005, false));
        credit.settle(&realm, None);
        assert_eq!((player.gold.get(), player.unknown.get()), (1_000_005, true));
    }
}
