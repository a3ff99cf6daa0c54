//! What becomes of a player's attempts, lobbies and rankings when they are merged or erased.

use domain::lobbies::{MergedLobby, MergedRanking, Participant, PlayCounts, PlayMergeEffect, PlayMergeView};
use domain::players::PlayerId;
use domain::tenancy::RealmId;

use super::Play;

impl Play {
    /// All that `source` has played, and where `target` was in it too.
    pub(in super::super) fn merge_view(
        &self,
        realm: RealmId,
        source: PlayerId,
        target: Option<PlayerId>,
    ) -> PlayMergeView {
        let participants = self.participants.iter().filter(|((of, _, id), _)| (*of, *id) == (realm, source));
        let lobby = |source: &Participant| MergedLobby {
            lobby: self.lobby(realm, source.lobby).clone(),
            source: *source,
            target: target.and_then(|target| self.participants.get(&(realm, source.lobby, target)).copied()),
        };
        let places = self.places.iter().filter(|((of, _, id), _)| (*of, *id) == (realm, source));
        let ranking = |id, source| MergedRanking {
            ranking: self.ranking(realm, id).clone(),
            source,
            target: target.and_then(|target| self.places.get(&(realm, id, target)).copied()),
        };
        PlayMergeView {
            attempts: self.counts_of(realm, source).attempts,
            lobbies: participants.map(|(_, participant)| lobby(participant)).collect(),
            rankings: places.map(|((_, id, _), place)| ranking(*id, *place)).collect(),
        }
    }

    /// Keeps what a merge of `source` into `target` comes to.
    pub(in super::super) fn save_merge(
        &mut self,
        realm: RealmId,
        [source, target]: [PlayerId; 2],
        effect: &PlayMergeEffect,
    ) {
        effect.lobbies.iter().for_each(|change| self.save_lobby(change));
        effect.participants.iter().for_each(|change| self.save_participant(change));
        effect.participants.iter().filter_map(|change| change.after.or(change.before)).for_each(|participant| {
            self.require_counted(realm, participant.lobby);
        });
        for (realm, change) in &effect.places {
            self.save_place(*realm, change);
        }
        for ((of, _), attempt) in &mut self.attempts {
            if (*of, attempt.player) == (realm, source) {
                attempt.player = target;
            }
        }
        assert_eq!(self.counts_of(realm, source), PlayCounts::default(), "nothing is left of the source");
    }

    /// How much a player has played.
    pub(in super::super) fn counts_of(&self, realm: RealmId, player: PlayerId) -> PlayCounts {
        let count = |rows: usize| u64::try_from(rows).expect("a test has few rows");
        PlayCounts {
            attempts: count(self.attempts_of(realm, player).len()),
            lobbies: count(self.lobbies_of(realm, player).len()),
            rankings: count(self.rankings_of(realm, player).len()),
        }
    }
}
