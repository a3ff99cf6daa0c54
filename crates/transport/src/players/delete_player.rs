//! `POST …/players/{externalId}/delete`: a player is erased (Article 17 GDPR).

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::economy::KeyDigest;
use domain::lobbies::PlayCounts;
use domain::players::{EraseOutcome, Erased, ExternalId, LegalBasis, Players};
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::Body;
use crate::economy::{IdempotencyHeader, PlayerParams};
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::instant::Instant;
use crate::keys::Caller;
use crate::path::PlayerPath;
use crate::problem::{Problem, WriteProblems};

/// Erase a player (GDPR Article 17).
///
/// Anonymises the player's row in place: its external id becomes a `__deleted_<uuid>__` placeholder, and everything that
/// could say whose it was is blanked: reasons, source references, metadata and parameters of ledger entries and grants, what
/// another platform knew of the player, reasons in the audit log. The financial ledger itself (grants, item ledger, wallet
/// ledger) is retained, every amount of it. The external id starts fresh afterwards.
///
/// Idempotent: replays and requests for never-existed players both return `status: "no_op_*"`. With an idempotency key a
/// replay is recognised even when somebody has registered the id since; without one, such a call erases that new player. A
/// player who was merged into another is part of that one: erase that one.
#[utoipa::path(
    tag = "Gdpr",
    operation_id = "deletePlayer",
    params(PlayerParams, IdempotencyHeader),
    request_body = Option<DeletePlayerRequest>,
    responses(
        (status = 200, description = "Erasure outcome — see `status` for the discriminant.", body = DeletePlayerResponse),
        WriteProblems,
    ),
)]
#[post("/server/v1/players/{externalId}/delete")]
pub(super) async fn delete_player(
    players: Data<Players>,
    Caller(caller): Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let Asked { player, basis, key } = parse(&request, &Body::read(&request, payload).await?)?;
    let outcome = players.erase(&caller, player.clone(), basis, key).await?;
    Ok(HttpResponse::Ok().json(DeletePlayerResponse { data: ErasureView::of(outcome, &player) }))
}

struct Asked {
    player: ExternalId,
    basis: LegalBasis,
    key: Option<KeyDigest>,
}

fn parse(request: &HttpRequest, body: &Body) -> Result<Asked, Problem> {
    let mut errors = FieldErrors::default();
    let player = PlayerPath::of(request).external_id(&mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let names = fields::one_of("\"gdpr_erasure\", \"studio_request\" or \"test\"", LegalBasis::parse);
    let basis = members.optional("reason", names, &mut errors).unwrap_or_default();
    let key = members.idempotency_key(request, &mut errors);
    let (Some(player), true) = (player, errors.is_empty()) else { return Err(errors.into()) };
    Ok(Asked { player, basis, key })
}

/// Why a player is erased.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct DeletePlayerRequest {
    /// The legal basis, recorded on the audit log; `gdpr_erasure` unless told otherwise.
    #[schema(inline)]
    reason: Option<LegalBasisName>,
    /// Makes a late repeat safe even when somebody has registered the id since.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
}

/// The names of the legal bases.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
enum LegalBasisName {
    /// The player asked for it (Article 17 GDPR).
    GdprErasure,
    /// A deletion that no regulation asks for: account closure, fraud.
    StudioRequest,
    /// Cleaning up after tests.
    Test,
}

/// The answer to an erasure.
#[derive(Serialize, ToSchema)]
struct DeletePlayerResponse {
    data: ErasureView,
}

/// An erasure, of now or of before.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ErasureView {
    /// Purser's own id for the player; null when there never was one.
    #[schema(required = true)]
    player_id: Option<String>,
    /// The id that was asked about.
    external_player_id: String,
    /// What the player's row is called now; null when there never was one.
    #[schema(required = true)]
    anonymized_external_id: Option<String>,
    /// When the player was erased; the time of this call when there never was one.
    deleted_at: Instant,
    /// Attempts of the player, which stay, under the placeholder.
    attempts_anonymized: u64,
    /// Lobbies that the player was in, which show the placeholder now.
    lobbies_anonymized: u64,
    /// Rankings of leaderboards and events that the player was in, which show the placeholder now.
    leaderboards_scrubbed: u64,
    /// How it ended.
    #[schema(value_type = ErasureStatusName)]
    status: &'static str,
}

/// How an erasure ended.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "for the OpenAPI document")]
enum ErasureStatusName {
    /// The player was erased now.
    Erased,
    /// The player was erased before.
    NoOpAlreadyErased,
    /// Nobody had that id.
    NoOpNeverExisted,
}

impl ErasureView {
    fn of(outcome: EraseOutcome, player: &ExternalId) -> Self {
        let (erasure, play, at, status) = match outcome {
            EraseOutcome::Erased(Erased { erasure, play }) => (Some(erasure), play, erasure.at, "erased"),
            EraseOutcome::AlreadyErased(erasure) => {
                (Some(erasure), PlayCounts::default(), erasure.at, "no_op_already_erased")
            }
            EraseOutcome::NeverExisted { at } => (None, PlayCounts::default(), at, "no_op_never_existed"),
        };
        Self {
            player_id: erasure.map(|erasure| erasure.player.0.to_string()),
            external_player_id: player.as_str().to_owned(),
            anonymized_external_id: erasure.map(|erasure| erasure.placeholder().as_str().to_owned()),
            deleted_at: Instant(at),
            attempts_anonymized: play.attempts,
            lobbies_anonymized: play.lobbies,
            leaderboards_scrubbed: play.rankings,
            status,
        }
    }
}
