//! Leaderboards as they were seen last, which tell where to look first. Nothing is decided by them: a batch settles on what its
//! own transaction sees, and looks again if that is another place.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::economy::PlayerKey;
use domain::lobbies::{ConfigurationKey, FirstLook, Leaderboard, PlayBatch, PlaySnapshot, RankingId};
use domain::tenancy::RealmId;

/// How many are remembered; when there are more, all are forgotten and learned anew.
const BOARDS_MAX: usize = 1_024;

type Boards = HashMap<(RealmId, ConfigurationKey), Leaderboard>;

/// The leaderboards that scores came in for. Cheap to clone.
#[derive(Clone, Default)]
pub(in crate::postgres) struct RememberedBoards(Arc<Mutex<Boards>>);

impl RememberedBoards {
    /// Where the players of `batch` are looked for, most likely.
    pub(super) fn likely_places(&self, batch: &PlayBatch) -> BTreeSet<(RealmId, RankingId, PlayerKey)> {
        let boards = self.boards();
        batch.likely_places(|realm, key| boards.get(&(realm, key.clone())))
    }

    /// Remembers the leaderboards of a first look as they are `seen`.
    pub(super) fn put(&self, look: &FirstLook, seen: &PlaySnapshot) {
        let mut boards = self.boards();
        for (realm, key) in &look.leaderboards {
            let Some(board) = seen.leaderboard(*realm, key) else { continue };
            let name = (*realm, key.clone());
            if boards.get(&name) == Some(board) {
                continue;
            }
            if BOARDS_MAX <= boards.len() {
                boards.clear();
            }
            boards.insert(name, board.clone());
        }
    }

    /// A panic cannot leave them half changed, and they are only remembered.
    fn boards(&self) -> MutexGuard<'_, Boards> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
