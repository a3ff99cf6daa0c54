//! Lobbies: pushed, formed, joined, left and closed, by many at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::economy::Repeat;
use domain::lobbies::{BoardMode, Event, Lobby, LobbyId, LobbyQuery, LobbyStatus, PlayAnswer, PlayRefusal, Stage};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::play_ways::{changed, forming, pushed, second, started};
use super::{Stores, World};
use crate::lanes::start_play_lanes;
use crate::play_drafts::{PlayDraft, close, event, join, leave, push, start};
use crate::tenants::external_id;

/// Longer than any store needs, shorter than anyone waits: what takes this long is a deadlock.
const STUCK: Duration = Duration::from_secs(60);

fn without_bots(event: &mut Event) {
    event.definition.board.fill_bots = false;
}

/// The players of a lobby by name.
async fn names(stores: &Stores, world: &World, lobby: LobbyId) -> Vec<String> {
    let detail = stores.lobby(world.realm, lobby).await.expect("there is such a lobby");
    let mut names: Vec<_> = detail.participants.iter().map(|(_, name)| name.as_str().to_owned()).collect();
    names.sort();
    names
}

/// The players are made, the lobby is read back as it was answered, with its event and all its players.
pub async fn a_pushed_lobby_comes_back_exactly(world: World) {
    let event = world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let draft = push("duel", "match 🦀 1", &["p2", "p1"]).with_metadata(&json!({ "map": "dust" })).after_seconds(9);
    let settlement = world.stores.play(world.realm, std::slice::from_ref(&draft)).await;
    let told: Vec<_> = settlement.transitions.iter().map(|step| (step.status, step.at)).collect();
    assert_eq!(told, [(LobbyStatus::Forming, second(9)), (LobbyStatus::Active, second(9))]);
    let answer = settlement.outcomes.first().expect("one outcome").as_ref().expect("it is not refused");
    let lobby = pushed(answer);
    assert_eq!((lobby.stage, lobby.fill_by), (Stage::Active { started_at: second(9) }, None));
    assert_eq!((lobby.players, lobby.bots.len(), lobby.version), (2, 2, 1));
    let world = world.reopened().await;
    let detail = world.lobby(lobby.id).await;
    assert_eq!((&detail.lobby, &detail.event), (&lobby, &event));
    let mut players: Vec<_> = detail.participants.iter().map(|(_, name)| name.as_str()).collect();
    players.sort_unstable();
    assert_eq!(players, ["p1", "p2"]);
    for (participant, name) in &detail.participants {
        assert_eq!(participant.player, world.known(name.as_str()).await.player.id);
        assert_eq!((participant.lobby, participant.joined_at, participant.scored), (lobby.id, second(9), None));
    }
    let again = world.played(&push("duel", "match 🦀 1", &["p3"]).after_seconds(20)).await;
    let PlayAnswer::Pushed { lobby: known, repeat } = again else { panic!("a push is answered as one") };
    assert_eq!((*known, repeat), (lobby, Repeat::Replay));
    assert_eq!(world.stores.profile(world.realm, "p3").await, None, "a repeat makes nobody");
    assert_eq!(world.stores.lobby(world.realm, LobbyId(uuid::Uuid::nil())).await, None);
}

/// A lobby at every stage comes back with all that is stored of it.
pub async fn lobbies_of_every_stage_come_back_exactly(world: World) {
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    world.add_event("race", BoardMode::Grouped, |_| {}).await;
    let waiting = forming(&world.played(&start("duel", "p1").after_seconds(1)).await);
    let grouped = started(&world.played(&start("race", "p1").after_seconds(2)).await).lobby.expect("a group");
    let ended = pushed(&world.played(&push("duel", "k", &["p2", "p3"]).sized(200, true)).await).id;
    world.played(&leave(ended, "p2").after_seconds(3)).await;
    let (closed, _) = changed(&world.played(&close(ended).after_seconds(5)).await);
    assert_eq!(closed.stage, Stage::Closed { started_at: Some(second(0)), closed_at: second(5) });
    assert_eq!((closed.players, closed.bots.len()), (1, 199));
    let world = world.reopened().await;
    let stored = world.lobby(ended).await.lobby;
    assert_eq!(Lobby { version: closed.version, ..stored }, closed);
    let stored = world.lobby(waiting.id).await.lobby;
    assert_eq!((stored.stage, stored.fill_by, &stored), (Stage::Forming, Some(second(41)), &waiting));
    let stored = world.lobby(grouped).await.lobby;
    assert_eq!((stored.stage, stored.fill_by), (Stage::Active { started_at: second(2) }, None));
    assert_eq!((stored.players, stored.bots.len()), (1, 3));
}

