//! Boards as they are read: players and bots in one order.
//!
//! Ranks are unique. Of equal scores the one reached first is ahead; a player is ahead of a bot; of two bots the one with the
//! lower number is. Who has no score yet counts as zero where more is better, and comes last where less is.

use std::cmp::Ordering;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{
    Bot, BotMoment, BotPlan, BotSeed, BotSlot, BotState, Event, Leaderboard, Lobby, Participant, Ranking, RankingPage,
    RankingSlice, Score, SortOrder,
};
use crate::clock::Timestamp;
use crate::players::{ExternalId, PlayerId};

/// Who has an entry on a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contender {
    /// A player.
    Player {
        /// Purser's id.
        id: PlayerId,
        /// The studio's id.
        external_id: ExternalId,
    },
    /// A bot.
    Bot {
        /// Which of the board's bots it is.
        number: u32,
        /// What it is called.
        name: String,
        /// Its picture.
        avatar: Option<String>,
        /// What it is doing.
        state: BotState,
    },
}

/// An entry of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardEntry {
    /// From 1.
    pub rank: u64,
    /// Whose it is.
    pub contender: Contender,
    /// The score; `None` while there is none and less is better.
    pub score: Option<Score>,
}

/// What a lobby is read as: its players with the studio's ids for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobbyDetail {
    /// The lobby as stored.
    pub lobby: Lobby,
    /// The event that it plays.
    pub event: Event,
    /// Its players.
    pub participants: Vec<(Participant, ExternalId)>,
}

/// How many of the best players' scores bots of a leaderboard look at.
pub const VISIBLE_SCORES_MAX: u32 = 100;

impl LobbyDetail {
    /// The board at `now`, best first: every player and every bot. Final once the lobby is closed.
    pub fn board(&self, now: Timestamp) -> Vec<BoardEntry> {
        let lobby = self.lobby.at(now);
        let until = lobby.closed_at().map_or(now, |closed_at| closed_at.min(now));
        let mut entries: Vec<Standing> = self.participants.iter().map(|of| Standing::of_player(&lobby, of)).collect();
        entries.extend(self.bots(&lobby, until));
        entries.sort_by(Standing::compare);
        let ranked = (1..).zip(entries);
        ranked.map(|(rank, entry)| BoardEntry { rank, contender: entry.contender, score: entry.score }).collect()
    }

    fn bots(&self, lobby: &Lobby, until: Timestamp) -> Vec<Standing> {
        let slots = lobby.bots_at(until);
        if slots.is_empty() {
            return Vec::new();
        }
        let board = &self.event.definition.board;
        let plan = board.bots.as_ref().map_or_else(BotPlan::default, |json| BotPlan::restore(json.as_json()));
        let mut visible: Vec<Score> =
            self.participants.iter().filter_map(|(participant, _)| Some(participant.scored?.score)).collect();
        visible.sort_by_key(|score| lobby.order.key_of(*score));
        let began = |slot: &BotSlot| lobby.started_at().map_or(until, |started_at| started_at.max(slot.since));
        let bot_at = |slot: BotSlot| {
            let began = began(&slot);
            let moment = BotMoment {
                elapsed: until.since(began),
                length: Some(lobby.ends_at.since(began)),
                visible_scores: &visible,
                target: self.event.definition.target_score(),
            };
            Standing::of_bot(lobby.order, slot.number, plan.bot(lobby.seed(), slot.number, &moment))
        };
        slots.into_iter().map(bot_at).collect()
    }
}

/// An entry before it has a rank.
struct Standing {
    order_key: Option<i64>,
    /// Players: when they reached the score. `None` for bots, who come after players with equal scores.
    achieved_at: Option<Timestamp>,
    number: u128,
    score: Option<Score>,
    contender: Contender,
}

impl Standing {
    fn of_player(lobby: &Lobby, (participant, external_id): &(Participant, ExternalId)) -> Self {
        let scored = participant.scored.map(|scored| (scored.score, scored.achieved_at));
        let (score, achieved_at) = match (scored, lobby.order) {
            (Some((score, at)), _) => (Some(score), at),
            (None, SortOrder::Descending) => (Some(Score::ZERO), participant.joined_at),
            (None, SortOrder::Ascending) => (None, participant.joined_at),
        };
        Self {
            order_key: score.map(|score| lobby.order.key_of(score)),
            achieved_at: Some(achieved_at),
            number: participant.player.0.as_u128(),
            score,
            contender: Contender::Player { id: participant.player, external_id: external_id.clone() },
        }
    }

