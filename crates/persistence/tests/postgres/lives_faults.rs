//! Faults in what happens to players: nothing is half stored, and a commit in doubt is resolved exactly.

use domain::players::EraseOutcome;
use persistence::postgres::PostgresOptions;
use testkit::contract::World;
use testkit::credit;

use crate::faults::on_postgres;
use crate::fixture::stores;
use crate::lives::{ban, erase, merge, merged, prepared, settled};
use crate::outside::Outside;
use crate::proxy::{Cut, Proxy};

/// What is done to `source`.
#[derive(Debug, Clone, Copy)]
enum Done {
    Ban,
    Merge,
    Erase,
}

/// Every change that each of them makes, as the trigger that forbids it.
const FAULTS: [(Done, &str, &str); 18] = [
    (Done::Ban, "UPDATE", "players"),
    (Done::Ban, "INSERT", "audit_log"),
    (Done::Merge, "DELETE", "accounts"),
    (Done::Merge, "INSERT", "closed_accounts"),
    (Done::Merge, "UPDATE", "accounts"),
    (Done::Merge, "UPDATE", "closed_accounts"),
    (Done::Merge, "INSERT", "entries"),
    (Done::Merge, "UPDATE", "grants"),
    (Done::Merge, "UPDATE OF merged_into", "players"),
    (Done::Merge, "UPDATE OF context_snapshot", "players"),
    (Done::Merge, "INSERT", "player_merges"),
    (Done::Merge, "INSERT", "audit_log"),
    (Done::Erase, "UPDATE", "entries"),
    (Done::Erase, "UPDATE", "grants"),
    (Done::Erase, "UPDATE", "audit_log"),
    (Done::Erase, "UPDATE", "players"),
    (Done::Erase, "INSERT", "player_erasures"),
    (Done::Erase, "INSERT", "audit_log"),
];

/// Every row of every table, as text.
async fn everything(url: &str) -> Vec<String> {
    let mut outside = Outside::connect(url).await;
    let tables = "SELECT table_name::text AS text FROM information_schema.tables
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE'";
    let mut rows = Vec::new();
    for table in outside.texts(tables).await {
        rows.extend(outside.texts(&format!("SELECT '{table}: ' || t::text AS text FROM {table} AS t")).await);
    }
    rows.sort_unstable();
    rows
}

/// Does it; whether it worked.
async fn does(world: &World, done: Done) -> bool {
    let (lives, realm) = (&world.stores.lives, world.realm);
    match done {
        Done::Ban => lives.change_ban(&ban(realm, "source", "again")).await.is_ok(),
        Done::Merge => lives.merge(&merge(realm, "source", "target")).await.is_ok(),
        Done::Erase => lives.erase(&erase(realm, "source")).await.is_ok(),
    }
}

#[test]
fn nothing_of_a_ban_a_merge_or_an_erasure_is_stored_when_any_of_its_statements_fails() {
    on_postgres(async |world, url| {
        prepared(&world).await;
        let mut outside = Outside::connect(&url).await;
        let function = "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'fault' USING ERRCODE = 'check_violation'; END $$";
        outside.execute(function).await;
        let before = everything(&url).await;
        for (done, change, table) in FAULTS {
            let told = format!("{done:?}, {change} of {table}");
            let trigger = format!("CREATE TRIGGER fault BEFORE {change} ON {table}");
            outside.execute(&format!("{trigger} FOR EACH ROW EXECUTE FUNCTION fault()")).await;
            assert!(!does(&world, done).await, "{told}");
            assert_eq!(everything(&url).await, before, "{told}");
            outside.execute(&format!("DROP TRIGGER fault ON {table}")).await;
        }
        for done in [Done::Ban, Done::Merge, Done::Erase] {
            assert!(does(&world, done).await, "{done:?}");
        }
        assert_eq!(world.gold("target").await, Some(15));
        assert_eq!(world.stores.audit.audit().await.expect("audited").differences_count, 0);
    });
}

/// Merges and erases over a connection that is cut at each commit as `cut` says.
async fn live_through(world: &World, url: &str, cut: Cut) {
    let realm = world.realm;
    let proxy = Proxy::to(url).await;
    let through = stores(&proxy.url(), PostgresOptions::default());
    settled(&through, realm, &[credit("a", "gold", 5), credit("b", "gold", 7)]).await;
    proxy.cut_next(cut);
    let answer = merged(&through, &merge(realm, "a", "b")).await;
    assert!(!answer.earlier, "{cut:?}: it happened now, whatever became of the answer");
    assert_eq!((answer.counts.currencies, answer.counts.currency_entries), (1, 1), "{cut:?}");
    assert_eq!((proxy.cuts(), world.gold("a").await, world.gold("b").await), (1, None, Some(12)), "{cut:?}");
    assert_eq!(world.history("b").await.len(), 4, "{cut:?}");
    proxy.cut_next(cut);
    let erased = through.lives.erase(&erase(realm, "b")).await;
    assert!(matches!(erased, Ok(EraseOutcome::Erased(_))), "{cut:?}: {erased:?}");
    let log = world.stores.audit_log.page(realm, None, 10).await.expect("the store works");
    assert_eq!(log.rows.len(), 2, "{cut:?}: {log:?}");
    assert_eq!(proxy.cuts(), 2, "{cut:?}");
}

#[test]
fn a_commit_whose_answer_is_lost_is_found_out_and_not_repeated() {
    on_postgres(async |world, url| live_through(&world, &url, Cut::After).await);
}

#[test]
fn a_commit_that_is_cut_off_on_its_way_is_found_out_and_never_doubled() {
    on_postgres(async |world, url| live_through(&world, &url, Cut::During).await);
}

#[test]
fn a_commit_that_never_arrived_is_made_again() {
    on_postgres(async |world, url| live_through(&world, &url, Cut::Before).await);
}
