//! `GET …/inventory`: what a player holds of every item.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::economy::Economy;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ItemView, PlayerParams};
use crate::keys::Caller;
use crate::path;
use crate::problem::{ErrorResponse, Problem, ReadProblems};

/// Read a player's inventory.
///
/// Every item of which the player holds at least one.
#[utoipa::path(
    tag = "Inventory",
    operation_id = "readInventory",
    params(PlayerParams),
    responses(
        (status = 200, description = "The inventory.", body = ServerInventoryResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        ReadProblems,
    ),
)]
#[get("/server/v1/players/{externalId}/inventory")]
pub(super) async fn read_inventory(
    economy: Data<Economy>,
    Caller(caller): Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let player = path::player(&request)?;
    let held = economy.inventory(&caller, &player).await?;
    let items = held.into_iter().map(ItemView::from).collect();
    Ok(HttpResponse::Ok().json(ServerInventoryResponse { data: Inventory { items } }))
}

/// A player's inventory.
#[derive(Serialize, ToSchema)]
struct ServerInventoryResponse {
    data: Inventory,
}

/// The items in an inventory, by key.
#[derive(Serialize, ToSchema)]
struct Inventory {
    items: Vec<ItemView>,
}
