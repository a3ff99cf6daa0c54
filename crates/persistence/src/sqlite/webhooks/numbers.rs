//! The numbers that stand for players where a receiver wants one.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use diesel::sqlite::SqliteConnection;
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use domain::webhooks::{Assignment, Dialect};

use crate::sqlite::connection;
use crate::sqlite::economy::exactly_one;
use crate::sqlite::statement::statement;

statement! {
    /// The number of a player.
    FindNumber<'a> { realm: i64 => BigInt, player: &'a [u8] => Binary } -> (BigInt,)
    = "SELECT number FROM player_numbers WHERE realm = ? AND player = ?"
}

statement! {
    /// The last number of a realm. None is ever given back.
    LastNumber { realm: i64 => BigInt } -> (BigInt,)
    = "SELECT coalesce(max(number), 0) FROM player_numbers WHERE realm = ?"
}

statement! {
    /// Gives a player a number.
    InsertNumber<'a> { realm: i64 => BigInt, player: &'a [u8] => Binary, number: i64 => BigInt }
    -> () = "INSERT INTO player_numbers (realm, player, number) VALUES (?, ?, ?)"
}

/// Completes `assignments` that need the number of a player, some of whom get their first. Those are durable before anybody is
/// told of them: a number that was lost would be given to somebody else.
pub(super) fn complete(connection: &mut SqliteConnection, assignments: &mut [Assignment]) -> QueryResult<()> {
    let mut without = false;
    for assignment in assignments.iter_mut() {
        if let Some((realm, player)) = whose(assignment) {
            assignment.player_number = find(connection, realm, player)?;
            without |= assignment.player_number.is_none();
        }
    }
    if without {
        connection::write(connection, |connection| {
            for assignment in assignments.iter_mut() {
                if let (Some((realm, player)), None) = (whose(assignment), assignment.player_number) {
                    assignment.player_number = Some(assign(connection, realm, player)?);
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The player whose number an assignment needs.
fn whose(assignment: &Assignment) -> Option<(RealmId, PlayerId)> {
    match assignment.endpoint.dialect {
        Dialect::Json => None,
        Dialect::Kongregate => assignment.event.player.as_ref().map(|(id, _)| (assignment.event.realm.id, *id)),
    }
}

fn find(connection: &mut SqliteConnection, realm: RealmId, player: PlayerId) -> QueryResult<Option<i64>> {
    let statement = FindNumber { realm: realm.0, player: player.0.as_bytes() };
    Ok(statement.get_result::<(i64,)>(connection).optional()?.map(|(number,)| number))
}

fn assign(connection: &mut SqliteConnection, realm: RealmId, player: PlayerId) -> QueryResult<i64> {
    if let Some(number) = find(connection, realm, player)? {
        return Ok(number);
    }
    let (last,) = LastNumber { realm: realm.0 }.get_result::<(i64,)>(connection)?;
    let number = last + 1;
    exactly_one(InsertNumber { realm: realm.0, player: player.0.as_bytes(), number }.execute(connection)?)?;
    Ok(number)
}