/// Lobbies are listed newest first, page by page, by what they are at an instant, though nothing has swept.
pub async fn lobby_pages_follow_each_other_and_know_the_time(world: World) {
    let event = world.add_event("duel", BoardMode::LobbyMatched, without_bots).await;
    world.add_event("other", BoardMode::LobbyMatched, without_bots).await;
    let mut ids = Vec::new();
    for number in 0..4_u64 {
        let mut waiting = None;
        for player in ["p0", "p1", "p2", "p3"] {
            let draft = start("duel", &format!("{player}-{number}")).after_seconds(number * 10);
            let answer = world.played(&draft).await;
            if player == "p3" {
                assert_eq!(started(&answer).lobby, waiting, "the fourth fills it");
            } else {
                waiting = Some(forming(&answer).id);
            }
        }
        ids.extend(waiting);
    }
    let last = forming(&world.played(&start("duel", "late").after_seconds(50)).await).id;
    let closed = pushed(&world.played(&push("duel", "k", &["p1"]).after_seconds(51)).await).id;
    world.played(&close(closed).after_seconds(52)).await;
    world.played(&push("other", "elsewhere", &["p1"])).await;
    let list = async |status, now| {
        let rows = world.stores.lobbies(world.realm, event.id, status, second(now)).await;
        rows.iter().map(|lobby| lobby.id).collect::<Vec<_>>()
    };
    let full: Vec<_> = ids.iter().rev().copied().collect();
    assert_eq!(list(None, 55).await, [vec![closed, last], full.clone()].concat());
    assert_eq!(list(Some(LobbyStatus::Forming), 89).await, [last]);
    assert_eq!(list(Some(LobbyStatus::Active), 89).await, full);
    assert_eq!(list(Some(LobbyStatus::Closed), 89).await, [closed]);
    assert_eq!(list(Some(LobbyStatus::Forming), 90).await, [], "its time to form is over");
    assert_eq!(list(Some(LobbyStatus::Active), 90).await, [vec![last], full.clone()].concat());
    let week = 7 * 86_400;
    assert_eq!(list(Some(LobbyStatus::Active), week).await, [], "the window is over");
    assert_eq!(list(Some(LobbyStatus::Closed), week).await, list(None, week).await);
    let stored = world.lobby(last).await.lobby;
    assert_eq!(stored.status(), LobbyStatus::Forming, "a read stores nothing");
    let (realm, event, status, now) = (world.realm, event.id, Some(LobbyStatus::Active), second(90));
    let (mut after, mut read) = (None, Vec::new());
    loop {
        let page = world.stores.lobby_page(&LobbyQuery { realm, event, status, after, limit: 2, now }).await;
        assert!(page.rows.len() <= 2);
        after = page.rows.last().map(|lobby| lobby.id);
        read.extend(page.rows.iter().map(|lobby| lobby.id));
        if !page.more {
            break;
        }
    }
    assert_eq!(read, [vec![last], full].concat());
}

/// Forty callers push one lobby at once: it is made once, with its players once, and all get it.
pub async fn forty_concurrent_pushes_make_one_lobby(world: World) {
    let event = world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let queue = start_play_lanes(&world.stores.play, 4);
    let mut callers = JoinSet::new();
    for _ in 0..40 {
        let (queue, command) = (queue.clone(), push("duel", "once", &["p1", "p2", "p3"]).in_realm(world.realm));
        callers.spawn(async move { queue.submit(command).await.expect("the store works") });
    }
    let answers: Vec<_> =
        callers.join_all().await.into_iter().map(|outcome| outcome.expect("it is not refused")).collect();
    let ids: BTreeSet<_> = answers.iter().map(|answer| pushed(answer).id).collect();
    assert_eq!(ids.len(), 1);
    let first = answers.iter().filter(|answer| matches!(answer, PlayAnswer::Pushed { repeat: Repeat::First, .. }));
    assert_eq!(first.count(), 1);
    assert_eq!(world.stores.lobbies(world.realm, event.id, None, second(0)).await.len(), 1);
}

