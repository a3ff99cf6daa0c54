//! Bans in PostgreSQL.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::players::{Ban, BanCommand, BanDecision, BanEffect, Player, PlayerId, UnknownPlayer};
use domain::tenancy::RealmId;
use domain::webhooks::EventNames;
use uuid::Uuid;

use super::{lock, one_row};
use crate::postgres::attempts::{TransactionId, transaction_id};
use crate::postgres::audit_log;
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::postgres::webhooks::{endpoints, outbox};

statement! {
    /// Bans a player, or lifts the ban.
    SetBan<'a> {
        realm: i64 => BigInt, id: Uuid => SqlUuid, banned_at: Option<i64> => Nullable<BigInt>,
        reason: Option<&'a str> => Nullable<Text>,
    }
    -> () = "UPDATE players SET banned_at = $3, ban_reason = $4 WHERE realm = $1 AND id = $2"
}

/// What a change of a ban must see: the player, locked, and the events that some endpoint is told of.
pub(super) type Seen = (Option<Player>, EventNames);

/// The player whom the command is about, locked.
pub(super) async fn load(connection: &AsyncPgConnection, command: &BanCommand) -> QueryResult<(TransactionId, Seen)> {
    let player = std::slice::from_ref(&command.player);
    // In this order on the wire: what is polled first is sent first.
    let (locked, wanted, transaction) = tokio::try_join!(
        biased;
        lock(connection, command.realm, player),
        endpoints::wanted(connection, command.realm),
        transaction_id(connection),
    )?;
    Ok((transaction, (locked.into_iter().next(), wanted)))
}

/// Decides, and stores what comes of it.
pub(super) async fn decided(
    connection: &AsyncPgConnection,
    command: &BanCommand,
    (player, wanted): Seen,
) -> Result<Result<BanDecision, UnknownPlayer>, Trouble> {
    let decision = match command.decide(player.as_ref(), wanted) {
        Ok(decision) => decision,
        Err(unknown) => return Ok(Err(unknown)),
    };
    if let Some(BanEffect { ban, audit, event }) = &decision.effect {
        tokio::try_join!(
            biased;
            set(connection, command.realm, decision.outcome.player, ban.as_ref()),
            audit_log::insert(connection, audit),
            outbox::insert_all(connection, event.as_slice()),
        )?;
    }
    Ok(Ok(decision))
}

/// Whether the decision is stored.
pub(super) async fn is_kept(
    connection: &AsyncPgConnection,
    decision: &Result<BanDecision, UnknownPlayer>,
) -> QueryResult<bool> {
    let effect = decision.as_ref().ok().and_then(|decision| decision.effect.as_ref());
    audit_log::is_kept(connection, effect.map(|effect| &effect.audit)).await
}

async fn set(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
    ban: Option<&Ban>,
) -> Result<(), Trouble> {
    let statement = SetBan {
        realm: realm.0,
        id: player.0,
        banned_at: ban.map(|ban| ban.at.unix_micros()),
        reason: ban.map(|ban| ban.reason.as_str()),
    };
    one_row(statement.execute(&mut connection).await?, "a player")
}
