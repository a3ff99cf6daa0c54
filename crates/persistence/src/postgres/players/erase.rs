//! Erasures in PostgreSQL.
//!
//! A short history is erased in one transaction. Of a longer one the free text is blanked first, [`PIECE`] entries in a
//! transaction, so that nobody waits for the player's lock longer than that takes and no statement runs into its time limit.
//! Each of these transactions locks the player and decides anew, because the id may change hands meanwhile; what came in
//! since a piece was blanked is found by its position, which is higher. The last one does the rest.
//!
//! What is overwritten stays in PostgreSQL's files as dead rows until a vacuum, in its log until that is recycled, and in
//! every backup. No vacuum is run here: it reads all indexes of the whole ledger for a few rows of one player, needs to own
//! the tables, and cannot remove what an older transaction still sees. The autovacuum gets there in its own time, on a large
//! ledger perhaps in weeks; who must be sure sooner runs `VACUUM players, entries, grants, audit_log` nightly.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::economy::Position;
use domain::players::{EraseCommand, EraseDecision, EraseEffect, EraseOutcome, EraseView, Erasure, PlayerId};
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::webhooks::Bell;
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use super::{blank, lock, one_row};
use crate::postgres::attempts::TransactionId;
use crate::postgres::lobbies::records;
use crate::postgres::pool::Connections;
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::postgres::webhooks::{endpoints, outbox};
use crate::postgres::{audit_log, economy};
use crate::rows::StoredUuid;
use crate::rows::players::{ErasureRow, erasure_of};

/// How many entries, or grants, are blanked in one transaction.
const PIECE: i64 = 2_000;

statement! {
    /// An erasure of an id: the one under an idempotency key, or else the latest.
    FindErasure<'a> { realm: i64 => BigInt, digest: &'a [u8] => Binary, key: Option<&'a [u8]> => Nullable<Binary> }
    -> (SqlUuid, Nullable<Binary>, BigInt)
    = "SELECT player, idempotency_key, erased_at FROM player_erasures WHERE realm = $1 AND digest = $2
        ORDER BY (idempotency_key = $3) IS TRUE DESC, erased_at DESC, player DESC LIMIT 1"
}

statement! {
    /// All accounts of a player, closed ones included, each with how many entries it has.
    FindHistories<'a> { realm: i64 => BigInt, external_id: &'a str => Text } -> (SqlUuid, BigInt)
    = "SELECT account.id, account.version
        FROM (SELECT id FROM players WHERE realm = $1 AND external_id = $2) AS owner
        CROSS JOIN LATERAL (
            SELECT id, version FROM accounts WHERE realm = $1 AND player = owner.id
            UNION ALL
            SELECT id, version FROM closed_accounts WHERE realm = $1 AND player = owner.id OFFSET 0
        ) AS account"
}

statement! {
    /// Takes from a player's row all that says whose it was.
    Anonymise<'a> { realm: i64 => BigInt, id: Uuid => SqlUuid, placeholder: &'a str => Text, at: i64 => BigInt }
    -> () = "UPDATE players
        SET external_id = $3, deleted_at = $4, context_snapshot = NULL, banned_at = NULL, ban_reason = NULL
        WHERE realm = $1 AND id = $2"
}

statement! {
    /// Records an erasure.
    InsertErasure<'a> {
        realm: i64 => BigInt, player: Uuid => SqlUuid, digest: &'a [u8] => Binary,
        key: Option<&'a [u8]> => Nullable<Binary>, erased_at: i64 => BigInt,
    }
    -> () = "INSERT INTO player_erasures (realm, player, digest, idempotency_key, erased_at)
        SELECT $1, n.player, n.digest, n.idempotency_key, n.erased_at
        FROM (VALUES ($2, $3, $4, $5)) AS n (player, digest, idempotency_key, erased_at)"
}

/// How far the histories of a player are blanked.
#[derive(Debug, Clone, Default)]
struct Progress {
    accounts: HashMap<Uuid, Walked>,
    /// Grants up to this one are blanked, but for those that came later.
    grants: Uuid,
}

/// How far one account is blanked.
#[derive(Debug, Clone, Copy, Default)]
struct Walked {
    /// Up to this position.
    position: Position,
    /// So many entries.
    entries: i64,
}

/// What one transaction came to.
enum Step {
    /// A piece of the histories is blanked.
    Blanked(Progress),
    /// The rest is done, if anything was to be done.
    Decided(Box<EraseDecision>),
}

