//! Exports, over a player whose store may change or fail while they are read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use uuid::Uuid;

use super::test_lives::nothing_played;
use super::*;
use crate::audit_log::{AuditAction, AuditEntry, AuditId, AuditLog, MockAuditLog};
use crate::clock::MockClock;
use crate::economy::{
    AccountId, Actor, Amount, Asset, AssetKey, AssetKind, Balance, Delivery, EntryId, Failure, GrantEntries,
    GrantEntry, GrantKind, GrantSource, Operation, Origin,
};
use crate::ids::MockIds;
use crate::keys::{Caller, KeyId, PermissionSet};
use crate::limits::KeyLimits;
use crate::tenancy::{Environment, GameId, Realm, StudioId};

const REALM: RealmId = RealmId(7);
const OWN_AUDIT: u128 = 0xA0D1;

fn now() -> Timestamp {
    Timestamp::from_unix_micros(1_772_366_400_000_000)
}

fn account(number: u8, kind: AssetKind, balance: i64, version: i64, closed: bool) -> ExportAccount {
    let key = AssetKey::try_new(&format!("key-{number:03}")).unwrap();
    ExportAccount {
        id: AccountId(Uuid::from_u128(number.into())),
        asset: Asset { kind, key },
        balance: Balance::restore(balance),
        version,
        created_at: now(),
        updated_at: now(),
        closed,
    }
}

fn head(accounts: Vec<ExportAccount>) -> ExportHead {
    let player = Player {
        id: PlayerId(Uuid::from_u128(1)),
        external_id: ExternalId::try_new("p1").unwrap(),
        created_at: now(),
        last_seen_at: now(),
        banned_at: None,
    };
    ExportHead { player, last_context_snapshot: None, ban_reason: None, accounts }
}

fn entry(account: &ExportAccount, sequence: i64) -> LedgerRow {
    LedgerRow {
        id: EntryId(Uuid::from_u128(sequence.try_into().unwrap())),
        asset: account.asset.clone(),
        delta: 1,
        balance_after: Balance::restore(sequence),
        reason: None,
        source_ref: None,
        parameters: None,
        origin: Origin::Server,
        operation: Operation::WalletCredit,
        sequence,
        position: sequence * 3,
        at: now(),
    }
}

fn grant(id: u128) -> Grant {
    let crates = GrantEntry::Crate { key: AssetKey::try_new("box").unwrap(), quantity: Amount::try_new(1).unwrap() };
    Grant {
        id: GrantId(Uuid::from_u128(id)),
        player: PlayerId(Uuid::from_u128(1)),
        kind: GrantKind::Crate,
        entries: GrantEntries::try_new(vec![crates]).unwrap(),
        source: GrantSource::Api,
        source_ref: None,
        metadata: None,
        delivery: Delivery::Claim,
        claim: None,
        expires_at: None,
        created_at: now(),
    }
}

/// A store with one player: as many entries as their accounts say, and more that come in meanwhile.
struct Shelf {
    heads: Mutex<Vec<Option<ExportHead>>>,
    grants: u128,
    missing: Option<i64>,
    fails: AtomicBool,
    asked: Mutex<HashMap<&'static str, u32>>,
    written_meanwhile: AtomicI64,
}

impl Shelf {
    fn of(accounts: Vec<ExportAccount>, grants: u128) -> Self {
        let heads = Mutex::new(vec![Some(head(accounts))]);
        let (missing, fails, asked) = (None, AtomicBool::new(false), Mutex::default());
        Self { heads, grants, missing, fails, asked, written_meanwhile: AtomicI64::new(0) }
    }

    fn count(&self, what: &'static str) -> Result<(), StoreError> {
        *self.asked.lock().unwrap().entry(what).or_default() += 1;
        if self.fails.load(Ordering::Relaxed) { Err(StoreError::unavailable("gone")) } else { Ok(()) }
    }
}

#[async_trait]
impl PlayerReads for Shelf {
    async fn profile(&self, _: RealmId, _: &ExternalId, _: u32, _: Timestamp) -> Result<Option<Profile>, StoreError> {
        unreachable!("an export reads no profile")
    }

    async fn export_head(&self, realm: RealmId, player: &ExternalId) -> Result<Option<ExportHead>, StoreError> {
        self.count("head")?;
        assert_eq!((realm, player.as_str()), (REALM, "p1"));
        let mut heads = self.heads.lock().unwrap();
        Ok(if 1 < heads.len() { heads.remove(0) } else { heads[0].clone() })
    }

