//! Whatever is played comes to what it comes to in memory: answers, lobbies, attempts, ranks, and what is read of them.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::audit_log::{AuditAction, AuditEntry, AuditId};
use domain::economy::Actor;
use domain::ids::Ids;
use domain::lobbies::{EventId, LobbyId, LobbyQuery, LobbyStatus, NewEvent, NewLeaderboard, RankingId, RankingSlice};
use domain::players::PlayerId;
use domain::tenancy::RealmId;

use super::{Stores, World};
use crate::ids::SequentialIds;
use crate::lives;
use crate::memory::MemoryStore;
use crate::plays::PlayWorkload;
use crate::tenants::external_id;

const WORKS: &str = "the store works";

/// A store and one in memory that is told the same.
struct Twins {
    realm: RealmId,
    stores: Stores,
    memory: Stores,
    workload: PlayWorkload,
    events: Vec<EventId>,
    lobbies: BTreeSet<LobbyId>,
    rankings: BTreeSet<RankingId>,
    players: BTreeSet<PlayerId>,
    attempts: usize,
}

impl Twins {
    async fn begin(stores: &Stores, realm: RealmId, seed: u64) -> Self {
        let (stores, memory) = (stores.clone(), MemoryStore::default().stores());
        let workload = PlayWorkload::new(seed);
        let at = workload.now;
        let audit = |action| AuditEntry::new(realm, AuditId(SequentialIds.next(at)), at, Actor::new("studio"), action);
        let mut events = Vec::new();
        for event in workload.events() {
            events.push(event.id);
            let new = NewEvent { realm, event, audit: audit(AuditAction::EventCreate) };
            assert_eq!(stores.events.create_event(&new).await.expect(WORKS), Ok(()));
            assert_eq!(memory.events.create_event(&new).await.expect(WORKS), Ok(()));
        }
        for leaderboard in workload.leaderboards() {
            let new = NewLeaderboard { realm, leaderboard, audit: audit(AuditAction::LeaderboardCreate) };
            assert_eq!(stores.leaderboards.create_leaderboard(&new).await.expect(WORKS), Ok(()));
            assert_eq!(memory.leaderboards.create_leaderboard(&new).await.expect(WORKS), Ok(()));
        }
        let (lobbies, rankings, players) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { realm, stores, memory, workload, events, lobbies, rankings, players, attempts: 0 }
    }

    async fn settle(&mut self) {
        let batch = self.workload.batch(self.realm, 8);
        let settled = self.stores.settle_play(&batch).await;
        assert_eq!(settled, self.memory.settle_play(&batch).await, "{batch:?}");
        self.workload.learn(&batch, &settled);
        self.lobbies.extend(settled.lobbies.iter().map(|change| change.lobby.id));
        self.rankings.extend(settled.rankings.iter().map(|(_, ranking)| ranking.id));
        self.players.extend(settled.new_players.iter().map(|(_, player)| player.id));
        self.attempts += settled.attempts.len();
    }

    async fn sweep(&mut self) {
        let limit = if self.workload.below(2) == 0 { 1 } else { 3 };
        let moved = self.stores.play.sweep_lobbies(self.workload.now, limit).await.expect(WORKS);
        assert_eq!(moved, self.memory.play.sweep_lobbies(self.workload.now, limit).await.expect(WORKS));
    }

    async fn merge(&mut self) {
        let (source, target) = (self.workload.player(), self.workload.player());
        let command = lives::merge(source.as_str(), target.as_str()).in_realm(self.realm);
        let merged = self.stores.lives.merge(&command).await.expect(WORKS);
        assert_eq!(merged, self.memory.lives.merge(&command).await.expect(WORKS));
    }

    async fn agree(&self) {
        for id in &self.lobbies {
            self.lobby_agrees(*id).await;
        }
        for event in &self.events {
            for status in [None, Some(LobbyStatus::Forming), Some(LobbyStatus::Active), Some(LobbyStatus::Closed)] {
                self.pages_agree(*event, status).await;
            }
        }
        for id in &self.rankings {
            self.ranking_agrees(*id).await;
        }
        for id in &self.players {
            self.records_agree(*id).await;
        }
        for number in 0..PlayWorkload::PLAYERS {
            let (realm, name, now) = (self.realm, external_id(&format!("p{number}")), self.workload.now);
            let profile = self.stores.players.profile(realm, &name, 3, now).await.expect(WORKS);
            assert_eq!(profile, self.memory.players.profile(realm, &name, 3, now).await.expect(WORKS));
        }
    }

