//! What holds of every batch, whatever is in it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::test_books::*;
use super::*;
use crate::players::PlayerId;
use crate::tenancy::RealmId;
use crate::webhooks::{EventName, EventNames};

/// One request as drawn: small numbers, so that players, assets and idempotency keys meet.
#[derive(Debug, Clone)]
struct Ask {
    realm: i64,
    player: u8,
    minute: u64,
    key: Option<u8>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Adjust(AdjustmentKind, u8, i64),
    Grant(Vec<GrantEntry>, Delivery, Option<u64>),
    /// Acknowledges the grant that the request of this number creates, if it creates one.
    Ack(usize),
    /// Imports a player, with a context or without.
    Import(bool),
}

const ASSETS: [&str; 2] = ["gold", "wood"];

fn numbers() -> impl Strategy<Value = i64> {
    prop_oneof![9 => 1_i64..8, 1 => INTEGER_MAX - 4..=INTEGER_MAX]
}

fn entries() -> impl Strategy<Value = Vec<GrantEntry>> {
    let entry = (0..3, 0..ASSETS.len(), numbers()).prop_map(|(kind, asset, number)| match kind {
        0 => coins(ASSETS[asset], number),
        1 => items(ASSETS[asset], number),
        _ => crates(ASSETS[asset], number),
    });
    vec(entry, 1..4)
}

fn whats() -> impl Strategy<Value = What> {
    let kinds = prop_oneof![
        2 => Just(AdjustmentKind::WalletCredit),
        2 => Just(AdjustmentKind::WalletDebit),
        1 => Just(AdjustmentKind::InventoryGrant),
        1 => Just(AdjustmentKind::InventoryRevoke),
        1 => Just(AdjustmentKind::WalletImport),
        1 => Just(AdjustmentKind::InventoryImport),
    ];
    let deliveries = prop_oneof![Just(Delivery::Claim), Just(Delivery::Immediate)];
    prop_oneof![
        6 => (kinds, 0_u8..2, numbers()).prop_map(|(kind, asset, number)| What::Adjust(kind, asset, number)),
        2 => (entries(), deliveries, proptest::option::of(0_u64..30))
            .prop_map(|(entries, delivery, expiry)| What::Grant(entries, delivery, expiry)),
        2 => (0_usize..20).prop_map(What::Ack),
        1 => any::<bool>().prop_map(What::Import),
    ]
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let ask = (1_i64..3, 0_u8..3, 0_u64..20, proptest::option::of(0_u8..4), whats())
        .prop_map(|(realm, player, minute, key, what)| Ask { realm, player, minute, key, what });
    vec(ask, 0..20)
}

/// The commands that `asks` stand for, for players and idempotency keys whose names begin with `prefix`.
fn commands(asks: &[Ask], prefix: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    for ask in asks {
        let player = format!("{prefix}-player-{}", ask.player);
        let key = ask.key.map(|key| format!("{prefix}-key-{key}"));
        let command = match &ask.what {
            What::Adjust(kind, asset, number) => {
                let command = adjust(*kind, &player, ASSETS[usize::from(*asset)], *number);
                key.map_or(command.clone(), |key| command.keyed(&key))
            }
            What::Grant(entries, delivery, expiry) => {
                let key = key.unwrap_or_else(|| format!("{prefix}-grant-{}", commands.len()));
                let command = grant(&player, &key, entries.clone(), *delivery);
                match expiry {
                    Some(expiry) => command.expiring(minute(*expiry)),
                    None => command,
                }
            }
            What::Import(with_context) => {
                let key = key.unwrap_or_else(|| format!("{prefix}-import-{}", commands.len()));
                import(&player, &key, with_context.then_some("old"))
            }
            What::Ack(number) => {
                let id = commands.get(*number).and_then(Command::grant_id);
                ack(&player, id.unwrap_or(GrantId(uuid::Uuid::nil())))
            }
        };
        commands.push(command.at(minute(ask.minute)).in_realm(RealmId(ask.realm)));
    }
    commands
}

