//! The ports of what the studio configures.

use async_trait::async_trait;
use domain::economy::Page;
use domain::lobbies::{
    BoardId, ConfigurationKey, ConfigurationRefusal, Event, EventChange, EventId, EventStore, Leaderboard,
    LeaderboardChange, LeaderboardStore, NewEvent, NewLeaderboard,
};
use domain::store::StoreError;
use domain::tenancy::RealmId;

use super::super::MemoryStore;

#[async_trait]
impl EventStore for MemoryStore {
    async fn create_event(&self, new: &NewEvent) -> Result<Result<(), ConfigurationRefusal>, StoreError> {
        let books = &mut self.lock().books;
        if books.play.event(new.realm, &new.event.key).is_some() {
            return Ok(Err(ConfigurationRefusal::KeyTaken));
        }
        let known = books.play.events.insert((new.realm, new.event.id), new.event.clone());
        assert_eq!(known, None, "an event is inserted once");
        books.save_audit(&new.audit);
        Ok(Ok(()))
    }

    async fn change_event(&self, change: &EventChange) -> Result<Result<Event, ConfigurationRefusal>, StoreError> {
        let books = &mut self.lock().books;
        let decided = change.decide(books.play.event(change.realm, &change.key));
        Ok(decided.inspect(|event| {
            books.play.events.insert((change.realm, event.id), event.clone());
            books.save_audit(&change.audit);
        }))
    }

    async fn event(&self, realm: RealmId, key: &ConfigurationKey) -> Result<Option<Event>, StoreError> {
        Ok(self.lock().books.play.event(realm, key).cloned())
    }

    async fn event_by_id(&self, realm: RealmId, id: EventId) -> Result<Option<Event>, StoreError> {
        Ok(self.lock().books.play.events.get(&(realm, id)).cloned())
    }

    async fn events(&self, realm: RealmId, after: Option<EventId>, limit: u32) -> Result<Page<Event>, StoreError> {
        let events = &self.lock().books.play.events;
        let wanted = |of: RealmId, id: EventId| of == realm && after.is_none_or(|after| id < after);
        let newest_first = events.iter().rev().filter(|((of, id), _)| wanted(*of, *id));
        Ok(Page::of(newest_first.map(|(_, event)| event.clone()).collect(), limit))
    }
}

#[async_trait]
impl LeaderboardStore for MemoryStore {
    async fn create_leaderboard(&self, new: &NewLeaderboard) -> Result<Result<(), ConfigurationRefusal>, StoreError> {
        let books = &mut self.lock().books;
        if books.play.leaderboard(new.realm, &new.leaderboard.key).is_some() {
            return Ok(Err(ConfigurationRefusal::KeyTaken));
        }
        let known = books.play.leaderboards.insert((new.realm, new.leaderboard.id), new.leaderboard.clone());
        assert_eq!(known, None, "a leaderboard is inserted once");
        books.save_audit(&new.audit);
        Ok(Ok(()))
    }

    async fn change_leaderboard(
        &self,
        change: &LeaderboardChange,
    ) -> Result<Result<Leaderboard, ConfigurationRefusal>, StoreError> {
        let books = &mut self.lock().books;
        let decided = change.decide(books.play.leaderboard(change.realm, &change.key));
        Ok(decided.inspect(|board| {
            books.play.leaderboards.insert((change.realm, board.id), board.clone());
            books.save_audit(&change.audit);
        }))
    }

    async fn leaderboard(&self, realm: RealmId, key: &ConfigurationKey) -> Result<Option<Leaderboard>, StoreError> {
        Ok(self.lock().books.play.leaderboard(realm, key).cloned())
    }

    async fn leaderboard_by_id(&self, realm: RealmId, id: BoardId) -> Result<Option<Leaderboard>, StoreError> {
        Ok(self.lock().books.play.leaderboards.get(&(realm, id)).cloned())
    }

    async fn leaderboards(
        &self,
        realm: RealmId,
        after: Option<BoardId>,
        limit: u32,
    ) -> Result<Page<Leaderboard>, StoreError> {
        let boards = &self.lock().books.play.leaderboards;
        let wanted = |of: RealmId, id: BoardId| of == realm && after.is_none_or(|after| id < after);
        let newest_first = boards.iter().rev().filter(|((of, id), _)| wanted(*of, *id));
        Ok(Page::of(newest_first.map(|(_, board)| board.clone()).collect(), limit))
    }
}
