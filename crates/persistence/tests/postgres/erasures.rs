//! After an erasure nothing is left that the store can overwrite, however long the history and whatever came meanwhile.

use domain::economy::KeyDigest;
use domain::players::{EraseCommand, EraseOutcome, Erased};
use persistence::postgres::PostgresOptions;
use testkit::{Draft, coins, create_grant, credit};

use crate::faults::on_postgres;
use crate::fixture::stores;
use crate::lives::{ban, erase, merge, merged, prepared, settled};
use crate::outside::Outside;

/// In how many rows of which tables one of `texts` is, whatever the column.
async fn rows_with(url: &str, texts: &[&str]) -> Vec<String> {
    let mut outside = Outside::connect(url).await;
    let tables = "SELECT table_name::text AS text FROM information_schema.tables
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY table_name";
    let condition: Vec<String> = texts.iter().map(|text| format!("t::text LIKE '%{text}%'")).collect();
    let condition = condition.join(" OR ");
    let mut found = Vec::new();
    for table in outside.texts(tables).await {
        let count = format!("SELECT count(*)::text AS text FROM {table} AS t WHERE {condition}");
        match outside.texts(&count).await.concat().as_str() {
            "0" => {}
            count => found.push(format!("{count} in {table}")),
        }
    }
    found
}

/// A credit of a long history.
fn told(player: &str, key: &str) -> Draft {
    credit(player, key, 1).because("needle").sourced("needle")
}

#[test]
fn nothing_of_the_ids_and_texts_of_an_erased_player_is_left_in_any_column() {
    on_postgres(async |world, url| {
        prepared(&world).await;
        let found = rows_with(&url, &["needle", "source", "stranger"]).await;
        assert_eq!(found, ["2 in audit_log", "3 in entries", "1 in grants", "1 in players"]);
        let erased = world.stores.lives.erase(&erase(world.realm, "source")).await;
        assert!(matches!(erased, Ok(EraseOutcome::Erased(_))), "{erased:?}");
        assert_eq!(rows_with(&url, &["needle", "source", "stranger"]).await, Vec::<String>::new());
        assert_eq!(rows_with(&url, &["gdpr_erasure"]).await, ["1 in audit_log"]);
        assert_eq!(rows_with(&url, &["kept"]).await, ["1 in entries"]);
        assert_eq!(world.stores.audit.audit().await.expect("audited").differences_count, 0);
    });
}

#[test]
fn reasons_are_blanked_over_a_chain_of_merges() {
    on_postgres(async |world, url| {
        let (stores, realm) = (&world.stores, world.realm);
        settled(stores, realm, &["a", "b", "c"].map(|player| told(player, "gold"))).await;
        for (source, target) in [("a", "b"), ("b", "c")] {
            assert!(stores.lives.change_ban(&ban(realm, source, "needle")).await.expect("the store works").is_ok());
            merged(stores, &merge(realm, source, target)).await;
        }
        assert_eq!(rows_with(&url, &["needle"]).await, ["2 in audit_log", "3 in entries"]);
        let erased = stores.lives.erase(&erase(realm, "c")).await;
        assert!(matches!(erased, Ok(EraseOutcome::Erased(_))), "{erased:?}");
        assert_eq!(rows_with(&url, &["needle"]).await, Vec::<String>::new());
    });
}

#[test]
fn long_histories_are_blanked_in_pieces_closed_accounts_included() {
    on_postgres(async |world, url| {
        let (stores, realm) = (&world.stores, world.realm);
        let mut drafts: Vec<Draft> = (0..2_300).flat_map(|_| [told("a", "gold"), told("b", "gold")]).collect();
        drafts.extend((0..300).map(|number| told("b", &format!("asset-{number}"))));
        settled(stores, realm, &drafts).await;
        merged(stores, &merge(realm, "a", "b")).await;
        let promises: Vec<Draft> = (0..2_100)
            .map(|number| create_grant("b", &format!("{number}"), vec![coins("gold", 1)]).sourced("needle"))
            .collect();
        settled(stores, realm, &promises).await;
        assert_eq!(rows_with(&url, &["needle"]).await, ["4900 in entries", "2100 in grants"]);
        let erased = stores.lives.erase(&erase(realm, "b")).await;
        assert!(matches!(erased, Ok(EraseOutcome::Erased(_))), "{erased:?}");
        assert_eq!(rows_with(&url, &["needle"]).await, Vec::<String>::new());
        let reasons = "SELECT reason AS text FROM entries WHERE reason IS NOT NULL OR source_ref IS NOT NULL";
        assert_eq!(Outside::connect(&url).await.texts(reasons).await, Vec::<String>::new());
        assert_eq!(stores.audit.audit().await.expect("audited").differences_count, 0);
    });
}

#[test]
fn what_comes_in_while_a_long_history_is_blanked_is_blanked_too() {
    on_postgres(async |world, url| {
        let (stores_here, realm) = (&world.stores, world.realm);
        let other = stores(&url, PostgresOptions::default());
        let drafts: Vec<Draft> = (0..7_000).map(|number| told("p", &format!("asset-{}", number % 3))).collect();
        settled(stores_here, realm, &drafts).await;
        let erasing = tokio::spawn({
            let (lives, command) = (stores_here.lives.clone(), erase(realm, "p"));
            async move { lives.erase(&command).await }
        });
        let mut beside = 0;
        while !erasing.is_finished() {
            settled(&other, realm, &[told("p", "asset-1"), told("p", "new")]).await;
            beside += 1;
        }
        let erased = erasing.await.expect("no panic");
        assert!(matches!(erased, Ok(EraseOutcome::Erased(_))), "{erased:?}");
        assert!(1 < beside);
        let left = "SELECT count(*)::text AS text FROM entries
            JOIN accounts ON accounts.realm = entries.realm AND accounts.id = entries.account
            JOIN players ON players.realm = accounts.realm AND players.id = accounts.player
            WHERE external_id LIKE '\\_\\_deleted%' AND entries::text LIKE '%needle%'";
        assert_eq!(Outside::connect(&url).await.texts(left).await, ["0"]);
        assert_eq!(stores_here.audit.audit().await.expect("audited").differences_count, 0);
    });
}

#[test]
fn a_late_repeat_of_an_erasure_touches_nothing_of_whoever_has_the_id_now() {
    on_postgres(async |world, url| {
        let (stores, realm) = (&world.stores, world.realm);
        settled(stores, realm, &[told("p", "gold")]).await;
        let key = Some(KeyDigest::of("once").expect("a key"));
        let first = stores.lives.erase(&EraseCommand { key, ..erase(realm, "p") }).await.expect("the store works");
        let EraseOutcome::Erased(Erased { erasure, .. }) = first else { panic!("{first:?}") };
        settled(stores, realm, &(0..3_000).map(|_| told("p", "gold")).collect::<Vec<_>>()).await;
        assert!(stores.lives.change_ban(&ban(realm, "p", "needle")).await.expect("the store works").is_ok());
        let again = stores.lives.erase(&EraseCommand { key, ..erase(realm, "p") }).await.expect("the store works");
        assert_eq!(again, EraseOutcome::AlreadyErased(erasure));
        assert_eq!(rows_with(&url, &["needle"]).await, ["1 in audit_log", "3000 in entries", "1 in players"]);
    });
}
