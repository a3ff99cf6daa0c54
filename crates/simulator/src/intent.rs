//! What studios want, and what they are told: plain data on both sides of the simulation.

use domain::clock::Timestamp;
use domain::economy::{AdjustmentKind, AssetKind, Direction, GrantId, Operation, Rejection, Repeat};
use domain::keys::KeyId;
use domain::lobbies::{AttemptId, LobbyId, PlayRefusal, Score};
use domain::players::{EraseOutcome, MergeRefusal, Merged};

/// The studio's names of the players. Few, so that what is wanted of them meets.
pub(crate) const PLAYERS: [&str; 4] = ["ada", "bob", "cleo", "dan"];
/// What they hold.
pub(crate) const ASSETS: [&str; 2] = ["gold", "gems"];
/// The events: one that everybody plays alone, and one that is played in lobbies.
pub(crate) const EVENTS: [&str; 2] = ["open", "duel"];
/// The leaderboard, on which scores are added up.
pub(crate) const BOARD: &str = "points";

/// What a player, an asset or an event is called.
pub(crate) type Name = &'static str;

/// Names an intent: its place in the log of intents.
pub(crate) type IntentId = usize;

/// Something that is wanted once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request {
    Trade(Trade),
    Import(Row),
    Life(Life),
    Play(Game),
    Key(KeyWish),
}

/// A change of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Trade {
    /// Change a balance.
    Adjust { player: Name, kind: AdjustmentKind, asset: Name, amount: i64 },
    /// Spend, as the player's game client.
    Spend { player: Name, asset: Name, amount: i64 },
    /// Promise something, or deliver it at once.
    Grant { player: Name, amounts: Vec<(Name, i64)>, immediate: bool, expires_at: Option<Timestamp> },
    /// Say that a grant was delivered.
    Ack { player: Name, grant: GrantId },
}

/// A row of an import, which is sent together with others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Row {
    /// Currency from elsewhere.
    Currency { player: Name, asset: Name, amount: i64 },
    /// Items from elsewhere.
    Items { player: Name, asset: Name, amount: i64 },
    /// A player from elsewhere.
    Player { player: Name },
}

/// Something that happens to a player.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Life {
    /// Impose a ban, or lift it.
    Ban { player: Name, impose: bool },
    /// Make one player part of another.
    Merge { source: Name, target: Name },
    /// Erase a player.
    Erase { player: Name },
}

/// Something that is played.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Game {
    /// Make a lobby of these players.
    Push { lobby: String, players: Vec<Name> },
    /// Put a player into a lobby.
    Join { lobby: LobbyId, player: Name },
    /// Take a player out of a lobby.
    Leave { lobby: LobbyId, player: Name },
    /// End a lobby.
    Close { lobby: LobbyId },
    /// Start an attempt.
    Start { event: Name, player: Name },
    /// Add so much to an attempt.
    Progress { event: Name, player: Name, attempt: AttemptId, points: i64 },
    /// End an attempt.
    Finish { event: Name, player: Name, attempt: AttemptId },
    /// Add so much to what a player has on the leaderboard.
    Score { player: Name, points: i64 },
}

/// Something about API keys.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum KeyWish {
    /// Issue one, which works for so many seconds.
    Issue { seconds: Option<u64> },
    /// Replace one.
    Rotate { key: KeyId, overlap_seconds: u64 },
    /// End one.
    Revoke { key: KeyId },
}

