//! `POST …/grants`: give a player something.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::economy::{
    Delivery, Economy, Fingerprinter, GrantCreated, GrantEntries, GrantEntry, GrantKind, GrantRequest, GrantSource,
    InvalidGrantEntries, Once, Operation, Repeat,
};
use utoipa::ToSchema;

use super::views::{GrantKindName, GrantView, GrantedRewardEntry, ServerGrantResponse};
use super::{IDEMPOTENT_REPLAYED, IdempotencyHeader, PlayerParams};
use crate::body::{Body, Members};
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::keys::Caller;
use crate::path::PlayerPath;
use crate::problem::{ErrorResponse, Problem, WriteProblems};

/// Create a grant (server-side).
///
/// Used for IAP fulfillment, season-pass tier unlocks, manual make-goods, and any other studio-backend-driven reward flow.
/// Player rows are upserted on first contact (so an IAP for a brand-new player just works). `idempotencyKey` is mandatory —
/// replays return the same grant row with 200 instead of 201. With `delivery: "immediate"` the entries are put into the
/// player's wallet and inventory at once, all of them or none, and the grant is born claimed.
#[utoipa::path(
    tag = "Grants",
    operation_id = "createGrant",
    params(PlayerParams, IdempotencyHeader),
    request_body = ServerCreateGrantRequest,
    responses(
        (status = 201, description = "Grant created.", body = ServerGrantResponse),
        (
            status = 200,
            description = "Idempotency-key replay — an existing grant matched. The body is identical to the original \
                `201` response.",
            body = ServerGrantResponse,
            headers(("Idempotent-Replayed" = bool, description = "Always true.")),
        ),
        (
            status = 409,
            description = "`idempotency_conflict`: the idempotency key was used before, for a different request. \
                `conflict`, reason `balance_limit`: an immediate delivery would make a balance exceed 2^53-1.",
            body = ErrorResponse,
        ),
        WriteProblems,
    ),
)]
#[post("/server/v1/players/{externalId}/grants")]
pub(super) async fn create_grant(
    economy: Data<Economy>,
    Caller(caller): Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let asked = parse(&request, &Body::read(&request, payload).await?)?;
    let created = economy.create_grant(&caller, asked).await?;
    Ok(respond(&created))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<GrantRequest, Problem> {
    let mut errors = FieldErrors::default();
    let player = PlayerPath::of(request).external_id(&mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    if !members.has_idempotency_key(request) {
        errors.missing("idempotencyKey");
    }
    let once_key = members.idempotency_key(request, &mut errors);
    let kinds = fields::one_of("\"reward\" or \"crate\"", GrantKind::parse);
    let kind = members.optional("kind", kinds, &mut errors).unwrap_or(GrantKind::Reward);
    let entries = entries(&members, &mut errors);
    let expires_at = members.optional("expiresAt", fields::instant, &mut errors);
    let sources = fields::one_of("\"api\" or \"admin\"", GrantSource::parse);
    let source = members.optional("sourceKind", sources, &mut errors).unwrap_or(GrantSource::Api);
    let source_ref = members.optional("sourceRefId", fields::free_text, &mut errors);
    let metadata = members.optional("metadata", fields::json_object, &mut errors);
    let deliveries = fields::one_of("\"claim\" or \"immediate\"", Delivery::parse);
    let delivery = members.optional("delivery", deliveries, &mut errors).unwrap_or(Delivery::Claim);
    if delivery == Delivery::Immediate && has_crates(kind, entries.as_ref()) {
        errors.add("delivery", "crates are opened, not delivered: must be \"claim\" for a grant with crates");
    }
    let (Some(player), Some(once_key), Some(entries), true) = (player, once_key, entries, errors.is_empty()) else {
        return Err(errors.into());
    };
    let mut fingerprint = Fingerprinter::new(Operation::GrantCreate);
    fingerprint.text(player.as_str());
    members.fingerprint(&mut fingerprint);
    let once = Once { key: once_key, fingerprint: fingerprint.finish() };
    Ok(GrantRequest { player, kind, entries, source, source_ref, metadata, expires_at, delivery, once })
}

fn has_crates(kind: GrantKind, entries: Option<&GrantEntries>) -> bool {
    let mut entries = entries.map(GrantEntries::as_slice).unwrap_or_default().iter();
    kind == GrantKind::Crate || entries.any(|entry| entry.deposit().is_none())
}

fn entries(members: &Members<'_>, errors: &mut FieldErrors) -> Option<GrantEntries> {
    let elements = members.elements("entries", InvalidGrantEntries, errors)?;
    if !(1..=GrantEntries::COUNT_MAX).contains(&elements.len()) {
        errors.add("entries", InvalidGrantEntries);
        return None;
    }
    let read = elements.into_iter().enumerate().map(|(index, element)| {
        let entry = members.element("entries", index, element, errors)?;
        self::entry(&entry, errors)
    });
    // All of them, so that all errors are noted, before any is missed.
    let read: Vec<Option<GrantEntry>> = read.collect();
    GrantEntries::try_new(read.into_iter().collect::<Option<Vec<_>>>()?).ok()
}

/// The names of the types of entries.
#[derive(Clone, Copy)]
enum EntryType {
    Currency,
    Item,
    Crate,
}

impl EntryType {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "currency" => Some(Self::Currency),
            "item" => Some(Self::Item),
            "crate" => Some(Self::Crate),
            _ => None,
        }
    }
}