/// Two batches on one history: the commands of the second know those of the first.
fn two_batches() -> impl Strategy<Value = (Vec<Command>, Vec<Command>)> {
    (asks(), asks()).prop_map(|(first, second)| {
        let mut all = commands(&[first.clone(), second].concat(), "a");
        let rest = all.split_off(first.len());
        (all, rest)
    })
}

fn as_replay(outcome: Outcome) -> Outcome {
    outcome.map(|answer| match answer {
        Answer::Adjusted(adjusted) => Answer::Adjusted(Adjusted { repeat: Repeat::Replay, ..adjusted }),
        Answer::GrantCreated(created) => Answer::GrantCreated(GrantCreated { repeat: Repeat::Replay, ..created }),
        Answer::PlayerImported(_) => Answer::PlayerImported(Repeat::Replay),
        Answer::GrantAcked(grant) => Answer::GrantAcked(grant),
    })
}

/// All of the entries, in an order that does not depend on that of unrelated commands, without their positions.
fn entries_by_account(books: &Books) -> Vec<Entry> {
    let mut entries: Vec<Entry> = books.entries.iter().map(|entry| Entry { position: 0, ..entry.clone() }).collect();
    entries.sort_by_key(|entry| (entry.account, entry.sequence));
    entries
}

/// Some names of events, all or none among them.
fn wanted() -> impl Strategy<Value = EventNames> {
    let some = vec(0..EventName::ALL.len(), 0..5)
        .prop_map(|names| names.into_iter().map(|name| EventName::ALL[name]).collect());
    prop_oneof![4 => some, 1 => Just(EventNames::ALL)]
}

/// Those of `commands` that bring in holdings do so from another platform.
fn migrated(commands: Vec<Command>) -> Vec<Command> {
    let is_import = |command: &Command| match &command.action {
        Action::Adjust(adjustment) => {
            [AdjustmentKind::WalletImport, AdjustmentKind::InventoryImport].contains(&adjustment.kind)
        }
        Action::ImportPlayer(_) => true,
        Action::CreateGrant(_) | Action::AckGrant(_) => false,
    };
    let from = |command: Command| match is_import(&command) {
        true => Command { origin: Origin::Migration, ..command },
        false => command,
    };
    commands.into_iter().map(from).collect()
}

