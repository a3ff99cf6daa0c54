//! What events say, for the OpenAPI document: the pair of [`domain::webhooks::occurrences`], with which a test compares it.

use utoipa::{OpenApi, ToSchema};

use crate::instant::Instant;

/// The schemas of everything that is told.
#[derive(OpenApi)]
#[openapi(components(schemas(
    EventEnvelope,
    GrantEventData,
    InventoryChangedData,
    WalletChangedData,
    PlayerRegisteredData,
    PlayerBannedData,
    PlayerUnbannedData,
    PlayerMergedData,
    PlayerDeletedData,
    LobbyEventData,
    ApiKeyExpiringData,
)))]
pub(super) struct EventSchemas;

/// An event as it is told.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) struct EventEnvelope {
    /// Its id: the same at every attempt, for every webhook and in the feed. Remember it, to know an event that comes again.
    #[schema(format = Uuid)]
    id: String,
    /// What happened.
    #[schema(example = "wallet.changed")]
    event_name: String,
    /// The studio that owns the game.
    #[schema(format = Uuid)]
    studio_id: String,
    /// The game.
    #[schema(format = Uuid)]
    game_id: String,
    /// The environment of the game: sandbox or live.
    #[schema(example = "sandbox")]
    environment: String,
    /// When it happened.
    occurred_at: Instant,
    /// The how many-eth attempt this is, from 1. Only where the event is delivered.
    #[schema(required = false, minimum = 1)]
    delivery_attempt: u32,
    /// What is known of it: see the `webhooks` of this document.
    #[schema(value_type = Object)]
    data: (),
}

/// What is told of a grant.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) struct GrantEventData {
    /// Purser's own id for the player.
    #[schema(format = Uuid)]
    player_id: String,
    /// The studio's id for the player, as it is when this is told.
    external_player_id: String,
    /// The grant.
    #[schema(format = Uuid)]
    grant_id: String,
    /// `reward` or `crate`.
    #[schema(example = "reward")]
    kind: String,
    /// Who asked for it.
    #[schema(example = "server")]
    source_kind: String,
    /// What it was then.
    #[schema(example = "pending")]
    status: String,
    /// When its contents are put into the ledger.
    #[schema(example = "immediate")]
    delivery: String,
    /// What it gives.
    entries: Vec<GrantEventEntry>,
    /// By whom it was claimed; null while it is not.
    #[schema(required = true)]
    acked_by: Option<String>,
    /// When it was created.
    created_at: Instant,
    /// When it expires or expired; null for one that cannot.
    #[schema(required = true)]
    expires_at: Option<Instant>,
    /// The caller's own reference; absent where there is none, and once the player was erased.
    #[schema(required = false)]
    source_ref_id: String,
}

/// A part of what a grant gives: an amount of a currency, or a quantity of an item or of crates.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
struct GrantEventEntry {
    /// `currency`, `item` or `crate`.
    #[schema(example = "currency")]
    kind: String,
    /// The currency.
    #[schema(required = false)]
    economy_key: String,
    /// How much of the currency.
    #[schema(required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount: i64,
    /// The item.
    #[schema(required = false)]
    item_key: String,
    /// How many of the item.
    #[schema(required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    quantity: i64,
}

/// What is told of a change of an item.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) struct InventoryChangedData {
    /// Purser's own id for the player.
    #[schema(format = Uuid)]
    player_id: String,
    /// The studio's id for the player, as it is when this is told.
    external_player_id: String,
    /// The item.
    item_key: String,
    /// By how much the quantity changed.
    delta: i64,
    /// What it was right after.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    quantity: i64,
    /// The entry of the ledger; null when a merge brought what the player had none of.
    #[schema(required = true, format = Uuid)]
    ledger_id: Option<String>,
    /// Such as `inventory.grant`.
    #[schema(example = "inventory.grant")]
    operation: String,
    /// `server`, `client`, `admin`, `engine` or `migration`.
    #[schema(example = "server")]
    origin: String,
    /// 1, 2, 3, ... for each item of a player, without gaps: what is greater is later.
    #[schema(minimum = 1)]
    sequence: i64,
    /// The grant that was delivered by it, if one was.
    #[schema(required = true, format = Uuid)]
    grant_id: Option<String>,
    /// Why; absent where nothing was said, and once the player was erased.
    #[schema(required = false)]
    reason: String,
    /// The caller's own reference; absent where there is none, and once the player was erased.
    #[schema(required = false)]
    source_ref_id: String,
}

