//! Stores the effect of a merge: what was the source's becomes the target's. One statement for each kind of row, each checked
//! to have changed as many rows as were decided on. Those that do not depend on each other are sent in one go. Those that do
//! are sent one after the other: a statement that is new to a connection is prepared first, and others overtake it.
//!
//! A row that has its placeholder is never changed again, so `merged_into` names whom a player was merged into, and who that
//! one was merged into later is found by following it. Whoever waited for the row under its old name holds a lock on it until
//! its own transaction ends, although it turned out to be the wrong row; a merge that had to change it would wait for that
//! lock while holding others, out of order: a deadlock.

use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::players::{ClosedAccount, MergeEffect, MergeView};
use domain::tenancy::RealmId;
use uuid::Uuid;

use super::one_row;
use crate::postgres::lobbies::records;
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::postgres::webhooks::outbox;
use crate::postgres::{audit_log, economy};

statement! {
    /// Moves accounts of one player to the closed accounts of another, those that have the version that was decided on.
    CloseAccounts {
        realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid>, versions_before: Vec<i64> => Array<BigInt>,
        versions: Vec<i64> => Array<BigInt>, player: Uuid => SqlUuid, closed_at: i64 => BigInt,
    }
    -> () = "WITH emptied AS (
            DELETE FROM accounts
            WHERE realm = $1 AND id = ANY($2) AND version = ($3)[array_position($2, id)]
            RETURNING id, kind, key, created_at
        )
        INSERT INTO closed_accounts (realm, id, player, kind, key, version, created_at, closed_at)
        SELECT $1, n.id, $5, n.kind, n.key, ($4)[array_position($2, n.id)], n.created_at, $6 FROM emptied AS n"
}

statement! {
    /// Gives all open accounts of a player to another.
    MoveAccounts { realm: i64 => BigInt, source: Uuid => SqlUuid, target: Uuid => SqlUuid } -> ()
    = "UPDATE accounts SET player = $3 WHERE realm = $1 AND player = $2"
}

statement! {
    /// Gives all closed accounts of a player to another.
    MoveClosedAccounts { realm: i64 => BigInt, source: Uuid => SqlUuid, target: Uuid => SqlUuid } -> ()
    = "UPDATE closed_accounts SET player = $3 WHERE realm = $1 AND player = $2"
}

statement! {
    /// Gives all grants of a player to another.
    MoveGrants { realm: i64 => BigInt, source: Uuid => SqlUuid, target: Uuid => SqlUuid } -> ()
    = "UPDATE grants SET player = $3 WHERE realm = $1 AND player = $2"
}

statement! {
    /// A player of whom nothing was known elsewhere inherits what was known of another.
    InheritContext { realm: i64 => BigInt, source: Uuid => SqlUuid, target: Uuid => SqlUuid } -> ()
    = "UPDATE players SET context_snapshot = (SELECT context_snapshot FROM players WHERE realm = $1 AND id = $2)
        WHERE realm = $1 AND id = $3 AND context_snapshot IS NULL"
}

statement! {
    /// Gives up a player's id, and all that is known of them but where they are now.
    MarkMerged<'a> {
        realm: i64 => BigInt, source: Uuid => SqlUuid, target: Uuid => SqlUuid, placeholder: &'a str => Text,
    }
    -> () = "UPDATE players
        SET external_id = $4, merged_into = $3, context_snapshot = NULL, banned_at = NULL, ban_reason = NULL
        WHERE realm = $1 AND id = $2"
}

statement! {
    /// Records a merge.
    InsertMerge<'a> {
        realm: i64 => BigInt, source: Uuid => SqlUuid, source_digest: &'a [u8] => Binary, target: Uuid => SqlUuid,
        target_digest: &'a [u8] => Binary, key: Option<&'a [u8]> => Nullable<Binary>, merged_at: i64 => BigInt,
    }
    -> () = "INSERT INTO player_merges (realm, source, source_digest, target, target_digest, idempotency_key, merged_at)
        SELECT $1, n.source, n.source_digest, n.target, n.target_digest, n.idempotency_key, n.merged_at
        FROM (VALUES ($2, $3, $4, $5, $6, $7))
            AS n (source, source_digest, target, target_digest, idempotency_key, merged_at)"
}

