//! The audit log in SQLite.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::audit_log::{AuditEntry, AuditId, AuditLog, AuditRow};
use domain::economy::Page;
use domain::players::PlayerId;
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::text::{FreeText, JsonObject};
use uuid::Uuid;

use super::economy::exactly_one;
use super::statement::statement;
use super::{SqliteStore, connection};
use crate::rows::audit_log::{AuditEntryRow, audit_entry, audit_row};

type EntryColumns = (Binary, BigInt, Text, Text, Nullable<Binary>, Nullable<Binary>, Nullable<Text>, Nullable<Text>);

statement! {
    /// Appends to the log.
    InsertAuditEntry<'a> {
        realm: i64 => BigInt, id: &'a [u8] => Binary, created_at: i64 => BigInt, actor: &'a str => Text,
        action: &'a str => Text, player: Option<&'a [u8]> => Nullable<Binary>,
        into_player: Option<&'a [u8]> => Nullable<Binary>, reason: Option<&'a str> => Nullable<Text>,
        details: Option<&'a str> => Nullable<Text>,
    }
    -> () = "INSERT INTO audit_log (realm, id, created_at, actor, action, player, into_player, reason, details)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
}

statement! {
    /// Entries before an id, newest first, with what their players are called now.
    PageOfAuditLog<'a> { realm: i64 => BigInt, before: &'a [u8] => Binary, limit: i64 => BigInt }
    -> (EntryColumns, Nullable<Text>, Nullable<Text>)
    = "SELECT a.id, a.created_at, a.actor, a.action, a.player, a.into_player, a.reason, a.details,
            p.external_id, i.external_id
        FROM audit_log a
        LEFT JOIN players p ON p.realm = a.realm AND p.id = a.player
        LEFT JOIN players i ON i.realm = a.realm AND i.id = a.into_player
        WHERE a.realm = ? AND a.id < ? ORDER BY a.id DESC LIMIT ?"
}

statement! {
    /// Entries about one player before an id, newest first. The index is named because the table's own order would be that of
    /// the ids as well, over everybody's entries.
    AuditLogOfPlayer<'a> {
        realm: i64 => BigInt, player: &'a [u8] => Binary, before: &'a [u8] => Binary, limit: i64 => BigInt,
    }
    -> EntryColumns
    = "SELECT id, created_at, actor, action, player, into_player, reason, details
        FROM audit_log INDEXED BY audit_log_by_player
        WHERE realm = ? AND player = ? AND id < ? ORDER BY id DESC LIMIT ?"
}

/// Appends `entry` to the log, in the transaction of what it tells of.
pub(super) fn insert(connection: &mut SqliteConnection, entry: &AuditEntry) -> QueryResult<()> {
    let bytes = |player: &Option<PlayerId>| player.map(|player| *player.0.as_bytes());
    let (player, into_player) = (bytes(&entry.player), bytes(&entry.into));
    let statement = InsertAuditEntry {
        realm: entry.realm.0,
        id: entry.id.0.as_bytes(),
        created_at: entry.at.unix_micros(),
        actor: entry.actor.as_str(),
        action: entry.action.as_str(),
        player: player.as_ref().map(<[u8; 16]>::as_slice),
        into_player: into_player.as_ref().map(<[u8; 16]>::as_slice),
        reason: entry.reason.as_ref().map(FreeText::as_str),
        details: entry.details.as_ref().map(JsonObject::as_json),
    };
    exactly_one(statement.execute(connection)?)
}

#[async_trait]
impl AuditLog for SqliteStore {
    async fn append(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let entry = entry.clone();
        let write = move |connection: &mut SqliteConnection| insert(connection, &entry);
        self.writer.run(|connection| connection::write(connection, write)).await
    }

    async fn page(&self, realm: RealmId, after: Option<AuditId>, limit: u32) -> Result<Page<AuditRow>, StoreError> {
        let read = move |connection: &mut SqliteConnection| page(connection, realm, after, limit);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }

    async fn of_player(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<AuditId>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let read = move |connection: &mut SqliteConnection| of_player(connection, realm, player, after, limit);
        self.readers.run(move |connection| connection::read(connection, read)).await
    }
}

fn page(
    connection: &mut SqliteConnection,
    realm: RealmId,
    after: Option<AuditId>,
    limit: u32,
) -> QueryResult<Page<AuditRow>> {
    let before = before(after);
    let statement = PageOfAuditLog { realm: realm.0, before: before.as_bytes(), limit: i64::from(limit) + 1 };
    let rows = statement.load::<(AuditEntryRow, Option<String>, Option<String>)>(connection)?;
    let rows: QueryResult<Vec<AuditRow>> = rows.into_iter().map(|row| audit_row(row, realm)).collect();
    Ok(Page::of(rows?, limit))
}

fn of_player(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
    after: Option<AuditId>,
    limit: u32,
) -> QueryResult<Vec<AuditEntry>> {
    let (before, limit) = (before(after), i64::from(limit));
    let (player, before) = (player.0.as_bytes().as_slice(), before.as_bytes().as_slice());
    let rows = AuditLogOfPlayer { realm: realm.0, player, before, limit }.load::<AuditEntryRow>(connection)?;
    rows.into_iter().map(|row| audit_entry(row, realm)).collect()
}

/// The id before which a page begins; past all of them when it is the first.
fn before(after: Option<AuditId>) -> Uuid {
    after.map_or(Uuid::max(), |entry| entry.0)
}
