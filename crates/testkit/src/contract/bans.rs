//! Bans: who is banned, since when and why, and that the very next batch knows.

use std::time::Duration;

use domain::audit_log::AuditAction;
use domain::economy::{GrantId, Origin, Outcome, Rejection, Repeat};
use domain::players::{BanOutcome, PlayerBanned, UnknownPlayer};
use domain::text::FreeText;
use tokio::task::JoinSet;

use super::lives::start;
use super::{World, acked, adjusted, granted, rejection};
use crate::commands::{Draft, ack, coins, create_grant, credit, debit, grant_item, revoke_item};
use crate::lives::{ban, lift_ban};

const MINUTE: Duration = Duration::from_secs(60);

/// Asks for `draft` as the player's game client.
fn by_client(draft: Draft) -> Draft {
    draft.by("kp_sandbox_client000", Origin::Client)
}

fn is_banned(outcome: &Outcome) -> bool {
    rejection(outcome) == &Rejection::PlayerBanned(PlayerBanned)
}

async fn shown(world: &World, player: &str) -> (Option<u64>, Option<String>) {
    let profile = world.known(player).await;
    let minutes = profile.player.banned_at.map(|at| at.since(start()).as_secs() / 60);
    (minutes, profile.ban_reason.map(|reason| reason.as_str().to_owned()))
}

/// The first ban sets the time; another one only the reason, which the profile shows, after a reopen too.
pub async fn a_ban_is_imposed_once_and_its_reason_refreshed(world: World) {
    world.settle_one(&credit("p1", "gold", 5)).await.expect("a credit is accepted");
    let id = world.known("p1").await.player.id;
    assert_eq!(shown(&world, "p1").await, (None, None));
    let first = world.change_ban(&ban("p1", "cheating").after(MINUTE)).await;
    assert_eq!(first, Ok(BanOutcome { player: id, at: start().plus(MINUTE), applied: true }));
    assert_eq!(shown(&world, "p1").await, (Some(1), Some("cheating".to_owned())));
    let again = world.change_ban(&ban("p1", "worse than that").after(MINUTE * 2)).await;
    assert_eq!(again, Ok(BanOutcome { player: id, at: start().plus(MINUTE), applied: false }));
    let world = world.reopened().await;
    assert_eq!(shown(&world, "p1").await, (Some(1), Some("worse than that".to_owned())));
    let head = world.head("p1").await;
    assert_eq!(head.player, world.known("p1").await.player);
    assert_eq!(head.ban_reason.as_ref().map(FreeText::as_str), Some("worse than that"));
    let log: Vec<_> = world.done_to(id).await.into_iter().map(|entry| (entry.action, entry.reason)).collect();
    let reasons = ["worse than that", "cheating"].map(|reason| Some(FreeText::restore(reason.to_owned())));
    assert_eq!(log, reasons.map(|reason| (AuditAction::PlayerBan, reason)));
}

/// A lift ends a ban, once; lifting again changes nothing and is not logged; the next ban begins anew.
pub async fn a_ban_is_lifted_once_and_can_be_imposed_anew(world: World) {
    world.settle_one(&credit("p1", "gold", 5)).await.expect("a credit is accepted");
    world.change_ban(&ban("p1", "cheating")).await.expect("the player is known");
    let lifted = world.change_ban(&lift_ban("p1").after(MINUTE)).await.expect("the player is known");
    assert_eq!((lifted.at, lifted.applied), (start().plus(MINUTE), true));
    let world = world.reopened().await;
    assert_eq!(shown(&world, "p1").await, (None, None));
    let again = world.change_ban(&lift_ban("p1").after(MINUTE * 2)).await.expect("the player is known");
    assert!(!again.applied);
    let anew = world.change_ban(&ban("p1", "again").after(MINUTE * 3)).await.expect("the player is known");
    assert_eq!((anew.at, anew.applied), (start().plus(MINUTE * 3), true));
    assert_eq!(shown(&world, "p1").await, (Some(3), Some("again".to_owned())));
    let actions: Vec<_> = world.audit_rows().await.iter().map(|row| row.entry.action).collect();
    assert_eq!(actions, [AuditAction::PlayerBan, AuditAction::PlayerUnban, AuditAction::PlayerBan]);
}

/// Nobody is banned who is not known, and no player comes of it.
pub async fn a_ban_of_nobody_is_refused_and_leaves_no_trace(world: World) {
    for draft in [ban("nobody", "x"), lift_ban("nobody")] {
        assert_eq!(world.change_ban(&draft).await, Err(UnknownPlayer));
    }
    assert_eq!(world.stores.profile(world.realm, "nobody").await, None);
    assert_eq!(world.audit_rows().await, []);
}

/// A reason comes back as it was said.
pub async fn a_reason_comes_back_exactly(world: World) {
    world.settle_one(&credit("p1", "gold", 5)).await.expect("a credit is accepted");
    let longest = "😀".repeat(FreeText::CHARS_MAX);
    for reason in ["", "naïve 'single' \"double\" \\ back\n\ttab $1 ? %s 🦀 \u{200b}end", &longest] {
        world.change_ban(&ban("p1", reason)).await.expect("the player is known");
        assert_eq!(shown(&world, "p1").await, (Some(0), Some(reason.to_owned())));
        let newest = world.audit_rows().await.into_iter().next().expect("the ban is logged");
        assert_eq!(newest.entry.reason.as_ref().map(FreeText::as_str), Some(reason));
    }
}

