//! What happens to players in SQLite, each change in one transaction on the writer thread.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::Binary;
use diesel::sqlite::SqliteConnection;
use domain::players::{
    BanCommand, BanOutcome, EraseCommand, EraseOutcome, IdentityDigest, MergeCommand, MergeRefusal, Merged,
    PlayerStore, UnknownPlayer,
};
use domain::store::StoreError;

use super::blank::{self, Blanked};
use super::{ban, erase, merge};
use crate::detached::detached;
use crate::rows::StoredDigest;
use crate::sqlite::statement::statement;
use crate::sqlite::{SqliteStore, connection};

statement! {
    /// Remembers the check value of the installation's secret unless one is known.
    InsertSecretCheck<'a> { secret_check: &'a [u8] => Binary }
    -> () = "INSERT INTO installation (id, secret_check) VALUES (1, ?) ON CONFLICT (id) DO NOTHING"
}

statement! {
    /// Remembers the check value of the installation's secret in place of any other.
    ReplaceSecretCheck<'a> { secret_check: &'a [u8] => Binary }
    -> () = "INSERT INTO installation (id, secret_check) VALUES (1, ?)
        ON CONFLICT (id) DO UPDATE SET secret_check = excluded.secret_check"
}

statement! {
    /// The check value of the installation's secret.
    FindSecretCheck {} -> (Binary,) = "SELECT secret_check FROM installation WHERE id = 1"
}

#[async_trait]
impl PlayerStore for SqliteStore {
    async fn change_ban(&self, command: &BanCommand) -> Result<Result<BanOutcome, UnknownPlayer>, StoreError> {
        let command = command.clone();
        self.write_and_ring(move |connection| ban::change(connection, &command)).await
    }

    async fn merge(&self, command: &MergeCommand) -> Result<Result<Merged, MergeRefusal>, StoreError> {
        let command = command.clone();
        self.write_and_ring(move |connection| merge::merge(connection, &command)).await
    }

    async fn erase(&self, command: &EraseCommand) -> Result<EraseOutcome, StoreError> {
        // On a task of its own: a caller who goes away must not leave a player who lost their texts but not their name.
        let (store, command) = (self.clone(), command.clone());
        detached(async move { store.erase_in_pieces(command).await }).await
    }

    async fn agree_on_secret(&self, check: IdentityDigest) -> Result<IdentityDigest, StoreError> {
        let write = move |connection: &mut SqliteConnection| agree(connection, check);
        self.writer.run(move |connection| connection::write(connection, write)).await
    }

    async fn replace_secret(&self, check: IdentityDigest) -> Result<(), StoreError> {
        let write = move |connection: &mut SqliteConnection| {
            ReplaceSecretCheck { secret_check: &check.0 }.execute(connection).map(drop)
        };
        self.writer.run(move |connection| connection::write(connection, write)).await
    }
}

impl SqliteStore {
    /// Blanks a long history in pieces, between which others write; then erases, and waits until the files are clean.
    async fn erase_in_pieces(&self, command: EraseCommand) -> Result<EraseOutcome, StoreError> {
        let mut blanked = Blanked::default();
        loop {
            let (command, before) = (command.clone(), blanked);
            let write = move |connection: &mut SqliteConnection| blank::piece(connection, &command, before);
            let (after, more) = self.writer.run(move |connection| connection::write(connection, write)).await?;
            blanked = after;
            if !more {
                break;
            }
        }
        let erase = move |connection: &mut SqliteConnection| erase::erase(connection, &command, &blanked);
        let outcome = self.write_and_ring(erase).await?;
        if let EraseOutcome::Erased(_) = outcome {
            self.cleaner.wait_until_clean().await;
        }
        Ok(outcome)
    }
}

fn agree(connection: &mut SqliteConnection, check: IdentityDigest) -> QueryResult<IdentityDigest> {
    InsertSecretCheck { secret_check: &check.0 }.execute(connection)?;
    let (known,) = (FindSecretCheck {}).get_result::<(StoredDigest,)>(connection)?;
    Ok(IdentityDigest(known.0))
}
