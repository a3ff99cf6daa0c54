//! The rules, one by one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::test_books::*;
use super::*;
use crate::tenancy::RealmId;
use crate::text::FreeText;

fn insufficient(current: i64, required: i64) -> Outcome {
    Err(Rejection::InsufficientFunds { current: Balance::restore(current), required: amount(required) })
}

fn limit(current: i64, added: i64) -> Outcome {
    Err(Rejection::BalanceLimit { current: Balance::restore(current), amount: amount(added) })
}

/// Books in which `p1` has 10 gold and 10 swords, seen in minute 0.
fn books() -> Books {
    let mut books = Books::default();
    books.settle(vec![credit("p1", "gold", 10), give("p1", "sword", 10)]);
    books
}

/// Created in minute 0.
fn pending(books: &mut Books, player: &str, key: &str) -> GrantId {
    granted(&books.outcome(grant(player, key, vec![coins("gold", 5)], Delivery::Claim))).grant.id
}

#[test]
fn credits_and_item_grants_add_debits_and_revokes_take() {
    for (add, take, kind) in [
        (AdjustmentKind::WalletCredit, AdjustmentKind::WalletDebit, AssetKind::Currency),
        (AdjustmentKind::InventoryGrant, AdjustmentKind::InventoryRevoke, AssetKind::Item),
    ] {
        let mut books = Books::default();
        let outcomes = books.outcomes(vec![adjust(add, "p1", "a", 7), adjust(take, "p1", "a", 7)]);
        assert_eq!(outcomes.iter().map(adjusted).collect::<Vec<_>>(), [(7, Repeat::First), (0, Repeat::First)]);
        assert_eq!(books.balance("p1", kind, "a"), Some(0));
        assert_eq!(books.entries.iter().map(|entry| entry.delta).collect::<Vec<_>>(), [7, -7]);
        assert!(
            books.entries.iter().all(|entry| entry.operation == add.operation() || entry.operation == take.operation())
        );
    }
}

#[test]
fn an_overdraft_is_refused_with_what_there_is_and_what_was_asked_for() {
    let mut books = books();
    assert_eq!(books.outcome(debit("p1", "gold", 11)), insufficient(10, 11));
    assert_eq!(books.outcome(revoke("p1", "sword", 11)), insufficient(10, 11));
    assert_eq!(books.outcome(debit("p1", "gems", 1)), insufficient(0, 1));
    assert_eq!(books.outcome(debit("nobody", "gold", 1)), insufficient(0, 1));
    // A currency is not an item of the same key.
    assert_eq!(books.outcome(debit("p1", "sword", 1)), insufficient(0, 1));
}

#[test]
fn a_balance_above_the_top_is_refused_with_what_there_is() {
    let mut books = books();
    assert_eq!(books.outcome(credit("p1", "gold", INTEGER_MAX)), limit(10, INTEGER_MAX));
    assert_eq!(books.outcome(give("p1", "sword", INTEGER_MAX - 9)), limit(10, INTEGER_MAX - 9));
    assert_eq!(adjusted(&books.outcome(credit("p1", "gold", INTEGER_MAX - 10))), (INTEGER_MAX, Repeat::First));
}

#[test]
fn sixty_four_debits_of_seven_on_a_hundred_leave_two() {
    let mut books = Books::default();
    books.settle(vec![credit("p1", "gold", 100)]);
    let outcomes = books.outcomes((0..64).map(|_| debit("p1", "gold", 7)).collect());
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 14);
    assert!(outcomes[14..].iter().all(|outcome| *outcome == insufficient(2, 7)));
    assert_eq!(books.gold("p1"), Some(2));
}

#[test]
fn an_overdraft_does_not_spoil_the_rest_of_its_batch() {
    let mut books = books();
    let outcomes = books.outcomes(vec![debit("p1", "gold", 11), credit("p1", "gold", 1), debit("p1", "gold", 11)]);
    assert_eq!(outcomes[0], insufficient(10, 11));
    assert_eq!(outcomes[1..].iter().map(adjusted).collect::<Vec<_>>(), [(11, Repeat::First), (0, Repeat::First)]);
}