    fn of_bot(order: SortOrder, number: u32, bot: Bot) -> Self {
        let score = bot_score(order, &bot);
        let contender = Contender::Bot { number, name: bot.name, avatar: bot.avatar, state: bot.state };
        let order_key = score.map(|score| order.key_of(score));
        Self { order_key, achieved_at: None, number: u128::from(number), score, contender }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let key =
            |of: &Self| (of.order_key.is_none(), of.order_key, of.achieved_at.is_none(), of.achieved_at, of.number);
        key(self).cmp(&key(other))
    }
}

/// What counts of a bot: where less is better, a score that is still growing would be too good.
fn bot_score(order: SortOrder, bot: &Bot) -> Option<Score> {
    match (order, bot.state) {
        (SortOrder::Descending, _) | (SortOrder::Ascending, BotState::Completed) => Some(bot.score),
        (SortOrder::Ascending, BotState::Playing | BotState::Quit) => None,
    }
}

/// The bots of one ranking at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct RankingBots {
    plan: BotPlan,
    seed: BotSeed,
    /// How many there are when nobody else is on the board.
    most: u32,
    elapsed: Duration,
    length: Option<Duration>,
    target: Option<Score>,
}

impl RankingBots {
    /// Those of a leaderboard's `ranking` at `now`; `None` when it has none.
    pub fn of_leaderboard(board: &Leaderboard, ranking: &Ranking, now: Timestamp) -> Option<Self> {
        let definition = &board.definition;
        let from = ranking.period_starts_at.max(board.created_at);
        let ends_at = definition.reset.period_end(ranking.period_starts_at);
        let until = ends_at.map_or(now, |ends_at| ends_at.min(now));
        let bots = definition.bots.as_ref().map(|json| json.as_json());
        let (elapsed, length) = (until.since(from), ends_at.map(|ends_at| ends_at.since(from)));
        Self::new(ranking, bots, definition.fill_bots_to, elapsed, length, None)
    }

    /// Those of `ranking` of a window of `event`, which ends at `ends_at`, at `now`; `None` when it has none.
    pub fn of_event(event: &Event, ranking: &Ranking, ends_at: Timestamp, now: Timestamp) -> Option<Self> {
        let board = &event.definition.board;
        let most = if board.fill_bots { board.capacity } else { 0 };
        let from = ranking.period_starts_at;
        let bots = board.bots.as_ref().map(|json| json.as_json());
        let (elapsed, length) = (ends_at.min(now).since(from), Some(ends_at.since(from)));
        Self::new(ranking, bots, most, elapsed, length, event.definition.target_score())
    }

    fn new(
        ranking: &Ranking,
        plan: Option<&str>,
        most: u32,
        elapsed: Duration,
        length: Option<Duration>,
        target: Option<Score>,
    ) -> Option<Self> {
        if most == 0 {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update(b"ranking bots\0");
        hash.update(ranking.id.0.as_bytes());
        let seed = BotSeed(hash.finalize().into());
        let plan = plan.map_or_else(BotPlan::default, BotPlan::restore);
        Some(Self { plan, seed, most, elapsed, length, target })
    }

    /// The bots beside `players` players, of whom the best have the scores `visible`, best first: each with its number and
    /// what counts of it, best first. Those without a score that counts are left out.
    fn standing(&self, order: SortOrder, players: u64, visible: &[Score]) -> Vec<(u32, Bot, Score)> {
        let count = u64::from(self.most).saturating_sub(players);
        let (elapsed, length, target) = (self.elapsed, self.length, self.target);
        let moment = BotMoment { elapsed, length, visible_scores: visible, target };
        let numbers = (0..self.most).take(usize::try_from(count).unwrap_or(usize::MAX));
        let bots = numbers.map(|number| (number, self.plan.bot(self.seed, number, &moment)));
        let mut bots: Vec<_> =
            bots.filter_map(|(number, bot)| bot_score(order, &bot).map(|score| (number, bot, score))).collect();
        bots.sort_by_key(|(number, _, score)| (order.key_of(*score), *number));
        bots
    }

    /// Whether there are any beside so many players.
    pub fn have_room_beside(&self, players: u64) -> bool {
        players < u64::from(self.most)
    }

    /// How many of them are ahead of a player with `score`, on a board of `players` players.
    pub fn ahead_of(&self, order: SortOrder, players: u64, visible: &[Score], score: Score) -> u64 {
        let bots = self.standing(order, players, visible);
        let ahead = bots.iter().filter(|(_, _, of_bot)| order.is_better(*of_bot, score)).count();
        u64::try_from(ahead).unwrap_or(u64::MAX)
    }
}

/// A part of a ranking as it is read: players and bots in one order, and the player who was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankingBoard {
    /// The ranking.
    pub ranking: Ranking,
    /// How many players it has, bots aside.
    pub players: u64,
    /// Best first, without gaps.
    pub entries: Vec<BoardEntry>,
    /// The player who was asked about, if they are on it.
    pub own: Option<BoardEntry>,
}

