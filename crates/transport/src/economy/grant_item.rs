//! `POST …/inventory/{itemKey}/grant`: add items.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::economy::{AdjustmentKind, Economy};

use super::adjust::{self, ItemParams, ServerAdjustItemRequest, ServerAdjustItemResponse};
use super::{IdempotencyHeader, PlayerParams};
use crate::body::Body;
use crate::keys::Caller;
use crate::problem::{ErrorResponse, Problem, WriteProblems};

/// Platform-managed inventory increment (IAP fulfilment).
///
/// Atomic increment of a platform-managed item. Used for IAP delivery, season-pass tier rewards, manual make-goods.
/// Idempotent on `idempotencyKey` (typically the IAP receipt id). Replays with a different body return 409
/// `idempotency_conflict`. A player who is not known yet is created.
#[utoipa::path(
    tag = "Inventory",
    operation_id = "grantItem",
    params(PlayerParams, ItemParams, IdempotencyHeader),
    request_body = ServerAdjustItemRequest,
    responses(
        (
            status = 200,
            description = "New holding after the increment.",
            body = ServerAdjustItemResponse,
            headers(("Idempotent-Replayed" = bool, description = "Present, and true, on a replay.")),
        ),
        (status = 409, description = "`conflict`, reason `balance_limit`: more than 2^53-1 would be held. `idempotency_conflict`: the idempotency key was used before, for a different request.", body = ErrorResponse),
        WriteProblems,
    ),
)]
#[post("/server/v1/players/{externalId}/inventory/{itemKey}/grant")]
pub(super) async fn grant_item(
    economy: Data<Economy>,
    Caller(caller): Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let asked = adjust::parse(AdjustmentKind::InventoryGrant, &request, &Body::read(&request, payload).await?)?;
    let adjusted = economy.adjust(&caller, asked).await?;
    Ok(adjust::item_adjusted(adjusted))
}
