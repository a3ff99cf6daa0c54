//! Stores a settlement, in steps that depend on each other: who and what is referred to, what refers to it. Within a step nothing depends on anything else of it but the change of places, which [`super::ranking`] orders.
//! A step is sent in one go. The next one waits for its answer, because a statement that is new to its connection is
//! overtaken by one that is not.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use domain::clock::Timestamp;
use domain::lobbies::{
    Attempt, AttemptChange, EarlyEnd, LobbyChange, ParticipantChange, PlaceChange, PlayBatch, PlaySettlement,
    PlaySnapshot, Ranking, ScoreRequest, ScoreRequestKey,
};
use domain::players::Player;
use domain::queue::Turn;
use domain::tenancy::RealmId;
use domain::webhooks::OutboxEvent;

use super::{attempts, lobby, ranking, requests};
use crate::postgres::players;
use crate::postgres::trouble::Trouble;
use crate::postgres::webhooks::outbox;

/// The part of a settlement that is in one realm.
#[derive(Default)]
struct OfRealm<'a> {
    players: Vec<&'a Player>,
    has_new_players: bool,
    lobbies: Vec<&'a LobbyChange>,
    participants: Vec<&'a ParticipantChange>,
    attempts: Vec<&'a AttemptChange>,
    early_ends: Vec<&'a EarlyEnd>,
    rankings: Vec<&'a Ranking>,
    places: Vec<PlaceChange>,
    requests: Vec<&'a ScoreRequest>,
    events: Vec<&'a OutboxEvent>,
}

fn by_realm(settlement: &PlaySettlement) -> BTreeMap<RealmId, OfRealm<'_>> {
    let mut realms: BTreeMap<RealmId, OfRealm<'_>> = BTreeMap::new();
    for (realm, player) in &settlement.new_players {
        let part = realms.entry(*realm).or_default();
        part.players.push(player);
        part.has_new_players = true;
    }
    for (realm, player) in &settlement.seen_players {
        realms.entry(*realm).or_default().players.push(player);
    }
    for change in &settlement.lobbies {
        realms.entry(change.realm).or_default().lobbies.push(change);
    }
    for change in &settlement.participants {
        realms.entry(change.realm).or_default().participants.push(change);
    }
    for change in &settlement.attempts {
        realms.entry(change.realm).or_default().attempts.push(change);
    }
    for end in &settlement.early_ends {
        realms.entry(end.realm).or_default().early_ends.push(end);
    }
    for (realm, ranking) in &settlement.rankings {
        realms.entry(*realm).or_default().rankings.push(ranking);
    }
    for (realm, change) in &settlement.places {
        realms.entry(*realm).or_default().places.push(change.clone());
    }
    for request in &settlement.requests {
        realms.entry(request.realm).or_default().requests.push(request);
    }
    for event in &settlement.events {
        realms.entry(event.realm).or_default().events.push(event);
    }
    realms
}

/// Settles `batch` on what was loaded, and stores the settlement.
pub(super) async fn decided(
    connection: &AsyncPgConnection,
    batch: &PlayBatch,
    before: PlaySnapshot,
    turn: &Mutex<Turn>,
) -> Result<PlaySettlement, Trouble> {
    let settlement = batch.settle(before);
    let now = batch.commands().iter().map(|command| command.at).max().unwrap_or(Timestamp::EPOCH);
    for (realm, part) in by_realm(&settlement) {
        part.store(connection, realm, now).await?;
    }
    if makes_nothing_to_look_for(&settlement) {
        // The next batch looks while this one is on its way to the disk.
        std::mem::take(&mut *turn.lock().unwrap_or_else(PoisonError::into_inner)).end();
    }
    Ok(settlement)
}

/// Whether a batch that begins before this one is committed finds all the same: what this one changes is locked, and each record
/// of a score that it makes can be made only once. A player, lobby or attempt that is new would not be found, and made again.
fn makes_nothing_to_look_for(settlement: &PlaySettlement) -> bool {
    let PlaySettlement {
        new_players,
        lobbies,
        participants,
        early_ends,
        attempts,
        outcomes: _,
        seen_players: _,
        rankings: _,
        places: _,
        requests: _,
        transitions: _,
        events: _,
        ranks: _,
    } = settlement;
    new_players.is_empty()
        && lobbies.is_empty()
        && participants.is_empty()
        && early_ends.is_empty()
        && attempts.is_empty()
}

impl OfRealm<'_> {
    async fn store(&self, connection: &AsyncPgConnection, realm: RealmId, now: Timestamp) -> Result<(), Trouble> {
        // Nothing refers to the time at which a player was seen, so that alone is stored with the rest.
        let (first, seen): (&[&Player], &[&Player]) =
            if self.has_new_players { (&self.players, &[]) } else { (&[], &self.players) };
        players::upsert(connection, realm, first).await?;
        lobby::store(connection, realm, &self.lobbies).await?;
        // Some attempts may have started after others ended. It is waited for, so that all transactions take what follows in
        // one order, whether they end attempts or not: keys of attempts, keys of scores, rankings.
        attempts::end(connection, realm, &self.early_ends).await?;
        // In this order on the wire: the lock of the rankings comes before what it protects.
        tokio::try_join!(
            biased;
            players::mark_seen(connection, realm, seen),
            lobby::seat(connection, realm, &self.participants),
            attempts::store(connection, realm, &self.attempts),
            requests::insert(connection, realm, &self.requests),
            outbox::insert(connection, realm, &self.events),
            ranking::lock_and_change(connection, realm, &self.rankings, &self.places, now),
        )?;
        Ok(())
    }
}

/// Whether `settlement` is stored, as one of its rows shows that was made for it or that nothing else can have made the same.
/// One that stores nothing of that kind is denied: it stores nothing that cannot be repeated.
pub(super) async fn is_kept(connection: &AsyncPgConnection, settlement: &PlaySettlement) -> QueryResult<bool> {
    if let Some(LobbyChange { realm, lobby, .. }) = settlement.lobbies.first() {
        let stored = lobby::lock(connection, *realm, &[lobby.id].into()).await?;
        return Ok(stored.iter().any(|stored| lobby.version <= stored.version));
    }
    if let Some(AttemptChange { realm, attempt, is_new }) = settlement.attempts.first() {
        let stored = attempts::find(connection, *realm, &[attempt.id], &[]).await?;
        let told = |attempt: &Attempt| (attempt.metrics.clone(), attempt.score, attempt.status, attempt.completed_at);
        return Ok(stored.iter().any(|stored| *is_new || told(stored) == told(attempt)));
    }
    if let Some(ScoreRequest { realm, operation, once, .. }) = settlement.requests.first() {
        let key = ScoreRequestKey { realm: *realm, operation: *operation, key: once.key };
        return Ok(requests::find(connection, *realm, &[key]).await?.iter().any(Option::is_some));
    }
    if let Some((realm, PlaceChange { ranking, after: Some(after), .. })) = settlement.places.first() {
        let stored = ranking::places(connection, *realm, &[(*ranking, after.player)]).await?;
        return Ok(stored.contains(&Some(*after)));
    }
    Ok(false)
}
