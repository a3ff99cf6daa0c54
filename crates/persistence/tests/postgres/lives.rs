//! What happens to players beside everything else that happens to them: nothing is lost, nothing deadlocks.

use domain::audit_log::AuditId;
use domain::economy::{Actor, Answer, Batch, KeyDigest};
use domain::ids::Ids;
use domain::players::{
    BanChange, BanCommand, EntryIds, EraseCommand, EraseOutcome, ExternalId, IdentityDigest, InstallationSecret,
    LegalBasis, MergeCommand, Merged,
};
use domain::tenancy::RealmId;
use persistence::postgres::PostgresOptions;
use testkit::contract::{Stores, World};
use testkit::{Draft, SequentialIds, ack, coins, create_grant, credit, external_id, text};
use uuid::Uuid;

use crate::faults::{hold, now, on_postgres, until};
use crate::fixture::stores;
use crate::outside::Outside;

/// A merge of `source` into `target`.
pub(crate) fn merge(realm: RealmId, source: &str, target: &str) -> MergeCommand {
    let (source, target) = (external_id(source), external_id(target));
    MergeCommand {
        realm,
        at: now(),
        actor: Actor::new("ks_test"),
        source_digest: digest(realm, &source),
        target_digest: digest(realm, &target),
        source,
        target,
        key: None,
        audit: AuditId(SequentialIds.next(now())),
        entries: EntryIds::starting_with(random_id()),
    }
}

/// An erasure of `player`.
pub(crate) fn erase(realm: RealmId, player: &str) -> EraseCommand {
    let player = external_id(player);
    EraseCommand {
        realm,
        at: now(),
        actor: Actor::new("ks_test"),
        digest: digest(realm, &player),
        player,
        basis: LegalBasis::GdprErasure,
        key: None,
        audit: AuditId(SequentialIds.next(now())),
    }
}

/// A ban of `player`.
pub(crate) fn ban(realm: RealmId, player: &str, reason: &str) -> BanCommand {
    BanCommand {
        realm,
        at: now(),
        actor: Actor::new("ks_test"),
        player: external_id(player),
        change: BanChange::Impose { reason: text(reason) },
        audit: AuditId(SequentialIds.next(now())),
    }
}

/// Merges, which must be possible.
pub(crate) async fn merged(stores: &Stores, command: &MergeCommand) -> Merged {
    stores.lives.merge(command).await.expect("the store works").expect("they can be merged")
}

/// Settles `drafts`, all of which must be possible, in batches of a size that is always allowed.
pub(crate) async fn settled(stores: &Stores, realm: RealmId, drafts: &[Draft]) {
    for some in drafts.chunks(250) {
        let outcomes = stores.settle(realm, some).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    }
}

fn digest(realm: RealmId, player: &ExternalId) -> IdentityDigest {
    InstallationSecret::new([7; 32]).digest(realm, player)
}

fn random_id() -> Uuid {
    let [bytes @ .., _, _, _, _, _, _] = SequentialIds.random().first_chunk::<16>().copied().unwrap();
    uuid::Builder::from_unix_timestamp_millis(1, &bytes).into_uuid()
}

/// How much gold all accounts hold together, whoever they belong to.
async fn all_gold(url: &str) -> i64 {
    let select = "SELECT coalesce(sum(balance), 0)::text AS text FROM accounts WHERE key = 'gold'";
    Outside::connect(url).await.texts(select).await.concat().parse().expect("a number")
}

/// What a round does to its two players while they are credited.
async fn live(stores: &Stores, realm: RealmId, round: u32, [one, two]: &[String; 2]) {
    merged(stores, &merge(realm, one, two)).await;
    match round % 3 {
        0 => assert!(matches!(stores.lives.erase(&erase(realm, two)).await, Ok(EraseOutcome::Erased(_)))),
        1 => drop(stores.lives.merge(&merge(realm, two, one)).await.expect("the store works")),
        _ => drop(stores.lives.change_ban(&ban(realm, one, "noise")).await.expect("the store works")),
    }
}

/// Credits both players, promises one of them more and delivers it, and answers how much gold that made.
async fn credits(stores: &Stores, realm: RealmId, round: u32, name: &str, [one, two]: &[String; 2]) -> i64 {
    const BATCHES: i64 = 6;
    for number in 0..BATCHES {
        let promise = format!("{name}-{round}-{number}");
        let drafts = [
            credit(two, "gold", 1).because("a reason"),
            credit(one, "gold", 2),
            create_grant(one, &promise, vec![coins("gold", 1)]),
        ];
        let outcomes = stores.settle(realm, &drafts).await;
        let [Ok(_), Ok(_), Ok(Answer::GrantCreated(created))] = outcomes.as_slice() else { panic!("{outcomes:?}") };
        // It may be another player's by now, and then it is not found.
        stores.settle(realm, &[ack(one, created.grant.id), ack(two, created.grant.id)]).await;
    }
    3 * BATCHES
}

