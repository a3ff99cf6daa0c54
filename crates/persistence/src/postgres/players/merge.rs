//! Merges in PostgreSQL, decided and stored; [`super::moving`] has what an effect does to accounts and grants.
//!
//! Source and target are locked like the players of a batch, in the same order, so a merge and a batch wait for each other
//! and never in a circle. A batch that waited for the source finds nobody of that name afterwards, and makes a new player.
//! Giving the row its placeholder takes the stronger lock of a changed key, which waits for transactions that refer to the
//! row; only those that hold its lock do, so that is nobody but this one.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::economy::{AssetKind, Position};
use domain::players::{
    ExternalId, HeldAccount, IdentityDigest, Merge, MergeCommand, MergeDecision, MergeRefusal, MergeView,
};
use domain::tenancy::RealmId;

use super::{lock, moving};
use crate::postgres::attempts::TransactionId;
use crate::postgres::lobbies::records;
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::postgres::webhooks::endpoints;
use crate::postgres::{audit_log, economy};
use crate::rows::players::{HeldRow, MergeRow, held_account, merge_of};
use crate::rows::{StoredUuid, named};

statement! {
    /// A merge of two ids: the one under an idempotency key, or else the latest.
    FindMerge<'a> {
        realm: i64 => BigInt, source: &'a [u8] => Binary, target: &'a [u8] => Binary,
        key: Option<&'a [u8]> => Nullable<Binary>,
    }
    -> (SqlUuid, SqlUuid, Nullable<Binary>, BigInt)
    = "SELECT source, target, idempotency_key, merged_at FROM player_merges
        WHERE realm = $1 AND source_digest = $2 AND target_digest = $3
        ORDER BY (idempotency_key = $4) IS TRUE DESC, merged_at DESC, source DESC LIMIT 1"
}

statement! {
    /// Whether a player of an id was ever erased.
    WasErased<'a> { realm: i64 => BigInt, digest: &'a [u8] => Binary } -> (Bool,)
    = "SELECT EXISTS (SELECT FROM player_erasures WHERE realm = $1 AND digest = $2)"
}

statement! {
    /// The open accounts of a player, each with another player's account of the same asset.
    FindAccountsOfTwo<'a> { realm: i64 => BigInt, source: &'a str => Text, target: &'a str => Text }
    -> ((SqlUuid, Text, Text, BigInt, BigInt), Nullable<SqlUuid>, Nullable<BigInt>, Nullable<BigInt>)
    = "SELECT held.id, held.kind, held.key, held.balance, held.version, known.id, known.balance, known.version
        FROM (SELECT id FROM players WHERE realm = $1 AND external_id = $2) AS source
        CROSS JOIN LATERAL (
            SELECT kind, key, id, balance, version FROM accounts WHERE realm = $1 AND player = source.id OFFSET 0
        ) AS held
        LEFT JOIN LATERAL (
            SELECT account.id, account.balance, account.version
            FROM (SELECT id FROM players WHERE realm = $1 AND external_id = $3) AS target
            CROSS JOIN LATERAL (
                SELECT id, balance, version FROM accounts
                WHERE realm = $1 AND player = target.id AND kind = held.kind AND key = held.key LIMIT 1
            ) AS account
        ) AS known ON true"
}

statement! {
    /// The closed accounts of a player: of what, and how many entries they have.
    FindClosedAccounts<'a> { realm: i64 => BigInt, external_id: &'a str => Text } -> (Text, BigInt)
    = "SELECT closed.kind, closed.version
        FROM (SELECT id FROM players WHERE realm = $1 AND external_id = $2) AS owner
        CROSS JOIN LATERAL (
            SELECT kind, version FROM closed_accounts WHERE realm = $1 AND player = owner.id OFFSET 0
        ) AS closed"
}

statement! {
    /// How many grants a player, by the studio's id, has.
    CountGrantsOf<'a> { realm: i64 => BigInt, external_id: &'a str => Text } -> (BigInt,)
    = "SELECT count(*)
        FROM (SELECT id FROM players WHERE realm = $1 AND external_id = $2) AS owner
        CROSS JOIN LATERAL (SELECT FROM grants WHERE realm = $1 AND player = owner.id OFFSET 0) AS granted"
}

