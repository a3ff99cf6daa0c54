//! Blanks free text: of entries, grants and the audit log. Rows that hold none are left alone.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::economy::Position;
use domain::players::{ExternalId, PlayerId};
use domain::tenancy::RealmId;
use uuid::Uuid;

use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::StoredUuid;

statement! {
    /// The position so many entries of an account further on.
    PositionOf {
        realm: i64 => BigInt, account: Uuid => SqlUuid, after: i64 => BigInt, entries_between: i64 => BigInt,
    }
    -> (BigInt,) = "SELECT position FROM entries WHERE realm = $1 AND account = $2 AND position > $3
        ORDER BY position OFFSET $4 LIMIT 1"
}

statement! {
    /// Blanks entries of accounts within a range of positions.
    BlankEntries {
        realm: i64 => BigInt, accounts: Vec<Uuid> => Array<SqlUuid>, after: i64 => BigInt, until: i64 => BigInt,
    }
    -> () = "UPDATE entries SET reason = NULL, source_ref = NULL, parameters = NULL
        WHERE realm = $1 AND account = ANY($2) AND position > $3 AND position <= $4
            AND (reason IS NOT NULL OR source_ref IS NOT NULL OR parameters IS NOT NULL)"
}

/// Whether a grant holds free text.
macro_rules! holds_text {
    () => {
        r#"(source_ref IS NOT NULL OR metadata IS NOT NULL OR entries::text LIKE '%"parameters":%')"#
    };
}

/// What is left of a grant, and which grants hold anything else.
macro_rules! blank_grants {
    ($which:literal) => {
        concat!(
            "UPDATE grants SET source_ref = NULL, metadata = NULL, entries = (
                SELECT json_agg(CASE entry.value ->> 'type' WHEN 'item' THEN json_build_object(
                    'type', 'item', 'key', entry.value -> 'key', 'quantity', entry.value -> 'quantity'
                ) ELSE entry.value END ORDER BY entry.number)
                FROM json_array_elements(entries) WITH ORDINALITY AS entry (value, number)
            )
            WHERE realm = $1 AND ",
            $which,
            " AND ",
            holds_text!()
        )
    };
}

statement! {
    /// The next grants of a player, by the studio's id, that hold free text.
    FindGrantsToBlank<'a> {
        realm: i64 => BigInt, external_id: &'a str => Text, after: Uuid => SqlUuid, limit: i64 => BigInt,
    }
    -> (SqlUuid,) = concat!("SELECT told.id
        FROM (SELECT id FROM players WHERE realm = $1 AND external_id = $2) AS owner
        CROSS JOIN LATERAL (
            SELECT id FROM grants WHERE realm = $1 AND player = owner.id AND id > $3 AND ", holds_text!(), "
            ORDER BY id LIMIT $4
        ) AS told")
}

statement! {
    /// Blanks grants by their ids.
    BlankGrants { realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid> } -> ()
    = blank_grants!("id = ANY($2)")
}

statement! {
    /// Blanks all grants of a player.
    BlankGrantsOf { realm: i64 => BigInt, player: Uuid => SqlUuid } -> ()
    = blank_grants!("player = $2")
}

statement! {
    /// Blanks the reasons of what was done to a player, or to anybody who was merged into them, over
    /// however many merges.
    BlankReasons { realm: i64 => BigInt, player: Uuid => SqlUuid } -> ()
    = "WITH RECURSIVE merged (id) AS (
            SELECT $2
            UNION ALL
            SELECT earlier.id FROM merged CROSS JOIN LATERAL (
                SELECT id FROM players WHERE realm = $1 AND merged_into = merged.id OFFSET 0
            ) AS earlier
        )
        UPDATE audit_log SET reason = NULL
        WHERE realm = $1 AND reason IS NOT NULL AND player = ANY(ARRAY(SELECT id FROM merged))"
}

/// Entries of some accounts: those after a position, up to another.
#[derive(Debug)]
pub(super) struct Range {
    /// The accounts.
    pub(super) accounts: Vec<Uuid>,
    /// The position before the first one.
    pub(super) after: Position,
    /// The last position.
    pub(super) until: Position,
}

/// The position of the entry of `account` that is the `number`th after a position.
pub(super) async fn position_of(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    account: Uuid,
    after: Position,
    number: i64,
) -> QueryResult<Option<Position>> {
    let statement = PositionOf { realm: realm.0, account, after, entries_between: number - 1 };
    let found: Option<(i64,)> = statement.get_result(&mut connection).await.optional()?;
    Ok(found.map(|(position,)| position))
}

/// Blanks all entries in `ranges`.
pub(super) async fn entries(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    ranges: &[Range],
) -> Result<(), Trouble> {
    for Range { accounts, after, until } in ranges {
        let statement = BlankEntries { realm: realm.0, accounts: accounts.clone(), after: *after, until: *until };
        statement.execute(&mut connection).await?;
    }
    Ok(())
}

/// The next grants of `player` that hold free text, in the order of their ids.
pub(super) async fn next_grants(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: &ExternalId,
    after: Uuid,
    limit: i64,
) -> QueryResult<Vec<Uuid>> {
    let statement = FindGrantsToBlank { realm: realm.0, external_id: player.as_str(), after, limit };
    let rows: Vec<(StoredUuid,)> = statement.load(&mut connection).await?;
    Ok(rows.into_iter().map(|(id,)| id.0).collect())
}

/// Blanks these grants.
pub(super) async fn grants(mut connection: &AsyncPgConnection, realm: RealmId, ids: Vec<Uuid>) -> Result<(), Trouble> {
    Ok(BlankGrants { realm: realm.0, ids }.execute(&mut connection).await.map(drop)?)
}

/// Blanks all grants of `player`.
pub(super) async fn grants_of(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
) -> Result<(), Trouble> {
    Ok(BlankGrantsOf { realm: realm.0, player: player.0 }.execute(&mut connection).await.map(drop)?)
}

/// Blanks the reasons in the audit log of what was done to `player`.
pub(super) async fn reasons(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
) -> Result<(), Trouble> {
    Ok(BlankReasons { realm: realm.0, player: player.0 }.execute(&mut connection).await.map(drop)?)
}
