//! The records by which a score is recognised that comes in again.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::SqliteConnection;
use domain::economy::Fingerprint;
use domain::lobbies::{Fingerprinted, ScoreRequest, ScoreRequestKey, ScoreResult};

use crate::rows::StoredDigest;
use crate::rows::lobbies::{score_result_from_json, score_result_to_json};
use crate::sqlite::economy::exactly_one;
use crate::sqlite::statement::statement;

statement! {
    /// The score that came in under an idempotency key.
    FindRequest<'a> { realm: i64 => BigInt, operation: &'a str => Text, key: &'a [u8] => Binary } -> (Binary, Text)
    = "SELECT fingerprint, result FROM score_requests WHERE realm = ? AND operation = ? AND idempotency_key = ?"
}

statement! {
    /// Stores the record of a score.
    InsertRequest<'a> {
        realm: i64 => BigInt, operation: &'a str => Text, idempotency_key: &'a [u8] => Binary,
        fingerprint: &'a [u8] => Binary, result: &'a str => Text, created_at: i64 => BigInt,
    }
    -> () = "INSERT INTO score_requests (realm, operation, idempotency_key, fingerprint, result, created_at)
        VALUES (?, ?, ?, ?, ?, ?)"
}

/// The score that came in under an idempotency key.
pub(super) fn find(
    connection: &mut SqliteConnection,
    key: &ScoreRequestKey,
) -> QueryResult<Option<Fingerprinted<ScoreResult>>> {
    let statement = FindRequest { realm: key.realm.0, operation: key.operation.as_str(), key: &key.key.0 };
    let found = statement.get_result::<(StoredDigest, String)>(connection).optional()?;
    let restore = |(fingerprint, result): (StoredDigest, String)| {
        Ok(Fingerprinted { fingerprint: Fingerprint(fingerprint.0), result: score_result_from_json(&result)? })
    };
    found.map(restore).transpose()
}

/// Stores the record of a score.
pub(super) fn insert(connection: &mut SqliteConnection, request: &ScoreRequest) -> QueryResult<()> {
    let statement = InsertRequest {
        realm: request.realm.0,
        operation: request.operation.as_str(),
        idempotency_key: &request.once.key.0,
        fingerprint: &request.once.fingerprint.0,
        result: &score_result_to_json(&request.result),
        created_at: request.at.unix_micros(),
    };
    exactly_one(statement.execute(connection)?)
}
