//! The rules of bans, one by one.

use std::collections::BTreeSet;

use super::test_lives::*;
use super::*;
use crate::audit_log::AuditAction;
use crate::economy::test_books::*;
use crate::economy::{AdjustmentKind, AssetKind, Command, Delivery, GrantId, Origin, Outcome, Rejection, Repeat};
use crate::webhooks::{EventName, EventNames};

/// `p1`, who has 10 gold and 10 swords.
fn lives() -> Lives {
    let mut lives = Lives::default();
    lives.settle(vec![credit("p1", "gold", 10), give("p1", "sword", 10)]);
    lives
}

fn banned() -> Lives {
    let mut lives = lives();
    lives.change_ban(&ban("p1", 1, "cheating")).unwrap();
    lives
}

fn player(banned_at: Option<u64>) -> Player {
    let lives = lives();
    Player { banned_at: banned_at.map(minute), ..lives.called("p1").unwrap().clone() }
}

fn refused() -> Outcome {
    Err(Rejection::PlayerBanned(PlayerBanned))
}

/// One command of each action, and of each kind of adjustment.
fn one_of_each() -> Vec<(Command, Option<GatedOperation>)> {
    let of_kind = |kind| adjust(kind, "p1", "gold", 1);
    vec![
        (of_kind(AdjustmentKind::WalletCredit), None),
        (of_kind(AdjustmentKind::WalletDebit), Some(GatedOperation::WalletDebit)),
        (of_kind(AdjustmentKind::InventoryGrant), None),
        (of_kind(AdjustmentKind::InventoryRevoke), Some(GatedOperation::InventoryConsume)),
        (of_kind(AdjustmentKind::WalletImport), None),
        (of_kind(AdjustmentKind::InventoryImport), None),
        (grant("p1", "claim", vec![coins("gold", 1)], Delivery::Claim), None),
        (grant("p1", "immediate", vec![coins("gold", 1)], Delivery::Immediate), None),
        (ack("p1", GrantId(uuid::Uuid::nil())), Some(GatedOperation::GrantsClaim)),
        (import("p1", "import", None), None),
    ]
}

#[test]
fn the_first_ban_sets_the_time_and_another_one_only_the_reason() {
    let (first, known) = (ban("p1", 1, "cheating"), player(None));
    let decision = first.decide(Some(&known), EventNames::ALL).unwrap();
    assert_eq!(decision.outcome, BanOutcome { player: known.id, at: minute(1), applied: true });
    let effect = decision.effect.unwrap();
    assert_eq!(effect.ban, Some(Ban { at: minute(1), reason: reason("cheating") }));
    let known = player(Some(1));
    let decision = ban("p1", 5, "worse").decide(Some(&known), EventNames::ALL).unwrap();
    assert_eq!(decision.outcome, BanOutcome { player: known.id, at: minute(1), applied: false });
    let effect = decision.effect.unwrap();
    assert_eq!(effect.ban, Some(Ban { at: minute(1), reason: reason("worse") }));
}

#[test]
fn a_lift_ends_a_ban_once_and_lifting_again_changes_nothing() {
    let known = player(Some(1));
    let decision = lift("p1", 5).decide(Some(&known), EventNames::ALL).unwrap();
    assert_eq!(decision.outcome, BanOutcome { player: known.id, at: minute(5), applied: true });
    assert_eq!(decision.effect.unwrap().ban, None);
    let known = player(None);
    let decision = lift("p1", 5).decide(Some(&known), EventNames::ALL).unwrap();
    assert_eq!(decision.outcome, BanOutcome { player: known.id, at: minute(5), applied: false });
    assert_eq!(decision.effect, None);
}

#[test]
fn a_ban_after_a_lift_begins_anew() {
    let mut lives = banned();
    assert!(lives.change_ban(&lift("p1", 2)).unwrap().applied);
    let again = lives.change_ban(&ban("p1", 3, "again")).unwrap();
    assert_eq!((again.at, again.applied), (minute(3), true));
    assert_eq!(lives.called("p1").unwrap().banned_at, Some(minute(3)));
}

#[test]
fn nobody_is_banned_who_is_not_known() {
    for command in [ban("nobody", 1, "x"), lift("nobody", 1)] {
        assert_eq!(command.decide(None, EventNames::ALL), Err(UnknownPlayer));
    }
}

#[test]
fn every_change_of_a_ban_is_audited_with_who_did_it_to_whom_and_why() {
    let command = ban("p1", 1, "cheating");
    for (known, applied) in [(player(None), true), (player(Some(0)), false)] {
        let decision = command.decide(Some(&known), EventNames::ALL).unwrap();
        let audit = decision.effect.unwrap().audit;
        assert_eq!(decision.outcome.applied, applied);
        assert_eq!((audit.realm, audit.id, audit.at), (command.realm, command.audit, command.at));
        assert_eq!((audit.action, audit.actor), (AuditAction::PlayerBan, command.actor.clone()));
        assert_eq!((audit.player, audit.into, audit.reason), (Some(known.id), None, Some(reason("cheating"))));
    }
    let audit = lift("p1", 1).decide(Some(&player(Some(0))), EventNames::ALL).unwrap().effect.unwrap().audit;
    assert_eq!((audit.action, audit.reason), (AuditAction::PlayerUnban, None));
}

