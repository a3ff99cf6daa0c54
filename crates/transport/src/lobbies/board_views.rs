//! Boards as callers see them: which part is asked for, and players and bots in one order.

use domain::lobbies::{BoardEntry, BoardQuery, Contender, RankingSlice};
use domain::players::ExternalId;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::ScoreView;
use crate::field_errors::FieldErrors;
use crate::query::Query;

/// Reads which part of a board is asked for; `None` after noting an error.
pub(super) fn board_query(query: &Query<'_>, errors: &mut FieldErrors) -> Option<BoardQuery> {
    let limit = query.limit(errors);
    let own = query.text("externalId", errors);
    let own_was_sent = own.is_some();
    let own = own.and_then(|own| errors.check("externalId", ExternalId::try_new(&own)));
    let slice = match (query.flag("around", errors), &own) {
        (true, Some(own)) => RankingSlice::Around(own.clone(), limit / 2),
        (true, None) if !own_was_sent => {
            errors.add("externalId", "is required with around=true");
            return None;
        }
        (true | false, _) => RankingSlice::Top(limit),
    };
    Some(BoardQuery { slice, own })
}

/// The parameters that choose a part of a board.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `board_query` reads it")]
pub(super) struct BoardParams {
    /// How many entries at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The player whose own entry is wanted besides, as `self`.
    #[param(
        rename = "externalId",
        min_length = 1,
        max_length = 128,
        pattern = r"^(?!__merged_|__deleted_)[^\x00-\x1F\x7F-\x9F]{1,128}$"
    )]
    external_id: Option<String>,
    /// Instead of the first entries, that player's with half of `limit` on each side. None when they are not on the
    /// board.
    around: Option<bool>,
}

/// An entry of a board.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BoardEntryView {
    /// Who it is: Purser's own id for a player. Of a bot, an id that is made from the board's, so that it is the same
    /// at every read and no player's: it is a UUID of version 8, and those of players are of version 7.
    participant_id: String,
    /// `player` or `bot`.
    #[schema(value_type = ContenderKindName)]
    kind: &'static str,
    /// The studio's id for the player; null for a bot.
    #[schema(required = true)]
    external_player_id: Option<String>,
    /// What a bot is called; null for a player.
    #[schema(required = true)]
    name: Option<String>,
    /// A bot's picture, if it has one; null for a player.
    #[schema(required = true)]
    avatar: Option<String>,
    /// Null while there is none on a board where less is better.
    #[schema(required = true)]
    score: Option<ScoreView>,
    /// From 1, and each once: of equal scores the one reached first is ahead.
    #[schema(minimum = 1)]
    rank: u64,
    /// Whether it is the player who was asked about.
    is_self: bool,
}

/// Where the player who was asked about stands.
#[derive(Serialize, ToSchema)]
pub(super) struct SelfView {
    /// From 1.
    #[schema(minimum = 1)]
    rank: u64,
    /// Null while there is none on a board where less is better.
    #[schema(required = true)]
    score: Option<ScoreView>,
}

impl BoardEntryView {
    /// Those of the board `board`, as the player `own` sees it.
    pub(super) fn all(board: Uuid, own: Option<&ExternalId>, entries: Vec<BoardEntry>) -> Vec<Self> {
        entries.into_iter().map(|entry| Self::of(board, own, entry)).collect()
    }

    fn of(board: Uuid, own: Option<&ExternalId>, entry: BoardEntry) -> Self {
        let (score, rank, is_self) = (entry.score.map(ScoreView), entry.rank, is_of(own, &entry));
        match entry.contender {
            Contender::Player { id, external_id } => Self {
                participant_id: id.0.to_string(),
                kind: "player",
                external_player_id: Some(external_id.as_str().to_owned()),
                name: None,
                avatar: None,
                score,
                rank,
                is_self,
            },
            Contender::Bot { number, name, avatar, state: _ } => Self {
                participant_id: bot_id(board, number).to_string(),
                kind: "bot",
                external_player_id: None,
                name: Some(name),
                avatar,
                score,
                rank,
                is_self,
            },
        }
    }
}

impl SelfView {
    /// The place that `entry` shows.
    pub(super) fn of(entry: &BoardEntry) -> Self {
        Self { rank: entry.rank, score: entry.score.map(ScoreView) }
    }
}

/// The part of a whole board that `query` asks for, and the entry of the player whom it asks about.
pub(super) fn part_of(board: Vec<BoardEntry>, query: &BoardQuery) -> (Vec<BoardEntry>, Option<SelfView>) {
    let own = board.iter().find(|entry| is_of(query.own.as_ref(), entry));
    let (own, own_rank) = (own.map(SelfView::of), own.map(|entry| entry.rank));
    let mut board = board;
    match query.slice {
        RankingSlice::Top(count) => board.truncate(usize::try_from(count).unwrap_or(usize::MAX)),
        RankingSlice::Around(_, count) => {
            let is_near = |entry: &BoardEntry| own_rank.is_some_and(|rank| rank.abs_diff(entry.rank) <= count.into());
            board.retain(is_near);
        }
    }
    (board, own)
}

fn is_of(own: Option<&ExternalId>, entry: &BoardEntry) -> bool {
    match &entry.contender {
        Contender::Player { external_id, .. } => own == Some(external_id),
        Contender::Bot { .. } => false,
    }
}

fn bot_id(board: Uuid, number: u32) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(b"bot\0");
    hash.update(board.as_bytes());
    hash.update(number.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(byte, from)| *byte = from);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Who has entries on boards.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
enum ContenderKindName {
    Player,
    Bot,
}
