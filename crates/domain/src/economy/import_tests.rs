//! The rules of imports, one by one, and their use case.

use super::test_books::*;
use super::*;
use crate::players::PlayerId;
use crate::text::JsonObject;

fn contexts(settlement: &Settlement) -> Vec<(PlayerId, Option<&str>)> {
    let imports = settlement.imported_players.iter();
    imports.map(|import| (import.player, import.context_snapshot.as_ref().map(JsonObject::as_json))).collect()
}

#[test]
fn imported_currency_and_items_are_added_to_what_is_held() {
    for (kind, held) in
        [(AdjustmentKind::WalletImport, AssetKind::Currency), (AdjustmentKind::InventoryImport, AssetKind::Item)]
    {
        let mut books = Books::default();
        let outcomes = books.outcomes(vec![adjust(kind, "p1", "a", 7), adjust(kind, "p1", "a", 2)]);
        assert_eq!(outcomes.iter().map(adjusted).collect::<Vec<_>>(), [(7, Repeat::First), (9, Repeat::First)]);
        assert_eq!(books.balance("p1", held, "a"), Some(9));
        assert!(books.entries.iter().all(|entry| entry.operation == kind.operation()));
        let past_the_top = books.outcome(adjust(kind, "p1", "a", INTEGER_MAX));
        assert!(matches!(past_the_top, Err(Rejection::BalanceLimit { .. })), "{past_the_top:?}");
    }
}

#[test]
fn the_parameters_of_imported_items_go_into_the_ledger() {
    let parameters = JsonObject::try_new(&serde_json::json!({ "roll": 7 })).unwrap();
    let mut command = adjust(AdjustmentKind::InventoryImport, "p1", "potion", 1);
    let Action::Adjust(adjustment) = &mut command.action else { panic!("{command:?}") };
    adjustment.parameters = Some(parameters.clone());
    let settlement = Books::default().settle(vec![command, give("p1", "potion", 1)]);
    let kept: Vec<_> = settlement.entries.iter().map(|entry| entry.parameters.clone()).collect();
    assert_eq!(kept, [Some(parameters), None]);
}

#[test]
fn an_import_makes_a_player_who_is_unknown_and_changes_no_balance() {
    let mut books = Books::default();
    let command = import("p1", "k", Some("old")).at(minute(1));
    let id = command.player_if_new;
    let settlement = books.settle(vec![command]);
    assert_eq!(imported(&settlement.outcomes[0]), Repeat::First);
    assert_eq!(settlement.new_players.iter().map(|(_, player)| player.id).collect::<Vec<_>>(), [id]);
    assert_eq!(contexts(&settlement), [(id, Some(r#"{"name":"old"}"#))]);
    assert_eq!((settlement.entries.len(), settlement.accounts.len()), (0, 0));
}

#[test]
fn an_import_of_a_known_player_keeps_who_they_are() {
    let mut books = Books::default();
    let first = credit("p1", "gold", 5);
    let id = first.player_if_new;
    books.settle(vec![first]);
    let settlement = books.settle(vec![import("p1", "a", None).at(minute(9)), import("p1", "b", Some("new"))]);
    assert_eq!(settlement.new_players, []);
    assert_eq!(settlement.seen_players.len(), 1, "it is a write like another");
    assert_eq!(contexts(&settlement), [(id, None), (id, Some(r#"{"name":"new"}"#))]);
    assert_eq!(books.gold("p1"), Some(5));
}

#[test]
fn a_repeated_import_changes_nothing_and_another_one_under_its_key_is_a_conflict() {
    let mut books = Books::default();
    let rows = || [import("p1", "k", Some("a")), import("p1", "k", Some("b")), import("p2", "k", Some("a"))];
    let mut all = vec![import("p1", "k", Some("a"))];
    all.extend(rows());
    let outcomes = books.outcomes(all);
    assert_eq!((imported(&outcomes[0]), imported(&outcomes[1])), (Repeat::First, Repeat::Replay));
    let conflict = Err(Rejection::IdempotencyConflict);
    assert_eq!(outcomes[2..], [conflict.clone(), conflict.clone()]);
    let later = books.settle(rows().to_vec());
    assert_eq!(imported(&later.outcomes[0]), Repeat::Replay);
    assert_eq!(later.outcomes[1..], [conflict.clone(), conflict]);
    assert_eq!(Settlement { outcomes: Vec::new(), ..later }, Settlement::default());
    assert_eq!(books.players.len(), 1);
}
