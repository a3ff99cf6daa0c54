//! `GET …/ledger`: every change of a player's wallet and inventory.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::economy::{AssetKey, AssetKind, Economy, LedgerQuery, LedgerRow, Order, Page};
use domain::tenancy::RealmId;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::PlayerParams;
use super::views::{AssetKeyView, JsonView};
use crate::cursor;
use crate::field_errors::FieldErrors;
use crate::instant::Instant;
use crate::keys::Caller;
use crate::path::PlayerPath;
use crate::problem::{ErrorResponse, Problem, ReadProblems};
use crate::query::Query;

/// Read a player's ledger.
///
/// Every change of the wallet and the inventory, newest first unless `order=asc`. Follow `next` as `after` for the page
/// that follows: no row is skipped or repeated while writes go on.
#[utoipa::path(
    tag = "Inventory",
    operation_id = "readLedger",
    params(PlayerParams, LedgerParams),
    responses(
        (status = 200, description = "A page of the ledger.", body = ServerLedgerResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        ReadProblems,
    ),
)]
#[get("/server/v1/players/{externalId}/ledger")]
pub(super) async fn read_ledger(
    economy: Data<Economy>,
    Caller(caller): Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = parse(caller.realm.id, &request)?;
    let page = economy.ledger(&caller, query).await?;
    Ok(HttpResponse::Ok().json(ServerLedgerResponse::from(page)))
}

fn parse(realm: RealmId, request: &HttpRequest) -> Result<LedgerQuery, Problem> {
    let mut errors = FieldErrors::default();
    let player = PlayerPath::of(request).external_id(&mut errors);
    let query = Query::of(request);
    let kind = query.one_of("kind", "wallet or inventory", kind_of, &mut errors);
    let key = query.text("key", &mut errors);
    let key = key.and_then(|key| errors.check("key", AssetKey::try_new(&key)));
    let order = query.one_of("order", "asc or desc", order_of, &mut errors).unwrap_or(Order::Descending);
    let after = query.text("after", &mut errors);
    let after = after.and_then(|after| errors.check("after", cursor::parse_position(&after)));
    let limit = query.limit(&mut errors);
    let (Some(player), true) = (player, errors.is_empty()) else { return Err(errors.into()) };
    Ok(LedgerQuery { realm, player, kind, key, order, after, limit })
}

fn kind_of(name: &str) -> Option<AssetKind> {
    AssetKind::ALL.into_iter().find(|kind| kind.view_name() == name)
}

fn order_of(name: &str) -> Option<Order> {
    match name {
        "asc" => Some(Order::Ascending),
        "desc" => Some(Order::Descending),
        _ => None,
    }
}

/// The parameters that choose a page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct LedgerParams {
    /// Only the wallet, or only the inventory.
    #[param(inline)]
    kind: Option<LedgerKindName>,
    /// Only this currency or item.
    #[param(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
    key: Option<String>,
    /// Oldest first, or newest first (the default).
    #[param(inline)]
    order: Option<OrderName>,
    /// The `next` of an earlier page.
    #[param(pattern = "^b[A-H][A-Za-z0-9_-]{10}$")]
    after: Option<String>,
    /// How many rows at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
enum LedgerKindName {
    Wallet,
    Inventory,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
enum OrderName {
    Asc,
    Desc,
}

/// A page of a player's ledger.
#[derive(Serialize, ToSchema)]
struct ServerLedgerResponse {
    data: Vec<LedgerRowView>,
    /// Where the next page begins; null on the last one.
    #[schema(required = true)]
    next: Option<String>,
}

impl From<Page<LedgerRow>> for ServerLedgerResponse {
    fn from(page: Page<LedgerRow>) -> Self {
        let last = page.rows.last().filter(|_| page.more);
        let next = last.map(|row| cursor::after_position(row.position));
        Self { data: page.rows.into_iter().map(LedgerRowView::from).collect(), next }
    }
}

/// One change of one balance.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LedgerRowView {
    /// Its id.
    id: String,
    /// `wallet` or `inventory`.
    #[schema(value_type = String, example = "wallet")]
    kind: &'static str,
    key: AssetKeyView,
    /// By how much the balance changed.
    delta: i64,
    /// What the balance was right after.
    balance_after: i64,
    /// Why.
    #[schema(required = true)]
    reason: Option<String>,
    /// The caller's own reference.
    #[schema(required = true)]
    source_ref_id: Option<String>,
    /// Attributes of items that were brought in from another platform; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Object)]
    parameters: Option<JsonView>,
    /// `server`, `client`, `admin`, `engine` or `migration`.
    #[schema(value_type = String, example = "server")]
    origin: &'static str,
    /// Such as `wallet.credit`.
    #[schema(value_type = String, example = "wallet.credit")]
    operation: &'static str,
    /// 1, 2, 3, ... for each currency and item of a player, without gaps.
    sequence: i64,
    /// When.
    created_at: Instant,
}

impl From<LedgerRow> for LedgerRowView {
    fn from(row: LedgerRow) -> Self {
        Self {
            id: row.id.0.to_string(),
            kind: row.asset.kind.view_name(),
            key: AssetKeyView(row.asset.key),
            delta: row.delta,
            balance_after: row.balance_after.get(),
            reason: row.reason,
            source_ref_id: row.source_ref,
            parameters: row.parameters.map(JsonView),
            origin: row.origin.as_str(),
            operation: row.operation.as_str(),
            sequence: row.sequence,
            created_at: Instant(row.at),
        }
    }
}