#[test]
fn an_entry_says_everything_about_its_change() {
    let mut command = debit("p1", "gold", 3).keyed("receipt").at(minute(7));
    let Action::Adjust(adjustment) = &mut command.action else { unreachable!() };
    adjustment.reason = Some(FreeText::try_new("bought").unwrap());
    adjustment.source_ref = Some(FreeText::try_new("order-9").unwrap());
    let (ids, once) = (adjustment.ids, adjustment.once);
    command.origin = Origin::Admin;
    let mut books = books();
    let account = books.entries[0].account;
    let settlement = books.settle(vec![command]);
    let expected = Entry {
        realm: REALM,
        account,
        position: 3,
        sequence: 2,
        id: ids.entry,
        delta: -3,
        balance_after: Balance::restore(7),
        operation: Operation::WalletDebit,
        origin: Origin::Admin,
        actor: Actor::new("ks_sandbox_test"),
        reason: Some(FreeText::try_new("bought").unwrap()),
        source_ref: Some(FreeText::try_new("order-9").unwrap()),
        parameters: None,
        grant: None,
        once,
        at: minute(7),
    };
    assert_eq!(settlement.entries, [expected]);
}

#[test]
fn an_account_changes_once_in_a_settlement_from_the_version_that_was_loaded() {
    let mut books = books();
    let last = debit("p1", "gold", 5).at(minute(2));
    let settlement = books.settle(vec![credit("p1", "gold", 1), credit("p1", "gold", 1), last]);
    let changes: Vec<_> = settlement
        .accounts
        .iter()
        .map(|change| (change.balance.get(), change.version_before, change.version, change.at))
        .collect();
    assert_eq!(changes, [(7, 1, 4, minute(2))]);
    assert_eq!(settlement.entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [2, 3, 4]);
}

#[test]
fn first_contact_creates_a_player_when_it_is_accepted() {
    let mut books = Books::default();
    let (refused, accepted) = (debit("p1", "gold", 1), credit("p1", "gold", 1).at(minute(3)));
    let id = accepted.player_if_new;
    let settlement = books.settle(vec![refused, accepted, give("p1", "sword", 1).at(minute(4))]);
    assert_eq!(settlement.new_players.len(), 1);
    let (realm, player) = &settlement.new_players[0];
    assert_eq!((*realm, player.id, player.external_id.as_str()), (REALM, id, "p1"));
    assert_eq!((player.created_at, player.last_seen_at), (minute(3), minute(3)));
    assert!(settlement.accounts.iter().all(|change| change.player == id));
}

#[test]
fn a_refused_first_contact_creates_nothing() {
    let mut books = Books::default();
    let full = grant("p1", "g", vec![coins("gold", INTEGER_MAX), coins("gold", 1)], Delivery::Immediate);
    let commands = vec![debit("p1", "gold", 1), revoke("p1", "sword", 1), ack("p1", GrantId(uuid::Uuid::nil())), full];
    assert!(books.outcomes(commands).iter().all(Result::is_err));
    assert_eq!(books, Books::default());
}

#[test]
fn last_seen_moves_at_most_once_in_five_minutes_and_never_back() {
    let mut books = books();
    let just_before = minute(0).plus(SEEN_EVERY.checked_sub(Duration::from_micros(1)).unwrap());
    let mut seen = |at| {
        let settlement = books.settle(vec![credit("p1", "gold", 1).at(at), credit("p1", "gold", 1).at(at)]);
        settlement.seen_players.iter().map(|(_, player)| player.last_seen_at).collect::<Vec<_>>()
    };
    assert_eq!(seen(just_before), []);
    assert_eq!(seen(minute(5)), [minute(5)]);
    assert_eq!(seen(minute(9)), []);
    assert_eq!(seen(minute(1)), []);
    assert_eq!(seen(minute(10)), [minute(10)]);
}

#[test]
fn a_refused_command_does_not_move_last_seen() {
    let settlement = books().settle(vec![debit("p1", "gold", 99).at(minute(60))]);
    assert_eq!(Settlement { outcomes: Vec::new(), ..settlement }, Settlement::default());
}

#[test]
fn a_replay_answers_the_original_balance_and_changes_nothing() {
    let mut books = books();
    let request = debit("p1", "gold", 4).keyed("k");
    assert_eq!(adjusted(&books.outcome(request.clone())), (6, Repeat::First));
    books.settle(vec![credit("p1", "gold", 100)]);
    let settlement = books.settle(vec![request.clone().at(minute(90)), request]);
    assert_eq!(settlement.outcomes.iter().map(adjusted).collect::<Vec<_>>(), [(6, Repeat::Replay); 2]);
    assert_eq!(Settlement { outcomes: Vec::new(), ..settlement }, Settlement::default());
}

#[test]
fn a_replay_succeeds_when_the_balance_is_long_gone() {
    let mut books = books();
    let request = debit("p1", "gold", 10).keyed("k");
    let outcomes = books.outcomes(vec![request.clone(), request]);
    assert_eq!(outcomes.iter().map(adjusted).collect::<Vec<_>>(), [(0, Repeat::First), (0, Repeat::Replay)]);
}