#[test]
fn merges_and_erasures_beside_credits_lose_nothing_and_never_deadlock() {
    on_postgres(async |world, url| {
        let realm = world.realm;
        settled(&world.stores, realm, &[credit("zero", "gold", 1)]).await;
        let ours = sessions(&url, &[]).await;
        let mut made = 1;
        let handles = [stores(&url, PostgresOptions::default()), stores(&url, PostgresOptions::default())];
        let [first, second] = &handles;
        for round in 0..40 {
            let mut players = [format!("a{round}"), format!("b{round}")];
            settled(first, realm, &[credit(&players[0], "gold", 5), credit(&players[1], "gold", 5)]).await;
            settled(first, realm, &[credit(&players[0], "gems", 5)]).await;
            if round % 2 == 0 {
                players.reverse();
            }
            let (some, more, ()) = tokio::join!(
                credits(first, realm, round, "first", &players),
                credits(second, realm, round, "second", &players),
                live(if round % 4 < 2 { first } else { second }, realm, round, &players),
            );
            made += 10 + some + more;
        }
        drop(handles);
        assert_eq!(deadlocks(&url, &ours).await, ["0"]);
        assert_eq!(all_gold(&url).await, made);
        let report = world.stores.audit.audit().await.expect("audited");
        assert_eq!(report.differences_count, 0, "{report:?}");
    });
}

/// How many deadlocks there were, once all sessions but the known ones have ended: a session tells at its end.
async fn deadlocks(url: &str, known: &[String]) -> Vec<String> {
    while !sessions(url, known).await.is_empty() {
        tokio::task::yield_now().await;
    }
    let select = "SELECT deadlocks::text AS text FROM pg_stat_database WHERE datname = current_database()";
    Outside::connect(url).await.texts(select).await
}

/// The sessions of stores, but for the known ones.
async fn sessions(url: &str, known: &[String]) -> Vec<String> {
    let select = "SELECT pid::text AS text FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'purser'";
    let mut found = Outside::connect(url).await.texts(select).await;
    found.retain(|pid| !known.contains(pid));
    found
}

#[test]
fn merges_against_each_other_in_a_circle_never_deadlock() {
    on_postgres(async |world, url| {
        let realm = world.realm;
        settled(&world.stores, realm, &[credit("zero", "gold", 1)]).await;
        let ours = sessions(&url, &[]).await;
        let handles: Vec<Stores> = (0..3).map(|_| stores(&url, PostgresOptions::default())).collect();
        for round in 0..20 {
            let [a, b, c] = ["a", "b", "c"].map(|name| format!("{name}{round}"));
            let drafts = [&a, &b, &c].map(|player| credit(player, "gold", 1));
            settled(&handles[0], realm, &drafts).await;
            let (one, two, three) = (merge(realm, &a, &b), merge(realm, &b, &c), merge(realm, &c, &a));
            let all = tokio::join!(
                handles[0].lives.merge(&one),
                handles[1].lives.merge(&two),
                handles[2].lives.merge(&three),
            );
            assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok(), "{all:?}");
        }
        drop(handles);
        assert_eq!(deadlocks(&url, &ours).await, ["0"]);
        assert_eq!(all_gold(&url).await, 61);
        assert_eq!(world.stores.audit.audit().await.expect("audited").differences_count, 0);
    });
}

#[test]
fn a_late_repeat_of_a_credit_to_a_merged_player_pays_nothing() {
    on_postgres(async |world, url| {
        let (realm, other) = (world.realm, stores(&url, PostgresOptions::default()));
        let once = credit("source", "gold", 5).keyed("receipt");
        settled(&world.stores, realm, &[once.clone(), credit("target", "gold", 1)]).await;
        let (command, late) = (merge(realm, "source", "target"), std::slice::from_ref(&once));
        tokio::join!(merged(&world.stores, &command), settled(&other, realm, late));
        settled(&other, realm, late).await;
        assert_eq!(all_gold(&url).await, 6);
        assert_eq!((world.gold("target").await, world.gold("source").await), (Some(6), None));
    });
}

#[test]
fn a_batch_that_waited_for_a_player_who_is_merged_meanwhile_makes_a_new_one() {
    on_postgres(async |world, url| {
        let (realm, other) = (world.realm, stores(&url, PostgresOptions::default()));
        settled(&world.stores, realm, &[credit("a", "gold", 5), credit("b", "gold", 1)]).await;
        let before = world.stores.profile(realm, "a").await.expect("known").player.id;
        let waiting = "SELECT pid::text AS text FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let held = hold(&url, "b").await;
        let merging = tokio::spawn({
            let (lives, command) = (world.stores.lives.clone(), merge(realm, "a", "b"));
            async move { lives.merge(&command).await }
        });
        until(&url, waiting, |sessions| sessions.len() == 1).await;
        let crediting = tokio::spawn({
            let batch = Batch::new(vec![credit("a", "gold", 7).in_realm(realm)]);
            async move { other.economy.settle(&batch).await }
        });
        until(&url, waiting, |sessions| sessions.len() == 2).await;
        drop(held);
        let merged = merging.await.expect("no panic").expect("the store works").expect("merged");
        assert_eq!(merged.merge.source, before);
        assert!(crediting.await.expect("no panic").expect("the store works").outcomes.iter().all(Result::is_ok));
        assert_eq!((world.gold("a").await, world.gold("b").await), (Some(7), Some(6)));
        assert_ne!(world.stores.profile(realm, "a").await.expect("known").player.id, before);
    });
}