impl RankingBoard {
    /// `page`, which is `slice` of `ranking`, with the bots that belong into it. `visible` are the best players' scores.
    pub fn mixed(
        ranking: Ranking,
        page: RankingPage,
        slice: &RankingSlice,
        bots: Option<&RankingBots>,
        visible: &[Score],
    ) -> Self {
        let order = ranking.order;
        let bots = bots.map(|bots| bots.standing(order, page.players, visible)).unwrap_or_default();
        // Bots that are ahead of a player with that order key: a player is ahead of a bot with the same score.
        let ahead = |order_key: i64| {
            let count = bots.iter().take_while(|(_, _, score)| order.key_of(*score) < order_key).count();
            u64::try_from(count).unwrap_or(u64::MAX)
        };
        let of_player = |player: &super::RankedPlayer| BoardEntry {
            rank: player.rank + ahead(player.place.order_key),
            contender: Contender::Player { id: player.place.player, external_id: player.external_id.clone() },
            score: Some(order.score_of(player.place.order_key)),
        };
        let mut entries: Vec<BoardEntry> = page.entries.iter().map(of_player).collect();
        let own = page.own.as_ref().map(of_player);
        let centre = match slice {
            RankingSlice::Top(_) => None,
            RankingSlice::Around(name, _) => page.entries.iter().find(|player| player.external_id == *name),
        };
        let centre = centre.map(of_player);
        let (first, last) = (page.entries.first(), page.entries.last());
        let from_top = first.is_none_or(|first| first.rank == 1);
        let to_end = last.is_none_or(|last| last.rank == page.players);
        for ((number, bot, score), bots_ahead) in bots.iter().zip(0_u64..) {
            let order_key = order.key_of(*score);
            let players_ahead = page.entries.iter().take_while(|player| player.place.order_key <= order_key).last();
            let inside_top = from_top || players_ahead.is_some();
            let inside_end = to_end || last.is_some_and(|last| order_key < last.place.order_key);
            if inside_top && inside_end {
                let players_ahead = players_ahead.map_or(0, |player| player.rank);
                let (name, avatar, state) = (bot.name.clone(), bot.avatar.clone(), bot.state);
                let contender = Contender::Bot { number: *number, name, avatar, state };
                entries.push(BoardEntry { rank: players_ahead + bots_ahead + 1, contender, score: Some(*score) });
            }
        }
        entries.sort_by_key(|entry| entry.rank);
        cut(&mut entries, slice, centre.as_ref());
        Self { ranking, players: page.players, entries, own }
    }
}

/// Takes away what bots pushed out of the slice.
fn cut(entries: &mut Vec<BoardEntry>, slice: &RankingSlice, centre: Option<&BoardEntry>) {
    match slice {
        RankingSlice::Top(count) => entries.truncate(usize::try_from(*count).unwrap_or(usize::MAX)),
        RankingSlice::Around(_, count) => {
            let is_near = |rank: u64| centre.is_some_and(|centre| rank.abs_diff(centre.rank) <= u64::from(*count));
            entries.retain(|entry| is_near(entry.rank));
        }
    }
}
