//! The rules of erasures, one by one.

use super::test_lives::*;
use super::*;
use crate::audit_log::AuditAction;
use crate::economy::test_books::*;
use crate::economy::{AssetKind, Repeat};
use crate::lobbies::PlayCounts;
use crate::webhooks::{EventName, EventNames};

/// `p1`, who has 10 gold and 10 swords.
fn lives() -> Lives {
    let mut lives = Lives::default();
    lives.settle(vec![credit("p1", "gold", 10).keyed("k"), give("p1", "sword", 10)]);
    lives
}

fn erased(outcome: EraseOutcome) -> Erasure {
    let EraseOutcome::Erased(erased) = outcome else { panic!("nobody was erased: {outcome:?}") };
    erased.erasure
}

#[test]
fn who_is_erased_depends_on_who_has_the_id_and_on_whether_it_is_a_repeat() {
    let player = lives().called("p1").unwrap().clone();
    let earlier = |named: Option<&str>| {
        let digest = erase("p1", 0, None).digest;
        Erasure { player: PlayerId(uuid::Uuid::nil()), digest, key: named.map(key), at: minute(3) }
    };
    for (named, earlier, is_repeat) in [
        (None, None, false),
        (Some("k"), None, false),
        (None, Some(earlier(None)), false),
        (Some("k"), Some(earlier(None)), false),
        (None, Some(earlier(Some("k"))), false),
        (Some("k"), Some(earlier(Some("other"))), false),
        (Some("k"), Some(earlier(Some("k"))), true),
    ] {
        let command = erase("p1", 5, named);
        let absent = command.decide(&EraseView { earlier, ..EraseView::default() });
        let expected = match earlier {
            Some(erasure) => EraseOutcome::AlreadyErased(erasure),
            None => EraseOutcome::NeverExisted { at: minute(5) },
        };
        assert_eq!(absent, EraseDecision { outcome: expected, effect: None });
        let present = command.decide(&EraseView { player: Some(player.clone()), earlier, ..EraseView::default() });
        if is_repeat {
            assert_eq!(present, EraseDecision { outcome: expected, effect: None });
            continue;
        }
        let erasure = Erasure { player: player.id, digest: command.digest, key: command.key, at: minute(5) };
        assert_eq!(present.outcome, EraseOutcome::Erased(Erased { erasure, play: PlayCounts::default() }));
        let effect = present.effect.unwrap();
        assert_eq!((effect.erasure, effect.placeholder), (erasure, erasure.placeholder()));
    }
}

#[test]
fn an_erasure_is_audited_with_its_basis_and_without_the_id() {
    for basis in LegalBasis::ALL {
        let command = EraseCommand { basis, ..erase("p1", 5, None) };
        let player = lives().called("p1").cloned();
        let audit = command.decide(&EraseView { player: player.clone(), ..EraseView::default() }).effect.unwrap().audit;
        assert_eq!((audit.realm, audit.id, audit.at), (command.realm, command.audit, command.at));
        assert_eq!((audit.action, audit.actor.clone()), (AuditAction::PlayerDelete, command.actor));
        assert_eq!((audit.player, audit.into), (player.map(|player| player.id), None));
        assert_eq!(audit.reason, Some(reason(basis.as_str())));
        assert!(!format!("{audit:?}").contains("p1"));
        assert_eq!(LegalBasis::parse(basis.as_str()), Some(basis));
    }
    assert_eq!(LegalBasis::parse("because"), None);
}

#[test]
fn an_erasure_changes_no_balance_and_no_entry() {
    let mut lives = lives();
    let before = lives.clone();
    let erasure = erased(lives.erase(&erase("p1", 5, None)));
    assert_eq!((&lives.books.accounts, &lives.books.entries), (&before.books.accounts, &before.books.entries));
    assert_eq!(lives.called("p1"), None);
    assert_eq!(lives.player(&erasure.placeholder()).map(|player| player.id), Some(erasure.player));
}

#[test]
fn the_id_of_an_erased_player_starts_fresh() {
    let mut lives = lives();
    let first = erased(lives.erase(&erase("p1", 5, Some("k1"))));
    assert_eq!(adjusted(&lives.outcome(credit("p1", "gold", 1))), (1, Repeat::First));
    let anew = lives.called("p1").unwrap().id;
    assert_ne!(anew, first.player);
    assert_eq!(lives.books.balance("p1", AssetKind::Item, "sword"), None);
    let before = lives.clone();
    assert_eq!(lives.erase(&erase("p1", 6, Some("k1"))), EraseOutcome::AlreadyErased(first));
    assert_eq!(lives, before, "a late repeat leaves whoever has the id by then alone");
    let second = erased(lives.erase(&erase("p1", 7, Some("k2"))));
    assert_eq!(second.player, anew);
    assert_eq!(lives.erase(&erase("p1", 8, None)), EraseOutcome::AlreadyErased(second));
    assert_eq!(lives.erase(&erase("p1", 8, Some("k1"))), EraseOutcome::AlreadyErased(first));
    assert_ne!(first.placeholder(), second.placeholder());
}

#[test]
fn a_late_repeat_of_a_credit_to_an_erased_player_pays_nobody() {
    let mut lives = lives();
    lives.erase(&erase("p1", 5, None));
    let before = lives.clone();
    assert_eq!(adjusted(&lives.outcome(credit("p1", "gold", 10).keyed("k"))), (10, Repeat::Replay));
    assert_eq!(lives, before);
}

#[test]
fn a_banned_player_is_erased_and_the_ban_is_not_the_ids() {
    let mut lives = lives();
    lives.change_ban(&ban("p1", 1, "cheating")).unwrap();
    erased(lives.erase(&erase("p1", 5, None)));
    lives.outcome(credit("p1", "gold", 1)).unwrap();
    assert_eq!(lives.called("p1").unwrap().banned_at, None);
}

#[test]
fn placeholders_are_ids_that_no_studio_can_use() {
    let erasure = erased(lives().erase(&erase("p1", 5, None)));
    let placeholder = erasure.placeholder();
    assert_eq!(placeholder.as_str(), format!("__deleted_{}__", erasure.player.0));
    assert_eq!(ExternalId::try_new(placeholder.as_str()), Err(InvalidExternalId::Reserved));
}

#[test]
fn an_erasure_is_told_of_with_what_the_studio_called_the_player_and_only_then() {
    let player = lives().called("p1").cloned();
    let command = erase("p1", 5, None);
    let event = |player: &Option<Player>, wanted| {
        let view = EraseView { player: player.clone(), wanted, ..EraseView::default() };
        command.decide(&view).effect.and_then(|effect| effect.event)
    };
    let told = event(&player, EventNames::ALL).unwrap();
    assert_eq!((told.name, told.player), (EventName::PlayerDeleted, player.as_ref().map(|player| player.id)));
    assert!(told.words.is_some_and(|words| words.as_json().contains(r#""p1""#)), "it can be blanked by itself");
    assert!(!told.data.as_json().contains("p1"));
    assert_eq!(event(&player, EventNames::NONE.with(EventName::PlayerBanned)), None);
    assert_eq!(event(&None, EventNames::ALL), None, "nobody was erased");
}