/// Stores all of `effect`, which was decided on `view`.
pub(super) async fn store(
    connection: &AsyncPgConnection,
    realm: RealmId,
    effect: &MergeEffect,
    view: &MergeView,
) -> Result<(), Trouble> {
    let (accounts, entries): (Vec<_>, Vec<_>) = (effect.accounts.iter().collect(), effect.entries.iter().collect());
    tokio::try_join!(
        move_accounts(connection, realm, effect, view),
        economy::save::accounts(connection, realm, &accounts),
        economy::save::entries(connection, realm, &entries),
        move_grants_and_events(connection, realm, effect, view.grants),
        outbox::insert_all(connection, &effect.events),
        move_play(connection, realm, effect, view),
        change_players(connection, realm, effect),
        record(connection, realm, effect),
        audit_log::insert(connection, &effect.audit),
    )?;
    Ok(())
}

async fn close(mut connection: &AsyncPgConnection, realm: RealmId, effect: &MergeEffect) -> Result<(), Trouble> {
    let closed: &[ClosedAccount] = &effect.closed;
    if closed.is_empty() {
        return Ok(());
    }
    let statement = CloseAccounts {
        realm: realm.0,
        ids: closed.iter().map(|account| account.id.0).collect(),
        versions_before: closed.iter().map(|account| account.version_before).collect(),
        versions: closed.iter().map(|account| account.version).collect(),
        player: effect.merge.target.0,
        closed_at: effect.merge.at.unix_micros(),
    };
    all_rows(statement.execute(&mut connection).await?, closed.len(), "an account")
}

/// What the earlier merges closed, what this one closes, and last all that is left open.
async fn move_accounts(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    effect: &MergeEffect,
    view: &MergeView,
) -> Result<(), Trouble> {
    let (source, target) = (effect.merge.source.0, effect.merge.target.0);
    if !view.source_closed.is_empty() {
        let moved = MoveClosedAccounts { realm: realm.0, source, target }.execute(&mut connection).await?;
        all_rows(moved, view.source_closed.len(), "a closed account")?;
    }
    close(connection, realm, effect).await?;
    if effect.closed.len() == view.source_accounts.len() {
        return Ok(());
    }
    let moved = MoveAccounts { realm: realm.0, source, target }.execute(&mut connection).await?;
    all_rows(moved + effect.closed.len(), view.source_accounts.len(), "an account")
}

/// Grants first: whoever tells of one that expired has it locked, so that this waits for the event, which is moved then.
async fn move_grants_and_events(
    connection: &AsyncPgConnection,
    realm: RealmId,
    effect: &MergeEffect,
    all: u64,
) -> Result<(), Trouble> {
    move_grants(connection, realm, effect, all).await?;
    outbox::give(connection, realm, effect.merge.source, effect.merge.target).await
}

async fn move_grants(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    effect: &MergeEffect,
    all: u64,
) -> Result<(), Trouble> {
    if all == 0 {
        return Ok(());
    }
    let (source, target) = (effect.merge.source.0, effect.merge.target.0);
    let moved = MoveGrants { realm: realm.0, source, target }.execute(&mut connection).await?;
    if u64::try_from(moved).is_ok_and(|moved| moved == all) { Ok(()) } else { Err(Trouble::Stale { what: "a grant" }) }
}

async fn move_play(
    connection: &AsyncPgConnection,
    realm: RealmId,
    effect: &MergeEffect,
    view: &MergeView,
) -> Result<(), Trouble> {
    let (both, at) = ((effect.merge.source, effect.merge.target), effect.merge.at);
    records::merge(connection, realm, both, (&view.play, &effect.play), at).await
}

/// Changes the rows of players: first the target's, then the source's, which it may inherit from.
async fn change_players(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    effect: &MergeEffect,
) -> Result<(), Trouble> {
    let (realm, source, target) = (realm.0, effect.merge.source.0, effect.merge.target.0);
    let placeholder = effect.placeholder.as_str();
    InheritContext { realm, source, target }.execute(&mut connection).await?;
    one_row(MarkMerged { realm, source, target, placeholder }.execute(&mut connection).await?, "a player")
}

async fn record(mut connection: &AsyncPgConnection, realm: RealmId, effect: &MergeEffect) -> Result<(), Trouble> {
    let merge = &effect.merge;
    let statement = InsertMerge {
        realm: realm.0,
        source: merge.source.0,
        source_digest: &merge.source_digest.0,
        target: merge.target.0,
        target_digest: &merge.target_digest.0,
        key: merge.key.as_ref().map(|key| key.0.as_slice()),
        merged_at: merge.at.unix_micros(),
    };
    Ok(statement.execute(&mut connection).await.map(drop)?)
}

fn all_rows(changed: usize, decided: usize, what: &'static str) -> Result<(), Trouble> {
    if changed == decided { Ok(()) } else { Err(Trouble::Stale { what }) }
}
