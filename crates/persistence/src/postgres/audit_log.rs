//! The audit log in PostgreSQL.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::audit_log::{AuditEntry, AuditId, AuditLog, AuditRow};
use domain::economy::Page;
use domain::players::PlayerId;
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::text::{FreeText, JsonObject};
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use super::PostgresStore;
use super::attempts::transaction_id;
use super::statement::statement;
use super::trouble::Trouble;
use crate::rows::StoredUuid;
use crate::rows::audit_log::{AuditEntryRow, audit_entry, audit_row};

type AuditColumns = (SqlUuid, BigInt, Text, Text, Nullable<SqlUuid>, Nullable<SqlUuid>, Nullable<Text>, Nullable<Text>);

/// The columns of [`AuditEntryRow`], in its order.
macro_rules! audit_columns {
    () => {
        "id, created_at, actor, action, player, into_player, reason, details::text AS details"
    };
}

statement! {
    /// Appends to the log.
    InsertAuditEntry<'a> {
        realm: i64 => BigInt, id: Uuid => SqlUuid, created_at: i64 => BigInt, actor: &'a str => Text,
        action: &'a str => Text, player: Option<Uuid> => Nullable<SqlUuid>, into: Option<Uuid> => Nullable<SqlUuid>,
        reason: Option<&'a str> => Nullable<Text>, details: Option<&'a str> => Nullable<Text>,
    }
    -> () = "INSERT INTO audit_log (realm, id, created_at, actor, action, player, into_player, reason, details)
        SELECT $1, n.id, n.created_at, n.actor, n.action, n.player, n.into_player, n.reason, n.details::json
        FROM (VALUES ($2, $3, $4, $5, $6, $7, $8, $9))
            AS n (id, created_at, actor, action, player, into_player, reason, details)"
}

statement! {
    /// An entry by its id.
    FindAuditEntry { realm: i64 => BigInt, id: Uuid => SqlUuid } -> (SqlUuid,)
    = "SELECT id FROM audit_log WHERE realm = $1 AND id = $2"
}

statement! {
    /// Entries of a realm before an id, newest first, with what their players are called.
    PageOfAuditLog { realm: i64 => BigInt, before: Uuid => SqlUuid, limit: i64 => BigInt }
    -> (AuditColumns, Nullable<Text>, Nullable<Text>)
    = concat!("SELECT entry.*, whom.external_id, into_whom.external_id
        FROM (
            SELECT ", audit_columns!(), " FROM audit_log WHERE realm = $1 AND id < $2 ORDER BY id DESC LIMIT $3
        ) AS entry
        LEFT JOIN LATERAL (
            SELECT external_id FROM players WHERE realm = $1 AND id = entry.player LIMIT 1
        ) AS whom ON true
        LEFT JOIN LATERAL (
            SELECT external_id FROM players WHERE realm = $1 AND id = entry.into_player LIMIT 1
        ) AS into_whom ON true
        ORDER BY entry.id DESC")
}

statement! {
    /// Entries about a player before an id, newest first.
    AuditOfPlayer { realm: i64 => BigInt, player: Uuid => SqlUuid, before: Uuid => SqlUuid, limit: i64 => BigInt }
    -> AuditColumns
    = concat!("SELECT ", audit_columns!(), " FROM audit_log
        WHERE realm = $1 AND player = $2 AND id < $3 ORDER BY id DESC LIMIT $4")
}

/// Appends `entry`, in whatever transaction is open.
pub(super) async fn insert(mut connection: &AsyncPgConnection, entry: &AuditEntry) -> Result<(), Trouble> {
    let statement = InsertAuditEntry {
        realm: entry.realm.0,
        id: entry.id.0,
        created_at: entry.at.unix_micros(),
        actor: entry.actor.as_str(),
        action: entry.action.as_str(),
        player: entry.player.map(|player| player.0),
        into: entry.into.map(|player| player.0),
        reason: entry.reason.as_ref().map(FreeText::as_str),
        details: entry.details.as_ref().map(JsonObject::as_json),
    };
    Ok(statement.execute(&mut connection).await.map(drop)?)
}

/// Whether `entry` is stored. Its id was made for one change, so it tells whether that change is. A change without one is
/// denied: it stored nothing, and may be decided again.
pub(super) async fn is_kept(mut connection: &AsyncPgConnection, entry: Option<&AuditEntry>) -> QueryResult<bool> {
    let Some(entry) = entry else { return Ok(false) };
    let statement = FindAuditEntry { realm: entry.realm.0, id: entry.id.0 };
    let found: Option<(StoredUuid,)> = statement.get_result(&mut connection).await.optional()?;
    Ok(found.is_some())
}

#[async_trait]
impl AuditLog for PostgresStore {
    async fn append(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let write = self.lanes.write(
            |connection| async move { Ok((transaction_id(connection).await?, ())) }.scope_boxed(),
            |connection, ()| insert(connection, entry).scope_boxed(),
            |connection, ()| is_kept(connection, Some(entry)).scope_boxed(),
        );
        write.await
    }

    async fn page(&self, realm: RealmId, after: Option<AuditId>, limit: u32) -> Result<Page<AuditRow>, StoreError> {
        self.readers.read(|connection| page(connection, realm, after, limit).scope_boxed()).await
    }

    async fn of_player(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<AuditId>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.readers.read(|connection| of_player(connection, realm, player, after, limit).scope_boxed()).await
    }
}

async fn page(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    after: Option<AuditId>,
    limit: u32,
) -> QueryResult<Page<AuditRow>> {
    let statement = PageOfAuditLog { realm: realm.0, before: before(after), limit: i64::from(limit) + 1 };
    let rows: Vec<(AuditEntryRow, Option<String>, Option<String>)> = statement.load(&mut connection).await?;
    let rows = rows.into_iter().map(|row| audit_row(row, realm)).collect::<QueryResult<_>>()?;
    Ok(Page::of(rows, limit))
}

async fn of_player(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
    after: Option<AuditId>,
    limit: u32,
) -> QueryResult<Vec<AuditEntry>> {
    let statement = AuditOfPlayer { realm: realm.0, player: player.0, before: before(after), limit: i64::from(limit) };
    let rows: Vec<AuditEntryRow> = statement.load(&mut connection).await?;
    rows.into_iter().map(|row| audit_entry(row, realm)).collect()
}

/// The first id that is too new for a page.
fn before(after: Option<AuditId>) -> Uuid {
    after.map_or(Uuid::max(), |entry| entry.0)
}
