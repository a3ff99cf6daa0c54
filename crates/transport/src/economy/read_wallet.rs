//! `GET …/wallet`: what a player holds of every currency.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::economy::Economy;
use serde::Serialize;
use utoipa::ToSchema;

use super::{PlayerParams, WalletView};
use crate::keys::Caller;
use crate::path;
use crate::problem::{ErrorResponse, Problem, ReadProblems};

/// Read a player's wallet.
///
/// Every currency that was ever touched, zero balances included.
#[utoipa::path(
    tag = "Inventory",
    operation_id = "readWallet",
    params(PlayerParams),
    responses(
        (status = 200, description = "The wallet.", body = ServerWalletResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        ReadProblems,
    ),
)]
#[get("/server/v1/players/{externalId}/wallet")]
pub(super) async fn read_wallet(
    economy: Data<Economy>,
    Caller(caller): Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let player = path::player(&request)?;
    let held = economy.wallet(&caller, &player).await?;
    let wallet = held.into_iter().map(WalletView::from).collect();
    Ok(HttpResponse::Ok().json(ServerWalletResponse { data: Wallet { wallet } }))
}

/// A player's wallet.
#[derive(Serialize, ToSchema)]
struct ServerWalletResponse {
    data: Wallet,
}

/// The currencies in a wallet, by key.
#[derive(Serialize, ToSchema)]
struct Wallet {
    wallet: Vec<WalletView>,
}
