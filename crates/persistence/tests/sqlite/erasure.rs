//! Erasures: after one, nothing of the player is found in the files, byte by byte, whoever reads or writes meanwhile.
//!
//! Every text of a player is their mark, over and over, so that a piece of a text that was left somewhere is seen too.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Integer;
use diesel::sqlite::SqliteConnection;
use domain::audit_log::AuditEntry;
use domain::economy::AssetKind;
use domain::players::EraseOutcome;
use domain::webhooks::Dialect;
use futures_util::future::join_all;
use serde_json::json;
use testkit::contract::{World, run};
use testkit::{Draft, coins, create_grant, credit, external_id, grant_item, import_player};

use crate::fixture::{SqliteFixture, stores};
use crate::life_commands::{ban, erase, merge};
use crate::webhook_drafts::subscribe;

const MARK: &[u8] = b"mark-";
const DIGITS: usize = 6;

fn mark(number: usize) -> String {
    format!("mark-{number:06}-")
}

/// The mark of a player, over and over, in about so many characters.
fn marks(number: usize, chars: usize) -> String {
    mark(number).repeat(1 + chars / 12)
}

/// The studio's id of a player; of many lengths.
fn name(number: usize) -> String {
    marks(number, number * 7 % 100)
}

/// The numbers of all players of whom anything is in the files.
fn marked(path: &Path) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for suffix in ["", "-wal", "-journal"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        let bytes = std::fs::read(file).unwrap_or_default();
        for window in bytes.windows(MARK.len() + DIGITS) {
            let digits = window.strip_prefix(MARK).and_then(|digits| std::str::from_utf8(digits).ok());
            found.extend(digits.and_then(|digits| digits.parse::<usize>().ok()));
        }
    }
    found
}

/// What makes a player known, with all kinds of text, short and longer than a page.
fn life(number: usize) -> Vec<Draft> {
    let player = name(number);
    let object = json!({ "is": marks(number, number * 13 % 9_000) });
    let small = json!({ "is": marks(number, 20) });
    vec![
        import_player(&player, &format!("import-{number}")).with_context(&object),
        credit(&player, "gold", 5).because(&marks(number, number * 31 % 480)).sourced(&marks(number, 40)),
        grant_item(&player, "sword", 1).because(&marks(number, 10)).with_parameters(&small),
        create_grant(&player, &format!("grant-{number}"), vec![coins("gold", 1)]).with_metadata(&object),
    ]
}

/// More entries for a player, so that pages of the ledger split all over.
fn further(number: usize, round: usize) -> Draft {
    credit(&name(number), "gold", 1).because(&marks(number, (number * 17 + round * 101) % 300))
}

/// All numbers below `count`, in no order that means anything.
fn shuffled(count: usize) -> impl Iterator<Item = usize> + Clone {
    assert_ne!(count % 7_919, 0, "the step has no factor in common with the count");
    (0..count).map(move |number| number * 7_919 % count)
}

async fn settle(world: &World, drafts: Vec<Draft>) {
    for some in drafts.chunks(200) {
        let outcomes = world.settle(some).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    }
}

/// Players 0 to `count`, each with a long life.
async fn populate(world: &World, count: usize) {
    settle(world, shuffled(count).flat_map(life).collect()).await;
    for round in 0..3 {
        settle(world, shuffled(count).map(|number| further(number, round)).collect()).await;
    }
}

fn on_a_file(clause: impl AsyncFnOnce(World, std::path::PathBuf)) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let fixture = runtime.block_on(SqliteFixture::create());
    let path = fixture.path();
    run(async { fixture }, async |world: World| clause(world, path).await);
}

async fn erased(world: &World, number: usize) {
    let outcome = world.stores.lives.erase(&erase(world.realm, &name(number), None)).await.expect("the store works");
    assert!(matches!(outcome, EraseOutcome::Erased(_)), "{outcome:?}");
}

