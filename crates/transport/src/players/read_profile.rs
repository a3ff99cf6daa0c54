//! `GET …/players/{externalId}`: everything about a player in one round trip.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::clock::{Clock, Timestamp};
use domain::economy::Failure;
use domain::players::{ExternalId, PlayerReads, Profile};
use domain::tenancy::Realm;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::economy::{GrantView, ItemView, JsonView, PlayerParams, WalletView};
use crate::field_errors::FieldErrors;
use crate::instant::Instant;
use crate::keys::Caller;
use crate::lobbies::{AttemptView, LobbyMembershipView};
use crate::path::PlayerPath;
use crate::problem::{ErrorResponse, Problem, ReadProblems};
use crate::query::Query;

/// Read a player's platform profile.
///
/// One round trip returns the player row plus recent attempts, grants, and lobby memberships, with aggregate summary
/// counters, the wallet and the inventory. For support tools, fraud-review jobs, Slack bots. **Read-only**.
#[utoipa::path(
    tag = "Players",
    operation_id = "readProfile",
    params(PlayerParams, ProfileParams),
    responses(
        (status = 200, description = "Player profile + recent activity.", body = PlayerProfileResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        ReadProblems,
    ),
)]
#[get("/server/v1/players/{externalId}")]
pub(super) async fn read_profile(
    players: Data<dyn PlayerReads>,
    clock: Data<dyn Clock>,
    Caller(caller): Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let ((player, limit), now) = (parse(&request)?, clock.now());
    let profile = players.profile(caller.realm.id, &player, limit, now).await.map_err(Failure::from)?;
    let data = ProfileView::at(now, &caller.realm, profile.ok_or(Failure::PlayerNotFound)?);
    Ok(HttpResponse::Ok().json(PlayerProfileResponse { data }))
}

fn parse(request: &HttpRequest) -> Result<(ExternalId, u32), Problem> {
    let mut errors = FieldErrors::default();
    let player = PlayerPath::of(request).external_id(&mut errors);
    let limit = Query::of(request).limit(&mut errors);
    let (Some(player), true) = (player, errors.is_empty()) else { return Err(errors.into()) };
    Ok((player, limit))
}

/// The parameter that bounds the recent lists.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct ProfileParams {
    /// How many rows each of the recent lists has at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// A player's profile.
#[derive(Serialize, ToSchema)]
struct PlayerProfileResponse {
    data: ProfileView,
}

/// A player, with what they have and what they did of late.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProfileView {
    player: PlayerView,
    summary: SummaryView,
    /// Newest first.
    recent_attempts: Vec<AttemptView>,
    /// Newest first.
    recent_grants: Vec<GrantView>,
    /// Lobbies that the player is or was in, newest first.
    recent_lobbies: Vec<LobbyMembershipView>,
    inventory: Vec<ItemView>,
    wallet: Vec<WalletView>,
}

/// The player as such.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PlayerView {
    /// Purser's own id for the player.
    id: String,
    /// The studio's id for the player.
    external_player_id: String,
    studio_id: String,
    game_id: String,
    /// When the player was first written to.
    created_at: Instant,
    /// When the player was last written to, within minutes.
    updated_at: Instant,
    /// The same as `createdAt`.
    first_seen_at: Instant,
    /// The same as `updatedAt`.
    last_seen_at: Instant,
    /// What another platform knew of the player, as the last import said; null when none said anything.
    #[schema(value_type = Option<Object>, required = true)]
    last_context_snapshot: Option<JsonView>,
    /// Null: players do not register yet.
    #[schema(required = true)]
    registered_at: Option<Instant>,
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

/// How much of everything there is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SummaryView {
    attempts: u64,
    grants: u64,
    pending_grants: u64,
    /// How many the player is or was in.
    lobbies: u64,
}

impl ProfileView {
    fn at(now: Timestamp, realm: &Realm, profile: Profile) -> Self {
        let Profile {
            player,
            last_context_snapshot,
            ban_reason,
            grants,
            pending_grants,
            recent_grants,
            attempts,
            recent_attempts,
            lobbies,
            recent_lobbies,
            inventory,
            wallet,
        } = profile;
        let (created_at, last_seen_at) = (Instant(player.created_at), Instant(player.last_seen_at));
        Self {
            player: PlayerView {
                id: player.id.0.to_string(),
                external_player_id: player.external_id.as_str().to_owned(),
                studio_id: realm.studio.0.to_string(),
                game_id: realm.game.0.to_string(),
                created_at,
                updated_at: last_seen_at,
                first_seen_at: created_at,
                last_seen_at,
                last_context_snapshot: last_context_snapshot.map(JsonView),
                registered_at: None,
                banned_at: player.banned_at.map(Instant),
                ban_reason: ban_reason.map(|reason| reason.as_str().to_owned()),
                deleted_at: None,
            },
            summary: SummaryView { attempts, grants, pending_grants, lobbies },
            recent_attempts: recent_attempts.iter().map(|attempt| AttemptView::at(now, attempt)).collect(),
            recent_grants: recent_grants.iter().map(|grant| GrantView::at(now, grant)).collect(),
            recent_lobbies: recent_lobbies.iter().map(|lobby| LobbyMembershipView::at(now, lobby)).collect(),
            inventory: inventory.into_iter().map(ItemView::from).collect(),
            wallet: wallet.into_iter().map(WalletView::from).collect(),
        }
    }
}