    async fn export_entries(
        &self,
        realm: RealmId,
        account: &ExportAccount,
        after: Position,
        limit: u32,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        self.count("entries")?;
        assert_eq!(realm, REALM);
        let stored = account.version + self.written_meanwhile.fetch_add(10, Ordering::Relaxed);
        let sequences = (1..=stored).filter(|sequence| after < sequence * 3 && Some(*sequence) != self.missing);
        Ok(sequences.take(limit.try_into().unwrap()).map(|sequence| entry(account, sequence)).collect())
    }

    async fn export_grants(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<GrantId>,
        limit: u32,
    ) -> Result<Vec<Grant>, StoreError> {
        self.count("grants")?;
        assert_eq!((realm, player), (REALM, PlayerId(Uuid::from_u128(1))));
        let before = after.map_or(self.grants + 1, |grant| grant.0.as_u128());
        Ok((1..before).rev().take(limit.try_into().unwrap()).map(grant).collect())
    }
}

fn caller() -> Caller {
    Caller {
        key: KeyId(Uuid::nil()),
        display_prefix: "ks_sandbox_0000000000".into(),
        actor: Actor::new("ks_sandbox_0000000000"),
        realm: Realm {
            id: REALM,
            studio: StudioId(Uuid::nil()),
            game: GameId(Uuid::nil()),
            environment: Environment::Sandbox,
        },
        permissions: PermissionSet::ServerIntegration,
        limits: KeyLimits::default(),
    }
}

fn audit_entry(id: u128) -> AuditEntry {
    AuditEntry {
        realm: REALM,
        id: AuditId(Uuid::from_u128(id)),
        at: now(),
        actor: caller().actor,
        action: AuditAction::PlayerBan,
        player: Some(PlayerId(Uuid::from_u128(1))),
        into: None,
        reason: None,
        details: None,
    }
}

/// A log that takes one entry and has `entries` others.
fn audit_log(entries: u128) -> MockAuditLog {
    let mut log = MockAuditLog::new();
    log.expect_append().times(1).returning(|_| Ok(()));
    log.expect_of_player().returning(move |realm, player, after, limit| {
        assert_eq!((realm, player), (REALM, PlayerId(Uuid::from_u128(1))));
        let before = after.map_or(entries + 1, |entry| entry.0.as_u128());
        Ok((1..before).rev().take(limit.try_into().unwrap()).map(audit_entry).collect())
    });
    log
}

fn players(shelf: &Arc<Shelf>, log: MockAuditLog) -> Players {
    let mut clock = MockClock::new();
    clock.expect_now().return_const(now());
    let mut ids = MockIds::new();
    ids.expect_next().return_const(Uuid::from_u128(OWN_AUDIT));
    let (reads, log): (Arc<dyn PlayerReads>, Arc<dyn AuditLog>) = (shelf.clone(), Arc::new(log));
    let secret = InstallationSecret::new([0; 32]);
    Players::new(
        Arc::new(MockPlayerStore::new()),
        (reads, nothing_played()),
        log,
        secret,
        Arc::new(clock),
        Arc::new(ids),
    )
}

async fn begin(shelf: &Arc<Shelf>, log: MockAuditLog, form: ExportForm) -> Export {
    let player = ExternalId::try_new("p1").unwrap();
    players(shelf, log).export(&caller(), &player, form).await.unwrap()
}

/// What was read of an export, and how it ended.
#[derive(Default)]
struct Read {
    wallet: Vec<String>,
    inventory: Vec<String>,
    grants: Vec<u128>,
    ledger: Vec<(String, i64)>,
    audit: Vec<u128>,
    parts: usize,
    ended: Option<Failure>,
}

