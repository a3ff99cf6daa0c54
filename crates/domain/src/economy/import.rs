//! The use case of a move from another platform: many rows in one call, each with an idempotency key of its own, each
//! accepted or refused by itself.

use super::{
    Action, Adjusted, Adjustment, AdjustmentKind, Amount, Answer, AssetKey, Economy, Failure, Once, Origin, Outcome,
    PlayerImport, Rejection, Repeat,
};
use crate::clock::Timestamp;
use crate::keys::Caller;
use crate::players::ExternalId;
use crate::text::{FreeText, JsonObject};

/// One row of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// Whom it is about.
    pub player: ExternalId,
    /// What keeps it from happening twice.
    pub once: Once,
    /// What it brings in.
    pub import: Import,
}

/// What a row of an import brings in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    /// The player.
    Player {
        /// What was known of the player; replaces what an earlier row said.
        context_snapshot: Option<JsonObject>,
    },
    /// Currency, added to what the player holds.
    Currency {
        /// Which.
        key: AssetKey,
        /// How much.
        amount: Amount,
        /// Why.
        reason: Option<FreeText>,
    },
    /// Items, added to what the player holds.
    Items {
        /// Which.
        key: AssetKey,
        /// How many.
        quantity: Amount,
        /// Attributes of them.
        parameters: Option<JsonObject>,
        /// Why.
        reason: Option<FreeText>,
    },
}

impl Economy {
    /// Brings in `rows`, and tells of each, in their order, whether it took effect now or before, or why it was refused.
    /// The rows of one player take effect in their order.
    ///
    /// # Errors
    /// [`Failure::Overloaded`] when nothing was done; [`Failure::Unknown`] when the outcome of any row is unknown, so that
    /// all must be sent again.
    pub async fn import(
        &self,
        caller: &Caller,
        rows: Vec<ImportRow>,
    ) -> Result<Vec<Result<Repeat, Rejection>>, Failure> {
        let at = self.clock.now();
        let commands = rows.into_iter().map(|ImportRow { player, once, import }| {
            self.command(caller, at, Origin::Migration, player, self.import_action(at, once, import))
        });
        let outcomes = self.queue.submit_all(commands.collect()).await?;
        Ok(outcomes.into_iter().map(repeat_of).collect())
    }

    fn import_action(&self, at: Timestamp, once: Once, import: Import) -> Action {
        let (kind, key, amount, reason, parameters) = match import {
            Import::Player { context_snapshot } => {
                return Action::ImportPlayer(PlayerImport { context_snapshot, once });
            }
            Import::Currency { key, amount, reason } => (AdjustmentKind::WalletImport, key, amount, reason, None),
            Import::Items { key, quantity, parameters, reason } => {
                (AdjustmentKind::InventoryImport, key, quantity, reason, parameters)
            }
        };
        let (once, ids) = (Some(once), self.posting_ids(at));
        Action::Adjust(Adjustment { kind, key, amount, reason, source_ref: None, parameters, once, ids })
    }
}

fn repeat_of(outcome: Outcome) -> Result<Repeat, Rejection> {
    outcome.map(|answer| match answer {
        Answer::Adjusted(Adjusted { repeat, .. }) | Answer::PlayerImported(repeat) => repeat,
        Answer::GrantCreated(_) | Answer::GrantAcked(_) => unreachable!("a row of an import makes no grant"),
    })
}
