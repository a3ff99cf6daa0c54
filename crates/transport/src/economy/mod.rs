//! The economy on the wire: wallets, inventories, the ledger and grants.

mod ack_grant;
mod adjust;
mod create_grant;
mod credit_wallet;
mod debit_wallet;
mod grant_item;
mod list_grants;
mod migrate;
mod migrate_inventory;
mod migrate_players;
mod migrate_wallet;
mod read_inventory;
mod read_ledger;
mod read_wallet;
mod revoke_item;
mod views;

pub(crate) use read_ledger::LedgerRowView;
pub(crate) use views::{GrantView, ItemView, JsonView, WalletView};

use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

/// The routes of this capability, the most used first.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(credit_wallet::credit_wallet)
        .service(debit_wallet::debit_wallet)
        .service(grant_item::grant_item)
        .service(revoke_item::revoke_item)
        .service(create_grant::create_grant)
        .service(ack_grant::ack_grant)
        .service(read_wallet::read_wallet)
        .service(read_inventory::read_inventory)
        .service(read_ledger::read_ledger)
        .service(list_grants::list_grants)
        .service(migrate_players::migrate_players)
        .service(migrate_wallet::migrate_wallet)
        .service(migrate_inventory::migrate_inventory);
}

/// The header that says that a request had taken effect before, and changed nothing this time.
pub(crate) const IDEMPOTENT_REPLAYED: &str = "Idempotent-Replayed";

/// The parameter of every route about one player.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the OpenAPI document; `crate::path` reads it")]
pub(crate) struct PlayerParams {
    /// The studio's own id for the player, percent-encoded: any Unicode text without control characters. Ids that begin
    /// with `__merged_` or `__deleted_` are reserved.
    #[param(
        rename = "externalId",
        min_length = 1,
        max_length = 128,
        pattern = r"^(?!__merged_|__deleted_)[^\x00-\x1F\x7F-\x9F]{1,128}$",
        example = "player-1"
    )]
    external_id: String,
}

/// The header that stands in for the body's idempotency key.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the OpenAPI document; `crate::body` reads it")]
pub(crate) struct IdempotencyHeader {
    /// Stands in for the body field `idempotencyKey` where the body has none.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
}
