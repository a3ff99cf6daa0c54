//! A player as an export hands them out: in one bundle, and line by line.

use domain::audit_log::AuditEntry;
use domain::clock::Timestamp;
use domain::economy::Grant;
use domain::players::ExportSubject;
use serde::Serialize;
use utoipa::ToSchema;

use crate::economy::{GrantView, ItemView, JsonView, LedgerRowView, WalletView};
use crate::instant::Instant;
use crate::lobbies::{AttemptView, LobbyMembershipView, RankingMembershipView};
use crate::problem::ErrorBody;

/// Which members an export has. Grows when one changes its meaning or goes away.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// All that is known of a player, up to 1,000 rows of each list.
#[derive(Serialize, ToSchema)]
pub(super) struct PlayerExportResponse {
    pub(super) data: ExportBundle,
}

/// A player, with what they have.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportBundle {
    /// Always 1.
    pub(super) schema_version: u32,
    /// When the export was asked for.
    pub(super) exported_at: Instant,
    pub(super) player: ExportedPlayer,
    /// The newest ones, newest first.
    #[schema(max_items = 1000)]
    pub(super) attempts: Vec<AttemptView>,
    /// The newest ones, newest first.
    #[schema(max_items = 1000)]
    pub(super) grants: Vec<GrantView>,
    /// Items held, by key.
    #[schema(max_items = 1000)]
    pub(super) inventory: Vec<ItemView>,
    /// Currencies ever touched, by key.
    #[schema(max_items = 1000)]
    pub(super) wallet: Vec<WalletView>,
    /// The newest ones that the player is or was in, newest first.
    #[schema(max_items = 1000)]
    pub(super) lobbies: Vec<LobbyMembershipView>,
    /// The first ones that the player is on, by id.
    #[schema(max_items = 1000)]
    pub(super) leaderboards: Vec<RankingMembershipView>,
}

/// The player as such.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportedPlayer {
    /// Purser's own id for the player.
    id: String,
    /// The studio's id for the player.
    external_player_id: String,
    studio_id: String,
    game_id: String,
    /// When the player was first written to.
    first_seen_at: Instant,
    /// When the player was last written to, within minutes.
    last_seen_at: Instant,
    /// What another platform knew of the player, as the last import said; null when none said anything.
    #[schema(value_type = Option<Object>, required = true)]
    last_context_snapshot: Option<JsonView>,
    /// Null: players do not register yet.
    #[schema(required = true)]
    registered_at: Option<Instant>,
    /// Null: players have no secret yet.
    #[schema(required = true)]
    secret_rotated_at: Option<Instant>,
    /// Since when the player is banned; null unless they are.
    #[schema(required = true)]
    banned_at: Option<Instant>,
    /// Why the player is banned, as it was said last; null unless they are.
    #[schema(required = true)]
    ban_reason: Option<String>,
    /// Always null: an erased player is found by no id.
    #[schema(required = true)]
    deleted_at: Option<Instant>,
}

impl From<&ExportSubject> for ExportedPlayer {
    fn from(subject: &ExportSubject) -> Self {
        let ExportSubject { realm, player, last_context_snapshot, ban_reason, .. } = subject;
        Self {
            id: player.id.0.to_string(),
            external_player_id: player.external_id.as_str().to_owned(),
            studio_id: realm.studio.0.to_string(),
            game_id: realm.game.0.to_string(),
            first_seen_at: Instant(player.created_at),
            last_seen_at: Instant(player.last_seen_at),
            last_context_snapshot: last_context_snapshot.clone().map(JsonView),
            registered_at: None,
            secret_rotated_at: None,
            banned_at: player.banned_at.map(Instant),
            ban_reason: ban_reason.as_ref().map(|reason| reason.as_str().to_owned()),
            deleted_at: None,
        }
    }
}

