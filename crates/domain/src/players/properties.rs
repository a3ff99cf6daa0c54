//! What holds whatever happens to players, in whatever order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::test_lives::*;
use super::*;
use crate::economy::test_books::*;
use crate::economy::{Action, Asset, Command, Delivery, Entry, INTEGER_MAX, Outcome, Rejection};
use crate::webhooks::{EventName, EventNames};

const PLAYERS: [&str; 4] = ["a", "b", "c", "d"];
const ASSETS: [&str; 3] = ["gold", "gems", "wood"];

/// Something that happens, as drawn: small numbers, so that players, assets and keys meet.
#[derive(Debug, Clone)]
enum Step {
    /// Player, asset, amount, idempotency key, and whether the player's game client asks.
    Credit(usize, usize, i64, Option<u8>),
    Debit(usize, usize, i64, bool),
    Grant(usize, u8),
    Ban(usize),
    Lift(usize),
    Merge(usize, usize, Option<u8>),
    Erase(usize, Option<u8>),
}

fn keys() -> impl Strategy<Value = Option<u8>> {
    proptest::option::of(0_u8..4)
}

fn amounts() -> impl Strategy<Value = i64> {
    prop_oneof![12 => 1_i64..9, 1 => INTEGER_MAX - 9..=INTEGER_MAX]
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let (players, assets) = (0..PLAYERS.len(), 0..ASSETS.len());
    let step = prop_oneof![
        6 => (players.clone(), assets.clone(), amounts(), keys())
            .prop_map(|(player, asset, amount, key)| Step::Credit(player, asset, amount, key)),
        2 => (players.clone(), assets, 1_i64..5, any::<bool>())
            .prop_map(|(player, asset, amount, client)| Step::Debit(player, asset, amount, client)),
        1 => (players.clone(), 0_u8..4).prop_map(|(player, key)| Step::Grant(player, key)),
        1 => players.clone().prop_map(Step::Ban),
        1 => players.clone().prop_map(Step::Lift),
        4 => (players.clone(), players.clone(), keys())
            .prop_map(|(source, target, key)| Step::Merge(source, target, key)),
        1 => (players, keys()).prop_map(|(player, key)| Step::Erase(player, key)),
    ];
    vec(step, 0..most)
}

/// What happened, and what was accepted of it.
#[derive(Default)]
struct Told {
    lives: Lives,
    commands: Vec<(Command, Outcome)>,
    merges: u32,
}

impl Told {
    fn of(steps: &[Step]) -> Self {
        let mut told = Self::default();
        told.go_on(steps);
        told
    }

    fn go_on(&mut self, steps: &[Step]) {
        for step in steps {
            self.take(step);
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Credit(player, asset, amount, named) => {
                let command = credit(PLAYERS[*player], ASSETS[*asset], *amount);
                // A key names one request: of this player, this asset and this amount.
                let name = named.map(|named| format!("{player} {asset} {amount} {named}"));
                self.ask(name.map_or(command.clone(), |name| command.keyed(&name)));
            }
            Step::Debit(player, asset, amount, client) => {
                let command = debit(PLAYERS[*player], ASSETS[*asset], *amount);
                self.ask(if *client { command.by_client() } else { command });
            }
            Step::Grant(player, named) => {
                let (name, entries) = (format!("{player} {named}"), vec![coins("gold", 2), items("gold", 1)]);
                self.ask(grant(PLAYERS[*player], &name, entries, Delivery::Immediate));
            }
            Step::Ban(player) => drop(self.lives.change_ban(&ban(PLAYERS[*player], 0, "cheating"))),
            Step::Lift(player) => drop(self.lives.change_ban(&lift(PLAYERS[*player], 0))),
            Step::Merge(source, target, named) => {
                let command = self.merge_command(*source, *target, *named);
                drop(self.lives.merge(&command));
            }
            Step::Erase(player, named) => {
                let name = named.map(|named| format!("erase {named}"));
                self.lives.erase(&erase(PLAYERS[*player], 0, name.as_deref()));
            }
        }
    }

    fn merge_command(&mut self, source: usize, target: usize, named: Option<u8>) -> MergeCommand {
        self.merges += 1;
        let name = named.map(|named| format!("merge {named}"));
        merge(self.merges, PLAYERS[source], PLAYERS[target], name.as_deref())
    }

    fn ask(&mut self, command: Command) {
        let outcome = self.lives.outcome(command.clone());
        self.commands.push((command, outcome));
    }

    /// The sum of all that was accepted, by asset.
    fn accepted(&self) -> BTreeMap<Asset, i128> {
        let mut sums = BTreeMap::<Asset, i128>::new();
        for (command, _) in self.commands.iter().filter(|(_, outcome)| is_first(outcome)) {
            for (asset, delta) in deltas(command) {
                *sums.entry(asset).or_default() += i128::from(delta);
            }
        }
        sums
    }
}