/// The same push at two handles at once makes one lobby, which both answer, and tells its steps once.
pub async fn a_push_at_two_handles_at_once_makes_one_lobby(world: World) {
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let other = world.second().await;
    for round in 0..10 {
        let mut asking = JoinSet::new();
        for stores in [world.stores.clone(), other.clone()] {
            let players = [format!("p{round}"), format!("q{round}")];
            let players: Vec<_> = players.iter().map(String::as_str).collect();
            let (realm, draft) = (world.realm, push("duel", &format!("k{round}"), &players));
            asking.spawn(async move { stores.play(realm, &[draft]).await });
        }
        let settlements = timeout(STUCK, asking.join_all()).await.expect("they do not wait for each other for ever");
        let answers = settlements.iter().flat_map(|settlement| &settlement.outcomes);
        let ids: BTreeSet<_> = answers.map(|outcome| pushed(outcome.as_ref().expect("not refused")).id).collect();
        assert_eq!(ids.len(), 1);
        assert_eq!(settlements.iter().map(|settlement| settlement.transitions.len()).sum::<usize>(), 2);
    }
}

/// Pushes that share players, in opposite order, at two handles: all happen, and nobody waits for ever.
pub async fn overlapping_pushes_do_not_deadlock(world: World) {
    let event = world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let other = world.second().await;
    let mut asking = JoinSet::new();
    for (name, stores, players) in [("there", world.stores.clone(), ["a", "b", "c"]), ("back", other, ["c", "b", "a"])]
    {
        let realm = world.realm;
        asking.spawn(async move {
            for round in 0..10 {
                let players = players.map(|player| format!("{player}{round}"));
                let players: Vec<_> = players.iter().map(String::as_str).collect();
                stores.play_one(realm, &push("duel", &format!("{name}{round}"), &players)).await.expect("not refused");
            }
        });
    }
    timeout(STUCK, asking.join_all()).await.expect("they do not wait for each other for ever");
    assert_eq!(world.stores.lobbies(world.realm, event.id, None, second(0)).await.len(), 20);
}

/// A refused push leaves no players and no key behind.
pub async fn a_refused_push_leaves_no_trace(world: World) {
    let event = world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let crowd = ["p1", "p2", "p3", "p4", "p5"];
    let refused = world.play(&[push("duel", "k", &crowd), push("none", "k", &crowd)]).await;
    let many = PlayRefusal::TooManyPlayers { capacity: 4, players: 5 };
    assert_eq!(refused, [Err(many), Err(PlayRefusal::EventNotFound)]);
    assert_eq!(world.stores.profile(world.realm, "p1").await, None);
    assert_eq!(world.stores.lobbies(world.realm, event.id, None, second(0)).await, []);
    assert_eq!(pushed(&world.played(&push("duel", "k", &["p9"])).await).players, 1);
}

/// Players come and go, and the stored lobby is always the one that was answered.
pub async fn players_join_and_leave_and_a_lobby_closes(world: World) {
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let id = pushed(&world.played(&push("duel", "k", &["p1", "p2"])).await).id;
    let steps = [
        (join(id, "p3").after_seconds(1), true, 3, 1),
        (join(id, "p3").after_seconds(2), false, 3, 1),
        (join(id, "p4").after_seconds(3), true, 4, 0),
        (leave(id, "p1").after_seconds(4), true, 3, 1),
        (leave(id, "p1").after_seconds(5), false, 3, 1),
        (leave(id, "nobody").after_seconds(6), false, 3, 1),
    ];
    for (draft, applies, players, bots) in steps {
        let (lobby, applied) = changed(&world.played(&draft).await);
        assert_eq!((applied, lobby.players, lobby.bots.len()), (applies, players, bots), "{draft:?}");
        let stored = world.lobby(id).await.lobby;
        assert_eq!(Lobby { version: stored.version, ..lobby }, stored);
    }
    assert_eq!(names(&world.stores, &world, id).await, ["p2", "p3", "p4"]);
    assert_eq!(world.stores.profile(world.realm, "nobody").await, None, "who leaves is not made");
    assert!(changed(&world.played(&close(id).after_seconds(7)).await).1);
    assert!(!changed(&world.played(&close(id).after_seconds(8)).await).1);
    let world = world.reopened().await;
    let late = world.play_one(&join(id, "p5").after_seconds(9)).await;
    assert_eq!(late, Err(PlayRefusal::LobbyClosed { lobby: id }));
    assert_eq!(names(&world.stores, &world, id).await, ["p2", "p3", "p4"]);
}

