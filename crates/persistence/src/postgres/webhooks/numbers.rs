//! The numbers that stand for players towards receivers that want one.
//!
//! A number that was told must not be lost, and nobody else may get it, so the transaction that gives one out is as durable as
//! those that the others of its kind need not be.

use std::collections::{BTreeSet, HashMap};

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use uuid::Uuid;

use crate::postgres::pool::execute;
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::StoredUuid;

statement! {
    /// The numbers of players that have one.
    FindNumbers { realm: i64 => BigInt, players: Vec<Uuid> => Array<SqlUuid> } -> (SqlUuid, BigInt)
    = "SELECT found.* FROM unnest($2) AS wanted (player)
        CROSS JOIN LATERAL (
            SELECT player, number FROM player_numbers WHERE realm = $1 AND player = wanted.player LIMIT 1
        ) AS found"
}

statement! {
    /// Numbers that nobody had.
    DrawNumbers { count: i64 => BigInt } -> (BigInt,)
    = "SELECT nextval('player_number_ids') FROM generate_series(1, $1)"
}

statement! {
    /// Gives numbers to players that have none yet.
    InsertNumbers {
        realm: i64 => BigInt, players: Vec<Uuid> => Array<SqlUuid>, numbers: Vec<i64> => Array<BigInt>,
    }
    -> () = "INSERT INTO player_numbers (realm, player, number)
        SELECT $1, n.player, n.number FROM unnest($2, $3) AS n (player, number)
        ON CONFLICT (realm, player) DO NOTHING"
}

/// The transaction is on the disk when it is committed, if it is in this session by default.
const DURABLE: &str = "SET LOCAL synchronous_commit TO DEFAULT";

/// The numbers of `players`, who get one now if they have none.
pub(super) async fn of(
    connection: &AsyncPgConnection,
    realm: RealmId,
    players: BTreeSet<PlayerId>,
) -> Result<HashMap<PlayerId, i64>, Trouble> {
    if players.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted: Vec<Uuid> = players.iter().map(|player| player.0).collect();
    let mut numbers = find(connection, realm, wanted).await?;
    let new: Vec<Uuid> = players.iter().filter(|player| !numbers.contains_key(player)).map(|player| player.0).collect();
    if !new.is_empty() {
        // Who has none after this was given one by another process at the same time, which was waited for.
        draw(connection, realm, new.clone()).await?;
        numbers.extend(find(connection, realm, new).await?);
    }
    Ok(numbers)
}

async fn find(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    players: Vec<Uuid>,
) -> QueryResult<HashMap<PlayerId, i64>> {
    let rows: Vec<(StoredUuid, i64)> = FindNumbers { realm: realm.0, players }.load(&mut connection).await?;
    Ok(rows.into_iter().map(|(player, number)| (PlayerId(player.0), number)).collect())
}

/// Gives numbers to `players`, who come in the order of their ids, in which two processes wait for each other without a
/// deadlock.
async fn draw(mut connection: &AsyncPgConnection, realm: RealmId, players: Vec<Uuid>) -> Result<(), Trouble> {
    let count = i64::try_from(players.len()).unwrap_or(i64::MAX);
    let (_, numbers) = tokio::try_join!(biased; execute(connection, DURABLE), async {
        let mut connection = connection;
        DrawNumbers { count }.load::<(i64,)>(&mut connection).await
    })?;
    let numbers = numbers.into_iter().map(|(number,)| number).collect();
    Ok(InsertNumbers { realm: realm.0, players, numbers }.execute(&mut connection).await.map(drop)?)
}
