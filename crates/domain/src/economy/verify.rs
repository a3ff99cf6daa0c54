//! The audit of the books: every balance recomputed from the entries, as a fold over what is stored.
//!
//! Feed every account in turn, each followed by its entries in order; [`Audit::finish`] says what differs.

use async_trait::async_trait;

use super::{AccountId, Asset, INTEGER_MAX};
use crate::players::PlayerId;
use crate::store::StoreError;
use crate::tenancy::RealmId;

/// The most differences that are reported one by one; further ones are only counted.
pub const DIFFERENCES_SHOWN_MAX: usize = 100;

/// The most of an account's entries that a spot check looks at, the latest ones, so that an account of any history costs the
/// same.
pub const SPOT_ENTRIES_MAX: usize = 100;

/// An account as stored, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedAccount {
    /// The realm.
    pub realm: RealmId,
    /// The account.
    pub id: AccountId,
    /// Its owner.
    pub player: PlayerId,
    /// What it holds.
    pub asset: Asset,
    /// How much, says the account.
    pub balance: i64,
    /// How many entries, says the account.
    pub version: i64,
}

/// The part of a stored entry that the audit looks at, unchecked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditedEntry {
    /// Its place in the account's history.
    pub sequence: i64,
    /// By how much the account changed.
    pub delta: i64,
    /// What the account held right after, says the entry.
    pub balance_after: i64,
}

/// One thing that does not add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The account.
    pub account: AuditedAccount,
    /// What is wrong with it.
    pub fault: Fault,
}

impl Fault {
    /// The name of every fault.
    pub const NAMES: [&'static str; 6] =
        ["balance", "version", "sequence", "balance_after", "out_of_range", "no_account"];

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Balance { .. } => "balance",
            Self::Version { .. } => "version",
            Self::Sequence { .. } => "sequence",
            Self::BalanceAfter { .. } => "balance_after",
            Self::OutOfRange { .. } => "out_of_range",
            Self::NoAccount => "no_account",
        }
    }
}

/// What can be wrong with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The account says one balance, its entries sum to another.
    Balance {
        /// The sum of its entries.
        entries_sum: i64,
    },
    /// The account says one number of entries, and has another.
    Version {
        /// How many it has.
        entries_count: i64,
    },
    /// An entry does not follow the one before it.
    Sequence {
        /// The number it should have.
        expected: i64,
        /// The number it has.
        found: i64,
    },
    /// An entry's own balance is not the sum up to it.
    BalanceAfter {
        /// The entry.
        sequence: i64,
        /// The sum up to it.
        expected: i64,
        /// What it says.
        found: i64,
    },
    /// A balance was below zero or above the top after this entry.
    OutOfRange {
        /// The entry.
        sequence: i64,
        /// The balance.
        balance: i64,
    },
    /// Entries exist for an account that does not.
    NoAccount,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditReport {
    /// How many accounts were checked.
    pub accounts: u64,
    /// How many entries were checked.
    pub entries: u64,
    /// The first [`DIFFERENCES_SHOWN_MAX`] differences.
    pub differences: Vec<Difference>,
    /// How many differences there are.
    pub differences_count: u64,
}

/// Where a spot check goes on: past this account.
pub type AuditPlace = (RealmId, AccountId);

/// What a spot check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpotCheck {
    /// Of the accounts that were checked.
    pub report: AuditReport,
    /// Where to go on; `None` when there are no accounts past these.
    pub next: Option<AuditPlace>,
}

/// Reads the ledger through [`Audit`], in one consistent view of the store, beside a running server.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait LedgerAudit: Send + Sync {
    /// Checks every account of every realm.
    async fn audit(&self) -> Result<AuditReport, StoreError>;

    /// Checks the first accounts past `after`, in the order of realm and id, each against its latest entries
    /// ([`Audit::latest`]): at most `accounts_max` of them, and none of those that a merge closed. It costs little, however
    /// large the ledger is.
    async fn spot_check(&self, after: Option<AuditPlace>, accounts_max: u32) -> Result<SpotCheck, StoreError>;
}

/// The fold that checks accounts and entries as they are read.
#[derive(Debug, Default)]
pub struct Audit {
    report: AuditReport,
    open: Option<OpenAccount>,
}

#[derive(Debug)]
struct OpenAccount {
    account: AuditedAccount,
    sum: i64,
    count: i64,
}

impl Audit {
    /// Takes in the next account; the entries that follow are its.
    pub fn account(&mut self, account: AuditedAccount) {
        self.close();
        self.report.accounts += 1;
        self.open = Some(OpenAccount { account, sum: 0, count: 0 });
    }

    /// Takes in the next entry of the account taken in last. Entries come in their stored order.
    pub fn entry(&mut self, entry: AuditedEntry) {
        self.report.entries += 1;
        let open = self.open.as_mut().expect("an entry follows its account");
        open.count += 1;
        open.sum = open.sum.saturating_add(entry.delta);
        let (expected, sum) = (open.count, open.sum);
        if entry.sequence != expected {
            self.differ(Fault::Sequence { expected, found: entry.sequence });
        }
        if entry.balance_after != sum {
            let (sequence, found) = (entry.sequence, entry.balance_after);
            self.differ(Fault::BalanceAfter { sequence, expected: sum, found });
        }
        if !(0..=INTEGER_MAX).contains(&sum) {
            self.differ(Fault::OutOfRange { sequence: entry.sequence, balance: sum });
        }
    }