/// What one batch does to a lobby is one version of it, and the same as one command at a time.
pub async fn a_batch_on_one_lobby_ends_as_its_commands_one_at_a_time(world: World) {
    world.add_event("race", BoardMode::Grouped, |_| {}).await;
    let commands = |lobby| {
        vec![
            join(lobby, "p3").after_seconds(1),
            leave(lobby, "p1").after_seconds(2),
            join(lobby, "p4").after_seconds(3),
            leave(lobby, "p3").after_seconds(4),
            leave(lobby, "p4").after_seconds(4),
            join(lobby, "p3").after_seconds(5),
            start("race", "p3").after_seconds(6),
        ]
    };
    let mut ends = Vec::new();
    for together in [true, false] {
        let names = ["p1", "p2"];
        for name in names {
            world.played(&start("race", name)).await;
        }
        let lobby = started(&world.played(&start("race", "p2")).await).lobby.expect("a group");
        let drafts = commands(lobby);
        if together {
            assert!(world.play(&drafts).await.iter().all(Result::is_ok));
        } else {
            for draft in &drafts {
                world.played(draft).await;
            }
        }
        let detail = world.lobby(lobby).await;
        let mut players: Vec<_> = detail.participants.iter().map(|(of, name)| (name.clone(), of.joined_at)).collect();
        players.sort();
        ends.push((detail.lobby.players, detail.lobby.bots, players));
        assert!(!together || detail.lobby.version == 3, "a batch stores a lobby once: {}", detail.lobby.version);
        for name in ["p2", "p3"] {
            world.played(&leave(lobby, name).after_seconds(10)).await;
        }
        world.played(&close(lobby).after_seconds(11)).await;
    }
    let [together, apart] = ends.as_slice() else { panic!("two rounds") };
    assert_eq!(together, apart);
}

/// Many players start at several handles at once: no lobby has more players than places, and everybody is in one.
async fn crowd(world: &World, event: &Event, count: usize) -> BTreeMap<LobbyId, u32> {
    let handles = [world.stores.clone(), world.second().await, world.second().await];
    let mut starting = JoinSet::new();
    for (number, stores) in (0..count).zip(handles.iter().cycle().cloned()) {
        let (realm, draft) = (world.realm, start(event.key.as_str(), &format!("p{number}")));
        starting.spawn(async move { stores.play_one(realm, &draft).await.expect("it is not refused") });
    }
    let answers = timeout(STUCK, starting.join_all()).await.expect("nobody waits for ever");
    assert_eq!(answers.len(), count);
    let mut players = BTreeMap::new();
    let mut seated = 0;
    for lobby in world.stores.lobbies(world.realm, event.id, None, second(0)).await {
        let detail = world.lobby(lobby.id).await;
        assert_eq!(usize::try_from(lobby.players).expect("few players"), detail.participants.len());
        assert!(lobby.players <= lobby.capacity, "{lobby:?}");
        seated += detail.participants.len();
        players.insert(lobby.id, lobby.players);
    }
    assert_eq!(seated, count, "everybody is in one lobby");
    players
}

/// Starts at three handles at once never overfill a forming lobby, and fill one after the other.
pub async fn concurrent_starts_never_overfill_a_forming_lobby(world: World) {
    let event = world.add_event("duel", BoardMode::LobbyMatched, without_bots).await;
    let players = crowd(&world, &event, 30).await;
    let full = world.stores.lobbies(world.realm, event.id, Some(LobbyStatus::Active), second(0)).await;
    assert!(full.iter().all(|lobby| lobby.players == 4), "it starts when it is full");
    assert!(8 <= players.len());
}

/// The same with groups, which play at once.
pub async fn concurrent_starts_never_overfill_a_group(world: World) {
    let event = world.add_event("race", BoardMode::Grouped, |_| {}).await;
    crowd(&world, &event, 30).await;
    for player in 0..30 {
        assert_eq!(world.attempts(&format!("p{player}")).await.len(), 1);
    }
}

/// Joins, leaves and starts of the same lobby at two handles: its count is that of its players, always.
pub async fn joins_and_leaves_at_two_handles_keep_count(world: World) {
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let id = pushed(&world.played(&push("duel", "k", &["p0", "p1"]).sized(10, true)).await).id;
    let other = world.second().await;
    let mut changing = JoinSet::new();
    for (number, stores) in (0..20).zip([world.stores.clone(), other].iter().cycle().cloned()) {
        let (realm, player) = (world.realm, format!("p{}", number % 5));
        changing.spawn(async move {
            for round in 0..3 {
                let draft = if round % 2 == 0 { join(id, &player) } else { leave(id, &player) };
                stores.play_one(realm, &draft).await.expect("there is room for five");
            }
        });
    }
    timeout(STUCK, changing.join_all()).await.expect("nobody waits for ever");
    let detail = world.lobby(id).await;
    assert_eq!(usize::try_from(detail.lobby.players).expect("few players"), detail.participants.len());
    assert_eq!(detail.lobby.players + u32::try_from(detail.lobby.bots.len()).expect("few bots"), 10);
}

