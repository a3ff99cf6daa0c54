//! What somebody has played, for the tests of what is shown of it.

use domain::clock::Timestamp;
use domain::lobbies::{
    Aggregation, Attempt, AttemptId, AttemptStatus, BoardId, EventId, Lobby, LobbyId, LobbyMembership, LobbyMode,
    MetricKey, MetricValue, Ranking, RankingMembership, Score, Scored, Segment, SortOrder, Stage, WindowId,
};
use domain::players::PlayerId;
use uuid::Uuid;

use super::world::NOW_S;

/// So many seconds before now; after it, if negative.
pub(super) fn before(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros((NOW_S - seconds) * 1_000_000)
}

fn score(text: &str) -> Score {
    Score::try_new(text).unwrap()
}

/// An attempt in whose time the clock says more than the store: it ended a minute ago, short of its targets.
pub(super) fn attempt(id: u128) -> Attempt {
    let laps = MetricValue { raw: score("9.125"), counted: score("8") };
    let points = MetricValue { raw: score("-9007199254740990.999"), counted: score("-9007199254740990.999") };
    let named = |(name, value)| (MetricKey::try_new(name).unwrap(), value);
    Attempt {
        id: AttemptId(Uuid::from_u128(id)),
        player: PlayerId(Uuid::from_u128(9)),
        event: EventId(Uuid::from_u128(0xE)),
        window: WindowId(Uuid::from_u128(0x3)),
        lobby: None,
        board: Uuid::from_u128(0xB),
        metrics: [("laps", laps), ("points", points)].map(named).into(),
        score: score("9007199254740991"),
        has_target: true,
        started_at: before(600),
        ends_at: before(60),
        completed_at: None,
        status: AttemptStatus::InProgress,
        once: None,
    }
}

/// A lobby that is stored as active, and over since a minute.
pub(super) fn lobby(id: u128) -> LobbyMembership {
    let lobby = Lobby {
        id: LobbyId(Uuid::from_u128(id)),
        event: EventId(Uuid::from_u128(0xE)),
        window: WindowId(Uuid::from_u128(0x3)),
        key: None,
        mode: LobbyMode::Matched,
        aggregation: Aggregation::Best,
        order: SortOrder::Descending,
        capacity: 4,
        fill_bots: false,
        bots: Vec::new(),
        players: 2,
        metadata: None,
        stage: Stage::Active { started_at: before(600) },
        created_at: before(620),
        fill_by: None,
        ends_at: before(60),
        version: 1,
    };
    let scored = (id % 2 == 1).then(|| Scored { score: score("0.1"), achieved_at: before(300) });
    LobbyMembership { lobby, joined_at: before(610), scored }
}

/// A ranking of a segment of a period, or one without either.
pub(super) fn ranking(board: u128) -> RankingMembership {
    let (period, segment) = match board % 2 {
        0 => (Timestamp::EPOCH, Segment::default()),
        _ => (before(3_600), Segment::try_new("gold").unwrap()),
    };
    let board = BoardId(Uuid::from_u128(board));
    RankingMembership {
        ranking: Ranking::of(board, period, segment, Aggregation::Best, SortOrder::Ascending),
        score: score("61.375"),
        achieved_at: before(300),
    }
}