/// From the ban on, at every handle, the player's client may not spend, consume or claim; the studio's backend may.
pub async fn the_next_batch_knows_of_a_ban(world: World) {
    let grant = create_grant("p1", "g", vec![coins("gold", 1)]);
    let outcomes = world.settle(&[grant, credit("p1", "gold", 10), grant_item("p1", "sword", 5)]).await;
    let grant: GrantId = granted(outcomes.first().expect("three outcomes")).grant.id;
    let second = world.second().await;
    world.change_ban(&ban("p1", "cheating")).await.expect("the player is known");
    let before = world.seen(&["p1"]).await;
    let refused = [debit("p1", "gold", 1).keyed("d"), revoke_item("p1", "sword", 1).keyed("r"), ack("p1", grant)];
    let refused = refused.map(by_client);
    for stores in [&world.stores, &second] {
        assert!(stores.settle(world.realm, &refused).await.iter().all(is_banned));
        assert_eq!(stores.seen(world.realm, &["p1"]).await, before, "a refusal leaves no trace");
    }
    let mixed = [by_client(debit("p2", "gold", 1)), by_client(debit("p1", "gold", 1)), debit("p1", "gold", 1)];
    let outcomes = world.settle(&mixed).await;
    let [overdraft, banned, accepted] = outcomes.as_slice() else { panic!("three outcomes") };
    assert!(matches!(rejection(overdraft), Rejection::InsufficientFunds { .. }));
    assert!(is_banned(banned));
    assert_eq!(adjusted(accepted).balance.get(), 9);
    world.change_ban(&lift_ban("p1")).await.expect("the player is known");
    let outcomes = second.settle(world.realm, &refused).await;
    let [debited, consumed, claimed] = outcomes.as_slice() else { panic!("three outcomes") };
    assert_eq!((adjusted(debited).repeat, adjusted(consumed).repeat), (Repeat::First, Repeat::First));
    assert!(acked(claimed).claim.is_some());
}

/// A ban touches no balance and no other player, not the player of the same name in another realm.
pub async fn a_ban_holds_for_one_player_of_one_realm(world: World) {
    let [live, other_game] = world.other_realms;
    for realm in [world.realm, live, other_game] {
        world.stores.settle(realm, &[credit("p1", "gold", 5), credit("P1", "gold", 5)]).await;
    }
    let elsewhere = [world.stores.seen(live, &["p1", "P1"]).await, world.stores.seen(other_game, &["p1", "P1"]).await];
    let (beside, history) = (world.seen(&["P1"]).await, world.history("p1").await);
    world.change_ban(&ban("p1", "cheating")).await.expect("the player is known");
    assert_eq!(world.seen(&["P1"]).await, beside);
    assert_eq!((world.history("p1").await, world.gold("p1").await), (history, Some(5)));
    for (realm, before) in [live, other_game].into_iter().zip(elsewhere) {
        assert_eq!(world.stores.seen(realm, &["p1", "P1"]).await, before);
        assert_eq!(world.stores.audit_rows(realm).await, []);
        let outcome = world.stores.settle_one(realm, &by_client(debit("p1", "gold", 1))).await;
        assert_eq!(adjusted(&outcome).balance.get(), 4);
    }
}

/// Being seen again writes the player, and leaves the ban alone.
pub async fn a_ban_outlasts_being_seen_again(world: World) {
    world.settle_one(&credit("p1", "gold", 1)).await.expect("a credit is accepted");
    world.change_ban(&ban("p1", "cheating")).await.expect("the player is known");
    for minutes in [10, 20] {
        world.settle_one(&credit("p1", "gold", 1).after(MINUTE * minutes)).await.expect("a credit is accepted");
    }
    let player = world.known("p1").await.player;
    assert_eq!(player.last_seen_at.since(start()), MINUTE * 20);
    assert_eq!(shown(&world, "p1").await, (Some(0), Some("cheating".to_owned())));
}

/// A ban that comes between batches of two handles is lost to none of them, and loses none of theirs.
pub async fn a_ban_between_batches_of_two_handles_is_not_lost(world: World) {
    const CREDITS: u32 = 20;
    world.settle_one(&credit("p1", "gold", 1)).await.expect("a credit is accepted");
    let second = world.second().await;
    let mut writers = JoinSet::new();
    for stores in [world.stores.clone(), second] {
        let realm = world.realm;
        writers.spawn(async move {
            for number in 1..=CREDITS {
                // So late that each of them moves the time at which the player was last seen.
                let late = credit("p1", "gold", 1).after(MINUTE * 10 * number);
                stores.settle_one(realm, &late).await.expect("a credit is accepted");
            }
        });
    }
    for round in 0..10 {
        world.change_ban(&ban("p1", &format!("round {round}"))).await.expect("the player is known");
    }
    writers.join_all().await;
    assert_eq!(shown(&world, "p1").await, (Some(0), Some("round 9".to_owned())));
    assert_eq!(world.gold("p1").await, Some(1 + 2 * i64::from(CREDITS)));
    assert!(is_banned(&world.settle_one(&by_client(debit("p1", "gold", 1))).await));
}
