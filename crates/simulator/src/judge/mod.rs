//! The judge: an account of what was wanted, what was answered and what is stored, kept without any rule of the domain.
//!
//! After every commit all that is stored is read again, and each difference must be something that somebody wants just then,
//! that did not happen before, and that happened whole. Every answer must be true of some moment between question and answer.

mod answers;
mod books;
mod end;
mod lives;
mod news;
mod play;

pub(crate) use end::is_safe;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Result, ensure};
use domain::clock::Timestamp;
use domain::economy::{AccountId, GrantId, LedgerRow};
use domain::keys::KeyId;
use domain::lobbies::{LobbyId, RankingId};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use domain::webhooks::{EventName, EventNames, FeedPosition, OutboxEventId};
use testkit::contract::Stores;

use crate::intent::{Effect, IntentId, Request};
use crate::process::Sent;
use crate::seen::Seen;

/// Names a call: its place in the log of calls.
pub(crate) type CallId = usize;

/// How far an intent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody knows yet.
    Open,
    /// It was accepted.
    Accepted,
    /// It was refused.
    Refused,
}

/// Something that is wanted, and what is known of it.
#[derive(Debug)]
pub(crate) struct Intent {
    pub(crate) sent: Sent,
    pub(crate) standing: Standing,
    /// When it took effect, and how.
    pub(crate) effect: Option<(usize, Effect)>,
    /// How often it was answered that it took effect just now.
    firsts: u32,
    /// How many of its calls may still take effect.
    live: u32,
    /// Whose it became.
    owner: Option<PlayerId>,
}

/// How a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallState {
    /// The caller waits.
    Waiting,
    /// The caller does not wait any more, and it may still take effect.
    Lost,
    /// It is over.
    Over,
}

/// A request that was sent to a process.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) intents: Vec<IntentId>,
    pub(crate) process: usize,
    pub(crate) state: CallState,
    /// The place in the history at which it was sent.
    start: usize,
    /// The place at which it was over.
    end: usize,
    /// The latest instant that the clock has shown since.
    latest: Timestamp,
    /// Whether its key had to be refused already when it was sent.
    key_has_ended: bool,
}

/// An API key that a studio holds.
#[derive(Debug)]
pub(crate) struct HeldKey {
    pub(crate) id: KeyId,
    pub(crate) text: String,
    /// The processes that said that they ended it.
    ended_by: BTreeSet<usize>,
}

/// What must be told of: the name of an event, and what it is about.
type News = (EventName, String);

/// What a commit changed.
struct Change {
    before: Arc<Seen>,
    after: Arc<Seen>,
    tick: usize,
    /// Who was merged into whom.
    merged: Option<(PlayerId, PlayerId)>,
    /// Who was erased.
    erased: Option<PlayerId>,
    /// What must be told.
    news: Vec<News>,
    /// What may be told.
    maybe: Vec<News>,
}

/// Watches a run.
pub(crate) struct Judge {
    stores: Stores,
    realm: RealmId,
    wanted: EventNames,
    pub(crate) board: RankingId,
    /// What was stored after every commit.
    history: Vec<Arc<Seen>>,
    pub(crate) intents: Vec<Intent>,
    pub(crate) calls: Vec<Call>,
    pub(crate) keys: Vec<HeldKey>,
    entries: BTreeMap<AccountId, Vec<LedgerRow>>,
    merges: Vec<(usize, PlayerId, PlayerId)>,
    merge_firsts: BTreeSet<PlayerId>,
    lobby_firsts: BTreeSet<LobbyId>,
    erasures: Vec<(usize, PlayerId)>,
    erasure_firsts: BTreeSet<PlayerId>,
    /// Words of players who were erased since.
    forgotten: BTreeSet<String>,
    /// Words that were stored of whom.
    said: BTreeMap<String, PlayerId>,
    fed: FeedPosition,
    pub(crate) told: BTreeMap<OutboxEventId, News>,
    expiries_told: BTreeSet<GrantId>,
    /// The places in the history after which the clock was set back.
    setbacks: Vec<usize>,
}

impl Judge {
    /// A judge of `realm`, in which nothing has happened.
    pub(crate) fn new(stores: Stores, realm: RealmId, wanted: EventNames, board: RankingId, clock: Timestamp) -> Self {
        Self {
            stores,
            realm,
            wanted,
            board,
            history: vec![Arc::new(Seen::nothing(clock))],
            intents: Vec::new(),
            calls: Vec::new(),
            keys: Vec::new(),
            entries: BTreeMap::new(),
            merges: Vec::new(),
            merge_firsts: BTreeSet::new(),
            lobby_firsts: BTreeSet::new(),
            erasures: Vec::new(),
            erasure_firsts: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            said: BTreeMap::new(),
            fed: FeedPosition::default(),
            told: BTreeMap::new(),
            expiries_told: BTreeSet::new(),
            setbacks: Vec::new(),
        }
    }

    /// What is stored now.
    pub(crate) fn now(&self) -> Arc<Seen> {
        self.history.last().map_or_else(|| Arc::new(Seen::nothing(Timestamp::EPOCH)), Arc::clone)
    }

    fn tick(&self) -> usize {
        self.history.len() - 1
    }

    /// Notes that a studio holds a key.
    pub(crate) fn hold(&mut self, id: KeyId, text: String) {
        self.keys.push(HeldKey { id, text, ended_by: BTreeSet::new() });
    }

