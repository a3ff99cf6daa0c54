//! Wallets, inventories and grants as callers see them.

use std::collections::BTreeMap;

use domain::clock::Timestamp;
use domain::economy::{AssetKey, Grant, GrantEntry, GrantKind, Holding};
use domain::text::{FreeText, JsonObject};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::instant::Instant;

/// The key of a currency or an item.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$", example = "gold")]
pub(super) struct AssetKeyView(pub(super) AssetKey);

impl Serialize for AssetKeyView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

/// A stored JSON object, handed back as it came.
#[derive(ToSchema)]
#[schema(value_type = Object)]
pub(crate) struct JsonView(pub(crate) JsonObject);

impl Serialize for JsonView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.0.as_json()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// A currency in a wallet.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WalletView {
    economy_key: AssetKeyView,
    /// How much.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    balance: i64,
    /// Always empty.
    #[schema(value_type = Object)]
    metadata: BTreeMap<String, String>,
    /// When this currency was first touched.
    created_at: Instant,
    /// When it changed last.
    updated_at: Instant,
}

impl From<Holding> for WalletView {
    fn from(holding: Holding) -> Self {
        Self {
            economy_key: AssetKeyView(holding.key),
            balance: holding.balance.get(),
            metadata: BTreeMap::new(),
            created_at: Instant(holding.created_at),
            updated_at: Instant(holding.updated_at),
        }
    }
}

/// An item in an inventory.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemView {
    item_key: AssetKeyView,
    /// How many.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    quantity: i64,
    /// Always empty.
    #[schema(value_type = Object)]
    metadata: BTreeMap<String, String>,
    /// When this item was first touched.
    created_at: Instant,
    /// When it changed last.
    updated_at: Instant,
}

impl From<Holding> for ItemView {
    fn from(holding: Holding) -> Self {
        Self {
            item_key: AssetKeyView(holding.key),
            quantity: holding.balance.get(),
            metadata: BTreeMap::new(),
            created_at: Instant(holding.created_at),
            updated_at: Instant(holding.updated_at),
        }
    }
}

/// A grant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GrantView {
    /// Its id.
    id: String,
    /// A reward's entries are what the player gets; a crate is opened.
    #[schema(value_type = GrantKindName)]
    kind: &'static str,
    contents: GrantContents,
    /// `api`, or `admin` for an operator's override.
    #[schema(value_type = String, example = "api")]
    source_kind: &'static str,
    /// The caller's own reference.
    #[schema(required = true)]
    source_ref_id: Option<String>,
    /// The crate grant that this one was rolled from.
    #[schema(required = true)]
    parent_grant_id: Option<String>,
    /// Where it is in its life.
    #[schema(value_type = GrantStatusName)]
    status: &'static str,
    /// When random contents were fixed.
    #[schema(required = true)]
    rolled_at: Option<Instant>,
    /// When it was claimed.
    #[schema(required = true)]
    claimed_at: Option<Instant>,
    /// After this instant it can no longer be claimed or acknowledged.
    #[schema(required = true)]
    expires_at: Option<Instant>,
    /// When it was created.
    created_at: Instant,
}

impl GrantView {
    /// `grant` as it stands at the instant `now`.
    pub(crate) fn at(now: Timestamp, grant: &Grant) -> Self {
        Self {
            id: grant.id.0.to_string(),
            kind: grant.kind.as_str(),
            contents: GrantContents::from(grant),
            source_kind: grant.source.as_str(),
            source_ref_id: grant.source_ref.as_ref().map(FreeText::as_str).map(str::to_owned),
            parent_grant_id: None,
            status: grant.status_at(now).as_str(),
            rolled_at: None,
            claimed_at: grant.claim.map(|claim| Instant(claim.at)),
            expires_at: grant.expires_at.map(Instant),
            created_at: Instant(grant.created_at),
        }
    }
}

/// What a grant gives.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct GrantContents {
    /// In the order in which they were sent.
    entries: Vec<GrantedRewardEntry>,
    /// The crate, for a grant of kind `crate` that is exactly one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String)]
    crate_item_key: Option<AssetKeyView>,
}

impl From<&Grant> for GrantContents {
    fn from(grant: &Grant) -> Self {
        let entries = grant.entries.as_slice();
        let crate_item_key = match (grant.kind, entries) {
            (GrantKind::Crate, [GrantEntry::Crate { key, .. }]) => Some(AssetKeyView(key.clone())),
            (GrantKind::Crate | GrantKind::Reward, _) => None,
        };
        Self { entries: entries.iter().map(GrantedRewardEntry::from).collect(), crate_item_key }
    }
}

/// One thing that a grant gives.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum GrantedRewardEntry {
    /// Some of a currency.
    #[serde(rename_all = "camelCase")]
    Currency {
        currency_key: AssetKeyView,
        /// How much. `5.0` is the integer 5.
        #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
        amount: i64,
    },
    /// Some of an item.
    #[serde(rename_all = "camelCase")]
    Item {
        item_key: AssetKeyView,
        /// How many. `5.0` is the integer 5.
        #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
        quantity: i64,
        /// Attributes of these instances, up to 16 KiB of JSON.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Object>)]
        parameters: Option<JsonView>,
    },
    /// Crates, to be opened later.
    #[serde(rename_all = "camelCase")]
    Crate {
        crate_item_key: AssetKeyView,
        /// How many. `5.0` is the integer 5.
        #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
        quantity: i64,
    },
}

impl From<&GrantEntry> for GrantedRewardEntry {
    fn from(entry: &GrantEntry) -> Self {
        match entry {
            GrantEntry::Currency { key, amount } => {
                Self::Currency { currency_key: AssetKeyView(key.clone()), amount: amount.get() }
            }
            GrantEntry::Item { key, quantity, parameters } => Self::Item {
                item_key: AssetKeyView(key.clone()),
                quantity: quantity.get(),
                parameters: parameters.clone().map(JsonView),
            },
            GrantEntry::Crate { key, quantity } => {
                Self::Crate { crate_item_key: AssetKeyView(key.clone()), quantity: quantity.get() }
            }
        }
    }
}

/// The answer to a grant that was created or acknowledged.
#[derive(Serialize, ToSchema)]
pub(super) struct ServerGrantResponse {
    pub(super) data: GrantView,
}

/// The kinds of grants.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) enum GrantKindName {
    Reward,
    Crate,
}

/// The states of grants.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) enum GrantStatusName {
    Pending,
    Claimed,
    Expired,
}
