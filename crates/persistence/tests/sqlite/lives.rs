//! What happens to players, in short: the contract has the clauses, these look at what is SQLite's own.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use domain::economy::AssetKind;
use domain::players::IdentityDigest;
use serde_json::json;
use testkit::contract::{World, run};
use testkit::{coins, create_grant, credit, external_id, grant_item, import_player};

use crate::fixture::SqliteFixture;
use crate::life_commands::{ban, erase, merge};

#[test]
fn a_merged_players_closed_accounts_are_read_exported_and_audited_under_the_target() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let fixture = runtime.block_on(SqliteFixture::create());
    let path = fixture.path();
    run(async { fixture }, async |world: World| {
        let drafts = [
            import_player("a", "i").with_context(&json!({ "some": "thing" })),
            credit("a", "gold", 3).because("why"),
            grant_item("a", "sword", 1),
            create_grant("a", "g", vec![coins("gold", 1)]),
            credit("b", "gold", 5),
            credit("c", "gold", 7),
        ];
        assert!(world.settle(&drafts).await.iter().all(Result::is_ok));
        for (source, target) in [("a", "b"), ("b", "c")] {
            let merged = world.stores.lives.merge(&merge(world.realm, source, target)).await.expect("works");
            let merged = merged.expect("mergeable");
            assert!(!merged.earlier && merged.counts.grants == 1, "{merged:?}");
        }
        let again = world.stores.lives.merge(&merge(world.realm, "a", "b")).await.expect("works").expect("a repeat");
        assert!(again.earlier);
        assert_eq!(world.gold("c").await, Some(15));
        assert_eq!(world.balance("c", AssetKind::Item, "sword").await, Some(1));
        assert_eq!(world.history("c").await.len(), 8, "four credits and two pairs");
        let report = world.stores.audit.audit().await.expect("audited");
        assert_eq!((report.accounts, report.entries, report.differences_count), (4, 8, 0), "{report:?}");

        let (realm, players) = (world.realm, &world.stores.players);
        let head = players.export_head(realm, &external_id("c")).await.expect("works").expect("known");
        assert_eq!(
            head.last_context_snapshot.map(|context| context.as_json().to_owned()),
            Some("{\"some\":\"thing\"}".to_owned())
        );
        let closed: Vec<bool> = head.accounts.iter().map(|account| account.closed).collect();
        assert_eq!(closed, [false, false, true, true]);
        let mut entries = 0;
        for account in &head.accounts {
            let rows = players.export_entries(realm, account, 0, 100).await.expect("works");
            assert_eq!(i64::try_from(rows.len()), Ok(account.version));
            entries += rows.len();
        }
        assert_eq!(entries, 8);
        assert_eq!(players.export_grants(realm, head.player.id, None, 10).await.expect("works").len(), 1);

        let mut outside = SqliteConnection::establish(&path.to_string_lossy()).expect("the file opens");
        outside.batch_execute("UPDATE closed_accounts SET version = version + 1").expect("changed");
        assert_eq!(world.stores.audit.audit().await.expect("audited").differences_count, 2);
        outside.batch_execute("DELETE FROM closed_accounts").expect("changed");
        assert_eq!(world.stores.audit.audit().await.expect("audited").differences_count, 2, "orphans");
    });
}

#[test]
fn what_was_done_to_a_player_is_in_the_log_under_what_they_are_called_now() {
    run(SqliteFixture::create(), async |world: World| {
        assert!(world.settle(&[credit("a", "gold", 3), credit("b", "gold", 3)]).await.iter().all(Result::is_ok));
        let lives = &world.stores.lives;
        let banned = lives.change_ban(&ban(world.realm, "a", "why")).await.expect("works").expect("known");
        lives.merge(&merge(world.realm, "a", "b")).await.expect("works").expect("mergeable");
        lives.erase(&erase(world.realm, "b", None)).await.expect("works");
        let log = &world.stores.audit_log;
        let page = log.page(world.realm, None, 2).await.expect("works");
        assert!(page.more);
        let [erased, merged] = page.rows.as_slice() else { panic!("two rows: {page:?}") };
        assert_eq!(erased.external_id, merged.into_external_id);
        assert!(merged.external_id.as_ref().is_some_and(|id| id.as_str().starts_with("__merged_")));
        let rest = log.page(world.realm, Some(merged.entry.id), 2).await.expect("works");
        assert_eq!((rest.rows.len(), rest.more), (1, false));
        let of_player = log.of_player(world.realm, banned.player, None, 10).await.expect("works");
        assert_eq!(of_player.len(), 2, "{of_player:?}");
        assert!(of_player.iter().all(|entry| entry.reason.is_none()), "blanked with the player merged into");
    });
}

#[test]
fn the_first_secret_is_the_one_that_is_agreed_on() {
    run(SqliteFixture::create(), async |world: World| {
        let [first, other] = [IdentityDigest([1; 32]), IdentityDigest([2; 32])];
        for offered in [first, other] {
            assert_eq!(world.stores.lives.agree_on_secret(offered).await.expect("works"), first);
        }
    });
}
