//! Lobbies: some players, and bots in the places that are left, who play one window of an event together.
//!
//! A lobby is forming, then active, then closed. What it is at an instant is a pure function of what is stored and that
//! instant, so a read is right even if nothing has run since: [`Lobby::at`]. Whoever writes stores what the clock did first.

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};
use thiserror::Error;
use uuid::Uuid;

use super::{Aggregation, BotSeed, EventId, Score, SortOrder, WindowId};
use crate::clock::Timestamp;
use crate::players::PlayerId;
use crate::tenancy::RealmId;
use crate::text::JsonObject;

/// Names a lobby, and its board. Being UUIDs of version 7, they ascend with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LobbyId(pub Uuid);

/// The studio's own name for a lobby that it pushed: 1 to 255 characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LobbyKey(String);

/// Why a text was refused as a [`LobbyKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 1 to {max} characters without control characters", max = LobbyKey::CHARS_MAX)]
pub struct InvalidLobbyKey;

impl LobbyKey {
    /// The longest key, in Unicode scalar values.
    pub const CHARS_MAX: usize = 255;

    /// Accepts 1 ..= [`Self::CHARS_MAX`] characters without control characters.
    pub fn try_new(text: &str) -> Result<Self, InvalidLobbyKey> {
        let fits = !text.is_empty() && text.chars().count() <= Self::CHARS_MAX && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidLobbyKey) }
    }

    /// Rebuilds a stored key.
    pub fn restore(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which kinds of events have lobbies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LobbyMode {
    /// Plays from its first player on; others join as they start.
    Grouped,
    /// Forms before it plays, or was pushed.
    Matched,
}

impl LobbyMode {
    /// The name on the wire and in storage, that of the event's mode.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grouped => "grouped",
            Self::Matched => "lobby_matched",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Grouped, Self::Matched].into_iter().find(|mode| mode.as_str() == name)
    }
}

/// How far a lobby is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LobbyStatus {
    /// Players are looked for.
    Forming,
    /// It plays.
    Active,
    /// It is over; its ranks are final.
    Closed,
}

impl LobbyStatus {
    /// All of them, in the order in which a lobby goes through them.
    pub const ALL: [Self; 3] = [Self::Forming, Self::Active, Self::Closed];

    /// The name on the wire and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forming => "forming",
            Self::Active => "active",
            Self::Closed => "closed",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl fmt::Display for LobbyStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// How far a lobby is, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Players are looked for.
    Forming,
    /// It plays.
    Active {
        /// Since when.
        started_at: Timestamp,
    },
    /// It is over.
    Closed {
        /// When it began to play, if it ever did.
        started_at: Option<Timestamp>,
        /// Since when.
        closed_at: Timestamp,
    },
}

/// A place that a bot has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BotSlot {
    /// Which bot of the lobby it is: name and pace follow from it.
    pub number: u32,
    /// Since when it is there.
    pub since: Timestamp,
}

/// A lobby as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lobby {
    /// Its id.
    pub id: LobbyId,
    /// The event that it plays.
    pub event: EventId,
    /// In which window.
    pub window: WindowId,
    /// The studio's name for it, if the studio pushed it.
    pub key: Option<LobbyKey>,
    /// What kind of event it plays.
    pub mode: LobbyMode,
    /// Which score of a player counts.
    pub aggregation: Aggregation,
    /// Whether more is better.
    pub order: SortOrder,
    /// How many play together, bots included.
    pub capacity: u32,
    /// Whether bots take the places that no player has.
    pub fill_bots: bool,
    /// The bots of a lobby that plays or played, by number. While it forms there are none here: see [`Self::bots_at`].
    pub bots: Vec<BotSlot>,
    /// How many players there are.
    pub players: u32,
    /// The studio's own data.
    pub metadata: Option<JsonObject>,
    /// How far it is.
    pub stage: Stage,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops forming at the latest; `None` for one that never formed.
    pub fill_by: Option<Timestamp>,
    /// When it is over at the latest: the end of its window.
    pub ends_at: Timestamp,
    /// How often it was stored.
    pub version: i64,
}

/// A lobby moved on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LobbyTransition {
    /// The realm.
    pub realm: RealmId,
    /// The lobby.
    pub lobby: LobbyId,
    /// What it is now.
    pub status: LobbyStatus,
    /// Since when. Of a forming lobby, when it was made.
    pub at: Timestamp,
}

/// A player in a lobby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Participant {
    /// The lobby.
    pub lobby: LobbyId,
    /// The player.
    pub player: PlayerId,
    /// Since when.
    pub joined_at: Timestamp,
    /// What they scored, if they did.
    pub scored: Option<Scored>,
}

/// A score that counts, and when it was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scored {
    /// The score.
    pub score: Score,
    /// When.
    pub achieved_at: Timestamp,
}

impl Lobby {
    /// The shortest time from one bot to the next while a lobby forms.
    const DRIP_MIN: Duration = Duration::from_secs(1);

    /// What its bots are made from.
    pub fn seed(&self) -> BotSeed {
        let mut hash = Sha256::new();
        hash.update(b"lobby bots\0");
        hash.update(self.id.0.as_bytes());
        BotSeed(hash.finalize().into())
    }

    /// How far it is, as stored.
    pub fn status(&self) -> LobbyStatus {
        match self.stage {
            Stage::Forming => LobbyStatus::Forming,
            Stage::Active { .. } => LobbyStatus::Active,
            Stage::Closed { .. } => LobbyStatus::Closed,
        }
    }