/// What the merge must see, both players locked. One trip: what depends on the players looks them up again, after the lock.
pub(super) async fn load(
    connection: &AsyncPgConnection,
    command: &MergeCommand,
) -> QueryResult<(TransactionId, MergeView)> {
    let (realm, source, target) = (command.realm, &command.source, &command.target);
    let mut both = [source.clone(), target.clone()];
    both.sort_unstable();
    // In this order on the wire: what is polled first is sent first. Only the lock has to be first.
    let (locked, earlier, target_was_erased, accounts, source_closed, grants, play, wanted, block) = tokio::try_join!(
        biased;
        lock(connection, realm, &both),
        find(connection, command),
        was_erased(connection, realm, &command.target_digest),
        accounts_of_two(connection, realm, source, target),
        closed_accounts(connection, realm, source),
        count_grants(connection, realm, source),
        records::merge_view(connection, realm, source, target),
        endpoints::wanted(connection, realm),
        economy::load::next_block(connection),
    )?;
    let (last_position, transaction) = block;
    let named = |name: &ExternalId| locked.iter().find(|player| player.external_id == *name).cloned();
    let (source_accounts, target_accounts) = accounts;
    let view = MergeView {
        wanted,
        play,
        source: named(source),
        target: named(target),
        earlier,
        target_was_erased,
        source_accounts,
        target_accounts,
        source_closed,
        grants,
        last_position,
    };
    Ok((transaction, view))
}

/// Decides, and stores what comes of it.
pub(super) async fn decided(
    connection: &AsyncPgConnection,
    command: &MergeCommand,
    view: MergeView,
) -> Result<Result<MergeDecision, MergeRefusal>, Trouble> {
    let decision = match command.decide(&view) {
        Ok(decision) => decision,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Some(effect) = &decision.effect {
        check_positions(view.last_position, effect.entries.last().map(|entry| entry.position))?;
        moving::store(connection, command.realm, effect, &view).await?;
    }
    Ok(Ok(decision))
}

/// Whether the decision is stored.
pub(super) async fn is_kept(
    connection: &AsyncPgConnection,
    decision: &Result<MergeDecision, MergeRefusal>,
) -> QueryResult<bool> {
    let effect = decision.as_ref().ok().and_then(|decision| decision.effect.as_ref());
    audit_log::is_kept(connection, effect.map(|effect| &effect.audit)).await
}

/// Refuses positions past the block that was drawn, which belong to others. It takes tens of thousands of assets.
fn check_positions(before: Position, last: Option<Position>) -> Result<(), Trouble> {
    match last {
        Some(last) if economy::load::POSITIONS_PER_BLOCK < last - before => Err(Trouble::TooManyEntries),
        Some(_) | None => Ok(()),
    }
}

async fn find(mut connection: &AsyncPgConnection, command: &MergeCommand) -> QueryResult<Option<Merge>> {
    let statement = FindMerge {
        realm: command.realm.0,
        source: &command.source_digest.0,
        target: &command.target_digest.0,
        key: command.key.as_ref().map(|key| key.0.as_slice()),
    };
    let found: Option<MergeRow> = statement.get_result(&mut connection).await.optional()?;
    Ok(found.map(|row| merge_of(row, command.source_digest, command.target_digest)))
}

async fn was_erased(mut connection: &AsyncPgConnection, realm: RealmId, digest: &IdentityDigest) -> QueryResult<bool> {
    let (was,) = WasErased { realm: realm.0, digest: &digest.0 }.get_result::<(bool,)>(&mut connection).await?;
    Ok(was)
}

/// The accounts of the source, and those accounts of the target that hold the same assets.
async fn accounts_of_two(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    source: &ExternalId,
    target: &ExternalId,
) -> QueryResult<(Vec<HeldAccount>, Vec<HeldAccount>)> {
    type Row = (HeldRow, Option<StoredUuid>, Option<i64>, Option<i64>);
    let statement = FindAccountsOfTwo { realm: realm.0, source: source.as_str(), target: target.as_str() };
    let rows: Vec<Row> = statement.load(&mut connection).await?;
    let (mut of_source, mut of_target) = (Vec::with_capacity(rows.len()), Vec::new());
    for (held, id, balance, version) in rows {
        if let (Some(id), Some(balance), Some(version)) = (id, balance, version) {
            let (_, kind, key, ..) = &held;
            of_target.push(held_account((id, kind.clone(), key.clone(), balance, version))?);
        }
        of_source.push(held_account(held)?);
    }
    Ok((of_source, of_target))
}

async fn closed_accounts(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: &ExternalId,
) -> QueryResult<Vec<(AssetKind, i64)>> {
    let statement = FindClosedAccounts { realm: realm.0, external_id: player.as_str() };
    let rows: Vec<(String, i64)> = statement.load(&mut connection).await?;
    let closed =
        rows.into_iter().map(|(kind, version)| Ok((named("kind of asset", &kind, AssetKind::parse)?, version)));
    closed.collect()
}

async fn count_grants(mut connection: &AsyncPgConnection, realm: RealmId, player: &ExternalId) -> QueryResult<u64> {
    let statement = CountGrantsOf { realm: realm.0, external_id: player.as_str() };
    let (count,) = statement.get_result::<(i64,)>(&mut connection).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}
