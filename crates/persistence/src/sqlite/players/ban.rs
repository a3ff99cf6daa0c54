//! Bans in SQLite.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::players::{Ban, BanCommand, BanEffect, BanOutcome, PlayerId, UnknownPlayer};
use domain::tenancy::RealmId;

use super::find;
use crate::sqlite::economy::exactly_one;
use crate::sqlite::statement::statement;
use crate::sqlite::{audit_log, webhooks};

statement! {
    /// Imposes a ban, replaces it, or lifts it.
    UpdateBan<'a> {
        banned_at: Option<i64> => Nullable<BigInt>, ban_reason: Option<&'a str> => Nullable<Text>,
        realm: i64 => BigInt, id: &'a [u8] => Binary,
    }
    -> () = "UPDATE players SET banned_at = ?, ban_reason = ? WHERE realm = ? AND id = ?"
}

/// Lets `command` decide on the player as stored, and stores what it comes to; with the answer, whether that is an event.
pub(super) fn change(
    connection: &mut SqliteConnection,
    command: &BanCommand,
) -> QueryResult<(Result<BanOutcome, UnknownPlayer>, bool)> {
    let player = find(connection, command.realm, &command.player)?;
    let wanted = webhooks::wanted(connection, command.realm)?;
    let decision = match command.decide(player.as_ref(), wanted) {
        Ok(decision) => decision,
        Err(unknown) => return Ok((Err(unknown), false)),
    };
    if let Some(effect) = &decision.effect {
        store(connection, command.realm, decision.outcome.player, effect)?;
    }
    let is_event = decision.effect.is_some_and(|effect| effect.event.is_some());
    Ok((Ok(decision.outcome), is_event))
}

fn store(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
    BanEffect { ban, audit, event }: &BanEffect,
) -> QueryResult<()> {
    let banned_at = ban.as_ref().map(|Ban { at, .. }| at.unix_micros());
    let ban_reason = ban.as_ref().map(|Ban { reason, .. }| reason.as_str());
    let statement = UpdateBan { banned_at, ban_reason, realm: realm.0, id: player.0.as_bytes() };
    exactly_one(statement.execute(connection)?)?;
    webhooks::store(connection, event.as_slice())?;
    audit_log::insert(connection, audit)
}
