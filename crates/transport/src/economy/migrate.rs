//! What the three bulk imports share: how their rows are read, and how their outcome is answered.
//!
//! Each row stands for itself, as if it had been sent alone: a bad one is told of in the answer, and the others are applied.

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use domain::audit_log::{AuditAction, AuditTrail};
use domain::economy::{Economy, Failure, Fingerprinter, Import, ImportRow, Once, Operation, Repeat};
use domain::keys::Caller;
use domain::limits::cost_of_rows;
use domain::text::JsonObject;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::body::{Body, Members};
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::problem::{ErrorBody, Problem};
use crate::rate_limits;

/// The most rows in one call.
const ROWS_MAX: usize = 1_000;

/// What is said of anything else that is sent for rows.
const REFUSAL: &str = "must be an array of at most 1000 rows";

/// The longest player id that is said back of a bad row, in bytes: longer than any good one.
const TOLD_ID_BYTES_MAX: usize = 1_024;

/// The three bulk imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MigrateKind {
    /// Of players.
    Players,
    /// Of currency.
    Wallet,
    /// Of items.
    Inventory,
}

impl MigrateKind {
    fn operation(self) -> Operation {
        match self {
            Self::Players => Operation::MigratePlayers,
            Self::Wallet => Operation::MigrateWallet,
            Self::Inventory => Operation::MigrateInventory,
        }
    }

    fn audit_action(self) -> AuditAction {
        match self {
            Self::Players => AuditAction::MigratePlayers,
            Self::Wallet => AuditAction::MigrateWallet,
            Self::Inventory => AuditAction::MigrateInventory,
        }
    }
}

/// What a row brings in, read from its members.
type ReadImport = fn(&Members<'_>, &mut FieldErrors) -> Option<Import>;

/// A row that was read, or what is wrong with it.
type ReadRow = Result<ImportRow, Failed>;

/// Applies the rows that are sent with `request`, which are of `kind` and are read by `read`, and notes the call in the audit
/// log. It pays by their number before anything is applied.
///
/// # Errors
/// [`Problem::Invalid`] when there are no rows to be read, or too many, [`Problem::RateLimited`] when it cannot pay: nothing is
/// applied. [`Problem::Failed`] when the
/// outcome of any row is unknown; sending all of them again is safe.
pub(super) async fn migrate(
    economy: &Economy,
    trail: &AuditTrail,
    caller: &Caller,
    (request, payload): (&HttpRequest, Payload),
    kind: MigrateKind,
    read: ReadImport,
) -> Result<HttpResponse, Problem> {
    let body = or_paid(Body::read_bulk(request, payload).await, request, caller).await?;
    let rows = or_paid(rows(&body), request, caller).await?;
    rate_limits::spend(request, caller, cost_of_rows(rows.len())).await?;
    let mut places = Vec::with_capacity(rows.len());
    let mut good = Vec::with_capacity(rows.len());
    let mut outcome = MigrateCounts::default();
    for (index, row) in rows.into_iter().enumerate() {
        match read_row(&body, row, kind.operation(), read) {
            Ok(row) => {
                places.push((index, row.player.clone()));
                good.push(row);
            }
            Err(failed) => outcome.fail(index, failed),
        }
    }
    let outcomes = economy.import(caller, good).await?;
    for ((index, player), settled) in places.into_iter().zip(outcomes) {
        match settled {
            Ok(Repeat::First) => outcome.applied += 1,
            Ok(Repeat::Replay) => outcome.skipped += 1,
            Err(rejection) => {
                let problem = Problem::Failed(Failure::Rejected(rejection));
                outcome.fail(index, Failed { player: Some(player.as_str().to_owned()), problem });
            }
        }
    }
    outcome.failures.sort_by_key(|failure| failure.row_index);
    trail.note(caller, kind.audit_action(), None, outcome.details()).await?;
    Ok(HttpResponse::Ok().json(MigrateOutcome { data: outcome }))
}

/// What was read; a call that fails before its rows are known pays as any other does.
async fn or_paid<T>(read: Result<T, Problem>, request: &HttpRequest, caller: &Caller) -> Result<T, Problem> {
    if read.is_err() {
        rate_limits::spend(request, caller, 1).await?;
    }
    read
}

fn rows(body: &Body) -> Result<Vec<&RawValue>, Problem> {
    let mut errors = FieldErrors::default();
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let rows = members.elements_up_to("rows", ROWS_MAX, REFUSAL, &mut errors);
    if rows.as_ref().is_some_and(|rows| ROWS_MAX < rows.len()) {
        errors.add("rows", REFUSAL);
    }
    match rows {
        Some(rows) if errors.is_empty() => Ok(rows),
        Some(_) | None => Err(errors.into()),
    }
}

/// A row that is not applied.
struct Failed {
    /// The player that it names, if it names one.
    player: Option<String>,
    problem: Problem,
}

fn read_row(body: &Body, row: &RawValue, operation: Operation, read: ReadImport) -> ReadRow {
    let mut errors = FieldErrors::default();
    let Some(members) = body.row(row, &mut errors) else {
        return Err(Failed { player: None, problem: errors.into() });
    };
    let player = members.required("externalPlayerId", fields::external_id, &mut errors);
    let import = read(&members, &mut errors);
    let key = members.required("idempotencyKey", fields::idempotency_key, &mut errors);
    match (player, import, key) {
        (Some(player), Some(import), Some(key)) if errors.is_empty() => {
            let mut fingerprint = Fingerprinter::new(operation);
            members.fingerprint(&mut fingerprint);
            Ok(ImportRow { player, once: Once { key, fingerprint: fingerprint.finish() }, import })
        }
        (_, _, _) => Err(Failed { player: told_id(&members), problem: errors.into() }),
    }
}

/// The player that a bad row names, good or bad, if that can be read.
fn told_id(members: &Members<'_>) -> Option<String> {
    let told = members.optional("externalPlayerId", fields::text, &mut FieldErrors::default())?;
    (told.len() <= TOLD_ID_BYTES_MAX).then(|| told.into_owned())
}

/// The outcome of a bulk import.
#[derive(Serialize, ToSchema)]
pub(super) struct MigrateOutcome {
    data: MigrateCounts,
}

/// What became of the rows; the three numbers add up to how many were sent.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MigrateCounts {
    /// How many rows took effect now.
    applied: u32,
    /// How many rows had taken effect before, by the same row under the same idempotency key.
    skipped: u32,
    /// How many rows were refused; each is in `failures`.
    failed: u32,
    /// The refused rows, in the order in which they were sent.
    failures: Vec<MigrateFailure>,
}

/// A refused row.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MigrateFailure {
    /// Which row, counted from 0.
    row_index: usize,
    /// The player that the row names; absent when that cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String)]
    external_player_id: Option<String>,
    /// Why: `validation_failed` with every wrong field in the message, or what a request of its own would be refused with.
    error: ErrorBody,
}

impl MigrateCounts {
    /// What the audit log says of the call.
    fn details(&self) -> JsonObject {
        let Self { applied, skipped, failed, .. } = self;
        JsonObject::restore(json!({ "applied": applied, "skipped": skipped, "failed": failed }).to_string())
    }

    fn fail(&mut self, row_index: usize, failed: Failed) {
        self.failed += 1;
        let (external_player_id, error) = (failed.player, failed.problem.of_part());
        self.failures.push(MigrateFailure { row_index, external_player_id, error });
    }
}