fn entry(members: &Members<'_>, errors: &mut FieldErrors) -> Option<GrantEntry> {
    let types = fields::one_of("\"currency\", \"item\" or \"crate\"", EntryType::parse);
    match members.required("type", types, errors)? {
        EntryType::Currency => {
            let key = members.required("currencyKey", fields::asset_key, errors);
            let amount = members.required("amount", fields::amount, errors);
            Some(GrantEntry::Currency { key: key?, amount: amount? })
        }
        EntryType::Item => {
            let key = members.required("itemKey", fields::asset_key, errors);
            let quantity = members.required("quantity", fields::amount, errors);
            let parameters = members.optional("parameters", fields::json_object, errors);
            Some(GrantEntry::Item { key: key?, quantity: quantity?, parameters })
        }
        EntryType::Crate => {
            let key = members.required("crateItemKey", fields::asset_key, errors);
            let quantity = members.required("quantity", fields::amount, errors);
            Some(GrantEntry::Crate { key: key?, quantity: quantity? })
        }
    }
}

/// The grant as it was right after its creation, which a replay shows again.
fn respond(created: &GrantCreated) -> HttpResponse {
    let data = GrantView::at(created.grant.created_at, &created.grant);
    let mut response = match created.repeat {
        Repeat::First => HttpResponse::build(StatusCode::CREATED),
        Repeat::Replay => HttpResponse::build(StatusCode::OK),
    };
    match created.repeat {
        Repeat::First => {}
        Repeat::Replay => drop(response.insert_header((IDEMPOTENT_REPLAYED, "true"))),
    }
    response.json(ServerGrantResponse { data })
}

/// A grant to be created.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct ServerCreateGrantRequest {
    /// Dedupe token, typically the IAP receipt id. Required, here or as the header `Idempotency-Key`.
    #[schema(min_length = 1, max_length = 255, example = "receipt-1")]
    idempotency_key: Option<String>,
    /// A reward's entries are what the player gets; a crate is opened. Default `reward`.
    #[schema(inline)]
    kind: Option<GrantKindName>,
    /// What the grant gives; types may be mixed.
    #[schema(min_items = 1, max_items = 100)]
    entries: Vec<GrantedRewardEntry>,
    /// After this instant the grant can no longer be claimed or acknowledged.
    #[schema(format = DateTime, min_length = 20, example = "2026-06-08T12:00:00Z")]
    expires_at: Option<String>,
    /// `admin` marks an operator's override. Default `api`.
    #[schema(inline)]
    source_kind: Option<GrantSourceName>,
    /// Your own reference, such as a receipt id.
    #[schema(max_length = 500, pattern = r"^[^\x00]*$")]
    source_ref_id: Option<String>,
    /// Your own data, stored with the grant: up to 16 KiB of JSON.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// When the entries are put into the ledger: when the grant is claimed, or at once. Crates are opened, not delivered,
    /// so `immediate` is for rewards without crates. Default `claim`.
    #[schema(inline)]
    delivery: Option<DeliveryName>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
enum GrantSourceName {
    Api,
    Admin,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
enum DeliveryName {
    Claim,
    Immediate,
}