impl Request {
    /// In which scope its idempotency key names it; `None` for what is safe to repeat without one.
    pub(crate) fn scope(&self) -> Option<&'static str> {
        match self {
            Self::Trade(Trade::Adjust { kind, .. }) => Some(kind.operation().as_str()),
            Self::Trade(Trade::Spend { .. }) => Some(Operation::WalletDebit.as_str()),
            Self::Trade(Trade::Grant { .. }) => Some(Operation::GrantCreate.as_str()),
            Self::Import(Row::Currency { .. }) => Some(Operation::MigrateWallet.as_str()),
            Self::Import(Row::Items { .. }) => Some(Operation::MigrateInventory.as_str()),
            Self::Import(Row::Player { .. }) => Some(Operation::MigratePlayers.as_str()),
            Self::Life(Life::Merge { .. }) => Some("players.merge"),
            Self::Life(Life::Erase { .. }) => Some("players.erase"),
            Self::Play(Game::Start { .. }) => Some("attempt.start"),
            Self::Play(Game::Progress { .. }) => Some("attempt.progress"),
            Self::Play(Game::Score { .. }) => Some("leaderboard.score"),
            Self::Trade(Trade::Ack { .. })
            | Self::Life(Life::Ban { .. })
            | Self::Play(
                Game::Push { .. } | Game::Join { .. } | Game::Leave { .. } | Game::Close { .. } | Game::Finish { .. },
            )
            | Self::Key(_) => None,
        }
    }

    /// The players whom it makes if they are not there.
    pub(crate) fn makes(&self) -> Vec<Name> {
        match self {
            Self::Trade(Trade::Adjust { player, .. } | Trade::Grant { player, .. })
            | Self::Import(Row::Currency { player, .. } | Row::Items { player, .. } | Row::Player { player })
            | Self::Play(Game::Join { player, .. } | Game::Start { player, .. }) => vec![player],
            Self::Play(Game::Push { players, .. }) => players.clone(),
            Self::Trade(Trade::Spend { .. } | Trade::Ack { .. })
            | Self::Life(_)
            | Self::Play(
                Game::Leave { .. }
                | Game::Close { .. }
                | Game::Progress { .. }
                | Game::Finish { .. }
                | Game::Score { .. },
            )
            | Self::Key(_) => Vec::new(),
        }
    }

    /// What it does to a balance, if it is a change of one: whose, of what, by how much, and as which operation.
    pub(crate) fn posting(&self) -> Option<(Name, AssetKind, Name, i64, Operation)> {
        match self {
            Self::Trade(Trade::Adjust { player, kind, asset, amount }) => {
                let delta = if kind.direction() == Direction::In { *amount } else { -amount };
                Some((player, kind.asset_kind(), asset, delta, kind.operation()))
            }
            Self::Trade(Trade::Spend { player, asset, amount }) => {
                Some((player, AssetKind::Currency, asset, -amount, Operation::WalletDebit))
            }
            Self::Import(Row::Currency { player, asset, amount }) => {
                Some((player, AssetKind::Currency, asset, *amount, Operation::MigrateWallet))
            }
            Self::Import(Row::Items { player, asset, amount }) => {
                Some((player, AssetKind::Item, asset, *amount, Operation::MigrateInventory))
            }
            Self::Trade(Trade::Grant { .. } | Trade::Ack { .. })
            | Self::Import(Row::Player { .. })
            | Self::Life(_)
            | Self::Play(_)
            | Self::Key(_) => None,
        }
    }
}

/// What is known to have come of an intent, by looking into the store.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// An entry, after which the account held this.
    Entry(i64),
    /// A grant.
    Grant(GrantId),
    /// An attempt.
    Attempt(AttemptId),
    /// A lobby.
    Lobby(LobbyId),
    /// Points were counted.
    Points,
    /// Players were merged.
    Merge,
    /// A player was erased.
    Erasure,
}

/// What came back.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The outcome is unknown.
    Unknown,
    /// Too much was waiting: nothing was done.
    Overloaded,
    /// The API key was refused.
    Denied(Denial),
    /// To a change of a balance.
    Adjusted { balance: i64, repeat: Repeat },
    /// To a grant.
    Granted { grant: GrantId, repeat: Repeat },
    /// To an acknowledgement.
    Acked,
    /// To an import: one answer for each row.
    Imported(Vec<Result<Repeat, Rejection>>),
    /// The ledger's rules said no.
    Rejected(Rejection),
    /// To a change of a ban.
    Banned,
    /// There is no such player.
    NoPlayer,
    /// To a merge.
    Merged(Box<Merged>),
    /// The players cannot be merged.
    Unmergeable(MergeRefusal),
    /// To an erasure.
    Erased(EraseOutcome),
    /// To a push.
    Pushed { lobby: LobbyId, repeat: Repeat },
    /// To joining, leaving and closing.
    Changed,
    /// To a start.
    Started { attempt: AttemptId, repeat: Repeat },
    /// To a start: the player waits.
    Forming(LobbyId),
    /// To progress: the attempt's score.
    Progressed { score: Score, repeat: Repeat },
    /// To the end of an attempt.
    Finished,
    /// To a score: what counts.
    Scored { score: Score, repeat: Repeat },
    /// The rules of lobbies said no.
    Refused(PlayRefusal),
    /// To a key that was issued.
    KeyMade { text: String, id: KeyId },
    /// To the end of a key.
    KeyEnded,
    /// The rules of keys said no.
    KeyRefused,
}

/// Why an API key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    Invalid,
    Revoked,
    Expired,
}