proptest! {
    #[test]
    fn a_batch_equals_the_same_commands_one_at_a_time((history, batch) in two_batches()) {
        let mut together = Books::default();
        together.settle(history);
        let mut apart = together.clone();
        let settlement = together.settle(batch.clone());
        let outcomes: Vec<Outcome> = batch.into_iter().map(|command| apart.outcome(command)).collect();
        prop_assert_eq!(settlement.outcomes, outcomes);
        prop_assert_eq!(together, apart);
    }

    #[test]
    fn deciding_again_decides_the_same((history, batch) in two_batches()) {
        let mut books = Books::default();
        books.settle(history);
        let batch = Batch::new(batch);
        let once = batch.settle(books.load(batch.footprint()));
        prop_assert_eq!(once, batch.settle(books.load(batch.footprint())));
    }

    #[test]
    fn what_was_accepted_is_what_is_held((history, batch) in two_batches()) {
        let mut books = Books::default();
        let (mut accepted, mut held) = (BTreeMap::<_, i128>::new(), BTreeMap::<_, i128>::new());
        for commands in [history, batch] {
            let outcomes = books.outcomes(commands.clone());
            for (command, _) in commands.iter().zip(&outcomes).filter(|(_, outcome)| is_first(outcome)) {
                for (asset, delta) in deltas(command) {
                    *accepted.entry((command.realm, asset)).or_default() += i128::from(delta);
                }
            }
        }
        for ((realm, _, asset), account) in &books.accounts {
            *held.entry((*realm, asset.clone())).or_default() += i128::from(account.balance.get());
        }
        prop_assert_eq!(accepted, held);
    }

    #[test]
    fn no_balance_is_ever_negative_or_above_the_top((history, batch) in two_batches()) {
        let mut books = Books::default();
        books.settle(history);
        books.settle(batch);
        let mut sums = BTreeMap::<AccountId, i64>::new();
        for entry in &books.entries {
            let sum = sums.entry(entry.account).or_default();
            *sum += entry.delta;
            prop_assert!((0..=INTEGER_MAX).contains(sum));
            prop_assert_eq!(*sum, entry.balance_after.get());
            prop_assert_ne!(entry.delta, 0);
        }
        let balances: BTreeMap<_, _> = books.accounts.values().map(|account| (account.id, account.balance.get())).collect();
        prop_assert_eq!(sums, balances);
    }

    #[test]
    fn a_repeat_changes_nothing_and_is_answered_the_same((history, batch) in two_batches()) {
        let mut books = Books::default();
        books.settle(history);
        let keyed = batch.into_iter().filter(|command| match &command.action {
            Action::Adjust(adjustment) => adjustment.once.is_some(),
            Action::CreateGrant(_) | Action::AckGrant(_) | Action::ImportPlayer(_) => true,
        });
        let keyed: Vec<Command> = keyed.collect();
        let outcomes = books.outcomes(keyed.clone());
        // What was refused for want of money may well be accepted the second time.
        let (accepted, outcomes): (Vec<Command>, Vec<Outcome>) =
            keyed.into_iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok()).unzip();
        let before = books.clone();
        let again = books.settle(accepted);
        let replays = outcomes.into_iter().map(as_replay).collect();
        prop_assert_eq!(again, Settlement { outcomes: replays, ..Settlement::default() });
        prop_assert_eq!(books, before);
    }

    #[test]
    fn a_refused_command_leaves_no_trace((history, batch) in two_batches()) {
        let mut with = Books::default();
        with.settle(history);
        let mut without = with.clone();
        let settlement = with.settle(batch.clone());
        let (accepted, outcomes): (Vec<Command>, Vec<Outcome>) =
            batch.into_iter().zip(settlement.outcomes.clone()).filter(|(_, outcome)| outcome.is_ok()).unzip();
        let purged = without.settle(accepted);
        prop_assert_eq!(Settlement { outcomes, ..settlement }, purged);
        prop_assert_eq!(with, without);
    }

    #[test]
    fn batches_on_disjoint_players_commute(ours in asks(), theirs in asks()) {
        let (ours, theirs) = (commands(&ours, "a"), commands(&theirs, "b"));
        let (mut ours_first, mut theirs_first) = (Books::default(), Books::default());
        let one = (ours_first.outcomes(ours.clone()), ours_first.outcomes(theirs.clone()));
        let theirs = theirs_first.outcomes(theirs);
        let other = (theirs_first.outcomes(ours), theirs);
        prop_assert_eq!(one, other);
        prop_assert_eq!(entries_by_account(&ours_first), entries_by_account(&theirs_first));
        let rest = |mut books: Books| {
            books.imports.sort_by_key(|import| (import.realm, import.once.key));
            Books { entries: Vec::new(), ..books }
        };
        prop_assert_eq!(rest(ours_first), rest(theirs_first));
    }

    /// A key that is read but not in the footprint panics; a key that is there and was never put would, too.
    #[test]
    fn the_footprint_covers_what_is_read((history, batch) in two_batches()) {
        let mut books = Books::default();
        books.settle(history);
        for batch in [Batch::new(batch.clone()), Batch::new(batch.into_iter().rev().collect())] {
            let footprint = batch.footprint();
            for command in batch.commands() {
                prop_assert!(footprint.realms.contains(&command.realm));
                let alone = Batch::new(vec![command.clone()]).footprint();
                prop_assert!(alone.accounts.is_subset(&footprint.accounts));
                prop_assert!(alone.once.is_subset(&footprint.once));
            }
            let settlement = batch.settle(books.load(footprint));
            prop_assert_eq!(settlement.outcomes.len(), batch.commands().len());
        }
    }

    #[test]
    fn sequences_have_no_gaps_and_positions_ascend((history, batch) in two_batches()) {
        let mut books = Books::default();
        books.settle(history);
        books.settle(batch);
        let (mut sequences, mut positions) = (BTreeMap::<AccountId, i64>::new(), BTreeMap::<RealmId, i64>::new());
        for entry in &books.entries {
            let sequence = sequences.entry(entry.account).or_default();
            *sequence += 1;
            prop_assert_eq!(entry.sequence, *sequence);
            let last = positions.entry(entry.realm).or_default();
            prop_assert!(*last < entry.position);
            *last = entry.position;
        }
        let versions: BTreeMap<_, _> = books.accounts.values().map(|account| (account.id, account.version)).collect();
        prop_assert_eq!(sequences, versions);
    }

    #[test]
    fn each_player_is_made_once_by_what_was_accepted((history, batch) in two_batches()) {
        let mut books = Books::default();
        books.settle(history);
        books.settle(batch);
        let owners: Vec<PlayerId> = books.accounts.keys().map(|(_, player, _)| *player)
            .chain(books.grants.values().map(|stored| stored.grant.player))
            .chain(books.imports.iter().map(|import| import.player)).collect();
        for player in books.players.values() {
            prop_assert!(owners.contains(&player.id), "a player without anything was made by a refusal");
        }
        prop_assert!(owners.iter().all(|owner| books.players.values().any(|player| player.id == *owner)));
    }

    /// What is told never decides anything: whatever is wanted, the same is stored, and of the events exactly those.
    #[test]
    fn what_is_told_changes_nothing_else((history, batch) in two_batches(), wanted in wanted()) {
        let mut books = Books::default();
        books.settle(history);
        let batch = Batch::new(batch);
        let everything = batch.settle(books.load(batch.footprint()));
        let mut snapshot = books.load(batch.footprint());
        for realm in batch.footprint().realms {
            snapshot.put_wanted(realm, wanted);
        }
        let events = everything.events.iter().filter(|event| wanted.contains(event.name)).cloned().collect();
        prop_assert_eq!(batch.settle(snapshot), Settlement { events, ..everything });
    }

    #[test]
    fn each_event_has_an_id_of_its_own((history, batch) in two_batches()) {
        let mut books = Books::default();
        let mut events = books.settle(history).events;
        events.extend(books.settle(batch).events);
        let ids: BTreeSet<_> = events.iter().map(|event| (event.realm, event.id)).collect();
        prop_assert_eq!(ids.len(), events.len());
    }

    /// An import from another platform is told to nobody; everything else that changed is told, in order.
    #[test]
    fn what_is_told_of_holdings_adds_up_to_their_change((history, batch) in two_batches()) {
        let mut books = Books::default();
        books.settle(history);
        let (mut held, mut told) = (BTreeMap::new(), books.clone());
        held.extend(books.accounts.iter().map(|(place, account)| (place.clone(), account.balance.get())));
        let settlement = told.settle(migrated(batch));
        let mut events = settlement.events.iter().filter_map(|event| {
            let (asset, delta, after) = told_holding(event)?;
            Some(((event.realm, event.player?, asset), delta, after))
        });
        let places: BTreeMap<_, _> = told.accounts.iter().map(|(place, account)| (account.id, place)).collect();
        for entry in &settlement.entries {
            let place = places[&entry.account].clone();
            let balance = held.entry(place.clone()).or_insert(0);
            *balance += entry.delta;
            if entry.origin != Origin::Migration {
                prop_assert_eq!(events.next(), Some((place, entry.delta, *balance)));
            }
        }
        prop_assert_eq!(events.next(), None);
        let after: BTreeMap<_, _> = told.accounts.into_iter().map(|(place, account)| (place, account.balance.get())).collect();
        prop_assert_eq!(held, after);
    }

    #[test]
    fn of_players_and_grants_exactly_those_are_told_that_are_stored((history, batch) in two_batches()) {
        let mut books = Books::default();
        books.settle(history);
        let settlement = books.settle(batch);
        let told = |name: EventName| settlement.events.iter().filter(|event| event.name == name).count();
        prop_assert_eq!(told(EventName::PlayerRegistered), settlement.new_players.len());
        prop_assert_eq!(told(EventName::GrantCreated), settlement.new_grants.len());
        prop_assert_eq!(told(EventName::GrantClaimed), settlement.claimed_grants.len());
    }

    #[test]
    fn a_refused_command_tells_nothing((history, batch) in two_batches()) {
        let mut books = Books::default();
        books.settle(history);
        for command in batch {
            let settlement = books.settle(vec![command]);
            if settlement.outcomes[0].is_err() {
                prop_assert_eq!(settlement.events, vec![]);
            }
        }
    }
}