#[test]
fn sixteen_identical_requests_in_one_batch_have_one_effect() {
    let mut books = Books::default();
    let settlement = books.settle((0..16).map(|_| credit("p1", "gold", 5).keyed("k")).collect());
    let repeats: Vec<_> = settlement.outcomes.iter().map(adjusted).collect();
    assert_eq!(repeats[0], (5, Repeat::First));
    assert_eq!(repeats[1..], [(5, Repeat::Replay); 15]);
    assert_eq!(settlement.entries.len(), 1);
}

#[test]
fn another_request_under_a_used_key_is_a_conflict() {
    let others = || {
        [
            credit("p1", "gold", 6).keyed("k"),
            credit("p1", "gems", 5).keyed("k"),
            credit("p2", "gold", 5).keyed("k"),
            // The conflict comes before the refusal: this one could not be made either.
            credit("p1", "gold", INTEGER_MAX).keyed("k"),
        ]
    };
    let mut books = Books::default();
    for _ in 0..2 {
        let outcomes = books.outcomes([credit("p1", "gold", 5).keyed("k")].into_iter().chain(others()).collect());
        assert!(outcomes[0].is_ok());
        assert!(outcomes[1..].iter().all(|outcome| *outcome == Err(Rejection::IdempotencyConflict)), "{outcomes:?}");
    }
    assert_eq!(books.entries.len(), 1);
    assert_eq!(books.players.len(), 1);
}

#[test]
fn each_operation_and_each_realm_has_keys_of_its_own() {
    let mut books = Books::default();
    let requests = vec![
        credit("p1", "gold", 5).keyed("receipt"),
        debit("p1", "gold", 1).keyed("receipt"),
        give("p1", "sword", 5).keyed("receipt"),
        revoke("p1", "sword", 1).keyed("receipt"),
        grant("p1", "receipt", vec![coins("gold", 1)], Delivery::Claim),
        credit("p1", "gold", 7).keyed("receipt").in_realm(RealmId(2)),
        adjust(AdjustmentKind::WalletImport, "p1", "gold", 5).keyed("receipt"),
        adjust(AdjustmentKind::InventoryImport, "p1", "sword", 5).keyed("receipt"),
        import("p1", "receipt", None),
        import("p1", "receipt", Some("other realm")).in_realm(RealmId(2)),
    ];
    let settlement = books.settle(requests.clone());
    assert_eq!((settlement.entries.len(), settlement.new_grants.len()), (7, 1));
    assert_eq!(settlement.imported_players.len(), 2);
    let replayed = books.settle(requests);
    assert!(replayed.outcomes.iter().all(Result::is_ok));
    assert_eq!((replayed.entries.len(), replayed.new_grants.len()), (0, 0));
    assert_eq!(replayed.imported_players, []);
}

#[test]
fn a_refused_command_consumes_no_key() {
    let mut books = Books::default();
    let request = debit("p1", "gold", 5).keyed("k");
    let larger = debit("p1", "gold", 6).keyed("k");
    let outcomes = books.outcomes(vec![request, larger.clone(), credit("p1", "gold", 6), larger]);
    assert_eq!(outcomes[..2], [insufficient(0, 5), insufficient(0, 6)]);
    assert_eq!(adjusted(&outcomes[3]), (0, Repeat::First));
}

#[test]
fn a_grant_is_created_pending_and_deposits_nothing() {
    let mut books = Books::default();
    let request = grant("p1", "g", vec![coins("gold", 5), crates("box", 1)], Delivery::Claim).at(minute(1));
    let settlement = books.settle(vec![request.clone()]);
    let created = granted(&settlement.outcomes[0]);
    assert_eq!(Some(created.grant.id), request.grant_id());
    assert_eq!((created.repeat, created.grant.claim, created.grant.created_at), (Repeat::First, None, minute(1)));
    assert_eq!(created.grant.status_at(minute(1_000_000)), GrantStatus::Pending);
    assert_eq!(created.grant.player, settlement.new_players[0].1.id);
    assert_eq!((settlement.entries.len(), settlement.accounts.len()), (0, 0));
    assert_eq!(settlement.new_grants[0].grant, *created.grant);
}