async fn read(mut export: Export) -> Read {
    let keys = |holdings: Vec<Holding>| holdings.into_iter().map(|held| held.key.to_string()).collect::<Vec<_>>();
    let mut read = Read::default();
    loop {
        let part = match export.next().await {
            Ok(Some(part)) => part,
            Ok(None) => return read,
            Err(failure) => return Read { ended: Some(failure), ..read },
        };
        read.parts += 1;
        match part {
            ExportPart::Wallet(rows) => read.wallet.extend(keys(rows)),
            ExportPart::Inventory(rows) => read.inventory.extend(keys(rows)),
            ExportPart::Grants(rows) => read.grants.extend(rows.iter().map(|grant| grant.id.0.as_u128())),
            ExportPart::Ledger(rows) => {
                assert!(!rows.is_empty() && rows.len() <= 500, "{}", rows.len());
                read.ledger.extend(rows.iter().map(|row| (row.asset.key.to_string(), row.sequence)));
            }
            ExportPart::Attempts(_) | ExportPart::Lobbies(_) | ExportPart::Rankings(_) => panic!("nothing was played"),
            ExportPart::AuditLog(rows) => read.audit.extend(rows.iter().map(|entry| entry.id.0.as_u128())),
        }
    }
}

fn three_accounts() -> Vec<ExportAccount> {
    vec![
        account(1, AssetKind::Currency, 0, 1_234, false),
        account(2, AssetKind::Item, 0, 2, false),
        account(3, AssetKind::Item, 4, 500, false),
        account(1, AssetKind::Currency, 0, 7, true),
    ]
}

#[tokio::test]
async fn a_whole_export_hands_out_everything_in_pages_and_nothing_that_is_written_meanwhile() {
    let shelf = Arc::new(Shelf::of(three_accounts(), 120));
    let export = begin(&shelf, audit_log(501), ExportForm::Whole).await;
    assert_eq!((export.subject().at, export.subject().realm), (now(), caller().realm));
    let read = read(export).await;
    assert!(read.ended.is_none(), "{:?}", read.ended);
    assert_eq!(read.wallet, ["key-001"], "a closed account is only history");
    assert_eq!(read.inventory, ["key-003"], "what is not held is only history");
    assert_eq!(read.grants, (1..=120).rev().collect::<Vec<_>>());
    let of = |key: &str, versions: i64| (1..=versions).map(|sequence| (key.to_owned(), sequence)).collect::<Vec<_>>();
    let expected = [of("key-001", 1_234), of("key-002", 2), of("key-003", 500), of("key-001", 7)].concat();
    assert_eq!(read.ledger, expected);
    assert_eq!(read.audit, (1..=501).rev().collect::<Vec<_>>());
    assert_eq!(read.parts, 1 + 1 + 3 + (3 + 1 + 1 + 1) + 2);
}

#[tokio::test]
async fn a_bundle_has_the_first_thousand_of_each_list_and_no_history() {
    let kinds = [AssetKind::Currency, AssetKind::Item];
    let accounts = kinds.into_iter().flat_map(|kind| {
        (0..1_003_u16).map(move |number| {
            let key = AssetKey::try_new(&format!("key-{number:04}")).unwrap();
            // What is not held does not use up the thousand.
            ExportAccount { asset: Asset { kind, key }, ..account(1, kind, i64::from(number.min(1)), 1, false) }
        })
    });
    let shelf = Arc::new(Shelf::of(accounts.collect(), 1_030));
    let read = read(begin(&shelf, audit_log(3), ExportForm::Bundle).await).await;
    assert!(read.ended.is_none(), "{:?}", read.ended);
    assert_eq!(
        (read.wallet.len(), read.wallet[0].as_str(), read.wallet[999].as_str()),
        (1_000, "key-0000", "key-0999")
    );
    assert_eq!((read.inventory.len(), read.inventory[0].as_str()), (1_000, "key-0001"));
    assert_eq!(read.grants, (31..=1_030).rev().collect::<Vec<_>>());
    assert_eq!((read.ledger.len(), read.audit.len()), (0, 0));
}

