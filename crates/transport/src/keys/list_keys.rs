//! `GET …/keys`: who may come in.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::economy::Page;
use domain::keys::{KeyId, KeyRecord, Keys};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::views::KeyView;
use super::{AdminCaller, GameParams};
use crate::cursor;
use crate::field_errors::FieldErrors;
use crate::problem::{AdminProblems, Problem};
use crate::query::Query;

/// List API keys.
///
/// All of the environment of the key that asks, newest first, revoked and expired ones too. Follow `next` as `after` for the
/// page that follows.
#[utoipa::path(
    tag = "Keys",
    operation_id = "listKeys",
    params(GameParams, KeyListParams),
    responses((status = 200, description = "A page of keys.", body = KeyListResponse), AdminProblems),
)]
#[get("/admin/v1/games/{gameId}/keys")]
pub(super) async fn list_keys(
    keys: Data<Keys>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (after, limit) = parse(&request)?;
    let records = keys.of_realm(caller.realm.id).await?;
    Ok(HttpResponse::Ok().json(KeyListResponse::from(page(records, after, limit))))
}

fn parse(request: &HttpRequest) -> Result<(Option<KeyId>, usize), Problem> {
    let mut errors = FieldErrors::default();
    let query = Query::of(request);
    let after = query.text("after", &mut errors);
    let after = after.and_then(|after| errors.check("after", cursor::parse_key(&after)));
    let limit = usize::try_from(query.limit(&mut errors)).unwrap_or(usize::MAX);
    if errors.is_empty() { Ok((after, limit)) } else { Err(errors.into()) }
}

/// The page of `records`, which are sorted from the oldest on, that follows `after`.
fn page(records: Vec<KeyRecord>, after: Option<KeyId>, limit: usize) -> Page<KeyRecord> {
    let newest = records.into_iter().rev();
    let following = newest.skip_while(|record| after.is_some_and(|after| after <= record.id));
    let mut rows: Vec<KeyRecord> = following.take(limit.saturating_add(1)).collect();
    let more = limit < rows.len();
    rows.truncate(limit);
    Page { rows, more }
}

/// The parameters that choose a page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct KeyListParams {
    /// The `next` of an earlier page.
    #[param(pattern = "^a[w-z0-9_-][A-Za-z0-9_-]{20}[AEIMQUYcgkosw048]$")]
    after: Option<String>,
    /// How many keys at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// A page of API keys.
#[derive(Serialize, ToSchema)]
struct KeyListResponse {
    data: Vec<KeyView>,
    /// Where the next page begins; null on the last one.
    #[schema(required = true)]
    next: Option<String>,
}

impl From<Page<KeyRecord>> for KeyListResponse {
    fn from(page: Page<KeyRecord>) -> Self {
        let next = page.rows.last().filter(|_| page.more).map(|record| cursor::after_key(record.id));
        Self { data: page.rows.into_iter().map(KeyView::from).collect(), next }
    }
}
