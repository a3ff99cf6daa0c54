//! What scores did that came in under an idempotency key.

use std::collections::BTreeMap;

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Binary, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::economy::Fingerprint;
use domain::lobbies::{Fingerprinted, ScoreRequest, ScoreRequestKey, ScoreResult};
use domain::tenancy::RealmId;

use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::StoredDigest;
use crate::rows::lobbies::{score_result_from_json, score_result_to_json};

statement! {
    /// Records by their operation and idempotency key, each with its number among the wanted ones (from 1).
    FindScoreRequests<'a> {
        realm: i64 => BigInt, operations: Vec<&'a str> => Array<Text>, keys: Vec<&'a [u8]> => Array<Binary>,
    }
    -> (BigInt, Binary, Text)
    = "SELECT wanted.number, request.fingerprint, request.result
        FROM unnest($2, $3) WITH ORDINALITY AS wanted (operation, key, number)
        CROSS JOIN LATERAL (
            SELECT fingerprint, result::text AS result FROM score_requests
            WHERE realm = $1 AND operation = wanted.operation AND idempotency_key = wanted.key LIMIT 1
        ) AS request"
}

statement! {
    /// Stores records. Fails when one is there already.
    InsertScoreRequests<'a> {
        realm: i64 => BigInt, operations: Vec<&'a str> => Array<Text>, keys: Vec<&'a [u8]> => Array<Binary>,
        fingerprints: Vec<&'a [u8]> => Array<Binary>, results: Vec<String> => Array<Text>,
        created_at: Vec<i64> => Array<BigInt>,
    }
    -> () = "INSERT INTO score_requests (realm, operation, idempotency_key, fingerprint, result, created_at)
        SELECT $1, n.operation, n.idempotency_key, n.fingerprint, n.result::json, n.created_at
        FROM unnest($2, $3, $4, $5, $6) AS n (operation, idempotency_key, fingerprint, result, created_at)"
}

/// What was done under each of the `wanted` keys.
pub(super) async fn find(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &[ScoreRequestKey],
) -> QueryResult<Vec<Option<Fingerprinted<ScoreResult>>>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let statement = FindScoreRequests {
        realm: realm.0,
        operations: wanted.iter().map(|key| key.operation.as_str()).collect(),
        keys: wanted.iter().map(|key| key.key.0.as_slice()).collect(),
    };
    let rows: Vec<(i64, StoredDigest, String)> = statement.load(&mut connection).await?;
    let mut found: BTreeMap<i64, Fingerprinted<ScoreResult>> = BTreeMap::new();
    for (number, fingerprint, result) in rows {
        let (fingerprint, result) = (Fingerprint(fingerprint.0), score_result_from_json(&result)?);
        found.insert(number, Fingerprinted { fingerprint, result });
    }
    Ok((1..).zip(wanted).map(|(number, _)| found.remove(&number)).collect())
}

/// Stores records, in the order of their keys, in which two processes that meet the same ones wait for each other without a
/// deadlock.
pub(super) async fn insert(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    requests: &[&ScoreRequest],
) -> Result<(), Trouble> {
    if requests.is_empty() {
        return Ok(());
    }
    let mut sorted = requests.to_vec();
    sorted.sort_by_key(|request| (request.operation, request.once.key));
    let statement = InsertScoreRequests {
        realm: realm.0,
        operations: sorted.iter().map(|request| request.operation.as_str()).collect(),
        keys: sorted.iter().map(|request| request.once.key.0.as_slice()).collect(),
        fingerprints: sorted.iter().map(|request| request.once.fingerprint.0.as_slice()).collect(),
        results: sorted.iter().map(|request| score_result_to_json(&request.result)).collect(),
        created_at: sorted.iter().map(|request| request.at.unix_micros()).collect(),
    };
    Ok(statement.execute(&mut connection).await.map(drop)?)
}