/// What is told of a change of a currency.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) struct WalletChangedData {
    /// Purser's own id for the player.
    #[schema(format = Uuid)]
    player_id: String,
    /// The studio's id for the player, as it is when this is told.
    external_player_id: String,
    /// The currency.
    economy_key: String,
    /// By how much the balance changed.
    delta: i64,
    /// What it was right after.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    balance: i64,
    /// The entry of the ledger; null when a merge brought what the player had none of.
    #[schema(required = true, format = Uuid)]
    ledger_id: Option<String>,
    /// Such as `wallet.credit`.
    #[schema(example = "wallet.credit")]
    operation: String,
    /// `server`, `client`, `admin`, `engine` or `migration`.
    #[schema(example = "server")]
    origin: String,
    /// 1, 2, 3, ... for each currency of a player, without gaps: what is greater is later.
    #[schema(minimum = 1)]
    sequence: i64,
    /// The grant that was delivered by it, if one was.
    #[schema(required = true, format = Uuid)]
    grant_id: Option<String>,
    /// Why; absent where nothing was said, and once the player was erased.
    #[schema(required = false)]
    reason: String,
    /// The caller's own reference; absent where there is none, and once the player was erased.
    #[schema(required = false)]
    source_ref_id: String,
}

/// What is told of a player who was made on first contact.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) struct PlayerRegisteredData {
    /// Purser's own id for the player.
    #[schema(format = Uuid)]
    player_id: String,
    /// The studio's id for the player, as it is when this is told.
    external_player_id: String,
    /// When.
    created_at: Instant,
}

/// What is told of a ban.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) struct PlayerBannedData {
    /// Purser's own id for the player.
    #[schema(format = Uuid)]
    player_id: String,
    /// The studio's id for the player, as it is when this is told.
    external_player_id: String,
    /// Since when.
    banned_at: Instant,
    /// Why; absent once the player was erased.
    #[schema(required = false)]
    reason: String,
}

/// What is told of a ban that was lifted.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) struct PlayerUnbannedData {
    /// Purser's own id for the player.
    #[schema(format = Uuid)]
    player_id: String,
    /// The studio's id for the player, as it is when this is told.
    external_player_id: String,
    /// When.
    unbanned_at: Instant,
}

/// What is told of a merge, of the player whom another was merged into.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) struct PlayerMergedData {
    /// Purser's own id for the player.
    #[schema(format = Uuid)]
    player_id: String,
    /// The studio's id for the player, as it is when this is told.
    external_player_id: String,
    /// Purser's own id for the player who was merged.
    #[schema(format = Uuid)]
    merged_player_id: String,
    /// What the studio called that one; absent once the player was erased.
    #[schema(required = false)]
    merged_external_player_id: String,
    /// When.
    merged_at: Instant,
    /// How many grants are the player's now.
    grants_reassigned: u64,
    /// How many items the other one brought.
    items_merged: u64,
    /// How many currencies the other one brought.
    wallets_merged: u64,
}

/// What is told of an erasure.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) struct PlayerDeletedData {
    /// Purser's own id for the player.
    #[schema(format = Uuid)]
    player_id: String,
    /// What the studio called the player, so that it can do the same on its side.
    external_player_id: String,
    /// When.
    deleted_at: Instant,
    /// `gdpr_erasure`, `studio_request` or `test`.
    #[schema(example = "gdpr_erasure")]
    legal_basis: String,
}

/// What is told of a lobby, as it was then.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) struct LobbyEventData {
    /// The lobby.
    #[schema(format = Uuid)]
    lobby_id: String,
    /// The event that it plays.
    #[schema(format = Uuid)]
    event_id: String,
    /// The studio's name for it; null for one that was not pushed.
    #[schema(required = true)]
    key: Option<String>,
    /// What kind of event it plays: `grouped` or `lobby_matched`.
    #[schema(example = "lobby_matched")]
    mode: String,
    /// `forming`, `active` or `closed`.
    #[schema(example = "active")]
    status: String,
    /// How many play together, bots included.
    capacity: u32,
    /// How many players there were.
    players: u32,
    /// How many bots there were.
    bots: u32,
    /// When it was made.
    created_at: Instant,
    /// When it began to play; null while it forms, and if it never did.
    #[schema(required = true)]
    started_at: Option<Instant>,
    /// When it ended; null before.
    #[schema(required = true)]
    closed_at: Option<Instant>,
    /// When it ends at the latest.
    ends_at: Instant,
}

/// What is told of an API key that will expire. Never holds the key.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) struct ApiKeyExpiringData {
    /// The key's id.
    #[schema(format = Uuid)]
    key_id: String,
    /// The part of the key that may be shown.
    #[schema(example = "ks_sandbox_0A1b2C3d4E")]
    key_prefix: String,
    /// What its owner calls it.
    name: String,
    /// What it opens.
    #[schema(example = "server_integration")]
    permission_set: String,
    /// `sandbox` or `live`.
    #[schema(example = "live")]
    environment: String,
    /// When it expires.
    expires_at: Instant,
    /// 30, 7 or 1.
    #[schema(example = 7)]
    days_remaining: u32,
    /// About when it was used last; null for one that never was.
    #[schema(required = true)]
    last_used_at: Option<Instant>,
}
