//! `POST …/inventory/{itemKey}/revoke`: take items.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::economy::{AdjustmentKind, Economy};

use super::adjust::{self, ItemParams, ServerAdjustItemRequest, ServerAdjustItemResponse};
use super::{IdempotencyHeader, PlayerParams};
use crate::body::Body;
use crate::keys::Caller;
use crate::problem::{ErrorResponse, Problem, WriteProblems};

/// Platform-managed inventory decrement (chargeback / refund).
///
/// Atomic decrement. 409 on insufficient quantity — the ledger never goes negative.
#[utoipa::path(
    tag = "Inventory",
    operation_id = "revokeItem",
    params(PlayerParams, ItemParams, IdempotencyHeader),
    request_body = ServerAdjustItemRequest,
    responses(
        (
            status = 200,
            description = "New holding after the decrement.",
            body = ServerAdjustItemResponse,
            headers(("Idempotent-Replayed" = bool, description = "Present, and true, on a replay.")),
        ),
        (status = 409, description = "`conflict`, reason `insufficient_funds`: less is held than is to be taken. `idempotency_conflict`: the idempotency key was used before, for a different request.", body = ErrorResponse),
        WriteProblems,
    ),
)]
#[post("/server/v1/players/{externalId}/inventory/{itemKey}/revoke")]
pub(super) async fn revoke_item(
    economy: Data<Economy>,
    Caller(caller): Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let asked = adjust::parse(AdjustmentKind::InventoryRevoke, &request, &Body::read(&request, payload).await?)?;
    let adjusted = economy.adjust(&caller, asked).await?;
    Ok(adjust::item_adjusted(adjusted))
}
