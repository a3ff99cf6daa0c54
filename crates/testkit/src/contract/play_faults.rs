//! A fault at a statement of a settlement of lobbies, whatever makes it: nothing of the batch is stored, and the store goes
//! on. Like [`super::faults`], no clause of the contract but what all databases have in common.

use domain::lobbies::{Aggregation, Attempt, BoardMode, LobbyId, PlayBatch, PlayCommand, RankingId, Segment};
use domain::queue::Turn;
use domain::store::StoreError;
use domain::tenancy::RealmId;

use super::World;
use super::play_ways::{forming, pushed, second, started};
use crate::play_drafts::{PlayDraft, finish, increment, join, leaderboard, leave, push, score, start};
use crate::tenants::external_id;

/// What is there before: two lobbies with three players, two attempts, a ranking.
struct Before {
    full: LobbyId,
    waiting: LobbyId,
    attempts: [Attempt; 2],
    rankings: [RankingId; 2],
}

/// A batch that makes every kind of change.
fn everything(before: &Before, realm: RealmId) -> Vec<PlayCommand> {
    let [duel, cup] = &before.attempts;
    let drafts: Vec<PlayDraft> = vec![
        push("duel", "next", &["known", "new"]),
        join(before.full, "newer"),
        leave(before.full, "leaver"),
        start("duel", "newest"),
        start("cup", "known").keyed("start"),
        increment("duel", "known", duel.id, 2).keyed("duel"),
        increment("cup", "known", cup.id, 3),
        finish("cup", "known", cup.id),
        score("board", "known", 5).keyed("score"),
        score("board", "leaver", 6),
    ];
    // Much later, so that those who are known are seen again.
    drafts.into_iter().map(|draft| draft.after_seconds(90_000).in_realm(realm)).collect()
}

async fn prepare(world: &World) -> Before {
    world.add_event("duel", BoardMode::LobbyMatched, |_| {}).await;
    world.add_event("cup", BoardMode::Global, |event| event.definition.board.aggregation = Aggregation::Sum).await;
    let board = leaderboard("board");
    world.stores.add_board(world.realm, &board).await;
    let full = pushed(&world.played(&push("duel", "first", &["known", "leaver"])).await).id;
    let attempts =
        [started(&world.played(&start("duel", "known")).await), started(&world.played(&start("cup", "known")).await)];
    let waiting = forming(&world.played(&start("duel", "waits")).await).id;
    world.played(&start("duel", "leaver")).await;
    let [duel, cup] = &attempts;
    world.play(&[increment("duel", "known", duel.id, 1), increment("cup", "known", cup.id, 1)]).await;
    world.played(&score("board", "known", 1)).await;
    let rankings = [board.ranking(Segment::default(), second(0)).id, RankingId(cup.board)];
    Before { full, waiting, attempts, rankings }
}

/// Everything that can be seen of it, as text.
async fn everything_seen(world: &World, before: &Before) -> String {
    let mut seen = String::new();
    for player in ["known", "leaver", "waits", "new", "newer", "newest"] {
        let profile = world.stores.players.profile(world.realm, &external_id(player), 50, second(0)).await;
        seen.push_str(&format!("{profile:?}\n"));
    }
    for lobby in [before.full, before.waiting] {
        seen.push_str(&format!("{:?}\n", world.lobby(lobby).await));
    }
    for ranking in before.rankings {
        seen.push_str(&format!("{:?}\n", world.top(ranking, 50).await));
    }
    seen
}

/// Settles a batch that makes every kind of change while the store is `hurt`: nothing of it is stored. Settles it again once
/// the store is `mended`: all of it is. `fault` names the fault where a claim does not hold.
pub async fn a_fault_stores_nothing_of_play(
    world: World,
    fault: &str,
    hurt: impl AsyncFnOnce(),
    mended: impl AsyncFnOnce(),
) {
    let before = prepare(&world).await;
    let seen = everything_seen(&world, &before).await;
    hurt().await;
    let batch = PlayBatch::new(everything(&before, world.realm));
    let failed = world.stores.play.settle_play(&batch, Turn::default()).await;
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{fault}: {failed:?}");
    assert_eq!(everything_seen(&world, &before).await, seen, "{fault}");

    mended().await;
    let settled = world.stores.play.settle_play(&batch, Turn::default()).await.expect("the store goes on");
    assert!(settled.outcomes.iter().all(Result::is_ok), "{fault}: {:?}", settled.outcomes);
    let [board, cup] = before.rankings;
    assert_eq!(world.top(board, 9).await.players, 2, "{fault}");
    assert_eq!(world.top(cup, 9).await.entries.first().map(|it| it.place.order_key), Some(-4_000), "{fault}");
    assert_eq!(world.lobby(before.full).await.participants.len(), 2, "{fault}");
    assert_eq!(world.attempts("known").await.len(), 3, "{fault}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryFixture;

    /// Without a fault the batch would be stored: what it asks for is in order, and makes every kind of change.
    #[test]
    fn the_batch_of_everything_makes_every_kind_of_change() {
        crate::contract::run(MemoryFixture::create(), async |world: World| {
            let before = prepare(&world).await;
            let batch = PlayBatch::new(everything(&before, world.realm));
            let settled = world.stores.play.settle_play(&batch, Turn::default()).await.expect("the store works");
            assert!(settled.outcomes.iter().all(Result::is_ok), "{:?}", settled.outcomes);
            let lists = [
                settled.new_players.len(),
                settled.seen_players.len(),
                settled.early_ends.len(),
                settled.rankings.len(),
                settled.requests.len(),
                settled.transitions.len(),
                settled.ranks.len(),
                settled.lobbies.iter().filter(|change| change.version_before.is_none()).count(),
                settled.lobbies.iter().filter(|change| change.version_before.is_some()).count(),
                settled.participants.iter().filter(|change| change.before.is_none()).count(),
                settled.participants.iter().filter(|change| change.after.is_none()).count(),
                settled.participants.iter().filter(|change| change.before.is_some() && change.after.is_some()).count(),
                settled.attempts.iter().filter(|change| change.is_new).count(),
                settled.attempts.iter().filter(|change| !change.is_new).count(),
                settled.places.iter().filter(|(_, change)| change.before.is_none()).count(),
                settled.places.iter().filter(|(_, change)| change.before.is_some()).count(),
            ];
            assert!(lists.iter().all(|count| 0 < *count), "{lists:?}");
        });
    }
}