/// What one transaction must see.
struct Loaded {
    view: EraseView,
    histories: Vec<(Uuid, i64)>,
    /// The next grants that hold free text, at most [`PIECE`].
    grants: Vec<Uuid>,
    /// No entry of the player has a higher position, and all later ones will.
    last_position: Position,
}

/// Erases a player, and rings the bell if somebody is to be told.
pub(super) async fn erase(
    lanes: &Connections,
    bell: &Bell,
    command: &EraseCommand,
) -> Result<EraseOutcome, StoreError> {
    let mut progress = Progress::default();
    loop {
        let so_far = &progress;
        let write = lanes.write(
            |connection| load(connection, command, so_far).scope_boxed(),
            |connection, loaded| step(connection, command, loaded, so_far.clone()).scope_boxed(),
            |connection, step| is_kept(connection, step).scope_boxed(),
        );
        match write.await? {
            Step::Blanked(further) => progress = further,
            Step::Decided(decision) => {
                if decision.effect.is_some_and(|effect| effect.event.is_some()) {
                    bell.ring();
                }
                return Ok(decision.outcome);
            }
        }
    }
}

/// Everything that the next step must see, the player locked.
async fn load(
    connection: &AsyncPgConnection,
    command: &EraseCommand,
    so_far: &Progress,
) -> QueryResult<(TransactionId, Loaded)> {
    let (realm, player) = (command.realm, &command.player);
    // In this order on the wire: what is polled first is sent first. Only the lock has to be first.
    let (locked, earlier, histories, grants, play, wanted, (last_position, transaction)) = tokio::try_join!(
        biased;
        lock(connection, realm, std::slice::from_ref(player)),
        find(connection, command),
        histories(connection, command),
        blank::next_grants(connection, realm, player, so_far.grants, PIECE),
        records::counts(connection, realm, player),
        endpoints::wanted(connection, realm),
        economy::load::next_block(connection),
    )?;
    let view = EraseView { player: locked.into_iter().next(), earlier, play, wanted };
    Ok((transaction, Loaded { view, histories, grants, last_position }))
}

/// Decides, and does the next piece of what comes of it, or all that is left.
async fn step(
    connection: &AsyncPgConnection,
    command: &EraseCommand,
    loaded: Loaded,
    mut progress: Progress,
) -> Result<Step, Trouble> {
    let decision = command.decide(&loaded.view);
    let Some(effect) = &decision.effect else { return Ok(Step::Decided(Box::new(decision))) };
    let (realm, until) = (command.realm, loaded.last_position);
    if PIECE < progress.entries_left(&loaded.histories) {
        blank_piece(connection, realm, &loaded, &mut progress).await?;
        return Ok(Step::Blanked(progress));
    }
    if let Some(last) = loaded.grants.last().filter(|_| i64::try_from(loaded.grants.len()) == Ok(PIECE)) {
        progress.grants = *last;
        blank::grants(connection, realm, loaded.grants).await?;
        return Ok(Step::Blanked(progress));
    }
    finish(connection, realm, effect, &progress.ranges(&loaded.histories, until)).await?;
    Ok(Step::Decided(Box::new(decision)))
}

/// Whether the step is stored. A piece that was blanked may be blanked again.
async fn is_kept(connection: &AsyncPgConnection, step: &Step) -> QueryResult<bool> {
    match step {
        Step::Blanked(_) => Ok(false),
        Step::Decided(decision) => {
            audit_log::is_kept(connection, decision.effect.as_ref().map(|effect| &effect.audit)).await
        }
    }
}

impl Progress {
    fn walked(&self, account: Uuid) -> Walked {
        self.accounts.get(&account).copied().unwrap_or_default()
    }

    /// How many entries of these accounts are not blanked yet.
    fn entries_left(&self, histories: &[(Uuid, i64)]) -> i64 {
        histories.iter().map(|(account, entries)| entries - self.walked(*account).entries).sum()
    }

    /// The accounts of which anything is left, by the position after which it begins.
    fn ranges(&self, histories: &[(Uuid, i64)], until: Position) -> Vec<blank::Range> {
        let mut by_position: BTreeMap<Position, Vec<Uuid>> = BTreeMap::new();
        for (account, entries) in histories {
            let walked = self.walked(*account);
            if walked.entries < *entries {
                by_position.entry(walked.position).or_default().push(*account);
            }
        }
        by_position.into_iter().map(|(after, accounts)| blank::Range { accounts, after, until }).collect()
    }
}