    /// When it began to play, if it has.
    pub fn started_at(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Forming => None,
            Stage::Active { started_at } => Some(started_at),
            Stage::Closed { started_at, .. } => started_at,
        }
    }

    /// When it was over, if it is.
    pub fn closed_at(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Forming | Stage::Active { .. } => None,
            Stage::Closed { closed_at, .. } => Some(closed_at),
        }
    }

    /// When it became what it is, of one that has moved on since it was made.
    pub fn moved_at(&self) -> Option<Timestamp> {
        self.closed_at().or_else(|| self.started_at())
    }

    /// When it moves on by the clock alone; `None` once it is closed.
    pub fn due_at(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Forming => Some(self.starts_by().min(self.ends_at)),
            Stage::Active { .. } => Some(self.ends_at),
            Stage::Closed { .. } => None,
        }
    }

    /// Whether players who look for a lobby may be put in, as far as is stored.
    pub fn is_open(&self) -> bool {
        let has_room = self.key.is_none() && self.players < self.capacity;
        match (self.stage, self.mode) {
            (Stage::Forming, _) | (Stage::Active { .. }, LobbyMode::Grouped) => has_room,
            (Stage::Active { .. }, LobbyMode::Matched) | (Stage::Closed { .. }, _) => false,
        }
    }

    /// The lobby as the clock has made it by `now`, which never takes it back.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        self.steps(now).pop().unwrap_or_else(|| self.clone())
    }

    /// Every state that the clock has taken it through since it was stored until `now`, in order; the last one is what it is.
    pub fn steps(&self, now: Timestamp) -> Vec<Self> {
        let mut steps: Vec<Self> = Vec::new();
        loop {
            let lobby = steps.last().unwrap_or(self);
            match lobby.due_at() {
                Some(due_at) if due_at <= now => {
                    let next = lobby.moved_on(due_at);
                    steps.push(next);
                }
                Some(_) | None => return steps,
            }
        }
    }

    /// The bots that it has at `now`, by number. Their number never falls while a lobby forms.
    pub fn bots_at(&self, now: Timestamp) -> Vec<BotSlot> {
        let lobby = self.at(now);
        match lobby.stage {
            Stage::Forming => lobby.dripped(now),
            Stage::Active { .. } | Stage::Closed { .. } => lobby.bots,
        }
    }

    /// How many places are left at `now`.
    pub fn room_at(&self, now: Timestamp) -> u32 {
        let bots = u32::try_from(self.bots_at(now).len()).unwrap_or(u32::MAX);
        self.capacity.saturating_sub(self.players).saturating_sub(bots)
    }

    /// The lobby as it plays from `now` on.
    #[must_use]
    pub fn started(&self, now: Timestamp) -> Self {
        let mut bots = self.dripped(now);
        if self.fill_bots {
            let places = self.capacity.saturating_sub(self.players);
            let present = u32::try_from(bots.len()).unwrap_or(u32::MAX);
            bots.extend((present..places).map(|number| BotSlot { number, since: now }));
        }
        Self { bots, stage: Stage::Active { started_at: now }, ..self.clone() }
    }

    /// The lobby as it is when it is closed at `now`.
    #[must_use]
    pub fn closed(&self, now: Timestamp) -> Self {
        Self { stage: Stage::Closed { started_at: self.started_at(), closed_at: now }, ..self.clone() }
    }

    /// With one player more, who takes a bot's place when there is no other; `None` when there is none at all.
    #[must_use]
    pub fn joined(&self, now: Timestamp) -> Option<Self> {
        let mut bots = self.bots.clone();
        if self.room_at(now) == 0 {
            // The last one to come goes first.
            bots.pop()?;
        }
        Some(Self { players: self.players + 1, bots, ..self.clone() })
    }

    /// With one player less, whose place a bot takes where bots fill a lobby that plays.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> Self {
        let mut bots = self.bots.clone();
        match self.stage {
            Stage::Active { .. } if self.fill_bots => {
                let number = (0..).find(|number| bots.iter().all(|bot| bot.number != *number));
                bots.push(BotSlot {
                    number: number.expect("a lobby has fewer bots than there are numbers"),
                    since: now,
                });
                bots.sort();
            }
            Stage::Forming | Stage::Active { .. } | Stage::Closed { .. } => {}
        }
        Self { players: self.players.saturating_sub(1), bots, ..self.clone() }
    }

    /// When its bots and players would fill it if nobody else came, or its time to form is over.
    fn starts_by(&self) -> Timestamp {
        let fill_by = self.fill_by.unwrap_or(self.created_at);
        if !self.fill_bots {
            return fill_by;
        }
        let places = self.capacity.saturating_sub(self.players);
        fill_by.min(self.created_at.plus(self.drip_interval().saturating_mul(places)))
    }

    /// The time from one bot to the next while it forms.
    fn drip_interval(&self) -> Duration {
        let forming = self.fill_by.map_or(Duration::ZERO, |fill_by| fill_by.since(self.created_at));
        forming.checked_div(self.capacity.max(1)).unwrap_or_default().max(Self::DRIP_MIN)
    }

    /// The bots that have come by `now` while it forms.
    fn dripped(&self, now: Timestamp) -> Vec<BotSlot> {
        if !self.fill_bots || self.fill_by.is_none() {
            return Vec::new();
        }
        let interval = self.drip_interval();
        let places = self.capacity.saturating_sub(self.players);
        let times = (0..places).map(|number| (number, self.created_at.plus(interval.saturating_mul(number + 1))));
        times.take_while(|(_, since)| *since <= now).map(|(number, since)| BotSlot { number, since }).collect()
    }

    fn moved_on(&self, due_at: Timestamp) -> Self {
        match self.stage {
            // Nobody is left to play, or the window ends first.
            Stage::Forming if self.players == 0 || self.ends_at <= self.starts_by() => self.closed(due_at),
            Stage::Forming => self.started(due_at),
            Stage::Active { .. } | Stage::Closed { .. } => self.closed(due_at),
        }
    }
}
