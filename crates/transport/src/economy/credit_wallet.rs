//! `POST …/wallet/{economyKey}/credit`: mint currency.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::economy::{AdjustmentKind, Economy};

use super::adjust::{self, ServerAdjustWalletRequest, ServerAdjustWalletResponse, WalletParams};
use super::{IdempotencyHeader, PlayerParams};
use crate::body::Body;
use crate::keys::Caller;
use crate::problem::{ErrorResponse, Problem, WriteProblems};

/// Mint currency into the player's wallet.
///
/// Atomic increment of a platform-managed currency. Used for IAP currency fulfilment, support reissues, prize distribution.
/// Credit is server-API-ONLY by design — only the studio's backend can mint balance. Idempotent on `idempotencyKey`
/// (typically the IAP receipt id). A player who is not known yet is created.
#[utoipa::path(
    tag = "Inventory",
    operation_id = "creditWallet",
    params(PlayerParams, WalletParams, IdempotencyHeader),
    request_body = ServerAdjustWalletRequest,
    responses(
        (
            status = 200,
            description = "New balance after the credit.",
            body = ServerAdjustWalletResponse,
            headers(("Idempotent-Replayed" = bool, description = "Present, and true, on a replay.")),
        ),
        (status = 409, description = "`conflict`, reason `balance_limit`: more than 2^53-1 would be held. `idempotency_conflict`: the idempotency key was used before, for a different request.", body = ErrorResponse),
        WriteProblems,
    ),
)]
#[post("/server/v1/players/{externalId}/wallet/{economyKey}/credit")]
pub(super) async fn credit_wallet(
    economy: Data<Economy>,
    Caller(caller): Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let asked = adjust::parse(AdjustmentKind::WalletCredit, &request, &Body::read(&request, payload).await?)?;
    let adjusted = economy.adjust(&caller, asked).await?;
    Ok(adjust::wallet_adjusted(adjusted))
}