#[test]
fn nothing_of_many_erased_players_is_left_in_the_files_while_others_write() {
    on_a_file(async |world, path| {
        const COUNT: usize = 750;
        populate(&world, COUNT).await;
        for number in 0..COUNT {
            if number % 5 == 0 {
                let banned = world.stores.lives.change_ban(&ban(world.realm, &name(number), &marks(number, 200))).await;
                assert!(banned.expect("the store works").is_ok());
            }
        }
        assert_eq!(marked(&path).len(), COUNT, "everybody is there before");

        let stop = Arc::new(AtomicBool::new(false));
        let (stores, realm, stopped) = (world.stores.clone(), world.realm, stop.clone());
        let others = tokio::spawn(async move {
            let mut round = 0;
            while !stopped.load(Ordering::Relaxed) {
                // Those who are not erased.
                let drafts: Vec<Draft> =
                    (0..20).map(|number| further(3 * ((round * 20 + number) % (COUNT / 3)) + 1, round)).collect();
                assert!(stores.settle(realm, &drafts).await.iter().all(Result::is_ok));
                round += 1;
            }
        });
        erased(&world, 0).await;
        assert!(!marked(&path).contains(&0), "one of them, as soon as it is answered");
        let numbers: Vec<usize> = shuffled(COUNT).filter(|number| number % 3 == 0 && *number != 0).collect();
        for some in numbers.chunks(100) {
            join_all(some.iter().map(|number| erased(&world, *number))).await;
        }
        let left = marked(&path);
        stop.store(true, Ordering::Relaxed);
        others.await.expect("no panic");

        let expected: BTreeSet<usize> = (0..COUNT).filter(|number| number % 3 != 0).collect();
        let difference: Vec<&usize> = left.symmetric_difference(&expected).collect();
        assert!(difference.is_empty(), "{} players differ: {difference:?}", difference.len());
        let report = world.stores.audit.audit().await.expect("audited");
        assert_eq!(report.differences_count, 0, "{report:?}");
        let mut outside = outside(&path);
        outside.batch_execute("PRAGMA integrity_check").expect("readable");
        let intact =
            diesel::sql_query("SELECT count(*) AS number FROM pragma_integrity_check WHERE integrity_check = 'ok'");
        assert_eq!(intact.get_result::<Number>(&mut outside).expect("checked").number, 1);
    });
}

#[test]
fn what_events_said_of_an_erased_player_is_gone_from_the_files() {
    on_a_file(async |world, path| {
        subscribe(&world, Dialect::Json, "wallet.changed inventory.changed player.banned player.merged").await;
        populate(&world, 300).await;
        let banned = world.stores.lives.change_ban(&ban(world.realm, &name(1), &marks(1, 50))).await;
        assert!(banned.expect("the store works").is_ok());
        let merged = world.stores.lives.merge(&merge(world.realm, &name(1), &name(2))).await.expect("the store works");
        assert!(merged.is_ok(), "{merged:?}");
        assert_eq!(marked(&path).len(), 300);
        for number in (0..300).step_by(2) {
            erased(&world, number).await;
        }
        let expected: BTreeSet<usize> = (3..300).step_by(2).collect();
        assert_eq!(marked(&path), expected);
    });
}

#[test]
fn what_was_merged_into_an_erased_player_is_gone_too() {
    on_a_file(async |world, path| {
        populate(&world, 30).await;
        let (source, middle, target) = (name(1), name(2), name(3));
        for player in [&source, &middle] {
            let banned = world.stores.lives.change_ban(&ban(world.realm, player, &marks(1, 50))).await;
            assert!(banned.expect("the store works").is_ok());
        }
        let lifted = domain::players::BanCommand {
            change: domain::players::BanChange::Lift,
            ..ban(world.realm, &middle, "over")
        };
        assert!(world.stores.lives.change_ban(&lifted).await.expect("the store works").is_ok());
        for (source, target) in [(&source, &middle), (&middle, &target)] {
            let merged = world.stores.lives.merge(&merge(world.realm, source, target)).await.expect("the store works");
            assert!(merged.is_ok(), "{merged:?}");
        }
        erased(&world, 3).await;
        let left = marked(&path);
        assert!([1, 2, 3].iter().all(|number| !left.contains(number)), "{left:?}");
        assert_eq!(left.len(), 27);
        let log = world.stores.audit_log.page(world.realm, None, 100).await.expect("the store works");
        let reasons: Vec<AuditEntry> =
            log.rows.into_iter().map(|row| row.entry).filter(|e| e.reason.is_some()).collect();
        assert_eq!(reasons.len(), 1, "the erasure's own: {reasons:?}");
    });
}

