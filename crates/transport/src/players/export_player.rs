//! `GET …/players/{externalId}/export`: all that is known of a player, to be handed to them.

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, get};
use domain::economy::Failure;
use domain::players::{Export, ExportForm, ExportPart, ExternalId, Players};
use futures_util::stream;
use utoipa::{IntoParams, ToSchema};

use super::export_lines;
use super::export_views::{ExportBundle, ExportLine, ExportedPlayer, PlayerExportResponse, SCHEMA_VERSION};
use crate::economy::{GrantView, ItemView, PlayerParams, WalletView};
use crate::field_errors::FieldErrors;
use crate::instant::Instant;
use crate::keys::Caller;
use crate::lobbies::{AttemptView, LobbyMembershipView, RankingMembershipView};
use crate::middleware::wants_no_body;
use crate::path::PlayerPath;
use crate::problem::{ErrorResponse, Problem, ReadProblems};
use crate::query::Query;
use crate::trace::trace_of;

/// Export a player's data.
///
/// All that is known of a player (Articles 15 and 20 GDPR). That it was asked for is written to the audit log first.
///
/// Without `format`, or with `format=json`: one bundle, with at most 1,000 rows of each list (the newest grants, attempts
/// and lobbies, the first items and currencies by key and the first leaderboards by id) and without the ledger.
///
/// With `format=ndjson`: everything, as one JSON object a line, sent while it is read. Each has a `type`: `player` first,
/// then every `wallet` and `inventory` row, every `grant`, `attempt` and `lobby` (each newest first) and every `leaderboard`
/// that the player is on, then `ledger`, every change of every account as of the instant the export began (account by
/// account, each oldest first; accounts that a merge closed come last), then `audit`, what was done to the player (newest
/// first). **The last line of a complete export is its `manifest`**, with the number of
/// lines of each type and a checksum. If the export cannot be completed, because the store fails or because the player was
/// merged or erased meanwhile, the last line is of type `error` instead, and has the member `error` of any failure; if the
/// connection breaks there is neither. A file without a manifest is incomplete: discard it and ask again. The connection
/// is closed after an export of this form.
#[utoipa::path(
    tag = "Gdpr",
    operation_id = "exportPlayer",
    params(PlayerParams, ExportParams),
    responses(
        (status = 200, description = "The player's data.", content(
            (PlayerExportResponse = "application/json"),
            (ExportLine = "application/x-ndjson"),
        )),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        (
            status = 409,
            description = "The player was merged or erased while the bundle was read: ask again.",
            body = ErrorResponse,
        ),
        ReadProblems,
    ),
)]
#[get("/server/v1/players/{externalId}/export")]
pub(super) async fn export_player(
    players: Data<Players>,
    Caller(caller): Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (player, form) = parse(&request)?;
    if wants_no_body(&request) {
        players.check_exportable(&caller, &player).await?;
        // A stream of nothing, which says nothing of the length that the body would have.
        return Ok(answer(form).streaming(stream::empty::<Result<Bytes, Problem>>()));
    }
    let export = players.export(&caller, &player, form).await?;
    Ok(match form {
        ExportForm::Bundle => answer(form).json(PlayerExportResponse { data: bundle(export).await? }),
        ExportForm::Whole => answer(form).streaming(export_lines::stream(export, trace_of(&request))),
    })
}

fn parse(request: &HttpRequest) -> Result<(ExternalId, ExportForm), Problem> {
    let mut errors = FieldErrors::default();
    let player = PlayerPath::of(request).external_id(&mut errors);
    let form = Query::of(request).one_of("format", "json or ndjson", ExportForm::parse, &mut errors);
    let (Some(player), true) = (player, errors.is_empty()) else { return Err(errors.into()) };
    Ok((player, form.unwrap_or(ExportForm::Bundle)))
}

fn answer(form: ExportForm) -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    match form {
        ExportForm::Bundle => answer.content_type("application/json"),
        // Long after the head was sent nobody can say any more that this is the last of the connection.
        ExportForm::Whole => answer.content_type("application/x-ndjson").force_close(),
    };
    answer
}

async fn bundle(mut export: Export) -> Result<ExportBundle, Failure> {
    let at = export.subject().at;
    let mut bundle = ExportBundle {
        schema_version: SCHEMA_VERSION,
        exported_at: Instant(at),
        player: ExportedPlayer::from(export.subject()),
        attempts: Vec::new(),
        grants: Vec::new(),
        inventory: Vec::new(),
        wallet: Vec::new(),
        lobbies: Vec::new(),
        leaderboards: Vec::new(),
    };
    while let Some(part) = export.next().await? {
        match part {
            ExportPart::Wallet(rows) => bundle.wallet.extend(rows.into_iter().map(WalletView::from)),
            ExportPart::Inventory(rows) => bundle.inventory.extend(rows.into_iter().map(ItemView::from)),
            ExportPart::Grants(rows) => bundle.grants.extend(rows.iter().map(|grant| GrantView::at(at, grant))),
            ExportPart::Attempts(rows) => bundle.attempts.extend(rows.iter().map(|row| AttemptView::at(at, row))),
            ExportPart::Lobbies(rows) => bundle.lobbies.extend(rows.iter().map(|row| LobbyMembershipView::at(at, row))),
            ExportPart::Rankings(rows) => bundle.leaderboards.extend(rows.iter().map(RankingMembershipView::from)),
            ExportPart::Ledger(_) | ExportPart::AuditLog(_) => unreachable!("a bundle has no history"),
        }
    }
    Ok(bundle)
}

/// The parameter that chooses the form.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct ExportParams {
    /// One bundle (the default), or everything line by line.
    #[param(inline)]
    format: Option<ExportFormatName>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
enum ExportFormatName {
    Json,
    Ndjson,
}