/// One line of an export with `format=ndjson`. The last one tells whether the export is complete: `manifest` if it is,
/// `error` if it is not.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum ExportLine {
    Player(Box<ExportHeadLine>),
    Wallet(WalletView),
    Inventory(ItemView),
    Grant(Box<ExportedGrant>),
    Attempt(Box<AttemptView>),
    Lobby(Box<LobbyMembershipView>),
    Leaderboard(Box<RankingMembershipView>),
    Ledger(Box<LedgerRowView>),
    Audit(Box<ExportedAuditEntry>),
    Manifest(ExportManifest),
    Error(ExportFailure),
}

/// The first line: the player.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportHeadLine {
    /// Always 1.
    schema_version: u32,
    /// When the export was asked for.
    exported_at: Instant,
    #[serde(flatten)]
    player: ExportedPlayer,
}

impl From<&ExportSubject> for ExportHeadLine {
    fn from(subject: &ExportSubject) -> Self {
        Self { schema_version: SCHEMA_VERSION, exported_at: Instant(subject.at), player: subject.into() }
    }
}

/// A grant, with what only an export shows of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportedGrant {
    #[serde(flatten)]
    grant: GrantView,
    /// The data that came with it.
    #[schema(value_type = Option<Object>, required = true)]
    metadata: Option<JsonView>,
}

impl ExportedGrant {
    /// `grant` as it stands at the instant `at`.
    pub(super) fn at(at: Timestamp, grant: &Grant) -> Self {
        Self { grant: GrantView::at(at, grant), metadata: grant.metadata.clone().map(JsonView) }
    }
}

/// Something that was done to the player.
#[derive(Serialize, ToSchema)]
pub(super) struct ExportedAuditEntry {
    /// Its id.
    id: String,
    /// What was done.
    #[schema(value_type = String, example = "player.ban")]
    action: &'static str,
    /// Why.
    #[schema(required = true)]
    reason: Option<String>,
    /// Figures of what was done.
    #[schema(value_type = Option<Object>, required = true)]
    details: Option<JsonView>,
    /// By whom: the part of an API key that may be shown.
    actor: String,
    /// When.
    at: Instant,
}

impl From<AuditEntry> for ExportedAuditEntry {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id.0.to_string(),
            action: entry.action.as_str(),
            reason: entry.reason.map(|reason| reason.as_str().to_owned()),
            details: entry.details.map(JsonView),
            actor: entry.actor.as_str().to_owned(),
            at: Instant(entry.at),
        }
    }
}

/// The last line of an export that is complete.
#[derive(Serialize, ToSchema)]
pub(super) struct ExportManifest {
    pub(super) counts: ExportCounts,
    /// The SHA-256, in hexadecimal, of all bytes of all lines before this one, with the line feed at the end of each.
    pub(super) sha256: String,
}

/// How many lines of each type there were.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub(super) struct ExportCounts {
    wallet: u64,
    inventory: u64,
    grant: u64,
    ledger: u64,
    audit: u64,
    /// Lines of type `attempt`.
    attempts: u64,
    /// Lines of type `lobby`.
    lobbies: u64,
    /// Lines of type `leaderboard`.
    leaderboards: u64,
}

impl ExportCounts {
    /// Counts `line`.
    pub(super) fn add(&mut self, line: &ExportLine) {
        match line {
            ExportLine::Wallet(_) => self.wallet += 1,
            ExportLine::Inventory(_) => self.inventory += 1,
            ExportLine::Grant(_) => self.grant += 1,
            ExportLine::Attempt(_) => self.attempts += 1,
            ExportLine::Lobby(_) => self.lobbies += 1,
            ExportLine::Leaderboard(_) => self.leaderboards += 1,
            ExportLine::Ledger(_) => self.ledger += 1,
            ExportLine::Audit(_) => self.audit += 1,
            ExportLine::Player(_) | ExportLine::Manifest(_) | ExportLine::Error(_) => {}
        }
    }
}

/// The last line of an export that could not be completed.
#[derive(Serialize, ToSchema)]
pub(super) struct ExportFailure {
    pub(super) error: ErrorBody,
}
