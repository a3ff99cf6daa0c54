//! `POST …/migrate/inventory`: bring in items.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::audit_log::AuditTrail;
use domain::economy::{Economy, Import};
use utoipa::ToSchema;

use super::migrate::{self, MigrateKind, MigrateOutcome};
use crate::body::Members;
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::keys::BulkCaller;
use crate::problem::{BulkProblems, Problem};

/// Bulk-import inventory holdings from another platform.
///
/// Grant up to 1,000 inventory rows in one call: quantities are added to what is held. Each row carries its own
/// `idempotencyKey`. Players are created on first contact. `parameters` carries attributes of these items over from the source
/// platform (such as the roll of a potion) and is shown with the row in the ledger, whose origin is `migration` and whose
/// operation is `migrate.inventory`.
///
/// A bad row is told of in `failures`, by its place and with every wrong field, and the others are applied. After a 503 or a
/// broken connection send the same call again: rows that took effect are skipped. No webhooks are sent for imports.
#[utoipa::path(
    tag = "Migration",
    operation_id = "migrateInventory",
    request_body = MigrateInventoryRequest,
    responses((status = 200, description = "Counts + per-row failures.", body = MigrateOutcome), BulkProblems),
)]
#[post("/server/v1/migrate/inventory")]
pub(super) async fn migrate_inventory(
    economy: Data<Economy>,
    trail: Data<AuditTrail>,
    BulkCaller(caller): BulkCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    migrate::migrate(&economy, &trail, &caller, (&request, payload), MigrateKind::Inventory, import).await
}

fn import(row: &Members<'_>, errors: &mut FieldErrors) -> Option<Import> {
    let key = row.required("itemKey", fields::asset_key, errors);
    let quantity = row.required("quantity", fields::amount, errors);
    let parameters = row.optional("parameters", fields::json_object, errors);
    let reason = row.optional("reason", fields::free_text, errors);
    Some(Import::Items { key: key?, quantity: quantity?, parameters, reason })
}

/// Rows to be imported.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the OpenAPI document; `migrate` reads it")]
struct MigrateInventoryRequest {
    /// At most 1,000; the whole body at most 8 MiB. None is no error.
    #[schema(max_items = 1000)]
    rows: Vec<MigrateInventoryRow>,
}

/// Some of an item, for a player.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `import` reads it")]
struct MigrateInventoryRow {
    /// Your own id for the player.
    #[schema(min_length = 1, max_length = 128, pattern = r"^(?!__merged_|__deleted_)[^\x00-\x1F\x7F-\x9F]{1,128}$")]
    external_player_id: String,
    /// The key of the item.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$", example = "iron_key")]
    item_key: String,
    /// How many. `5.0` is the integer 5.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    quantity: i64,
    /// Attributes of these items: up to 16 KiB of JSON.
    #[schema(value_type = Option<Object>)]
    parameters: Option<()>,
    /// Why, for the ledger.
    #[schema(max_length = 500, pattern = r"^[^\x00]*$")]
    reason: Option<String>,
    /// Makes the row safe to repeat: one for each player and item. Each of the imports has keys of its own.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: String,
}
