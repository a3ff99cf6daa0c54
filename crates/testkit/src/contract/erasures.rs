//! Erasures: nothing says whose it was any more, and the books stay whole.

use std::time::Duration;

use domain::audit_log::{AuditAction, AuditEntry, AuditRow};
use domain::economy::{Balance, Grant, GrantEntry, GrantStatus, LedgerRow, Repeat};
use domain::players::{EraseOutcome, Erasure, ExportHead, ExternalId, LegalBasis, Profile};
use domain::text::{FreeText, JsonObject};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::lives::start;
use super::{World, adjusted, granted};
use crate::commands::{
    Draft, ack, coins, create_grant, credit, debit, grant_item, immediate_grant, import_items, import_player, items,
};
use crate::lives::{ban, erase, lift_ban, merge};

const HOUR: Duration = Duration::from_secs(3_600);

/// In every text that must be gone.
const PERSONAL: &str = "Jane Doe";

async fn accept(world: &World, drafts: &[Draft]) {
    let outcomes = world.settle(drafts).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

/// An item with an attribute that says whose it is.
fn engraved_sword(parameters: &Value) -> GrantEntry {
    let GrantEntry::Item { key, quantity, .. } = items("sword", 1) else { unreachable!("items are items") };
    GrantEntry::Item { key, quantity, parameters: Some(JsonObject::try_new(parameters).expect("a small object")) }
}

/// Everything of `player` that holds free text: wallet, inventory, grants claimed and pending, a context, a ban.
async fn full_life(world: &World, player: &str) {
    let (text, object) = (format!("{PERSONAL} asked"), json!({ "name": PERSONAL }));
    let drafts = [
        credit(player, "gold", 9).because(&text).sourced(&text).keyed(&format!("{player}-c")),
        debit(player, "gold", 2).because(&text).sourced(&text).keyed(&format!("{player}-d")),
        grant_item(player, "sword", 1).because(&text).sourced(&text),
        import_items(player, "potion", 3).because(&text).with_parameters(&object),
        immediate_grant(player, &format!("{player}-now"), vec![coins("gems", 4)]).sourced(&text).with_metadata(&object),
        import_player(player, &format!("{player}-i")).with_context(&object),
    ];
    accept(world, &drafts).await;
    for key in ["pending", "claimed"] {
        let contents = vec![coins("gold", 1), engraved_sword(&object), coins("gems", 2)];
        let draft = create_grant(player, &format!("{player}-{key}"), contents).sourced(&text);
        let grant = granted(&world.settle_one(&draft.with_metadata(&object)).await).grant.id;
        if key == "claimed" {
            accept(world, &[ack(player, grant)]).await;
        }
    }
    world.change_ban(&ban(player, &text)).await.expect("the player is known");
}

/// What is left of an erased player, by Purser's own ids.
struct Remains {
    profile: Profile,
    rows: Vec<Vec<LedgerRow>>,
    grants: Vec<Grant>,
    /// All of the realm's audit log, and what it says of the player.
    log: (Vec<AuditRow>, Vec<AuditEntry>),
}

impl Remains {
    /// All of it as text, in which something is looked for.
    fn text(&self) -> String {
        let Self { profile, rows, grants, log } = self;
        format!("{profile:?} {rows:?} {grants:?} {log:?}")
    }
}

async fn rows_of(world: &World, head: &ExportHead) -> Vec<Vec<LedgerRow>> {
    let mut rows = Vec::new();
    for account in &head.accounts {
        let of_account = world.stores.players.export_entries(world.realm, account, 0, 10_000).await;
        rows.push(of_account.expect("the store works"));
    }
    rows
}

async fn remains(world: &World, head: &ExportHead, erasure: &Erasure) -> Remains {
    let grants = world.stores.players.export_grants(world.realm, erasure.player, None, 1_000).await;
    Remains {
        profile: world.profile_of(&erasure.placeholder()).await.expect("the row stays"),
        rows: rows_of(world, head).await,
        grants: grants.expect("the store works"),
        log: (world.audit_rows().await, world.done_to(erasure.player).await),
    }
}

/// No text of the player and not their id is left in anything that can be read; everything else is as it was.
pub async fn nothing_that_says_whose_it_was_is_left(world: World) {
    full_life(&world, "jane-4711").await;
    let (head, profile) = (world.head("jane-4711").await, world.known("jane-4711").await);
    let rows = rows_of(&world, &head).await;
    let grants = world.stores.grants(world.realm, "jane-4711", None, start()).await;
    assert!(format!("{profile:?} {rows:?} {grants:?}").matches(PERSONAL).count() > 12, "there is something to blank");
    let erasure = world.erase_now(&erase("jane-4711").after(HOUR)).await;
    assert_eq!((erasure.player, erasure.at), (head.player.id, start().plus(HOUR)));
    let world = world.reopened().await;
    assert_eq!(world.stores.profile(world.realm, "jane-4711").await, None);
    assert_eq!(world.stores.head(world.realm, "jane-4711").await, None);
    let left = remains(&world, &head, &erasure).await;
    let text = left.text();
    assert!(!text.contains(PERSONAL) && !text.contains("jane-4711"), "{text}");
    let blank = |row: &LedgerRow| LedgerRow { reason: None, source_ref: None, parameters: None, ..row.clone() };
    let blanked: Vec<Vec<_>> = rows.iter().map(|rows| rows.iter().map(blank).collect()).collect();
    assert_eq!(left.rows, blanked, "only the texts are gone");
    let blank = |grant: &Grant| {
        let entries = grant.entries.without_parameters();
        Grant { source_ref: None, metadata: None, entries, ..grant.clone() }
    };
    assert_eq!(left.grants, grants.iter().map(blank).collect::<Vec<_>>());
    assert_eq!((left.profile.wallet, left.profile.inventory), (profile.wallet, profile.inventory));
    assert_eq!(left.profile.last_context_snapshot, None);
    assert_eq!((left.profile.player.banned_at, left.profile.ban_reason), (None, None));
    assert_eq!(left.profile.player.created_at, head.player.created_at);
}

/// Balances, accounts and entries are as many and as large as before.
pub async fn an_erasure_leaves_the_books_whole(world: World) {
    full_life(&world, "p1").await;
    full_life(&world, "p2").await;
    let (before, beside) = (world.sound_books().await, world.seen(&["p2"]).await);
    world.erase_now(&erase("p1")).await;
    let world = world.reopened().await;
    assert_eq!(world.sound_books().await, before);
    assert_eq!(world.seen(&["p2"]).await, beside, "nobody else lost anything");
}

/// A history longer than any batch is blanked to the last entry.
pub async fn a_long_history_is_blanked_to_the_last_entry(world: World) {
    const ROUNDS: i64 = 5;
    for _ in 0..ROUNDS {
        accept(&world, &vec![credit("p1", "gold", 1).because(PERSONAL); 500]).await;
    }
    let head = world.head("p1").await;
    let erasure = world.erase_now(&erase("p1")).await;
    let rows = rows_of(&world, &head).await.concat();
    assert_eq!(rows.len(), 2_500);
    assert!(rows.iter().all(|row| row.reason.is_none()));
    let left = world.profile_of(&erasure.placeholder()).await.expect("the row stays");
    let balances: Vec<Balance> = left.wallet.iter().map(|holding| holding.balance).collect();
    assert_eq!(balances, [Balance::restore(500 * ROUNDS)]);
    world.sound_books().await;
}

/// An id that was erased is recognised as long as nobody has it, whatever the key, and after a reopen.
pub async fn a_repeated_erasure_happens_once(world: World) {
    full_life(&world, "p1").await;
    let erasure = world.erase_now(&erase("p1").keyed("k")).await;
    let log = world.audit_rows().await;
    let world = world.reopened().await;
    for draft in [erase("p1").keyed("k"), erase("p1").after(HOUR), erase("p1").keyed("other").on(LegalBasis::Test)] {
        assert_eq!(world.erase(&draft).await, EraseOutcome::AlreadyErased(erasure));
    }
    assert_eq!(world.audit_rows().await, log);
}

/// The next one who comes with the id is somebody else, whom a late repeat of the erasure leaves alone.
pub async fn the_id_of_an_erased_player_starts_fresh(world: World) {
    full_life(&world, "p1").await;
    let first = world.erase_now(&erase("p1").keyed("k1")).await;
    accept(&world, &[credit("p1", "gold", 1).because("mine")]).await;
    let anew = world.known("p1").await;
    assert_ne!(anew.player.id, first.player);
    assert_eq!((anew.player.banned_at, anew.ban_reason, anew.last_context_snapshot), (None, None, None));
    assert_eq!((anew.grants, anew.wallet.len(), anew.inventory.len()), (0, 1, 0));
    assert_eq!(world.history("p1").await.iter().map(|row| row.delta).collect::<Vec<_>>(), [1]);
    let before = world.seen(&["p1"]).await;
    assert_eq!(world.erase(&erase("p1").keyed("k1").after(HOUR)).await, EraseOutcome::AlreadyErased(first));
    assert_eq!(world.seen(&["p1"]).await, before);
    let second = world.erase_now(&erase("p1").keyed("k2").after(HOUR)).await;
    assert_eq!(second.player, anew.player.id);
    accept(&world, &[credit("p1", "gold", 2)]).await;
    let third = world.erase_now(&erase("p1").after(HOUR * 2)).await;
    let world = world.reopened().await;
    for (draft, erasure) in [
        (erase("p1").keyed("k1"), first),
        (erase("p1").keyed("k2"), second),
        (erase("p1"), third),
        (erase("p1").keyed("k3"), third),
    ] {
        assert_eq!(world.erase(&draft).await, EraseOutcome::AlreadyErased(erasure));
    }
    world.sound_books().await;
}

/// A request of before the erasure that comes again is answered as it was, pays nobody and makes no player.
pub async fn a_late_repeat_after_an_erasure_pays_nothing(world: World) {
    let requests = [
        credit("p1", "gold", 9).because(PERSONAL).keyed("k"),
        create_grant("p1", "g", vec![coins("gold", 1)]).sourced(PERSONAL),
        import_player("p1", "i").with_context(&json!({ "name": PERSONAL })),
    ];
    accept(&world, &requests).await;
    world.erase_now(&erase("p1")).await;
    let before = world.sound_books().await;
    let outcomes = world.settle(&requests).await;
    let [credited, created, imported] = outcomes.as_slice() else { panic!("three outcomes") };
    assert_eq!((adjusted(credited).repeat, adjusted(credited).balance.get()), (Repeat::Replay, 9));
    assert_eq!((granted(created).repeat, &granted(created).grant.source_ref), (Repeat::Replay, &None));
    assert!(imported.is_ok());
    assert_eq!(world.stores.profile(world.realm, "p1").await, None);
    assert_eq!(world.sound_books().await, before);
}

/// Who never existed is not erased, and is still unknown afterwards.
pub async fn who_never_existed_is_not_erased(world: World) {
    for draft in [erase("nobody"), erase("nobody").keyed("k"), erase("nobody").keyed("k")] {
        let outcome = world.erase(&draft.after(HOUR)).await;
        assert_eq!(outcome, EraseOutcome::NeverExisted { at: start().plus(HOUR) });
    }
    assert_eq!(world.audit_rows().await, []);
    accept(&world, &[credit("nobody", "gold", 1)]).await;
    world.erase_now(&erase("nobody").keyed("k")).await;
}

/// The log keeps what was done, when, by whom and on which basis, without what was said of the player.
pub async fn the_log_of_an_erased_player_says_only_what_was_done(world: World) {
    accept(&world, &[credit("p1", "gold", 1), credit("p2", "gold", 1)]).await;
    let id = world.known("p1").await.player.id;
    world.change_ban(&ban("p1", PERSONAL)).await.expect("the player is known");
    world.change_ban(&lift_ban("p1")).await.expect("the player is known");
    world.change_ban(&ban("p2", "stays")).await.expect("the player is known");
    let request = erase("p1").on(LegalBasis::StudioRequest).by("ks_sandbox_eraser000").after(HOUR);
    let erasure = world.erase_now(&request).await;
    let world = world.reopened().await;
    let done = world.done_to(id).await;
    let reason = |basis: LegalBasis| Some(FreeText::restore(basis.as_str().to_owned()));
    let seen: Vec<_> = done.iter().map(|entry| (entry.action, entry.reason.clone())).collect();
    assert_eq!(
        seen,
        [
            (AuditAction::PlayerDelete, reason(LegalBasis::StudioRequest)),
            (AuditAction::PlayerUnban, None),
            (AuditAction::PlayerBan, None),
        ]
    );
    let newest = world.audit_rows().await.into_iter().next().expect("the erasure is logged");
    assert_eq!(newest.external_id, Some(erasure.placeholder()));
    assert_eq!((newest.entry.actor.as_str(), newest.entry.at), ("ks_sandbox_eraser000", start().plus(HOUR)));
    let others = world.done_to(world.known("p2").await.player.id).await;
    assert_eq!(
        others.iter().map(|entry| entry.reason.clone()).collect::<Vec<_>>(),
        [Some(FreeText::restore("stays".to_owned()))]
    );
}

/// Whoever was merged into the player is erased with them: their closed accounts, their grants, what was said of them.
pub async fn whoever_was_merged_into_an_erased_player_is_erased_with_them(world: World) {
    for player in ["a-id", "b-id", "c-id"] {
        full_life(&world, player).await;
    }
    let first = world.known("a-id").await.player.id;
    for player in ["b-id", "c-id"] {
        world.change_ban(&lift_ban(player)).await.expect("the player is known");
    }
    world.merge_now(&merge("a-id", "b-id")).await;
    world.merge_now(&merge("b-id", "c-id")).await;
    world.change_ban(&ban("c-id", PERSONAL)).await.expect("the player is known");
    accept(&world, &[credit("other", "gold", 1).because("stays")]).await;
    let (head, beside, report) = (world.head("c-id").await, world.seen(&["other"]).await, world.sound_books().await);
    assert!(8 < head.accounts.len());
    let rows = rows_of(&world, &head).await;
    let erasure = world.erase_now(&erase("c-id")).await;
    let world = world.reopened().await;
    let left = remains(&world, &head, &erasure).await;
    let text = format!("{} {:?}", left.text(), world.done_to(first).await);
    for gone in [PERSONAL, "a-id", "b-id", "c-id"] {
        assert!(!text.contains(gone), "{gone} in {text}");
    }
    assert_eq!(left.grants.len(), 9);
    let count = |rows: &[Vec<LedgerRow>]| rows.iter().map(Vec::len).sum::<usize>();
    assert_eq!(count(&left.rows), count(&rows));
    assert!(
        left.rows.concat().iter().all(|row| (&row.reason, &row.source_ref, &row.parameters) == (&None, &None, &None))
    );
    assert_eq!(world.seen(&["other"]).await, beside);
    assert_eq!(world.sound_books().await, report);
    let never = |outcome: EraseOutcome| assert!(matches!(outcome, EraseOutcome::NeverExisted { .. }), "{outcome:?}");
    never(world.erase(&erase("a-id")).await);
    assert_eq!(world.erase(&erase("c-id")).await, EraseOutcome::AlreadyErased(erasure));
}

/// The player of the same name in another realm loses nothing.
pub async fn an_erasure_stays_in_its_realm(world: World) {
    let [live, other_game] = world.other_realms;
    let drafts = [
        credit("p1", "gold", 1).because("stays").sourced("stays"),
        create_grant("p1", "g", vec![coins("gold", 1)]).sourced("stays").with_metadata(&json!({"a": 1})),
        import_player("p1", "i").with_context(&json!({"level": 1})),
    ];
    for realm in [world.realm, live, other_game] {
        assert!(world.stores.settle(realm, &drafts).await.iter().all(Result::is_ok));
    }
    let elsewhere = async || [world.stores.seen(live, &["p1"]).await, world.stores.seen(other_game, &["p1"]).await];
    let before = elsewhere().await;
    world.erase_now(&erase("p1").keyed("k")).await;
    assert_eq!(elsewhere().await, before);
    assert_eq!(world.stores.audit_rows(live).await, []);
    let there = world.stores.erase(live, &erase("p1").keyed("k")).await;
    assert!(matches!(there, EraseOutcome::Erased(_)), "{there:?}");
}

/// Whatever is written while a player is erased belongs to them, blanked, or to who comes after them.
pub async fn what_comes_in_during_an_erasure_is_blanked_or_somebody_elses(world: World) {
    const CREDITS: usize = 25;
    let second = world.second().await;
    accept(&world, &vec![credit("p1", "gold", 1).because(PERSONAL); 300]).await;
    let head = world.head("p1").await;
    let mut writers = JoinSet::new();
    for stores in [world.stores.clone(), second] {
        let realm = world.realm;
        writers.spawn(async move {
            for _ in 0..CREDITS {
                let draft = credit("p1", "gold", 1).because(PERSONAL);
                stores.settle_one(realm, &draft).await.expect("a credit is accepted");
            }
        });
    }
    let erasure = world.erase_now(&erase("p1")).await;
    writers.join_all().await;
    let name: ExternalId = erasure.placeholder();
    let left = world.stores.head(world.realm, name.as_str()).await.expect("the row stays");
    let rows = rows_of(&world, &left).await.concat();
    assert_eq!(left.accounts.first().map(|account| account.id), head.accounts.first().map(|account| account.id));
    assert!(rows.iter().all(|row| row.reason.is_none()));
    let after = world.history("p1").await;
    assert_eq!(rows.len() + after.len(), 300 + 2 * CREDITS);
    assert!(after.iter().all(|row| row.reason.as_deref() == Some(PERSONAL)));
    world.sound_books().await;
}

/// A grant that an erased player did not claim stays pending, and nobody who comes after them can claim it.
pub async fn nobody_claims_the_grants_of_an_erased_player(world: World) {
    let outcome = world.settle_one(&create_grant("p1", "g", vec![coins("gold", 1)])).await;
    let grant = granted(&outcome).grant.id;
    let erasure = world.erase_now(&erase("p1")).await;
    accept(&world, &[credit("p1", "gold", 1)]).await;
    assert!(world.settle_one(&ack("p1", grant)).await.is_err());
    let left =
        world.stores.players.export_grants(world.realm, erasure.player, None, 10).await.expect("the store works");
    assert_eq!(left.iter().map(|grant| grant.status_at(start())).collect::<Vec<_>>(), [GrantStatus::Pending]);
}
