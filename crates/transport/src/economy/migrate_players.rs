//! `POST …/migrate/players`: bring in players.

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

/// Bulk-import players from another platform.
///
/// Upsert up to 1,000 players in one call. Each row carries its own `idempotencyKey`. A player who is known already stays who
/// they are; `contextSnapshot`, where given, replaces the one before and is `lastContextSnapshot` in the profile.
///
/// A bad row is told of in `failures`, by its place and with every wrong field, and the others are applied. After a 503 or a
/// broken connection send the same call again: rows that took effect are skipped. No webhooks are sent for imports.
#[utoipa::path(
    tag = "Migration",
    operation_id = "migratePlayers",
    request_body = MigratePlayersRequest,
    responses((status = 200, description = "Counts + per-row failures.", body = MigrateOutcome), BulkProblems),
)]
#[post("/server/v1/migrate/players")]
pub(super) async fn migrate_players(
    economy: Data<Economy>,
    trail: Data<AuditTrail>,
    BulkCaller(caller): BulkCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    migrate::migrate(&economy, &trail, &caller, (&request, payload), MigrateKind::Players, import).await
}

fn import(row: &Members<'_>, errors: &mut FieldErrors) -> Option<Import> {
    let context_snapshot = row.optional("contextSnapshot", fields::json_object, errors);
    Some(Import::Player { context_snapshot })
}

/// Rows to be imported.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the OpenAPI document; `migrate` reads it")]
struct MigratePlayersRequest {
    /// At most 1,000; the whole body at most 8 MiB. None is no error.
    #[schema(max_items = 1000)]
    rows: Vec<MigratePlayerRow>,
}

/// A player.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `import` reads it")]
struct MigratePlayerRow {
    /// Your own id for the player.
    #[schema(min_length = 1, max_length = 128, pattern = r"^(?!__merged_|__deleted_)[^\x00-\x1F\x7F-\x9F]{1,128}$")]
    external_player_id: String,
    /// What was known of the player, such as country or level: up to 16 KiB of JSON.
    #[schema(value_type = Option<Object>)]
    context_snapshot: Option<()>,
    /// Makes the row safe to repeat: typically the player's id on the platform that they come from. Each of the imports has keys of its own.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: String,
}
