//! What the four changes of one balance share: how they are read and how they are answered.

use actix_web::{HttpRequest, HttpResponse};
use domain::economy::{AdjustRequest, Adjusted, AdjustmentKind, AssetKind, Fingerprinter, Once, Repeat};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::IDEMPOTENT_REPLAYED;
use super::views::AssetKeyView;
use crate::body::Body;
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::path::PlayerPath;
use crate::problem::Problem;

/// Reads a change of the given kind from the path and the body of `request`.
///
/// # Errors
/// [`Problem::Invalid`] with everything that is wrong, the path first.
pub(super) fn parse(kind: AdjustmentKind, request: &HttpRequest, body: &Body) -> Result<AdjustRequest, Problem> {
    let (key_name, amount_name) = match kind.asset_kind() {
        AssetKind::Currency => ("economyKey", "amount"),
        AssetKind::Item => ("itemKey", "quantity"),
    };
    let mut errors = FieldErrors::default();
    let mut path = PlayerPath::of(request);
    let player = path.external_id(&mut errors);
    let key = path.asset_key(key_name, &mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let amount = members.required(amount_name, fields::amount, &mut errors);
    let reason = members.optional("reason", fields::free_text, &mut errors);
    let source_ref = members.optional("sourceRefId", fields::free_text, &mut errors);
    let once_key = members.idempotency_key(request, &mut errors);
    let (Some(player), Some(key), Some(amount), true) = (player, key, amount, errors.is_empty()) else {
        return Err(errors.into());
    };
    let once = once_key.map(|once_key| {
        let mut fingerprint = Fingerprinter::new(kind.operation());
        fingerprint.text(player.as_str());
        fingerprint.text(key.as_str());
        members.fingerprint(&mut fingerprint);
        Once { key: once_key, fingerprint: fingerprint.finish() }
    });
    Ok(AdjustRequest { player, kind, key, amount, reason, source_ref, once })
}

/// Answers a change of a wallet.
pub(super) fn wallet_adjusted(adjusted: Adjusted) -> HttpResponse {
    let Adjusted { key, balance, repeat } = adjusted;
    let data = AdjustedWallet { economy_key: AssetKeyView(key), balance: balance.get(), applied: applied(repeat) };
    respond(repeat, &ServerAdjustWalletResponse { data })
}

/// Answers a change of an inventory.
pub(super) fn item_adjusted(adjusted: Adjusted) -> HttpResponse {
    let Adjusted { key, balance, repeat } = adjusted;
    let data = AdjustedItem { item_key: AssetKeyView(key), quantity: balance.get(), applied: applied(repeat) };
    respond(repeat, &ServerAdjustItemResponse { data })
}

fn applied(repeat: Repeat) -> bool {
    match repeat {
        Repeat::First => true,
        Repeat::Replay => false,
    }
}

fn respond(repeat: Repeat, answer: &impl Serialize) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    match repeat {
        Repeat::First => {}
        Repeat::Replay => drop(response.insert_header((IDEMPOTENT_REPLAYED, "true"))),
    }
    response.json(answer)
}

/// The parameters of a change of a wallet.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the OpenAPI document; `crate::path` reads it")]
pub(super) struct WalletParams {
    /// The key of the currency.
    #[param(
        rename = "economyKey",
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$",
        example = "gold"
    )]
    economy_key: String,
}

/// The parameters of a change of an inventory.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the OpenAPI document; `crate::path` reads it")]
pub(super) struct ItemParams {
    /// The key of the item.
    #[param(
        rename = "itemKey",
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$",
        example = "iron_key"
    )]
    item_key: String,
}

/// A change of a wallet.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
pub(super) struct ServerAdjustWalletRequest {
    /// How much. `5.0` is the integer 5.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 500)]
    amount: i64,
    /// Why, for the ledger.
    #[schema(max_length = 500, pattern = r"^[^\x00]*$", example = "iap")]
    reason: Option<String>,
    /// Your own reference, such as a receipt id.
    #[schema(max_length = 500, pattern = r"^[^\x00]*$")]
    source_ref_id: Option<String>,
    /// Makes the request safe to repeat: typically the IAP receipt id.
    #[schema(min_length = 1, max_length = 255, example = "receipt-1")]
    idempotency_key: Option<String>,
}

/// A change of an inventory.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
pub(super) struct ServerAdjustItemRequest {
    /// How many. `5.0` is the integer 5.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    quantity: i64,
    /// Why, for the ledger.
    #[schema(max_length = 500, pattern = r"^[^\x00]*$", example = "iap")]
    reason: Option<String>,
    /// Your own reference, such as a receipt id.
    #[schema(max_length = 500, pattern = r"^[^\x00]*$")]
    source_ref_id: Option<String>,
    /// Makes the request safe to repeat: typically the IAP receipt id.
    #[schema(min_length = 1, max_length = 255, example = "receipt-1")]
    idempotency_key: Option<String>,
}

/// The answer to a change of a wallet.
#[derive(Serialize, ToSchema)]
pub(super) struct ServerAdjustWalletResponse {
    data: AdjustedWallet,
}

/// A currency after a change.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AdjustedWallet {
    economy_key: AssetKeyView,
    /// What the wallet held right after the change.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    balance: i64,
    /// Whether this call changed it; false for a replay.
    applied: bool,
}

/// The answer to a change of an inventory.
#[derive(Serialize, ToSchema)]
pub(super) struct ServerAdjustItemResponse {
    data: AdjustedItem,
}

/// An item after a change.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AdjustedItem {
    item_key: AssetKeyView,
    /// How many the inventory held right after the change.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    quantity: i64,
    /// Whether this call changed it; false for a replay.
    applied: bool,
}
