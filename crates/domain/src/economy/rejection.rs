//! The rules said no: every way, with the data that explains it.

use thiserror::Error;

use super::{Amount, Balance};
use crate::clock::Timestamp;
use crate::players::PlayerBanned;

/// Why a command was refused. A refused command leaves no trace, and consumes no idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The idempotency key was used for another request.
    #[error("this idempotency key was used before, for a different request")]
    IdempotencyConflict,
    /// The account holds less than was to be taken.
    #[error("the balance is {current} and {required} is required", current = current.get(), required = required.get())]
    InsufficientFunds {
        /// What the account holds.
        current: Balance,
        /// What was to be taken.
        required: Amount,
    },
    /// The account would hold more than [`super::INTEGER_MAX`].
    #[error("the balance is {current}, and adding {amount} would exceed the largest balance", current = current.get(), amount = amount.get())]
    BalanceLimit {
        /// What the account holds.
        current: Balance,
        /// What was to be added.
        amount: Amount,
    },
    /// The player is banned, and it is their game client that asks.
    #[error(transparent)]
    PlayerBanned(#[from] PlayerBanned),
    /// There is no such grant for this player.
    #[error("this player has no such grant")]
    GrantNotFound,
    /// The grant can no longer be claimed or acknowledged.
    #[error("the grant has expired")]
    GrantExpired {
        /// When it did.
        expires_at: Option<Timestamp>,
    },
}
