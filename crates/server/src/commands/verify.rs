//! `purser verify`: the audit of the books.

use anyhow::bail;
use domain::economy::{Difference, Fault};

use crate::config::Settings;
use crate::store::{self, IfAbsent};

/// Recomputes every balance; fails naming what differs.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let store = store::open(settings, IfAbsent::Refuse).await?;
    let report = store.audit.audit().await?;
    for difference in &report.differences {
        println!("{}", describe(difference));
    }
    let (accounts, entries) = (report.accounts, report.entries);
    if report.differences_count == 0 {
        println!("verified {accounts} accounts and {entries} entries: every balance is the sum of its entries");
        return Ok(());
    }
    bail!("{} differences in {accounts} accounts and {entries} entries", report.differences_count)
}

fn describe(difference: &Difference) -> String {
    let account = &difference.account;
    let fault = match difference.fault {
        Fault::Balance { entries_sum } => format!("says balance {}, its entries sum to {entries_sum}", account.balance),
        Fault::Version { entries_count } => format!("says {} entries, it has {entries_count}", account.version),
        Fault::Sequence { expected, found } => format!("has entry {found} where entry {expected} belongs"),
        Fault::BalanceAfter { sequence, expected, found } => {
            format!("entry {sequence} says balance {found}, the entries up to it sum to {expected}")
        }
        Fault::OutOfRange { sequence, balance } => format!("balance {balance} after entry {sequence} is out of range"),
        Fault::NoAccount => "has entries but does not exist".to_owned(),
    };
    let (realm, kind, key) = (account.realm.0, account.asset.kind.as_str(), account.asset.key.as_str());
    format!("realm {realm} player {} {kind} {key} account {}: {fault}", account.player.0, account.id.0)
}
