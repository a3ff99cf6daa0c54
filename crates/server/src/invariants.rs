//! Checks the books while the server runs: a few accounts at a time against their latest entries, over and over, so that what
//! should be impossible is seen within hours and not when somebody audits. `purser verify` checks all of them, in full.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::clock::Clock;
use domain::economy::{AuditPlace, Fault, LedgerAudit, SpotCheck};
use domain::store::{StoreError, causes};
use tokio::time::sleep;

use crate::system::SystemClock;

/// The pause between two checks.
const CHECK_EVERY: Duration = Duration::from_secs(120);

/// How many accounts are looked at in one read, of at most a hundred entries each: some ten milliseconds.
const PAGE_ACCOUNTS: u32 = 100;

/// How many reads make a check.
const PAGES: u32 = 10;

/// The pause between two reads of a check.
const PAGE_PAUSE: Duration = Duration::from_secs(1);

/// How many accounts that do not add up are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// Checks what there is, again and again, beginning anew at the end.
pub(crate) async fn check(audit: Arc<dyn LedgerAudit>) {
    let mut checked = Checked::default();
    loop {
        for _ in 0..PAGES {
            let page = audit.spot_check(checked.after, PAGE_ACCOUNTS).await;
            match page {
                Ok(page) => checked.page(&page),
                Err(error) => {
                    failed(&error);
                    break;
                }
            }
            if checked.after.is_none() {
                break;
            }
            sleep(PAGE_PAUSE).await;
        }
        sleep(CHECK_EVERY).await;
    }
}

fn failed(error: &StoreError) {
    tracing::warn!(cause = %causes(error), "the books could not be checked; it is tried again");
}

/// Makes the metrics of the checks known, as if all were well.
pub(crate) fn register() {
    Checked::default().show();
    metrics::counter!("purser_invariant_accounts_checked_total").increment(0);
    metrics::gauge!("purser_invariant_last_check_timestamp_seconds").set(0.0);
}

/// How far the checks are, and what they found.
#[derive(Debug, Default)]
struct Checked {
    after: Option<AuditPlace>,
    /// What is wrong with accounts that did not add up when they were checked last.
    wrong: BTreeMap<AuditPlace, Fault>,
}

impl Checked {
    fn page(&mut self, page: &SpotCheck) {
        // What was found here before is found again, or is mended.
        let (from, until) = (self.after, page.next);
        self.wrong
            .retain(|place, _| from.is_some_and(|from| *place <= from) || until.is_some_and(|until| until < *place));
        for difference in &page.report.differences {
            let (account, fault) = (&difference.account, &difference.fault);
            let place = (account.realm, account.id);
            let (realm, id) = (account.realm.0, account.id.0);
            tracing::error!(realm, account = %id, fault = ?fault, "an account does not add up; run purser verify");
            if self.wrong.len() < REMEMBERED_MAX {
                self.wrong.entry(place).or_insert(*fault);
            }
        }
        self.after = until;
        metrics::counter!("purser_invariant_accounts_checked_total").increment(page.report.accounts);
        self.show();
        set_seconds("purser_invariant_last_check_timestamp_seconds", SystemClock.now().unix_millis());
    }

    /// How many accounts are wrong, by what is wrong with them first.
    fn count(&self, name: &str) -> usize {
        self.wrong.values().filter(|fault| fault.name() == name).count()
    }

    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a small number")]
    fn show(&self) {
        for name in Fault::NAMES {
            metrics::gauge!("purser_invariant_violations", "fault" => name).set(self.count(name) as f64);
        }
    }
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a metric need not be exact")]
fn set_seconds(name: &'static str, millis: i64) {
    metrics::gauge!(name).set(millis as f64 / 1_000.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::economy::{AccountId, Asset, AssetKey, AssetKind, AuditReport, AuditedAccount, Difference};
    use domain::players::PlayerId;
    use domain::tenancy::RealmId;
    use uuid::Uuid;

    fn place(id: u128) -> AuditPlace {
        (RealmId(1), AccountId(Uuid::from_u128(id)))
    }

    fn page(next: Option<AuditPlace>, wrong: &[u128]) -> SpotCheck {
        let difference = |id: &u128| Difference {
            account: AuditedAccount {
                realm: RealmId(1),
                id: AccountId(Uuid::from_u128(*id)),
                player: PlayerId(Uuid::nil()),
                asset: Asset { kind: AssetKind::Currency, key: AssetKey::restore("gold".to_owned()) },
                balance: 1,
                version: 1,
            },
            fault: Fault::Balance { entries_sum: 2 },
        };
        let report = AuditReport { differences: wrong.iter().map(difference).collect(), ..AuditReport::default() };
        SpotCheck { report, next }
    }

    #[test]
    fn an_account_is_wrong_until_it_was_looked_at_again() {
        let mut checked = Checked::default();
        checked.page(&page(Some(place(10)), &[3]));
        checked.page(&page(Some(place(20)), &[15]));
        checked.page(&page(None, &[]));
        assert_eq!((checked.count("balance"), checked.count("version"), checked.after), (2, 0, None));
        checked.page(&page(Some(place(10)), &[]));
        assert_eq!(checked.count("balance"), 1, "the first is mended");
        checked.page(&page(Some(place(20)), &[15]));
        assert_eq!(checked.count("balance"), 1, "the second is not");
        checked.page(&page(None, &[]));
        checked.page(&page(None, &[]));
        assert_eq!(checked.count("balance"), 0);
    }
}
