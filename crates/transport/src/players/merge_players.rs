//! `POST …/players/{fromExternalId}/merge-into/{toExternalId}`: two players turn out to be one.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::economy::KeyDigest;
use domain::players::{ExternalId, MergeCounts, Merged, Players};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::body::Body;
use crate::economy::IdempotencyHeader;
use crate::field_errors::FieldErrors;
use crate::instant::Instant;
use crate::keys::Caller;
use crate::path::PlayerPath;
use crate::problem::{ErrorResponse, Problem, WriteProblems};

/// Merge one player into another.
///
/// Folds the source player's record into the target, all of it or nothing: grants, and the item and wallet ledgers with all
/// their history, become the target's; what both hold is added up, which the ledger shows as a pair of entries of the
/// operation `player.merge`. The source's external id is free for re-registration afterwards. A late repeat of a credit to
/// the source still finds that it took effect, and pays nothing.
///
/// Idempotent: a repeat answers `status: "no_op_already_merged"`, for as long as nobody has the source's id. With an
/// idempotency key a repeat is recognised even when somebody has registered the freed id since; without one, such a call
/// merges that new player.
#[utoipa::path(
    tag = "Players",
    operation_id = "mergePlayers",
    params(MergeParams, IdempotencyHeader),
    responses(
        (status = 200, description = "Merge outcome.", body = MergePlayerResponse),
        (status = 404, description = "Either player is missing.", body = ErrorResponse),
        (
            status = 422,
            description = "`conflict`: the merge is invalid. Reason `same_player`, `target_banned`, `target_deleted`, or \
                `balance_limit` when together they would hold more than 2^53-1 of something; then nothing is moved.",
            body = ErrorResponse,
        ),
        WriteProblems,
    ),
)]
#[post("/server/v1/players/{fromExternalId}/merge-into/{toExternalId}")]
pub(super) async fn merge_players(
    players: Data<Players>,
    Caller(caller): Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let Asked { source, target, key } = parse(&request, &Body::read(&request, payload).await?)?;
    let merged = players.merge(&caller, source.clone(), target.clone(), key).await?;
    Ok(HttpResponse::Ok().json(MergePlayerResponse { data: MergeView::of(&merged, &source, &target) }))
}

struct Asked {
    source: ExternalId,
    target: ExternalId,
    key: Option<KeyDigest>,
}

fn parse(request: &HttpRequest, body: &Body) -> Result<Asked, Problem> {
    let mut errors = FieldErrors::default();
    let mut path = PlayerPath::of(request);
    let source = path.external_id_named("fromExternalId", &mut errors);
    let target = path.second_external_id("toExternalId", &mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let key = members.idempotency_key(request, &mut errors);
    let (Some(source), Some(target), true) = (source, target, errors.is_empty()) else { return Err(errors.into()) };
    Ok(Asked { source, target, key })
}

/// The parameters that name the two players.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the OpenAPI document; `crate::path` reads it")]
struct MergeParams {
    /// The studio's id for the player who is merged.
    #[param(
        rename = "fromExternalId",
        min_length = 1,
        max_length = 128,
        pattern = r"^(?!__merged_|__deleted_)[^\x00-\x1F\x7F-\x9F]{1,128}$",
        example = "guest-1"
    )]
    from_external_id: String,
    /// The studio's id for the player who stays.
    #[param(
        rename = "toExternalId",
        min_length = 1,
        max_length = 128,
        pattern = r"^(?!__merged_|__deleted_)[^\x00-\x1F\x7F-\x9F]{1,128}$",
        example = "player-1"
    )]
    to_external_id: String,
}

/// The answer to a merge.
#[derive(Serialize, ToSchema)]
struct MergePlayerResponse {
    data: MergeView,
}

/// A merge, of now or of before.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MergeView {
    /// Purser's own id for the player who was merged.
    from_player_id: String,
    /// What the studio called that player.
    from_external_player_id: String,
    /// Purser's own id for the player who stays.
    to_player_id: String,
    /// What the studio calls that player.
    to_external_player_id: String,
    /// What the merged player's row is called now.
    anonymized_external_player_id: String,
    counts: MergeCountsView,
    /// When.
    merged_at: Instant,
    /// Whether it happened now or before.
    #[schema(value_type = MergeStatusName)]
    status: &'static str,
}

/// What was moved now: nothing of a merge of before.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MergeCountsView {
    /// Attempts that are the target's now.
    attempts_reassigned: u64,
    /// Grants that are the target's now.
    grants_reassigned: u64,
    /// Items that the source had an account of.
    items_merged: u64,
    /// The ledger entries of those.
    item_ledger_rows_moved: u64,
    /// Currencies that the source had an account of.
    wallets_merged: u64,
    /// The ledger entries of those.
    wallet_ledger_rows_moved: u64,
    /// Lobbies that the source was in, and the target is now. Who was in one with both counts once in it.
    lobbies_touched: u64,
    /// Rankings of leaderboards and events that the source was in, and the target is now.
    leaderboards_scrubbed: u64,
}

/// How a merge ended.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "for the OpenAPI document")]
enum MergeStatusName {
    /// It happened now.
    Merged,
    /// It happened before, and nothing was changed now.
    NoOpAlreadyMerged,
}

impl MergeView {
    fn of(merged: &Merged, source: &ExternalId, target: &ExternalId) -> Self {
        let Merged { merge, counts, earlier } = merged;
        Self {
            from_player_id: merge.source.0.to_string(),
            from_external_player_id: source.as_str().to_owned(),
            to_player_id: merge.target.0.to_string(),
            to_external_player_id: target.as_str().to_owned(),
            anonymized_external_player_id: merge.placeholder().as_str().to_owned(),
            counts: MergeCountsView::from(*counts),
            merged_at: Instant(merge.at),
            status: if *earlier { "no_op_already_merged" } else { "merged" },
        }
    }
}

impl From<MergeCounts> for MergeCountsView {
    fn from(counts: MergeCounts) -> Self {
        Self {
            attempts_reassigned: counts.play.attempts,
            grants_reassigned: counts.grants,
            items_merged: counts.items,
            item_ledger_rows_moved: counts.item_entries,
            wallets_merged: counts.currencies,
            wallet_ledger_rows_moved: counts.currency_entries,
            lobbies_touched: counts.play.lobbies,
            leaderboards_scrubbed: counts.play.rankings,
        }
    }
}