#[test]
fn an_acknowledgement_claims_a_grant_once_and_deposits_nothing() {
    let mut books = Books::default();
    let id = pending(&mut books, "p1", "g");
    let settlement = books.settle(vec![ack("p1", id).at(minute(1)), ack("p1", id).at(minute(2))]);
    let claim = Some(Claim { at: minute(1), by: AckedBy::ServerApi });
    assert!(settlement.outcomes.iter().all(|outcome| acked(outcome).claim == claim));
    assert_eq!(settlement.claimed_grants, [ClaimedGrant { realm: REALM, id, at: minute(1), by: AckedBy::ServerApi }]);
    assert_eq!(settlement.entries, []);
    let again = books.settle(vec![ack("p1", id).at(minute(99))]);
    assert_eq!(acked(&again.outcomes[0]).claim, claim);
    assert_eq!((again.claimed_grants.len(), again.seen_players.len()), (0, 0));
}

#[test]
fn a_create_repeated_after_the_acknowledgement_answers_as_created() {
    let mut books = Books::default();
    let request = grant("p1", "g", vec![coins("gold", 5)], Delivery::Claim);
    let id = request.grant_id().unwrap();
    let outcomes = books.outcomes(vec![request.clone(), ack("p1", id), request.clone()]);
    let later = books.outcome(request);
    for replay in [&outcomes[2], &later] {
        assert_eq!(granted(replay).grant, granted(&outcomes[0]).grant);
        assert_eq!(granted(replay).repeat, Repeat::Replay);
    }
}

#[test]
fn a_repeated_create_answers_the_first_grant_and_not_its_own_id() {
    let mut books = Books::default();
    let create = |delivery| grant("p1", "g", vec![coins("gold", 5)], delivery);
    let first = books.outcome(create(Delivery::Claim));
    let second = books.outcome(create(Delivery::Claim));
    assert_eq!(granted(&first).grant, granted(&second).grant);
    assert_eq!(books.outcome(create(Delivery::Immediate)), Err(Rejection::IdempotencyConflict));
    assert_eq!(books.grants.len(), 1);
}

#[test]
fn the_grant_of_another_player_is_not_found() {
    let mut books = books();
    let id = pending(&mut books, "p2", "g");
    let elsewhere = credit("p2", "gold", 1).in_realm(RealmId(2));
    books.settle(vec![elsewhere]);
    let strangers = vec![
        ack("p1", id),
        ack("nobody", id),
        ack("p2", GrantId(uuid::Uuid::nil())),
        ack("p2", id).in_realm(RealmId(2)),
    ];
    assert!(books.outcomes(strangers).iter().all(|outcome| *outcome == Err(Rejection::GrantNotFound)));
    assert!(books.outcome(ack("p2", id)).is_ok());
    // Whether it was claimed is nobody else's business either.
    assert_eq!(books.outcome(ack("p1", id)), Err(Rejection::GrantNotFound));
}

#[test]
fn a_grant_expires_at_the_instant_of_the_decision() {
    let mut books = Books::default();
    let expiring = |key| grant("p1", key, vec![coins("gold", 5)], Delivery::Claim).expiring(minute(10));
    let (first, second) = (expiring("a"), expiring("b"));
    let ids = [first.grant_id().unwrap(), second.grant_id().unwrap()];
    books.settle(vec![first, second]);
    let last_moment = minute(9).plus(Duration::from_micros(59_999_999));
    assert!(books.outcome(ack("p1", ids[0]).at(last_moment)).is_ok());
    let expired = Err(Rejection::GrantExpired { expires_at: Some(minute(10)) });
    assert_eq!(books.outcome(ack("p1", ids[1]).at(minute(10))), expired);
    // What was claimed in time stays claimed.
    assert!(books.outcome(ack("p1", ids[0]).at(minute(11))).is_ok());
    // A clock that runs behind does not bring it back to life for good: each decision stands for itself.
    assert!(books.outcome(ack("p1", ids[1]).at(last_moment)).is_ok());
}

#[test]
fn an_immediate_grant_is_born_claimed_and_deposits_each_entry() {
    let mut books = books();
    let entries = vec![coins("gold", 5), items("sword", 2), coins("gold", 1), coins("gems", 3)];
    let settlement = books.settle(vec![grant("p1", "g", entries, Delivery::Immediate).at(minute(1))]);
    let created = &granted(&settlement.outcomes[0]).grant;
    assert_eq!(created.claim, Some(Claim { at: minute(1), by: AckedBy::Delivery }));
    let deposits: Vec<_> = settlement.entries.iter().map(|entry| (entry.delta, entry.balance_after.get())).collect();
    assert_eq!(deposits, [(5, 15), (2, 12), (1, 16), (3, 3)]);
    for entry in &settlement.entries {
        assert_eq!((entry.operation, entry.grant, entry.once), (Operation::GrantCreate, Some(created.id), None));
        assert_eq!(entry.reason.as_ref().map(FreeText::as_str), Some(GRANT_DEPOSIT_REASON));
    }
    assert_eq!(settlement.accounts.len(), 3);
    assert_eq!(settlement.claimed_grants, []);
    assert_eq!(acked(&books.outcome(ack("p1", created.id))), &**created);
}

