//! Events as they are read: a page of the feed, or one.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::economy::Page;
use domain::tenancy::RealmId;
use domain::webhooks::{EventNames, FeedPosition, OutboxEventId, ToldEvent};
use uuid::Uuid;

use super::endpoints;
use crate::postgres::statement::statement;
use crate::rows::webhooks::{ToldRow, known_names, told_event};

/// The SQL types of [`ToldRow`].
pub(super) type ToldColumns =
    ((Nullable<BigInt>, SqlUuid, Text, BigInt), (Nullable<SqlUuid>, Nullable<Text>), (Text, Nullable<Text>));

/// The columns of an event in the outbox.
macro_rules! event_columns {
    () => {
        "position, id, name, occurred_at, player, data::text AS data, words::text AS words"
    };
}

/// The columns of [`ToldRow`], in its order, of `event` and `whom`.
macro_rules! told_columns {
    () => {
        "event.position, event.id, event.name, event.occurred_at, event.player, whom.external_id, event.data, event.words"
    };
}

/// What the player of `event` is called now.
macro_rules! join_player {
    () => {
        " LEFT JOIN LATERAL (
            SELECT external_id FROM players WHERE realm = $1 AND id = event.player LIMIT 1
        ) AS whom ON true "
    };
}

pub(super) use {event_columns, join_player, told_columns};

statement! {
    /// Published events of these names past a position.
    PageOfFeed<'a> {
        realm: i64 => BigInt, after: i64 => BigInt, names: Vec<&'a str> => Array<Text>, limit: i64 => BigInt,
    }
    -> ToldColumns
    = concat!("SELECT ", told_columns!(), " FROM (
            SELECT ", event_columns!(), " FROM outbox_events
            WHERE realm = $1 AND position > $2 AND name = ANY($3) ORDER BY position LIMIT $4
        ) AS event", join_player!(), "ORDER BY event.position")
}

statement! {
    /// An event by its id.
    FindEvent { realm: i64 => BigInt, id: Uuid => SqlUuid } -> ToldColumns
    = concat!("SELECT ", told_columns!(), " FROM (
            SELECT ", event_columns!(), " FROM outbox_events WHERE realm = $1 AND id = $2 LIMIT 1
        ) AS event", join_player!())
}

/// Events of these names past a position, in its order.
pub(super) async fn page(
    connection: &AsyncPgConnection,
    realm: RealmId,
    after: FeedPosition,
    names: EventNames,
    limit: u32,
) -> QueryResult<Page<ToldEvent>> {
    let rows = async {
        let names = known_names(names).collect();
        let statement = PageOfFeed { realm: realm.0, after: after.0, names, limit: i64::from(limit) + 1 };
        let mut connection = connection;
        statement.load::<ToldRow>(&mut connection).await
    };
    let (realm, rows) = tokio::try_join!(endpoints::realm(connection, realm), rows)?;
    let events = rows.into_iter().map(|row| told_event(row, &realm)).collect::<QueryResult<_>>()?;
    Ok(Page::of(events, limit))
}

/// The event of that id.
pub(super) async fn find(
    connection: &AsyncPgConnection,
    realm: RealmId,
    id: OutboxEventId,
) -> QueryResult<Option<ToldEvent>> {
    let row = async {
        let mut connection = connection;
        FindEvent { realm: realm.0, id: id.0 }.get_result::<ToldRow>(&mut connection).await.optional()
    };
    let (realm, row) = tokio::try_join!(endpoints::realm(connection, realm), row)?;
    row.map(|row| told_event(row, &realm)).transpose()
}