    async fn lobby_agrees(&self, id: LobbyId) {
        let mut details = Vec::new();
        for stores in [&self.stores, &self.memory] {
            let detail = stores.lobbies.lobby(self.realm, id).await.expect(WORKS);
            let mut detail = detail.expect("a lobby that was stored");
            // In no particular order.
            detail.participants.sort_by_key(|(participant, _)| participant.player);
            assert_eq!(u32::try_from(detail.participants.len()), Ok(detail.lobby.players), "{detail:?}");
            details.push(detail);
        }
        assert_eq!(details.first(), details.last());
    }

    async fn pages_agree(&self, event: EventId, status: Option<LobbyStatus>) {
        let now = self.workload.now;
        let mut query = LobbyQuery { realm: self.realm, event, status, after: None, limit: 3, now };
        loop {
            let page = self.stores.lobbies.lobbies(&query).await.expect(WORKS);
            assert_eq!(page, self.memory.lobbies.lobbies(&query).await.expect(WORKS), "{query:?}");
            assert!(page.rows.iter().all(|lobby| status.is_none_or(|status| lobby.at(now).status() == status)));
            query.after = page.rows.last().map(|lobby| lobby.id);
            if !page.more {
                break;
            }
        }
    }

    async fn ranking_agrees(&self, id: RankingId) {
        let (stores, memory) = (&self.stores.rankings, &self.memory.rankings);
        let ranking = stores.ranking(self.realm, id).await.expect(WORKS);
        assert_eq!(ranking, memory.ranking(self.realm, id).await.expect(WORKS));
        let own = external_id("p3");
        for slice in [RankingSlice::Top(5), RankingSlice::Around(external_id("p1"), 2)] {
            let page = stores.ranking_page(self.realm, id, &slice, Some(own.clone())).await.expect(WORKS);
            let of_memory = memory.ranking_page(self.realm, id, &slice, Some(own.clone())).await.expect(WORKS);
            assert_eq!(page, of_memory, "{slice:?}");
        }
    }

    /// Two pages of each, of which the second one is the rest.
    async fn records_agree(&self, player: PlayerId) {
        let (realm, stores, memory) = (self.realm, &self.stores.records, &self.memory.records);
        let (mut attempt, mut lobby, mut ranking) = (None, None, None);
        for limit in [3, 1_000] {
            let attempts = stores.attempts_of(realm, player, attempt, limit).await.expect(WORKS);
            assert_eq!(attempts, memory.attempts_of(realm, player, attempt, limit).await.expect(WORKS));
            attempt = attempts.last().map(|attempt| attempt.id);
            let lobbies = stores.lobbies_of(realm, player, lobby, limit).await.expect(WORKS);
            assert_eq!(lobbies, memory.lobbies_of(realm, player, lobby, limit).await.expect(WORKS));
            lobby = lobbies.last().map(|of| of.lobby.id);
            let rankings = stores.rankings_of(realm, player, ranking, limit).await.expect(WORKS);
            assert_eq!(rankings, memory.rankings_of(realm, player, ranking, limit).await.expect(WORKS));
            ranking = rankings.last().map(|of| of.ranking.id);
        }
    }
}

/// Batches, sweeps and merges by chance, in two realms, each beside a store in memory.
pub async fn whatever_is_played_comes_to_what_it_comes_to_in_memory(world: World) {
    let [_, other] = world.other_realms;
    for (realm, seed) in [(world.realm, 1), (other, 2)] {
        let mut twins = Twins::begin(&world.stores, realm, seed).await;
        for round in 0..80 {
            twins.settle().await;
            match twins.workload.below(10) {
                0 | 1 => twins.sweep().await,
                2 if 20 < round => twins.merge().await,
                3 => twins.workload.now = twins.workload.now.plus(Duration::from_secs(300)),
                _ => {}
            }
            if round == 40 {
                twins.agree().await;
            }
        }
        twins.agree().await;
        assert!(10 < twins.lobbies.len() && 10 < twins.attempts && 3 < twins.rankings.len());
    }
}
