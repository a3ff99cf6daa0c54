//! The port that changes players. Each method is one transaction: load what the command must see, let it decide, store
//! the effect whole, audit entry included.

use async_trait::async_trait;

use super::{
    BanCommand, BanOutcome, EraseCommand, EraseOutcome, IdentityDigest, MergeCommand, MergeRefusal, Merged,
    UnknownPlayer,
};
use crate::store::StoreError;

/// Changes players. Decides nothing by itself.
///
/// Whatever a method loads must hold until it commits: nobody else changes these players, their accounts or their grants
/// in between.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait PlayerStore: Send + Sync {
    /// Imposes or lifts a ban.
    async fn change_ban(&self, command: &BanCommand) -> Result<Result<BanOutcome, UnknownPlayer>, StoreError>;

    /// Merges a player into another.
    async fn merge(&self, command: &MergeCommand) -> Result<Result<Merged, MergeRefusal>, StoreError>;

    /// Erases a player. Free text of old entries may be blanked in pieces before the transaction that erases, so that a
    /// long history holds nobody up; what came in meanwhile is blanked in it. When this returns, nothing of the studio's id
    /// or of the free text is left that the adapter can overwrite.
    async fn erase(&self, command: &EraseCommand) -> Result<EraseOutcome, StoreError>;

    /// Remembers the check value of the installation's secret if none is known yet; the one that is known from now on.
    async fn agree_on_secret(&self, check: IdentityDigest) -> Result<IdentityDigest, StoreError>;

    /// Remembers the check value of the installation's secret in place of any other.
    async fn replace_secret(&self, check: IdentityDigest) -> Result<(), StoreError>;
}
