//! What becomes of a player's lobbies and rankings when they are merged into another: the other has them from then on. Where
//! both are in one, they have one entry, with what counts of both scores.

use super::aggregate::combine;
use super::settle::transitions;
use super::{
    Lobby, LobbyChange, LobbyTransition, Participant, ParticipantChange, Place, PlaceChange, PlayCounts, Ranking,
    Scored,
};
use crate::clock::Timestamp;
use crate::players::PlayerId;
use crate::tenancy::RealmId;
use crate::webhooks::{EventNames, OutboxEvent, occurrences};

/// A lobby of a player who is merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedLobby {
    /// The lobby as stored.
    pub lobby: Lobby,
    /// The player in it.
    pub source: Participant,
    /// The player that they are merged into, if that one is in it too.
    pub target: Option<Participant>,
}

/// A ranking of a player who is merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedRanking {
    /// The ranking.
    pub ranking: Ranking,
    /// The player's place.
    pub source: Place,
    /// The place of the player that they are merged into, if that one has one.
    pub target: Option<Place>,
}

/// All that a player who is merged has played.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlayMergeView {
    /// How many attempts they have.
    pub attempts: u64,
    /// Every lobby that they are in.
    pub lobbies: Vec<MergedLobby>,
    /// Every ranking that they are in.
    pub rankings: Vec<MergedRanking>,
}

/// What must be stored of it. Besides, every attempt of the source becomes the target's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlayMergeEffect {
    /// Lobbies that have a player less.
    pub lobbies: Vec<LobbyChange>,
    /// Players who leave lobbies, come into them, or change in them, in this order.
    pub participants: Vec<ParticipantChange>,
    /// Places that change: what the source leaves comes before what the target gets.
    pub places: Vec<(RealmId, PlaceChange)>,
    /// How the lobbies among them moved on.
    pub transitions: Vec<LobbyTransition>,
}

impl PlayMergeView {
    /// How much it is.
    pub fn counts(&self) -> PlayCounts {
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        PlayCounts { attempts: self.attempts, lobbies: count(self.lobbies.len()), rankings: count(self.rankings.len()) }
    }

    /// Gives all of it to `target` at `at`: what must be stored, and the events of lobbies that moved on, of those that are
    /// `wanted`.
    pub fn merged_into(
        &self,
        realm: RealmId,
        target: PlayerId,
        at: Timestamp,
        wanted: EventNames,
    ) -> (PlayMergeEffect, Vec<OutboxEvent>) {
        let (mut effect, mut events) = (PlayMergeEffect::default(), Vec::new());
        for shared in &self.lobbies {
            let steps = effect.move_lobby(realm, target, shared, at);
            events.extend(occurrences::lobby_steps(wanted, realm, &steps));
        }
        for shared in &self.rankings {
            effect.move_place(realm, target, shared);
        }
        (effect, events)
    }
}

impl PlayMergeEffect {
    /// Moves the source's place in a lobby; how that lobby moved on meanwhile, as far as that is stored with it.
    fn move_lobby(&mut self, realm: RealmId, target: PlayerId, shared: &MergedLobby, at: Timestamp) -> Vec<Lobby> {
        let MergedLobby { lobby, source, target: present } = shared;
        let mut steps = Vec::new();
        self.participants.push(ParticipantChange { realm, before: Some(*source), after: None });
        let after = match present {
            None => Participant { player: target, ..*source },
            Some(present) => {
                steps = lobby.steps(at);
                self.transitions.extend(transitions(realm, &steps));
                let by_now = steps.last().unwrap_or(lobby);
                let lobby_after = Lobby { version: lobby.version + 1, ..by_now.left(at) };
                let version_before = Some(lobby.version);
                self.lobbies.push(LobbyChange { realm, lobby: lobby_after, version_before });
                let scored = match (source.scored, present.scored) {
                    (Some(one), Some(other)) => Some(combine(lobby.aggregation, lobby.order, one, other)),
                    (one, other) => one.or(other),
                };
                Participant { joined_at: present.joined_at.min(source.joined_at), scored, ..*present }
            }
        };
        self.participants.push(ParticipantChange { realm, before: *present, after: Some(after) });
        steps
    }

    fn move_place(&mut self, realm: RealmId, target: PlayerId, shared: &MergedRanking) {
        let MergedRanking { ranking, source, target: present } = shared;
        let order = ranking.order;
        let scored = |place: &Place| Scored { score: order.score_of(place.order_key), achieved_at: place.achieved_at };
        let counted = match present {
            None => scored(source),
            Some(present) => combine(ranking.aggregation, order, scored(source), scored(present)),
        };
        let after = Place { order_key: order.key_of(counted.score), achieved_at: counted.achieved_at, player: target };
        self.places.push((realm, PlaceChange { ranking: ranking.id, before: Some(*source), after: None }));
        self.places.push((realm, PlaceChange { ranking: ranking.id, before: *present, after: Some(after) }));
    }
}