fn sums(of: &[BTreeMap<Asset, i64>]) -> BTreeMap<Asset, i128> {
    let mut sums = BTreeMap::new();
    for (asset, balance) in of.iter().flatten() {
        *sums.entry(asset.clone()).or_default() += i128::from(*balance);
    }
    sums
}

/// Two different players.
fn pairs() -> impl Strategy<Value = (usize, usize)> {
    (0..PLAYERS.len(), 1..PLAYERS.len()).prop_map(|(one, step)| (one, (one + step) % PLAYERS.len()))
}

proptest! {
    #[test]
    fn what_was_accepted_is_what_all_hold_however_they_are_merged(steps in steps(40)) {
        let told = Told::of(&steps);
        let mut held = told.lives.held_by_all();
        held.retain(|_, sum| *sum != 0);
        let mut accepted = told.accepted();
        accepted.retain(|_, sum| *sum != 0);
        prop_assert_eq!(held, accepted);
    }

    #[test]
    fn the_books_add_up_account_by_account_open_and_closed(steps in steps(40)) {
        let Told { lives, .. } = Told::of(&steps);
        let report = lives.audit();
        prop_assert_eq!(report.differences, []);
        prop_assert_eq!(report.entries, u64::try_from(lives.books.entries.len()).unwrap());
        let ids: BTreeSet<_> = lives.books.entries.iter().map(|entry| entry.id).collect();
        prop_assert_eq!(ids.len(), lives.books.entries.len());
        prop_assert!(lives.books.entries.is_sorted_by(|earlier, later| earlier.position < later.position));
    }

    #[test]
    fn no_request_ever_pays_twice_whoever_is_merged_or_erased_between(steps in steps(40)) {
        let mut told = Told::of(&steps);
        let before = told.lives.clone();
        for (command, outcome) in std::mem::take(&mut told.commands) {
            let keyed = match &command.action {
                Action::Adjust(adjustment) => adjustment.once.is_some(),
                Action::CreateGrant(_) | Action::ImportPlayer(_) => true,
                Action::AckGrant(_) => false,
            };
            if keyed && outcome.is_ok() {
                prop_assert!(!is_first(&told.lives.outcome(command)));
            }
        }
        prop_assert_eq!(told.lives, before);
    }

    #[test]
    fn a_merge_moves_everything_and_loses_nothing(steps in steps(30), (source, target) in pairs()) {
        let mut told = Told::of(&steps);
        let (from, into) = (PLAYERS[source], PLAYERS[target]);
        let before = told.lives.clone();
        let command = told.merge_command(source, target, None);
        let merged = told.lives.merge(&command);
        let Ok(Merged { earlier: false, merge, .. }) = merged else {
            prop_assert_eq!(told.lives, before, "a refusal and a repeat change nothing");
            return Ok(());
        };
        let both = sums(&[before.held(from), before.held(into)]);
        prop_assert_eq!(sums(&[told.lives.held(into)]), both);
        prop_assert_eq!(told.lives.held_by_all(), before.held_by_all());
        prop_assert_eq!(told.lives.called(from), None);
        let history: Vec<Entry> = told.lives.history(into).into_iter().cloned().collect();
        prop_assert!(before.history(from).into_iter().chain(before.history(into)).all(|entry| history.contains(entry)));
        let placeholder = merge.placeholder();
        for entry in history.iter().skip(before.history(from).len() + before.history(into).len()) {
            prop_assert_eq!(entry.source_ref.as_ref().map(FreeText::as_str), Some(placeholder.as_str()));
        }
        for other in PLAYERS.iter().filter(|other| ![from, into].contains(other)) {
            prop_assert_eq!((told.lives.held(other), told.lives.history(other)), (before.held(other), before.history(other)));
        }
    }

    #[test]
    fn a_merge_asked_for_again_at_once_is_an_earlier_one(steps in steps(30), (source, target) in pairs(), key in keys()) {
        let mut told = Told::of(&steps);
        let command = told.merge_command(source, target, key);
        let first = told.lives.merge(&command);
        let after = told.lives.clone();
        let again = told.merge_command(source, target, key);
        match (first, told.lives.merge(&again)) {
            (Ok(first), Ok(again)) => {
                prop_assert_eq!((again.earlier, again.merge), (true, first.merge));
                prop_assert_eq!(again.counts, MergeCounts::default());
            }
            (first, again) => prop_assert_eq!(first, again),
        }
        prop_assert_eq!(told.lives, after);
    }

    #[test]
    fn a_key_names_one_merge_whatever_happens_afterwards(before in steps(20), later in steps(20), (source, target) in pairs()) {
        let mut told = Told::of(&before);
        // A key that no step draws.
        let command = told.merge_command(source, target, Some(99));
        let first = told.lives.merge(&command);
        told.go_on(&later);
        let after = told.lives.clone();
        // A key is kept with the merge that it made: one that was answered with an earlier merge names none.
        if let Ok(first @ Merged { earlier: false, .. }) = first {
            let again = told.merge_command(source, target, Some(99));
            let again = told.lives.merge(&again);
            prop_assert_eq!(again, Ok(Merged { merge: first.merge, counts: MergeCounts::default(), earlier: true }));
            prop_assert_eq!(told.lives, after);
        }
    }

    #[test]
    fn an_erasure_frees_the_id_and_changes_no_amount(steps in steps(30), player in 0..PLAYERS.len(), later in steps(10)) {
        let mut told = Told::of(&steps);
        let (name, before) = (PLAYERS[player], told.lives.clone());
        let request = erase(name, 0, Some("a key that no step draws"));
        let outcome = told.lives.erase(&request);
        prop_assert_eq!(&told.lives.books.accounts, &before.books.accounts);
        prop_assert_eq!(&told.lives.books.entries, &before.books.entries);
        prop_assert_eq!(told.lives.called(name), None);
        let erasure = match outcome {
            EraseOutcome::Erased(Erased { erasure, .. }) => {
                prop_assert_eq!(before.called(name).map(|player| player.id), Some(erasure.player));
                erasure
            }
            EraseOutcome::AlreadyErased(_) | EraseOutcome::NeverExisted { .. } => {
                prop_assert_eq!(told.lives, before);
                return Ok(());
            }
        };
        told.go_on(&later);
        let after = told.lives.clone();
        prop_assert!(after.called(name).is_none_or(|player| player.id != erasure.player));
        prop_assert_eq!(told.lives.erase(&request), EraseOutcome::AlreadyErased(erasure));
        prop_assert_eq!(told.lives, after);
    }

    #[test]
    fn a_client_is_refused_for_a_ban_exactly_when_its_player_is_banned(steps in steps(30), player in 0..PLAYERS.len()) {
        let mut told = Told::of(&steps);
        let name = PLAYERS[player];
        let banned = told.lives.called(name).is_some_and(|player| player.banned_at.is_some());
        let before = told.lives.clone();
        for command in [debit(name, "gold", 1), revoke(name, "gold", 1)] {
            let outcome = told.lives.outcome(command.keyed("a key that no step draws").by_client());
            prop_assert_eq!(outcome == Err(Rejection::PlayerBanned(PlayerBanned)), banned);
        }
        if banned {
            prop_assert_eq!(&told.lives, &before);
        }
        let by_backend = told.lives.outcome(credit(name, "gold", 1));
        prop_assert_ne!(by_backend, Err(Rejection::PlayerBanned(PlayerBanned)));
    }

    /// Once for each holding of the target that changed, and once for the merge itself; whatever is wanted, the same is
    /// stored.
    #[test]
    fn a_merge_tells_what_the_target_has_more_of(steps in steps(30), (source, target) in pairs(), name in 0..EventName::ALL.len()) {
        let mut told = Told::of(&steps);
        let before = told.lives.held(PLAYERS[target]);
        let command = told.merge_command(source, target, None);
        let mut view = told.lives.merge_view(&command);
        let Ok(MergeDecision { effect: Some(effect), .. }) = command.decide(&view) else { return Ok(()) };
        for wanted in [EventNames::NONE, EventNames::NONE.with(EventName::ALL[name])] {
            view.wanted = wanted;
            let events = effect.events.iter().filter(|event| wanted.contains(event.name)).cloned().collect();
            let fewer = command.decide(&view).unwrap().effect.unwrap();
            prop_assert_eq!(fewer, MergeEffect { events, ..effect.clone() });
        }
        let ids: BTreeSet<_> = effect.events.iter().map(|event| event.id).collect();
        prop_assert_eq!(ids.len(), effect.events.len());
        let merged = effect.events.iter().filter(|event| event.name == EventName::PlayerMerged);
        prop_assert_eq!(merged.count(), 1);
        let of_target = effect.events.iter().all(|event| event.player == Some(effect.merge.target));
        prop_assert!(of_target, "{:?}", effect.events);
        told.lives.merge(&command).unwrap();
        let mut expected = BTreeMap::new();
        for (asset, after) in told.lives.held(PLAYERS[target]) {
            let delta = after - before.get(&asset).copied().unwrap_or(0);
            if delta != 0 {
                expected.insert(asset, (delta, after));
            }
        }
        let holdings: Vec<_> = effect.events.iter().filter_map(told_holding).collect();
        prop_assert_eq!(holdings.len(), expected.len());
        let holdings: BTreeMap<_, _> = holdings.into_iter().map(|(asset, delta, after)| (asset, (delta, after))).collect();
        prop_assert_eq!(holdings, expected);
    }
}
