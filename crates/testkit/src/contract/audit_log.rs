//! The audit log: what was done comes back as it was said, newest first, with what its players are called now.

use std::time::Duration;

use domain::audit_log::{AuditAction, AuditEntry, AuditId, AuditRow};
use domain::economy::Actor;
use domain::ids::Ids;
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use domain::text::{FreeText, JsonObject};
use serde_json::json;

use super::World;
use super::lives::start;
use crate::commands::credit;
use crate::ids::SequentialIds;
use crate::lives::{ban, erase, lift_ban, merge};
use crate::tenants::{external_id, text};

/// An entry of an export of `player`, so many seconds after the start.
fn entry(realm: RealmId, seconds: u64, player: Option<PlayerId>) -> AuditEntry {
    let at = start().plus(Duration::from_secs(seconds));
    AuditEntry {
        realm,
        id: AuditId(SequentialIds.next(at)),
        at,
        actor: Actor::new("ks_sandbox_test000000"),
        action: AuditAction::PlayerExport,
        player,
        into: None,
        reason: None,
        details: None,
    }
}

async fn append(world: &World, entry: &AuditEntry) {
    world.stores.audit_log.append(entry).await.expect("the store works");
}

async fn player(world: &World, name: &str) -> PlayerId {
    world.settle_one(&credit(name, "gold", 1)).await.expect("a credit is accepted");
    world.known(name).await.player.id
}

/// Every field of an entry, with everything and with nothing in it.
pub async fn audit_entries_come_back_exactly(world: World) {
    let (p1, p2) = (player(&world, "p1").await, player(&world, "p2").await);
    let awkward = "naïve 'single' \"double\" \\ back\n\ttab $1 ? %s 🦀 \u{200b}end";
    let details = JsonObject::try_new(&json!({"z": [0.1, null], "a": {"text": awkward}, "b": 1})).expect("small");
    let mut entries = Vec::new();
    for (action, number) in AuditAction::ALL.into_iter().zip(0..) {
        let bare = AuditEntry { action, ..entry(world.realm, 2 * number, None) };
        let full = AuditEntry {
            action,
            actor: Actor::new("kp_prod_somebodyelse"),
            into: Some(p2),
            reason: Some(text(awkward)),
            details: Some(details.clone()),
            ..entry(world.realm, 2 * number + 1, Some(p1))
        };
        entries.extend([bare, full]);
    }
    let short = AuditEntry { reason: Some(text("")), ..entry(world.realm, 100, Some(p1)) };
    let long =
        AuditEntry { reason: Some(text(&"😀".repeat(FreeText::CHARS_MAX))), ..entry(world.realm, 101, Some(p1)) };
    entries.extend([short, long]);
    for entry in &entries {
        append(&world, entry).await;
    }
    entries.reverse();
    let world = world.reopened().await;
    let rows = world.audit_rows().await;
    assert_eq!(rows.iter().map(|row| row.entry.clone()).collect::<Vec<_>>(), entries);
    for AuditRow { entry, external_id: called, into_external_id: into_called } in &rows {
        assert_eq!(*called, entry.player.map(|_| external_id("p1")));
        assert_eq!(*into_called, entry.into.map(|_| external_id("p2")));
    }
    let of_player: Vec<_> = entries.into_iter().filter(|entry| entry.player == Some(p1)).collect();
    assert_eq!(world.done_to(p1).await, of_player);
    assert_eq!(world.done_to(p2).await, [], "what was done to others is not what was done to them");
}