#[test]
fn an_immediate_grant_that_does_not_fit_deposits_nothing() {
    let mut books = books();
    let before = books.clone();
    let entries = vec![items("shield", 1), coins("gold", INTEGER_MAX - 10), coins("gold", 1)];
    let request = grant("p1", "g", entries, Delivery::Immediate);
    assert_eq!(books.outcome(request.clone()), limit(INTEGER_MAX, 1));
    assert_eq!(books, before);
    // It consumed no key: once there is room, it is delivered.
    let outcomes = books.outcomes(vec![debit("p1", "gold", 1), request.clone(), request]);
    assert_eq!(granted(&outcomes[1]).repeat, Repeat::First);
    assert_eq!(granted(&outcomes[2]).repeat, Repeat::Replay);
    assert_eq!((books.gold("p1"), books.balance("p1", AssetKind::Item, "shield")), (Some(INTEGER_MAX), Some(1)));
}

#[test]
fn positions_go_on_from_the_last_one_of_their_realm() {
    let mut books = books();
    let elsewhere = credit("p1", "gold", 1).in_realm(RealmId(2));
    let settlement = books.settle(vec![credit("p1", "gold", 1), elsewhere, debit("p1", "gold", 1)]);
    let positions: Vec<_> = settlement.entries.iter().map(|entry| (entry.realm, entry.position)).collect();
    assert_eq!(positions, [(REALM, 3), (RealmId(2), 1), (REALM, 4)]);
}

#[test]
fn a_footprint_names_each_key_once_and_in_order() {
    let grant = grant("p2", "g", vec![coins("gold", 1), crates("box", 1), coins("gold", 2)], Delivery::Immediate);
    let id = grant.grant_id().unwrap();
    let commands = vec![
        credit("p2", "gold", 1).keyed("k"),
        debit("p1", "gold", 1),
        credit("p2", "gold", 1).keyed("k"),
        grant,
        ack("p1", id),
    ];
    let footprint = Batch::new(commands).footprint();
    let players: Vec<_> = footprint.players.iter().map(|player| player.external_id.as_str()).collect();
    assert_eq!(players, ["p1", "p2"]);
    let accounts: Vec<_> = footprint
        .accounts
        .iter()
        .map(|account| (account.player.external_id.as_str(), account.asset.kind, account.asset.key.as_str()))
        .collect();
    assert_eq!(accounts, [("p1", AssetKind::Currency, "gold"), ("p2", AssetKind::Currency, "gold")]);
    assert_eq!((footprint.once.len(), footprint.grants.len(), footprint.realms.len()), (2, 1, 1));
}

#[test]
fn a_grant_that_waits_needs_no_account() {
    let waiting = grant("p1", "g", vec![coins("gold", 1)], Delivery::Claim);
    assert!(Batch::new(vec![waiting]).footprint().accounts.is_empty());
}

/// "Not loaded" is not "absent".
#[test]
fn a_snapshot_without_a_key_of_the_footprint_panics() {
    type Forget = fn(&mut Footprint);
    let forgets: [(&str, Forget); 5] = [
        ("a player", |footprint| footprint.players.clear()),
        ("an account", |footprint| footprint.accounts.clear()),
        ("an idempotency key", |footprint| footprint.once.clear()),
        ("a grant", |footprint| footprint.grants.clear()),
        ("a realm", |footprint| footprint.realms.clear()),
    ];
    let mut books = books();
    let id = pending(&mut books, "p1", "g");
    let batch = Batch::new(vec![credit("p1", "gold", 1).keyed("k"), ack("p1", id)]);
    for (what, forget) in forgets {
        let mut footprint = batch.footprint();
        forget(&mut footprint);
        let panic = catch_unwind(AssertUnwindSafe(|| batch.settle(books.load(footprint)))).unwrap_err();
        let message =
            panic.downcast_ref::<&str>().copied().map(str::to_owned).or_else(|| panic.downcast_ref().cloned());
        let message: String = message.unwrap();
        assert!(message.starts_with(&format!("{what} outside the footprint")), "{message}");
    }
}

#[test]
fn a_batch_is_never_larger_than_the_largest() {
    let commands = vec![credit("p1", "gold", 1); BATCH_MAX + 1];
    assert!(catch_unwind(|| Batch::new(commands)).is_err());
}