/// Blanks the next [`PIECE`] entries: whole accounts, and the beginning of the one that does not fit.
async fn blank_piece(
    connection: &AsyncPgConnection,
    realm: RealmId,
    loaded: &Loaded,
    progress: &mut Progress,
) -> Result<(), Trouble> {
    let mut room = PIECE;
    let mut whole = Vec::new();
    let mut ranges = Vec::new();
    for (account, entries) in &loaded.histories {
        let walked = progress.walked(*account);
        let left = entries - walked.entries;
        if left <= room {
            room -= left;
            whole.push((*account, *entries));
            continue;
        }
        if 0 < room {
            let end = blank::position_of(connection, realm, *account, walked.position, room).await?;
            let until = end.unwrap_or(loaded.last_position);
            ranges.push(blank::Range { accounts: vec![*account], after: walked.position, until });
            progress.accounts.insert(*account, Walked { position: until, entries: walked.entries + room });
        }
        break;
    }
    ranges.extend(progress.ranges(&whole, loaded.last_position));
    blank::entries(connection, realm, &ranges).await?;
    for (account, entries) in whole {
        progress.accounts.insert(account, Walked { position: loaded.last_position, entries });
    }
    Ok(())
}

/// Blanks what is left, and gives up the id.
async fn finish(
    connection: &AsyncPgConnection,
    realm: RealmId,
    effect: &EraseEffect,
    ranges: &[blank::Range],
) -> Result<(), Trouble> {
    let player = effect.erasure.player;
    tokio::try_join!(
        blank::entries(connection, realm, ranges),
        grants_and_events(connection, realm, player, effect),
        reasons_and_audit(connection, realm, player, effect),
        anonymise(connection, realm, effect),
        record(connection, realm, &effect.erasure),
    )?;
    Ok(())
}

/// One after the other. Grants first: whoever tells of one that expired has it locked, so that this waits for the event, which is
/// blanked then. The erasure's own event keeps its words.
async fn grants_and_events(
    connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
    effect: &EraseEffect,
) -> Result<(), Trouble> {
    blank::grants_of(connection, realm, player).await?;
    outbox::blank(connection, realm, player).await?;
    outbox::insert_all(connection, effect.event.as_slice()).await
}

/// One after the other: the erasure's own reason stays.
async fn reasons_and_audit(
    connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
    effect: &EraseEffect,
) -> Result<(), Trouble> {
    blank::reasons(connection, realm, player).await?;
    audit_log::insert(connection, &effect.audit).await
}

async fn find(mut connection: &AsyncPgConnection, command: &EraseCommand) -> QueryResult<Option<Erasure>> {
    let statement = FindErasure {
        realm: command.realm.0,
        digest: &command.digest.0,
        key: command.key.as_ref().map(|key| key.0.as_slice()),
    };
    let found: Option<ErasureRow> = statement.get_result(&mut connection).await.optional()?;
    Ok(found.map(|row| erasure_of(row, command.digest)))
}

async fn histories(mut connection: &AsyncPgConnection, command: &EraseCommand) -> QueryResult<Vec<(Uuid, i64)>> {
    let statement = FindHistories { realm: command.realm.0, external_id: command.player.as_str() };
    let rows: Vec<(StoredUuid, i64)> = statement.load(&mut connection).await?;
    Ok(rows.into_iter().map(|(account, entries)| (account.0, entries)).collect())
}

async fn anonymise(mut connection: &AsyncPgConnection, realm: RealmId, effect: &EraseEffect) -> Result<(), Trouble> {
    let statement = Anonymise {
        realm: realm.0,
        id: effect.erasure.player.0,
        placeholder: effect.placeholder.as_str(),
        at: effect.erasure.at.unix_micros(),
    };
    one_row(statement.execute(&mut connection).await?, "a player")
}

async fn record(mut connection: &AsyncPgConnection, realm: RealmId, erasure: &Erasure) -> Result<(), Trouble> {
    let statement = InsertErasure {
        realm: realm.0,
        player: erasure.player.0,
        digest: &erasure.digest.0,
        key: erasure.key.as_ref().map(|key| key.0.as_slice()),
        erased_at: erasure.at.unix_micros(),
    };
    Ok(statement.execute(&mut connection).await.map(drop)?)
}