/// Pages of every size follow each other without a gap, newest first, whatever is logged meanwhile.
pub async fn audit_pages_follow_each_other(world: World) {
    let (p1, p2) = (player(&world, "p1").await, player(&world, "p2").await);
    let mut newest_first = Vec::new();
    for number in 0..12 {
        // Three at each instant: their ids tell them apart.
        let of = if number % 2 == 0 { p1 } else { p2 };
        let entry = entry(world.realm, number / 3, Some(of));
        append(&world, &entry).await;
        newest_first.insert(0, entry);
    }
    for limit in [1, 2, 5, 12, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = world.stores.audit_log.page(world.realm, after, limit).await.expect("the store works");
            let count = u32::try_from(page.rows.len()).expect("a page is small");
            assert!(count <= limit && (!page.more || count == limit), "{count} rows, more: {}", page.more);
            seen.extend(page.rows.into_iter().map(|row| row.entry));
            after = seen.last().map(|entry| entry.id);
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, newest_first, "by {limit}");
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let rows = world.stores.audit_log.of_player(world.realm, p1, after, limit).await.expect("the store works");
            after = rows.last().map(|entry| entry.id);
            seen.extend(rows);
            if after.is_none() {
                break;
            }
        }
        let of_player: Vec<_> = newest_first.iter().filter(|entry| entry.player == Some(p1)).cloned().collect();
        assert_eq!(seen, of_player, "by {limit}");
    }
    let cursor = newest_first.get(4).map(|entry| entry.id);
    append(&world, &entry(world.realm, 50, Some(p1))).await;
    let page = world.stores.audit_log.page(world.realm, cursor, 3).await.expect("the store works");
    let expected: Vec<_> = newest_first.iter().skip(5).take(3).cloned().collect();
    assert_eq!(page.rows.into_iter().map(|row| row.entry).collect::<Vec<_>>(), expected);
}

/// A realm's log is its own, for the page and for the player.
pub async fn a_log_is_seen_in_its_realm_only(world: World) {
    let id = player(&world, "p1").await;
    let here = entry(world.realm, 0, Some(id));
    append(&world, &here).await;
    let [live, other_game] = world.other_realms;
    let there = entry(live, 1, Some(id));
    append(&world, &there).await;
    let rows = world.stores.audit_rows(live).await;
    let [row] = rows.as_slice() else { panic!("one entry: {rows:?}") };
    assert_eq!((&row.entry, &row.external_id), (&there, &None), "a player of another realm has no name here");
    assert_eq!(world.stores.audit_rows(other_game).await, []);
    assert_eq!(world.done_to(id).await, world.audit_rows().await.into_iter().map(|row| row.entry).collect::<Vec<_>>());
    assert_eq!(world.done_to(id).await, [here]);
    let elsewhere = world.stores.audit_log.of_player(other_game, id, None, 10).await.expect("the store works");
    assert_eq!(elsewhere, []);
}

/// A row names its players as they are called now: by the studio's id, or by the placeholder that a merge or an erasure left.
pub async fn a_row_names_its_players_as_they_are_called_now(world: World) {
    for name in ["a", "b", "c", "d"] {
        player(&world, name).await;
    }
    world.change_ban(&ban("a", "x")).await.expect("the player is known");
    world.change_ban(&lift_ban("d")).await.expect("the player is known");
    world.change_ban(&ban("d", "y").after(Duration::from_secs(1))).await.expect("the player is known");
    let first = world.merge_now(&merge("a", "b").after(Duration::from_secs(2))).await.merge;
    let second = world.merge_now(&merge("b", "c").after(Duration::from_secs(3))).await.merge;
    let erasure = world.erase_now(&erase("c").after(Duration::from_secs(4))).await;
    player(&world, "a").await;
    let rows = world.audit_rows().await;
    let names: Vec<_> = rows.iter().map(|row| (row.entry.action, &row.external_id, &row.into_external_id)).collect();
    let (a, b, c) = (Some(first.placeholder()), Some(second.placeholder()), Some(erasure.placeholder()));
    assert_eq!(
        names,
        [
            (AuditAction::PlayerDelete, &c, &None),
            (AuditAction::PlayerMerge, &b, &c),
            (AuditAction::PlayerMerge, &a, &b),
            (AuditAction::PlayerBan, &Some(external_id("d")), &None),
            (AuditAction::PlayerBan, &a, &None),
        ]
    );
}