/// A lobby that is full of players refuses another one, at whichever handle.
pub async fn the_last_place_is_taken_once(world: World) {
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let other = world.second().await;
    for round in 0..10 {
        let seated = [format!("a{round}"), format!("b{round}"), format!("c{round}")];
        let seated: Vec<_> = seated.iter().map(String::as_str).collect();
        let id = pushed(&world.played(&push("duel", &format!("k{round}"), &seated)).await).id;
        let mut joining = JoinSet::new();
        for (name, stores) in [("x", world.stores.clone()), ("y", other.clone())] {
            let (realm, draft) = (world.realm, join(id, &format!("{name}{round}")));
            joining.spawn(async move { stores.play_one(realm, &draft).await });
        }
        let outcomes = timeout(STUCK, joining.join_all()).await.expect("nobody waits for ever");
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        assert!(outcomes.contains(&Err(PlayRefusal::LobbyFull { capacity: 4 })), "{outcomes:?}");
        assert_eq!(world.lobby(id).await.participants.len(), 4);
    }
}

/// The same names in two realms are two events, lobbies and players.
pub async fn realms_do_not_see_each_others_lobbies(world: World) {
    let [there, _] = world.other_realms;
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let here = pushed(&world.played(&push("duel", "k", &["p1"])).await);
    let nothing = world.stores.play_one(there, &push("duel", "k", &["p1"])).await;
    assert_eq!(nothing, Err(PlayRefusal::EventNotFound));
    world.stores.add_event(there, &event("duel", BoardMode::LobbyMatched)).await;
    let other = world.stores.play_one(there, &push("duel", "k", &["p1"])).await.expect("it is not refused");
    assert_ne!(pushed(&other).id, here.id);
    assert_eq!(world.stores.lobby(there, here.id).await, None);
    assert_eq!(world.stores.lobbies(there, here.event, None, second(0)).await, []);
    for draft in [join(here.id, "p2"), leave(here.id, "p1"), close(here.id)] {
        assert_eq!(world.stores.play_one(there, &draft).await, Err(PlayRefusal::LobbyNotFound));
    }
    let drafts = [push("duel", "both", &["p1"]).in_realm(world.realm), push("duel", "both", &["p1"]).in_realm(there)];
    let batch = domain::lobbies::PlayBatch::new(drafts.to_vec());
    let settlement = world.stores.settle_play(&batch).await;
    let ids: BTreeSet<_> =
        settlement.outcomes.iter().map(|outcome| pushed(outcome.as_ref().expect("not refused")).id).collect();
    assert_eq!(ids.len(), 2, "one batch of two realms makes two lobbies");
    let players: Vec<_> = [world.realm, there].to_vec();
    let mut known = BTreeSet::new();
    for realm in players {
        let id = external_id("p1");
        let profile = world.stores.players.profile(realm, &id, 5, second(0)).await.expect("the store works");
        let profile = profile.expect("the player is known");
        assert_eq!(profile.lobbies, 2);
        known.insert(profile.player.id);
    }
    assert_eq!(known.len(), 2);
}

/// Who waits in a lobby still does after a restart, and plays in it once it has started.
pub async fn who_waits_goes_on_waiting_after_a_reopen(world: World) {
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    let waiting = forming(&world.played(&start("duel", "p1")).await);
    let world = world.reopened().await;
    assert_eq!(forming(&world.played(&start("duel", "p1").after_seconds(1)).await).id, waiting.id);
    assert_eq!(forming(&world.played(&start("duel", "p2").after_seconds(2)).await).id, waiting.id);
    let drafts: [PlayDraft; 2] = ["p1", "p2"].map(|player| start("duel", player).after_seconds(41));
    for outcome in world.play(&drafts).await {
        assert_eq!(started(&outcome.expect("it is not refused")).lobby, Some(waiting.id));
    }
    let stored = world.lobby(waiting.id).await.lobby;
    assert_eq!((stored.status(), stored.players, stored.started_at()), (LobbyStatus::Active, 2, Some(second(20))));
}