#[test]
fn seven_operations_are_refused_to_a_banned_player_and_to_nobody_else() {
    assert_eq!(GatedOperation::ALL.into_iter().collect::<BTreeSet<_>>().len(), 7);
    for operation in GatedOperation::ALL {
        assert_eq!(require_not_banned(operation, Some(&player(Some(1)))), Err(PlayerBanned));
        for free in [None, Some(&player(None))] {
            assert_eq!(require_not_banned(operation, free).unwrap().operation(), operation);
        }
    }
}

#[test]
fn a_command_is_gated_only_when_a_game_client_spends_consumes_or_claims() {
    for origin in Origin::ALL {
        for (command, by_client) in one_of_each() {
            let expected = if origin == Origin::Client { by_client } else { None };
            assert_eq!(Command { origin, ..command.clone() }.gated(), expected, "{origin:?} {command:?}");
        }
    }
}

#[test]
fn a_banned_players_client_is_refused_exactly_what_is_gated() {
    for (command, gated) in one_of_each() {
        let by_client = command.clone().by_client();
        assert_eq!(banned().outcome(by_client.clone()) == refused(), gated.is_some(), "{by_client:?}");
        assert_ne!(lives().outcome(by_client), refused());
        assert_ne!(banned().outcome(command), refused(), "the studio's backend may do anything");
    }
}

#[test]
fn a_refused_client_leaves_no_trace_and_consumes_no_key() {
    let mut lives = banned();
    let before = lives.clone();
    let request = debit("p1", "gold", 3).keyed("k");
    assert_eq!(lives.outcome(request.clone().by_client()), refused());
    assert_eq!(lives, before);
    assert_eq!(adjusted(&lives.outcome(request.clone())), (7, Repeat::First));
    assert_eq!(lives.outcome(request.clone().by_client()), refused(), "a ban comes before everything else");
    lives.change_ban(&lift("p1", 2)).unwrap();
    assert_eq!(adjusted(&lives.outcome(request.by_client())), (7, Repeat::Replay));
    assert_eq!(adjusted(&lives.outcome(debit("p1", "gold", 3).keyed("k2").by_client())), (4, Repeat::First));
}

#[test]
fn a_refused_client_does_not_move_last_seen() {
    let mut lives = banned();
    let settlement = lives.settle(vec![debit("p1", "gold", 3).by_client().at(minute(60))]);
    assert_eq!((settlement.outcomes, settlement.seen_players), (vec![refused()], Vec::new()));
}

#[test]
fn a_ban_spoils_nothing_of_the_rest_of_its_batch() {
    let mut lives = banned();
    let commands = vec![credit("p2", "gold", 5), debit("p1", "gold", 1).by_client(), debit("p1", "gold", 1)];
    let outcomes = lives.settle(commands).outcomes;
    assert_eq!(outcomes.iter().map(|outcome| *outcome == refused()).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!((lives.books.gold("p1"), lives.books.gold("p2")), (Some(9), Some(5)));
}

#[test]
fn a_player_of_another_name_is_not_banned() {
    let mut lives = banned();
    assert_eq!(adjusted(&lives.outcome(credit("P1", "gold", 5))), (5, Repeat::First));
    assert_eq!(adjusted(&lives.outcome(debit("P1", "gold", 5).by_client())), (0, Repeat::First));
    assert!(matches!(lives.outcome(debit("p3", "gold", 5).by_client()), Err(Rejection::InsufficientFunds { .. })));
}

#[test]
fn a_ban_outlasts_being_seen_again() {
    let mut lives = banned();
    lives.outcome(credit("p1", "gold", 1).at(minute(60))).unwrap();
    let known = lives.called("p1").unwrap();
    assert_eq!((known.last_seen_at, known.banned_at), (minute(60), Some(minute(1))));
    assert_eq!(lives.books.balance("p1", AssetKind::Item, "sword"), Some(10));
}

#[test]
fn a_ban_is_told_of_when_it_begins_and_when_it_ends_and_not_in_between() {
    let told = |command: BanCommand, banned_at, wanted| {
        let decision = command.decide(Some(&player(banned_at)), wanted).unwrap();
        decision.effect.and_then(|effect| effect.event).map(|event| event.name)
    };
    let all = EventNames::ALL;
    assert_eq!(told(ban("p1", 5, "cheating"), None, all), Some(EventName::PlayerBanned));
    assert_eq!(told(ban("p1", 5, "worse"), Some(1), all), None);
    assert_eq!(told(lift("p1", 5), Some(1), all), Some(EventName::PlayerUnbanned));
    assert_eq!(told(lift("p1", 5), None, all), None);
    for (command, banned_at) in [(ban("p1", 5, "cheating"), None), (lift("p1", 5), Some(1))] {
        assert_eq!(told(command, banned_at, EventNames::NONE.with(EventName::PlayerMerged)), None, "nobody wants it");
    }
}

#[test]
fn a_ban_that_begins_anew_is_another_event() {
    let event = |mut command: BanCommand, audit: u128, banned_at| {
        command.audit = crate::audit_log::AuditId(uuid::Uuid::from_u128(audit));
        let decision = command.decide(Some(&player(banned_at)), EventNames::ALL).unwrap();
        decision.effect.unwrap().event.unwrap()
    };
    let (first, anew) = (event(ban("p1", 5, "cheating"), 1, None), event(ban("p1", 5, "cheating"), 2, None));
    assert_ne!(first.id, anew.id);
    assert!(first.words.is_some_and(|words| words.as_json().contains("cheating")), "what a person wrote is words");
    assert!(!first.data.as_json().contains("cheating"), "and no fact");
}
