//! What happens to players in PostgreSQL: each change is one transaction that locks the players it is about, loads what the
//! command must see in statements that see what the locks protect, lets it decide, and stores the effect. The entry of the
//! audit log, whose id belongs to this one command, tells whether a commit in doubt is stored.

use async_trait::async_trait;
use diesel::sql_types::{BigInt, Binary};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::players::{
    BanCommand, BanOutcome, EraseCommand, EraseOutcome, IdentityDigest, MergeCommand, MergeRefusal, Merged,
    PlayerStore, UnknownPlayer,
};
use domain::store::StoreError;
use scoped_futures::ScopedFutureExt;

use super::{ban, erase, merge};
use crate::detached::detached;
use crate::postgres::PostgresStore;
use crate::postgres::attempts::transaction_id;
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::StoredDigest;

statement! {
    /// Remembers the check value of the secret unless one is known.
    InsertSecretCheck<'a> { id: i64 => BigInt, check: &'a [u8] => Binary } -> ()
    = "INSERT INTO installation (id, secret_check) VALUES ($1, $2) ON CONFLICT DO NOTHING"
}

statement! {
    /// The check value of the secret.
    FindSecretCheck { id: i64 => BigInt } -> (Binary,) = "SELECT secret_check FROM installation WHERE id = $1"
}

statement! {
    /// Remembers the check value of the secret in place of any other.
    ReplaceSecretCheck<'a> { id: i64 => BigInt, check: &'a [u8] => Binary } -> ()
    = "INSERT INTO installation (id, secret_check) VALUES ($1, $2)
        ON CONFLICT (id) DO UPDATE SET secret_check = excluded.secret_check"
}

/// The id of the only row of its table.
const THE_INSTALLATION: i64 = 1;

#[async_trait]
impl PlayerStore for PostgresStore {
    async fn change_ban(&self, command: &BanCommand) -> Result<Result<BanOutcome, UnknownPlayer>, StoreError> {
        let write = self.lanes.write(
            |connection| ban::load(connection, command).scope_boxed(),
            |connection, player| ban::decided(connection, command, player).scope_boxed(),
            |connection, decision| ban::is_kept(connection, decision).scope_boxed(),
        );
        let decision = write.await?;
        let effect = decision.as_ref().ok().and_then(|decision| decision.effect.as_ref());
        if effect.is_some_and(|effect| effect.event.is_some()) {
            self.bell.ring();
        }
        Ok(decision.map(|decision| decision.outcome))
    }

    async fn merge(&self, command: &MergeCommand) -> Result<Result<Merged, MergeRefusal>, StoreError> {
        let write = self.lanes.write(
            |connection| merge::load(connection, command).scope_boxed(),
            |connection, view| merge::decided(connection, command, view).scope_boxed(),
            |connection, decision| merge::is_kept(connection, decision).scope_boxed(),
        );
        let decision = write.await?;
        let effect = decision.as_ref().ok().and_then(|decision| decision.effect.as_ref());
        if effect.is_some_and(|effect| !effect.events.is_empty()) {
            self.bell.ring();
        }
        Ok(decision.map(|decision| decision.outcome))
    }

    async fn erase(&self, command: &EraseCommand) -> Result<EraseOutcome, StoreError> {
        // On a task of its own: a caller who goes away must not leave a player who lost their texts but not their name.
        let (lanes, bell, command) = (self.lanes.clone(), self.bell.clone(), command.clone());
        detached(async move { erase::erase(&lanes, &bell, &command).await }).await
    }

    async fn agree_on_secret(&self, check: IdentityDigest) -> Result<IdentityDigest, StoreError> {
        let write = self.lanes.write(
            |connection| async move { Ok((transaction_id(connection).await?, ())) }.scope_boxed(),
            |connection, ()| agree(connection, check).scope_boxed(),
            // To try again is to find what was stored.
            |_, _| async { Ok(false) }.scope_boxed(),
        );
        write.await
    }

    async fn replace_secret(&self, check: IdentityDigest) -> Result<(), StoreError> {
        let write = self.lanes.write(
            |connection| async move { Ok((transaction_id(connection).await?, ())) }.scope_boxed(),
            |connection, ()| replace(connection, check).scope_boxed(),
            // To replace it again changes nothing.
            |_, ()| async { Ok(false) }.scope_boxed(),
        );
        write.await
    }
}

async fn replace(mut connection: &AsyncPgConnection, check: IdentityDigest) -> Result<(), Trouble> {
    ReplaceSecretCheck { id: THE_INSTALLATION, check: &check.0 }.execute(&mut connection).await?;
    Ok(())
}

/// The first one to come is right: whoever comes at the same time waits for its row, and reads it once it is committed.
async fn agree(mut connection: &AsyncPgConnection, check: IdentityDigest) -> Result<IdentityDigest, Trouble> {
    InsertSecretCheck { id: THE_INSTALLATION, check: &check.0 }.execute(&mut connection).await?;
    let statement = FindSecretCheck { id: THE_INSTALLATION };
    let (known,) = statement.get_result::<(StoredDigest,)>(&mut connection).await?;
    Ok(IdentityDigest(known.0))
}
