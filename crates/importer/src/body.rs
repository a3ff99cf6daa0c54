//! The body of a call, written as rows come: straight into bytes, with no tree in between.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::kind::Kind;
use crate::row::Row;

const BEGIN: &[u8] = b"{\"rows\":[";
const END: &[u8] = b"]}";

/// A body that is being written.
#[derive(Debug)]
pub(crate) struct Body {
    kind: Kind,
    bytes: Vec<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WalletRow<'r> {
    external_player_id: &'r str,
    economy_key: &'r str,
    amount: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'r str>,
    idempotency_key: &'r str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InventoryRow<'r> {
    external_player_id: &'r str,
    item_key: &'r str,
    quantity: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'r str>,
    idempotency_key: &'r str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlayerRow<'r> {
    external_player_id: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_snapshot: Option<&'r RawValue>,
    idempotency_key: &'r str,
}

impl Body {
    /// One with no rows.
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, bytes: BEGIN.to_vec() }
    }

    /// How long it is so far.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes in one more row.
    pub(crate) fn push(&mut self, row: &Row) {
        if self.bytes.len() != BEGIN.len() {
            self.bytes.push(b',');
        }
        let object = row.object.as_deref().map(|text| {
            let object: &RawValue = serde_json::from_str(text).expect("an object was written by serde_json");
            object
        });
        let Row { player, asset, quantity, key, .. } = row;
        let (reason, out) = (row.reason.as_deref(), &mut self.bytes);
        let written = match self.kind {
            Kind::Wallet => serde_json::to_writer(
                out,
                &WalletRow {
                    external_player_id: player,
                    economy_key: asset,
                    amount: *quantity,
                    reason,
                    idempotency_key: key,
                },
            ),
            Kind::Inventory => serde_json::to_writer(
                out,
                &InventoryRow {
                    external_player_id: player,
                    item_key: asset,
                    quantity: *quantity,
                    parameters: object,
                    reason,
                    idempotency_key: key,
                },
            ),
            Kind::Players => serde_json::to_writer(
                out,
                &PlayerRow { external_player_id: player, context_snapshot: object, idempotency_key: key },
            ),
        };
        written.expect("texts and numbers can be written into memory");
    }

    /// The whole body.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(END);
        self.bytes
    }
}