#[tokio::test]
async fn an_export_is_on_the_audit_log_before_anything_is_handed_out() {
    for (form, details) in [(ExportForm::Bundle, r#"{"format":"json"}"#), (ExportForm::Whole, r#"{"format":"ndjson"}"#)]
    {
        let shelf = Arc::new(Shelf::of(Vec::new(), 0));
        let mut log = MockAuditLog::new();
        log.expect_append().times(1).returning(move |entry| {
            let expected = AuditEntry {
                id: AuditId(Uuid::from_u128(OWN_AUDIT)),
                action: AuditAction::PlayerExport,
                details: Some(JsonObject::restore(details.to_owned())),
                ..audit_entry(0)
            };
            assert_eq!(*entry, expected);
            Ok(())
        });
        let export = begin(&shelf, log, form).await;
        assert_eq!(export.subject().player.external_id.as_str(), "p1");
    }
}

#[tokio::test]
async fn without_an_audit_entry_there_is_no_export() {
    let shelf = Arc::new(Shelf::of(Vec::new(), 0));
    let mut log = MockAuditLog::new();
    log.expect_append().times(1).returning(|_| Err(StoreError::unavailable("gone")));
    let player = ExternalId::try_new("p1").unwrap();
    let begun = players(&shelf, log).export(&caller(), &player, ExportForm::Whole).await.map(drop);
    assert!(matches!(begun, Err(Failure::Store(_))), "{begun:?}");
}

#[tokio::test]
async fn nobody_is_not_exported_and_leaves_no_audit_entry() {
    let shelf = Arc::new(Shelf::of(Vec::new(), 0));
    *shelf.heads.lock().unwrap() = vec![None];
    let player = ExternalId::try_new("p1").unwrap();
    let players = players(&shelf, MockAuditLog::new());
    let begun = players.export(&caller(), &player, ExportForm::Whole).await.map(drop);
    assert!(matches!(begun, Err(Failure::PlayerNotFound)), "{begun:?}");
    let checked = players.check_exportable(&caller(), &player).await;
    assert!(matches!(checked, Err(Failure::PlayerNotFound)), "{checked:?}");
}

#[tokio::test]
async fn an_export_whose_player_is_gone_or_another_at_the_end_is_not_complete() {
    let mut other = head(Vec::new());
    other.player.id = PlayerId(Uuid::from_u128(2));
    for (form, at_the_end) in [(ExportForm::Bundle, None), (ExportForm::Whole, None), (ExportForm::Whole, Some(other))]
    {
        let shelf = Arc::new(Shelf::of(three_accounts(), 3));
        shelf.heads.lock().unwrap().push(at_the_end);
        let read = read(begin(&shelf, audit_log(1), form).await).await;
        assert_eq!(read.grants, [3, 2, 1]);
        let interrupted = matches!(read.ended, Some(Failure::ExportInterrupted(ExportInterruption::PlayerChanged)));
        assert!(interrupted, "{:?}", read.ended);
    }
}

#[tokio::test]
async fn an_export_of_an_account_that_lacks_an_entry_is_not_complete() {
    for missing in [1, 500, 501, 1_233] {
        let shelf = Arc::new(Shelf { missing: Some(missing), ..Shelf::of(three_accounts(), 0) });
        let read = read(begin(&shelf, audit_log(1), ExportForm::Whole).await).await;
        assert!(read.ledger.len() < usize::try_from(missing).unwrap(), "nothing past the gap: {}", read.ledger.len());
        let interrupted = matches!(read.ended, Some(Failure::ExportInterrupted(ExportInterruption::EntriesMissing)));
        assert!(interrupted, "{missing}: {:?}", read.ended);
    }
}

#[tokio::test]
async fn an_export_that_failed_goes_on_where_it_was_when_it_is_asked_again() {
    let shelf = Arc::new(Shelf::of(three_accounts(), 3));
    let mut export = begin(&shelf, audit_log(1), ExportForm::Whole).await;
    for _ in 0..3 {
        assert!(export.next().await.unwrap().is_some());
    }
    shelf.fails.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        let failed = export.next().await;
        assert!(matches!(failed, Err(Failure::Store(_))), "{failed:?}");
    }
    shelf.fails.store(false, Ordering::Relaxed);
    let read = read(export).await;
    assert!(read.ended.is_none(), "{:?}", read.ended);
    assert_eq!((read.ledger.len(), read.audit), (1_234 + 2 + 500 + 7, vec![1]));
}

#[tokio::test]
async fn nothing_is_read_that_is_not_asked_for() {
    let shelf = Arc::new(Shelf::of(three_accounts(), 3));
    let mut export = begin(&shelf, audit_log(1), ExportForm::Whole).await;
    assert!(matches!(export.next().await, Ok(Some(ExportPart::Wallet(_)))));
    assert_eq!(*shelf.asked.lock().unwrap(), HashMap::from([("head", 1)]));
}

#[test]
fn forms_read_back_what_they_write() {
    for form in ExportForm::ALL {
        assert_eq!(ExportForm::parse(form.as_str()), Some(form));
    }
    assert_eq!(ExportForm::parse(""), None);
}