    /// Takes in the next account with its latest entries, in their stored order: all that it has, or [`SPOT_ENTRIES_MAX`].
    /// What was before these is taken for what the first of them says.
    pub fn latest(&mut self, account: AuditedAccount, entries: &[AuditedEntry]) {
        self.account(account);
        let first = entries.first().filter(|first| SPOT_ENTRIES_MAX <= entries.len() && 1 < first.sequence);
        if let (Some(first), Some(open)) = (first, &mut self.open) {
            open.count = first.sequence - 1;
            open.sum = first.balance_after.saturating_sub(first.delta);
        }
        entries.iter().for_each(|entry| self.entry(*entry));
    }

    /// Takes in that entries exist for an account that does not.
    pub fn orphan(&mut self, account: AuditedAccount) {
        self.close();
        self.open = Some(OpenAccount { account, sum: 0, count: 0 });
        self.differ(Fault::NoAccount);
        self.open = None;
    }

    /// Ends the audit.
    pub fn finish(mut self) -> AuditReport {
        self.close();
        self.report
    }

    fn close(&mut self) {
        let Some(open) = &self.open else { return };
        let (entries_sum, entries_count) = (open.sum, open.count);
        let (balance, version) = (open.account.balance, open.account.version);
        if balance != entries_sum {
            self.differ(Fault::Balance { entries_sum });
        }
        if version != entries_count {
            self.differ(Fault::Version { entries_count });
        }
        self.open = None;
    }

    fn differ(&mut self, fault: Fault) {
        let open = self.open.as_ref().expect("a difference belongs to the open account");
        self.report.differences_count += 1;
        if self.report.differences.len() < DIFFERENCES_SHOWN_MAX {
            self.report.differences.push(Difference { account: open.account.clone(), fault });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::economy::{AssetKey, AssetKind};
    use uuid::Uuid;

    fn account(balance: i64, version: i64) -> AuditedAccount {
        AuditedAccount {
            realm: RealmId(1),
            id: AccountId(Uuid::nil()),
            player: PlayerId(Uuid::nil()),
            asset: Asset { kind: AssetKind::Currency, key: AssetKey::restore("gold".to_owned()) },
            balance,
            version,
        }
    }

    fn faults(of: AuditedAccount, entries: &[(i64, i64, i64)]) -> Vec<Fault> {
        let mut audit = Audit::default();
        audit.account(of);
        for (sequence, delta, balance_after) in entries {
            audit.entry(AuditedEntry { sequence: *sequence, delta: *delta, balance_after: *balance_after });
        }
        audit.finish().differences.into_iter().map(|difference| difference.fault).collect()
    }

    #[test]
    fn books_that_add_up_have_no_differences() {
        assert_eq!(faults(account(3, 2), &[(1, 5, 5), (2, -2, 3)]), []);
        assert_eq!(faults(account(0, 0), &[]), []);
    }

    /// An account of `count` entries of 1 each, and its latest ones.
    fn long(count: i64) -> (AuditedAccount, Vec<AuditedEntry>) {
        let shown = i64::try_from(SPOT_ENTRIES_MAX).expect("a small number").min(count);
        let entry = |sequence| AuditedEntry { sequence, delta: 1, balance_after: sequence };
        (account(count, count), (count - shown + 1..=count).map(entry).collect())
    }

    fn spotted(account: AuditedAccount, entries: &[AuditedEntry]) -> Vec<Fault> {
        let mut audit = Audit::default();
        audit.latest(account, entries);
        audit.finish().differences.into_iter().map(|difference| difference.fault).collect()
    }

    #[test]
    fn the_latest_entries_of_an_account_are_checked_on_what_was_before_them() {
        for count in [1, 2, 99, 100, 101, 5_000] {
            let (account, entries) = long(count);
            assert_eq!(spotted(account, &entries), [], "{count}");
        }
    }

    #[test]
    fn a_spot_check_finds_what_is_wrong_lately() {
        let (sound, entries) = long(5_000);
        let lost = AuditedAccount { version: 4_999, ..sound.clone() };
        assert_eq!(spotted(lost, &entries), [Fault::Version { entries_count: 5_000 }]);
        let inflated = AuditedAccount { balance: 5_001, ..sound.clone() };
        assert_eq!(spotted(inflated, &entries), [Fault::Balance { entries_sum: 5_000 }]);
        let mut gap = entries.clone();
        gap.remove(50);
        gap.insert(0, AuditedEntry { sequence: 4_900, delta: 1, balance_after: 4_900 });
        assert!(spotted(sound, &gap).contains(&Fault::Sequence { expected: 4_951, found: 4_952 }));
        // An account with few entries has nothing before them.
        let (short, entries) = long(3);
        assert!(spotted(short, &entries[1..]).contains(&Fault::Sequence { expected: 1, found: 2 }));
    }

    #[test]
    fn every_fault_is_named() {
        assert_eq!(faults(account(4, 1), &[(1, 5, 5)]), [Fault::Balance { entries_sum: 5 }]);
        assert_eq!(faults(account(5, 2), &[(1, 5, 5)]), [Fault::Version { entries_count: 1 }]);
        assert_eq!(faults(account(5, 1), &[(2, 5, 5)]), [Fault::Sequence { expected: 1, found: 2 }]);
        let wrong_balance = Fault::BalanceAfter { sequence: 1, expected: 5, found: 6 };
        assert_eq!(faults(account(5, 1), &[(1, 5, 6)]), [wrong_balance]);
        let negative = Fault::OutOfRange { sequence: 1, balance: -5 };
        assert_eq!(faults(account(-5, 1), &[(1, -5, -5)]), [negative]);
        let mut audit = Audit::default();
        audit.orphan(account(0, 0));
        assert_eq!(audit.finish().differences_count, 1);
    }
}
