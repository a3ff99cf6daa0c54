//! `GET /admin/v1/games/{gameId}/audit`: who did what to whom, when and why.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::audit_log::{AuditId, AuditRow, AuditTrail};
use domain::economy::{Actor, Page};
use domain::players::{ExternalId, PlayerId};
use domain::text::FreeText;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::cursor;
use crate::economy::JsonView;
use crate::field_errors::FieldErrors;
use crate::instant::Instant;
use crate::keys::{AdminCaller, GameParams};
use crate::problem::{AdminProblems, Problem};
use crate::query::Query;

/// Read the audit log.
///
/// Who did what to whom, why and when, newest first: every ban, unban, merge, erasure, export and bulk import in the
/// environment of the key, and every change of its keys, its webhooks, its events and its leaderboards. Follow `next` as `after`
/// for the page that follows. Players are named by Purser's own id, and by what the studio calls them *now*: a placeholder once they
/// are merged or erased. An erasure blanks the reasons of what was done to the player before.
#[utoipa::path(
    tag = "Admin",
    operation_id = "readAuditLog",
    params(GameParams, AuditParams),
    responses(
        (status = 200, description = "A page of the audit log.", body = AuditLogResponse),
        AdminProblems,
    ),
)]
#[get("/admin/v1/games/{gameId}/audit")]
pub(super) async fn read_audit_log(
    trail: Data<AuditTrail>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (after, limit) = parse(&request)?;
    let page = trail.page(&caller, after, limit).await?;
    Ok(HttpResponse::Ok().json(AuditLogResponse::from(page)))
}

fn parse(request: &HttpRequest) -> Result<(Option<AuditId>, u32), Problem> {
    let mut errors = FieldErrors::default();
    let query = Query::of(request);
    let after = query.text("after", &mut errors);
    let after = after.and_then(|after| errors.check("after", cursor::parse_audit(&after)));
    let limit = query.limit(&mut errors);
    if errors.is_empty() { Ok((after, limit)) } else { Err(errors.into()) }
}

/// The parameters that choose a page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct AuditParams {
    /// The `next` of an earlier page.
    #[param(pattern = "^Y[Q-Za-f][A-Za-z0-9_-]{20}[AEIMQUYcgkosw048]$")]
    after: Option<String>,
    /// How many entries at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
struct AuditLogResponse {
    data: Vec<AuditView>,
    /// Where the next page begins; null on the last one.
    #[schema(required = true)]
    next: Option<String>,
}

/// One thing that was done.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AuditView {
    /// Its id.
    id: String,
    /// What was done: `player.ban`, `player.unban`, `player.merge`, `player.delete`, `player.export`, `migrate.players`,
    /// `migrate.wallet`, `migrate.inventory`, `key.issue`, `key.rotate`, `key.revoke`, `event.create`, `event.change`,
    /// `leaderboard.create`, `leaderboard.change`.
    #[schema(value_type = String, example = "player.ban")]
    action: &'static str,
    /// Who: the display prefix of the key, as `api_key:<prefix>`; `command_line` for the command line, and `first_run` for
    /// what the server made by itself on an empty store.
    actor: String,
    /// To whom, by Purser's own id; null when it was not one player.
    #[schema(required = true)]
    player_id: Option<String>,
    /// What the studio calls that player now.
    #[schema(required = true)]
    external_player_id: Option<String>,
    /// Into whom they were merged.
    #[schema(required = true)]
    to_player_id: Option<String>,
    /// What the studio calls that one now.
    #[schema(required = true)]
    to_external_player_id: Option<String>,
    /// Why: the caller's words, or the legal basis of an erasure.
    #[schema(required = true)]
    reason: Option<String>,
    /// Figures of what was done.
    #[schema(value_type = Option<Object>, required = true)]
    details: Option<JsonView>,
    /// When.
    created_at: Instant,
}

/// Who did it. Keys are told from others by how they begin.
fn actor(actor: &Actor) -> String {
    let is_key = ["ks_", "kp_"].iter().any(|begin| actor.as_str().starts_with(begin));
    if is_key { format!("api_key:{actor}") } else { actor.as_str().to_owned() }
}

impl From<AuditRow> for AuditView {
    fn from(row: AuditRow) -> Self {
        let AuditRow { entry, external_id, into_external_id } = row;
        let text = |id: Option<PlayerId>| id.map(|id| id.0.to_string());
        let name = |id: Option<ExternalId>| id.map(|id| id.as_str().to_owned());
        Self {
            id: entry.id.0.to_string(),
            action: entry.action.as_str(),
            actor: actor(&entry.actor),
            player_id: text(entry.player),
            external_player_id: name(external_id),
            to_player_id: text(entry.into),
            to_external_player_id: name(into_external_id),
            reason: entry.reason.as_ref().map(FreeText::as_str).map(str::to_owned),
            details: entry.details.map(JsonView),
            created_at: Instant(entry.at),
        }
    }
}

impl From<Page<AuditRow>> for AuditLogResponse {
    fn from(page: Page<AuditRow>) -> Self {
        let next = page.rows.last().filter(|_| page.more).map(|row| cursor::after_audit(row.entry.id));
        Self { data: page.rows.into_iter().map(AuditView::from).collect(), next }
    }
}
