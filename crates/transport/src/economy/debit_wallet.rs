//! `POST …/wallet/{economyKey}/debit`: take currency.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::economy::{AdjustmentKind, Economy};

use super::adjust::{self, ServerAdjustWalletRequest, ServerAdjustWalletResponse, WalletParams};
use super::{IdempotencyHeader, PlayerParams};
use crate::body::Body;
use crate::keys::Caller;
use crate::problem::{ErrorResponse, Problem, WriteProblems};

/// Debit currency from the player's wallet (refund / admin correction).
///
/// Atomic decrement. 409 on insufficient balance. The client SDK can also debit; this server-side variant exists for
/// server-authoritative spends (your backend deducts before granting an item or unlocking content).
#[utoipa::path(
    tag = "Inventory",
    operation_id = "debitWallet",
    params(PlayerParams, WalletParams, IdempotencyHeader),
    request_body = ServerAdjustWalletRequest,
    responses(
        (
            status = 200,
            description = "New balance after the debit.",
            body = ServerAdjustWalletResponse,
            headers(("Idempotent-Replayed" = bool, description = "Present, and true, on a replay.")),
        ),
        (status = 409, description = "`conflict`, reason `insufficient_funds`: less is held than is to be taken. `idempotency_conflict`: the idempotency key was used before, for a different request.", body = ErrorResponse),
        WriteProblems,
    ),
)]
#[post("/server/v1/players/{externalId}/wallet/{economyKey}/debit")]
pub(super) async fn debit_wallet(
    economy: Data<Economy>,
    Caller(caller): Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let asked = adjust::parse(AdjustmentKind::WalletDebit, &request, &Body::read(&request, payload).await?)?;
    let adjusted = economy.adjust(&caller, asked).await?;
    Ok(adjust::wallet_adjusted(adjusted))
}