#[test]
fn a_long_history_is_blanked_in_pieces_and_what_comes_meanwhile_as_well() {
    on_a_file(async |world, path| {
        settle(&world, life(1)).await;
        settle(&world, (0..7_000).map(|round| further(1, round)).collect()).await;
        settle(&world, life(2)).await;
        let (stores, realm) = (world.stores.clone(), world.realm);
        let meanwhile = tokio::spawn(async move {
            // Until the player is gone: the next write makes a new one of that name.
            for round in 0.. {
                assert!(stores.settle_one(realm, &further(2, round)).await.is_ok());
                assert!(stores.settle_one(realm, &further(1, round)).await.is_ok());
                if stores.balance(realm, &name(1), AssetKind::Currency, "gold").await < Some(7_000) {
                    break;
                }
            }
        });
        erased(&world, 1).await;
        meanwhile.await.expect("no panic");
        let mut outside = outside(&path);
        let blank = "SELECT count(*) AS number FROM entries e JOIN accounts a ON a.realm = e.realm AND a.id = e.account
            JOIN players p ON p.realm = a.realm AND p.id = a.player
            WHERE p.deleted_at IS NOT NULL AND coalesce(reason, source_ref, parameters) IS NOT NULL";
        let left = diesel::sql_query(blank).get_result::<Number>(&mut outside).expect("counted");
        assert_eq!(left.number, 0);
        assert_eq!(world.stores.audit.audit().await.expect("audited").differences_count, 0);
    });
}

#[test]
fn a_late_repeat_takes_nothing_from_who_has_the_id_by_then() {
    on_a_file(async |world, _| {
        settle(&world, life(1)).await;
        let first = erase(world.realm, &name(1), Some(1));
        assert!(matches!(world.stores.lives.erase(&first).await, Ok(EraseOutcome::Erased(_))));
        settle(&world, (0..5_000).map(|round| further(1, round)).collect()).await;
        let again = erase(world.realm, &name(1), Some(1));
        assert!(matches!(world.stores.lives.erase(&again).await, Ok(EraseOutcome::AlreadyErased(_))));
        let history = world.history(&name(1)).await;
        assert_eq!(history.len(), 5_000);
        assert!(history.iter().all(|row| row.reason.is_some()));
    });
}

#[test]
fn a_reader_from_outside_delays_the_cleaning_but_neither_the_answer_nor_other_writes() {
    on_a_file(async |world, path| {
        populate(&world, 50).await;
        let mut reader = outside(&path);
        reader.batch_execute("BEGIN; SELECT count(*) FROM players;").expect("a read transaction");
        let (began, stores, realm) = (Instant::now(), world.stores.clone(), world.realm);
        let answered = Arc::new(AtomicBool::new(false));
        let seen = answered.clone();
        let others = tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            while !seen.load(Ordering::Relaxed) {
                let began = Instant::now();
                assert!(stores.settle_one(realm, &further(2, 1)).await.is_ok());
                slowest = slowest.max(began.elapsed());
            }
            slowest
        });
        erased(&world, 1).await;
        answered.store(true, Ordering::Relaxed);
        let slowest = others.await.expect("no panic");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert!(slowest < Duration::from_secs(2), "a write took {slowest:?}");
        assert!(marked(&path).contains(&1), "the reader still needs it");
        reader.batch_execute("ROLLBACK").expect("ended");
        erased(&world, 3).await;
        let left = marked(&path);
        assert!(!left.contains(&1) && !left.contains(&3), "{left:?}");
    });
}

#[test]
fn a_cleaning_that_was_not_finished_is_finished_when_the_file_is_opened_again() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let fixture = runtime.block_on(SqliteFixture::create());
    let path = fixture.path();
    let mut reader = outside(&path);
    run(async { fixture }, async |world: World| {
        populate(&world, 50).await;
        reader.batch_execute("BEGIN; SELECT count(*) FROM players;").expect("a read transaction");
        erased(&world, 1).await;
        assert!(marked(&path).contains(&1));
        let again = world.reopened().await;
        reader.batch_execute("ROLLBACK").expect("ended");
        let limit = Instant::now() + Duration::from_secs(20);
        let due = || diesel::sql_query("SELECT user_version AS number FROM pragma_user_version");
        while due().get_result::<Number>(&mut outside(&path)).expect("readable").number != 0 {
            assert!(Instant::now() < limit, "it is still not clean");
            tokio::task::yield_now().await;
        }
        assert!(!marked(&path).contains(&1));
        assert!(
            again
                .stores
                .reads
                .holdings(again.realm, &external_id(&name(1)), AssetKind::Item)
                .await
                .expect("read")
                .is_none()
        );
        drop(stores(&path));
    });
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Integer)]
    number: i32,
}

fn outside(path: &Path) -> SqliteConnection {
    let mut outside = SqliteConnection::establish(&path.to_string_lossy()).expect("the file opens");
    outside.batch_execute("PRAGMA busy_timeout = 5000").expect("set");
    outside
}