#[test]
fn the_same_merge_at_two_handles_at_once_happens_once() {
    on_postgres(async |world, url| {
        let (realm, other) = (world.realm, stores(&url, PostgresOptions::default()));
        for round in 0..20 {
            let mut names = [format!("a{round}"), format!("b{round}")];
            settled(&world.stores, realm, &[credit(&names[0], "gold", 1), credit(&names[1], "gold", 1)]).await;
            if round % 2 == 0 {
                names.reverse();
            }
            let key = Some(KeyDigest::of("once").expect("a key"));
            let command = || MergeCommand { key, ..merge(realm, &names[0], &names[1]) };
            let (one, two) = (command(), command());
            let (one, two) = tokio::join!(merged(&world.stores, &one), merged(&other, &two));
            assert_eq!((one.merge, one.earlier != two.earlier), (two.merge, true));
            assert_eq!(world.gold(&names[1]).await, Some(2));
        }
    });
}

#[test]
fn a_closed_account_reads_on_and_is_audited() {
    on_postgres(async |world, url| {
        let realm = world.realm;
        settled(&world.stores, realm, &[credit("a", "gold", 5), credit("b", "gold", 7), credit("a", "gold", 1)]).await;
        merged(&world.stores, &merge(realm, "a", "b")).await;
        settled(&world.stores, realm, &[credit("b", "gold", 1)]).await;
        let changes: Vec<i64> = world.history("b").await.iter().map(|row| row.delta).collect();
        assert_eq!(changes, [5, 7, 1, -6, 6, 1]);
        let head = world.stores.players.export_head(realm, &external_id("b")).await.expect("works").expect("known");
        let [open, closed] = head.accounts.as_slice() else { panic!("two accounts: {head:?}") };
        assert_eq!((open.closed, open.version, closed.closed, closed.version), (false, 3, true, 3));
        let of_closed = world.stores.players.export_entries(realm, closed, 0, 10).await.expect("works");
        assert_eq!(of_closed.iter().map(|row| row.sequence).collect::<Vec<_>>(), [1, 2, 3]);
        let faults = async || world.stores.audit.audit().await.expect("audited").differences_count;
        assert_eq!(faults().await, 0);
        let mut outside = Outside::connect(&url).await;
        outside.execute("UPDATE closed_accounts SET version = version + 1").await;
        assert_eq!(faults().await, 1);
        outside.execute("DELETE FROM closed_accounts").await;
        assert_eq!(faults().await, 1);
    });
}

#[test]
fn servers_that_start_at_once_agree_on_one_secret() {
    on_postgres(async |world, url| {
        let handles: Vec<Stores> = (0..4).map(|_| stores(&url, PostgresOptions::default())).collect();
        let agreeing = handles.into_iter().zip(1..).map(|(stores, number)| {
            tokio::spawn(async move { stores.lives.agree_on_secret(IdentityDigest([number; 32])).await })
        });
        let mut agreed = Vec::new();
        for agreeing in agreeing.collect::<Vec<_>>() {
            agreed.push(agreeing.await.expect("no panic").expect("the store works"));
        }
        agreed.dedup();
        let later = world.stores.lives.agree_on_secret(IdentityDigest([9; 32])).await.expect("the store works");
        assert_eq!(agreed, [later]);
    });
}

/// A world in which `stranger` was merged into `source`, who is banned, has accounts of every kind and a grant.
pub(crate) async fn prepared(world: &World) {
    let realm = world.realm;
    let drafts = [
        credit("stranger", "gold", 3).because("needle").sourced("needle"),
        credit("source", "gold", 5).because("needle").keyed("k"),
        credit("source", "gems", 1).with_parameters(&serde_json::json!({"hidden": "needle"})),
        credit("target", "gold", 7).because("kept"),
        create_grant("source", "promise", vec![coins("gold", 1)])
            .sourced("needle")
            .with_metadata(&serde_json::json!({"hidden": "needle"})),
        testkit::import_player("source", "import").with_context(&serde_json::json!({"hidden": "needle"})),
    ];
    settled(&world.stores, realm, &drafts).await;
    let banned = world.stores.lives.change_ban(&ban(realm, "stranger", "needle")).await;
    assert!(banned.expect("the store works").is_ok());
    merged(&world.stores, &merge(realm, "stranger", "source")).await;
    let banned = world.stores.lives.change_ban(&ban(realm, "source", "needle")).await;
    assert!(banned.expect("the store works").is_ok());
}
