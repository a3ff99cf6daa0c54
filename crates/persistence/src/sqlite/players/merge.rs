//! Merges in SQLite: what must be seen to decide one.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::economy::AssetKind;
use domain::players::{HeldAccount, MergeCommand, MergeRefusal, MergeView, Merged, PlayerId};
use domain::tenancy::RealmId;

use super::{find, merge_effect};
use crate::rows::named;
use crate::rows::players::{HeldRow, MergeRow, held_account, merge_of};
use crate::sqlite::statement::statement;
use crate::sqlite::{economy, lobbies, webhooks};

statement! {
    /// The merge of one id into another under an idempotency key, or else the latest. A comparison with no key is NULL,
    /// which is last in descending order like a key that differs.
    FindMerge<'a> {
        realm: i64 => BigInt, source_digest: &'a [u8] => Binary, target_digest: &'a [u8] => Binary,
        key: Option<&'a [u8]> => Nullable<Binary>,
    }
    -> (Binary, Binary, Nullable<Binary>, BigInt)
    = "SELECT source, target, idempotency_key, merged_at FROM player_merges INDEXED BY player_merges_by_digests
        WHERE realm = ? AND source_digest = ? AND target_digest = ?
        ORDER BY coalesce(idempotency_key = ?, 0) DESC, merged_at DESC, source DESC LIMIT 1"
}

statement! {
    /// Whether a player who had an id was ever erased.
    WasErased<'a> { realm: i64 => BigInt, digest: &'a [u8] => Binary } -> (BigInt,)
    = "SELECT EXISTS (SELECT 1 FROM player_erasures INDEXED BY player_erasures_by_digest
        WHERE realm = ? AND digest = ?)"
}

statement! {
    /// The open accounts of a player.
    FindHeldAccounts<'a> { realm: i64 => BigInt, player: &'a [u8] => Binary } -> (Binary, Text, Text, BigInt, BigInt)
    = "SELECT id, kind, key, balance, version FROM accounts WHERE realm = ? AND player = ?"
}

statement! {
    /// What the accounts held that earlier merges into a player closed, and how many entries they have.
    FindClosedAccounts<'a> { realm: i64 => BigInt, player: &'a [u8] => Binary } -> (Text, BigInt)
    = "SELECT kind, version FROM closed_accounts INDEXED BY closed_accounts_by_player
        WHERE realm = ? AND player = ?"
}

statement! {
    /// How many grants a player has.
    CountAllGrants<'a> { realm: i64 => BigInt, player: &'a [u8] => Binary } -> (BigInt,)
    = "SELECT count(*) FROM grants INDEXED BY grants_by_player WHERE realm = ? AND player = ?"
}

/// Lets `command` decide on what is stored, and stores what it comes to; with the answer, whether that is an event.
pub(super) fn merge(
    connection: &mut SqliteConnection,
    command: &MergeCommand,
) -> QueryResult<(Result<Merged, MergeRefusal>, bool)> {
    let view = view(connection, command)?;
    let decision = match command.decide(&view) {
        Ok(decision) => decision,
        Err(refusal) => return Ok((Err(refusal), false)),
    };
    if let Some(effect) = &decision.effect {
        merge_effect::store(connection, command.realm, effect)?;
    }
    let is_event = decision.effect.is_some_and(|effect| !effect.events.is_empty());
    Ok((Ok(decision.outcome), is_event))
}

fn view(connection: &mut SqliteConnection, command: &MergeCommand) -> QueryResult<MergeView> {
    let realm = command.realm;
    let statement = FindMerge {
        realm: realm.0,
        source_digest: &command.source_digest.0,
        target_digest: &command.target_digest.0,
        key: command.key.as_ref().map(|key| key.0.as_slice()),
    };
    let earlier = statement.get_result::<MergeRow>(connection).optional()?;
    let erased = WasErased { realm: realm.0, digest: &command.target_digest.0 }.get_result::<(i64,)>(connection)?;
    let mut view = MergeView {
        wanted: webhooks::wanted(connection, realm)?,
        source: find(connection, realm, &command.source)?,
        target: find(connection, realm, &command.target)?,
        earlier: earlier.map(|row| merge_of(row, command.source_digest, command.target_digest)),
        target_was_erased: erased != (0,),
        ..MergeView::default()
    };
    if let Some(source) = view.source.as_ref().map(|source| source.id) {
        view.source_accounts = held_accounts(connection, realm, source)?;
        view.source_closed = closed_accounts(connection, realm, source)?;
        let count = CountAllGrants { realm: realm.0, player: source.0.as_bytes() };
        let (grants,) = count.get_result::<(i64,)>(connection)?;
        view.grants = u64::try_from(grants).unwrap_or(0);
    }
    if let Some(target) = &view.target {
        view.target_accounts = held_accounts(connection, realm, target.id)?;
    }
    if let (Some(source), Some(target)) = (&view.source, &view.target) {
        view.play = lobbies::merge_view(connection, realm, source.id, target.id)?;
    }
    view.last_position = economy::last_position(connection, realm)?;
    Ok(view)
}

fn held_accounts(connection: &mut SqliteConnection, realm: RealmId, player: PlayerId) -> QueryResult<Vec<HeldAccount>> {
    let statement = FindHeldAccounts { realm: realm.0, player: player.0.as_bytes() };
    statement.load::<HeldRow>(connection)?.into_iter().map(held_account).collect()
}

fn closed_accounts(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
) -> QueryResult<Vec<(AssetKind, i64)>> {
    let statement = FindClosedAccounts { realm: realm.0, player: player.0.as_bytes() };
    let rows = statement.load::<(String, i64)>(connection)?;
    let named = |(kind, version): (String, i64)| Ok((named("kind of asset", &kind, AssetKind::parse)?, version));
    rows.into_iter().map(named).collect()
}