    /// How many deliveries wait.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn lag(&self) -> Result<u64> {
        Ok(self.stores.deliveries.lag().await?.pending)
    }

    /// Notes that something is wanted.
    pub(crate) fn want(&mut self, request: Request, key: Option<String>) -> IntentId {
        let id = self.intents.len();
        let sent = Sent { request, key, words: format!("words-{id:04}-of") };
        self.intents.push(Intent { sent, standing: Standing::Open, effect: None, firsts: 0, live: 0, owner: None });
        id
    }

    /// Notes that a request is sent, with a key that is held, at `now`.
    pub(crate) fn call(&mut self, intents: Vec<IntentId>, process: usize, key: &str, now: Timestamp) -> CallId {
        let key_has_ended = self.has_ended(process, key, now);
        let (state, start) = (CallState::Waiting, self.tick());
        for intent in &intents {
            self.intents.get_mut(*intent).into_iter().for_each(|intent| intent.live += 1);
        }
        self.calls.push(Call { intents, process, state, start, end: usize::MAX, latest: now, key_has_ended });
        self.calls.len() - 1
    }

    /// Notes what the clock shows now.
    pub(crate) fn clock_moved(&mut self, now: Timestamp, is_back: bool) {
        if is_back {
            self.setbacks.push(self.tick());
        }
        for call in self.calls.iter_mut().filter(|call| call.state == CallState::Waiting) {
            call.latest = call.latest.max(now);
        }
    }

    /// Notes that the caller hung up.
    pub(crate) fn hung_up(&mut self, call: CallId) {
        if let Some(call) = self.calls.get_mut(call) {
            call.state = CallState::Lost;
        }
    }

    /// Notes that a process was torn: what it had not stored never will be.
    pub(crate) fn torn(&mut self, process: usize) {
        let of_process: Vec<CallId> = self.open_calls(|call| call.process == process);
        of_process.into_iter().for_each(|call| self.is_over(call));
        for key in &mut self.keys {
            key.ended_by.remove(&process);
        }
    }

    /// Notes that nothing is under way any more.
    pub(crate) fn settled_down(&mut self) {
        self.open_calls(|_| true).into_iter().for_each(|call| self.is_over(call));
    }

    fn open_calls(&self, is: impl Fn(&Call) -> bool) -> Vec<CallId> {
        let calls = self.calls.iter().enumerate();
        calls.filter(|(_, call)| call.state != CallState::Over && is(call)).map(|(id, _)| id).collect()
    }

    fn is_over(&mut self, id: CallId) {
        let end = self.tick();
        let Some(call) = self.calls.get_mut(id).filter(|call| call.state != CallState::Over) else { return };
        (call.state, call.end) = (CallState::Over, end);
        for intent in &call.intents {
            self.intents.get_mut(*intent).into_iter().for_each(|intent| intent.live -= 1);
        }
    }

    /// Whether a call of an intent may still take effect.
    pub(crate) fn is_live(&self, intent: IntentId) -> bool {
        self.intents.get(intent).is_some_and(|intent| 0 < intent.live)
    }

    /// Looks at what is stored after a commit, at `clock`.
    ///
    /// # Errors
    /// What nobody asked for, or is not whole.
    pub(crate) fn look(&mut self, clock: Timestamp, values: &dyn Fn() -> Option<String>) -> Result<()> {
        let before = self.now();
        let after = Arc::new(Seen::read(&self.stores, self.realm, clock, &before)?);
        let tick = self.history.len();
        let (news, maybe) = (Vec::new(), Vec::new());
        let mut change = Change { before, after, tick, merged: None, erased: None, news, maybe };
        self.judge_lives(&mut change)?;
        self.judge_books(&mut change)?;
        self.judge_grants(&mut change)?;
        self.judge_play(&mut change)?;
        self.judge_news(&change)?;
        if let Some(player) = change.erased {
            self.judge_erasure(player, values)?;
        }
        self.history.push(change.after);
        Ok(())
    }

    /// The intents of which a call may still take effect.
    fn live(&self) -> impl Iterator<Item = (IntentId, &Intent)> {
        self.intents.iter().enumerate().filter(|(_, intent)| 0 < intent.live)
    }

    /// Notes that an intent took effect.
    fn took_effect(&mut self, id: IntentId, tick: usize, effect: Effect) -> Result<()> {
        let is_live = self.is_live(id);
        let rival = self.rival_with_effect(id);
        let intent = self.intents.get_mut(id);
        ensure!(intent.is_some(), "intent {id} took effect, which was never wanted");
        let Some(intent) = intent else { return Ok(()) };
        ensure!(intent.effect.is_none(), "intent {id} took effect twice: {:?}", intent.sent);
        ensure!(is_live, "intent {id} took effect without being asked for: {:?}", intent.sent);
        ensure!(rival.is_none(), "intent {id} took effect under the key of intent {rival:?}: {:?}", intent.sent);
        intent.effect = Some((tick, effect));
        Ok(())
    }

    /// Another intent under the same idempotency key that took effect.
    fn rival_with_effect(&self, id: IntentId) -> Option<IntentId> {
        let own = &self.intents.get(id)?.sent;
        let (scope, key) = (own.request.scope()?, own.key.as_ref()?);
        let mut others = self.intents.iter().enumerate().filter(|(other, _)| *other != id);
        let rival = others.find(|(_, other)| {
            let sent = &other.sent;
            other.effect.is_some() && sent.request.scope() == Some(scope) && sent.key.as_ref() == Some(key)
        });
        rival.map(|(id, _)| id)
    }

    /// Whether `holds` of some moment since `start`.
    fn ever(&self, start: usize, holds: impl Fn(&Seen) -> bool) -> bool {
        self.history.iter().skip(start).any(|seen| holds(seen))
    }
}
