//! Reads every touched wallet back and compares it with what the generator saw acknowledged.

use std::fmt;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::client::Connection;
use super::server::Server;
use super::work::{Player, Work};

const CONNECTIONS: usize = 16;

/// How many differences are named; the first ones usually tell which kind of mistake it is.
const NAMED: usize = 10;

/// What the comparison found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Audit {
    players: u64,
    acknowledged: u64,
    unknown: u64,
    differences: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    wallet: Vec<Account>,
}

#[derive(Deserialize)]
struct Account {
    #[serde(rename = "economyKey")]
    economy_key: String,
    balance: u64,
}

/// Compares every player of every phase.
pub(crate) async fn run(server: &Server, credited: &[Rc<Work>]) -> Result<Audit> {
    let mut audit = Audit::default();
    for work in credited {
        let mut tasks = JoinSet::new();
        for offset in 0..CONNECTIONS {
            let work = Rc::clone(work);
            let connection = server.target().connect().await?;
            tasks.spawn_local(compare_share(connection, work, offset));
        }
        while let Some(finished) = tasks.join_next().await {
            audit.add(finished.context("a task of the audit panicked")??);
        }
    }
    Ok(audit)
}

async fn compare_share(mut connection: Connection, work: Rc<Work>, offset: usize) -> Result<Audit> {
    let mut audit = Audit::default();
    let Work::Credits(credits) = &*work else { return Ok(audit) };
    for player in credits.players().iter().skip(offset).step_by(CONNECTIONS) {
        if player.acknowledged.get() + player.unknown.get() == 0 {
            continue;
        }
        let (status, body) = connection.get(&player.wallet).await?;
        let balance = match status {
            StatusCode::OK => gold(&body).with_context(|| format!("cannot read the answer to {}", player.wallet))?,
            // Nobody was created by credits that were never settled.
            StatusCode::NOT_FOUND => 0,
            other => bail!("{} answered {other}: {}", player.wallet, String::from_utf8_lossy(&body)),
        };
        audit.compare(player, balance);
    }
    Ok(audit)
}

fn gold(body: &[u8]) -> Result<u64> {
    let answer: Answer = serde_json::from_slice(body)?;
    let gold = answer.data.wallet.iter().find(|account| account.economy_key == "gold");
    Ok(gold.map_or(0, |account| account.balance))
}

impl Audit {
    /// Whether every balance is what was acknowledged.
    pub(crate) fn is_exact(&self) -> bool {
        self.differences.is_empty()
    }

    fn compare(&mut self, player: &Player, balance: u64) {
        let (acknowledged, unknown) = (player.acknowledged.get(), player.unknown.get());
        self.players += 1;
        self.acknowledged += acknowledged;
        self.unknown += unknown;
        if !(acknowledged..=acknowledged + unknown).contains(&balance) {
            let wallet = &player.wallet;
            self.differences
                .push(format!("{wallet}: balance {balance}, acknowledged {acknowledged}, unknown {unknown}"));
        }
    }

    fn add(&mut self, other: Self) {
        self.players += other.players;
        self.acknowledged += other.acknowledged;
        self.unknown += other.unknown;
        self.differences.extend(other.differences);
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_exact() {
            write!(
                out,
                "balances equal acknowledged credits: {} players, {} credits",
                self.players, self.acknowledged
            )?;
        } else {
            write!(out, "{} of {} balances differ from what was acknowledged", self.differences.len(), self.players)?;
        }
        if self.unknown != 0 {
            write!(out, "; {} more credits had an unknown outcome and may count", self.unknown)?;
        }
        for difference in self.differences.iter().take(NAMED) {
            write!(out, "\n  {difference}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::work::{Credits, Fate};
    use super::*;

    fn audit(fates: &[Fate], balance: u64) -> Audit {
        let credits = Credits::new("hot-1-0", 1).unwrap();
        let player = credits.players().first().unwrap();
        for fate in fates {
            player.note(*fate);
        }
        let mut audit = Audit::default();
        audit.compare(player, balance);
        audit
    }

    #[test]
    fn a_lost_and_an_invented_credit_are_both_found() {
        let fates = [Fate::Acknowledged, Fate::Acknowledged, Fate::Refused];
        assert!(audit(&fates, 2).is_exact());
        assert!(!audit(&fates, 1).is_exact());
        assert!(!audit(&fates, 3).is_exact());
    }

    #[test]
    fn a_credit_of_unknown_outcome_may_count_or_not() {
        let fates = [Fate::Acknowledged, Fate::Unknown];
        assert!(audit(&fates, 1).is_exact());
        assert!(audit(&fates, 2).is_exact());
        assert!(!audit(&fates, 3).is_exact());
    }

    #[test]
    fn the_gold_of_a_wallet_is_read_among_other_fields() {
        let body =
            br#"{"data":{"wallet":[{"economyKey":"gems","balance":1},{"economyKey":"gold","balance":7,"x":0}]}}"#;
        assert_eq!(gold(body).unwrap(), 7);
        assert_eq!(gold(br#"{"data":{"wallet":[]}}"#).unwrap(), 0);
        assert!(gold(b"{}").is_err());
    }
}
