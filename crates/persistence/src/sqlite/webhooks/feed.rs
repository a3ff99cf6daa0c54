//! Events that are kept, read in the order in which they became known.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::economy::Page;
use domain::tenancy::{Realm, RealmId};
use domain::webhooks::{EventNames, FeedPosition, OutboxEventId, ToldEvent};

use crate::rows::webhooks::{RealmRow, ToldRow, between_spaces, realm_of, told_event};
use crate::sqlite::statement::statement;

type ToldColumns =
    ((Nullable<BigInt>, Binary, Text, BigInt), (Nullable<Binary>, Nullable<Text>), (Text, Nullable<Text>));

/// Events with what their players are called now, in the order of [`ToldRow`].
macro_rules! select_told {
    () => {
        "SELECT e.position, e.id, e.name, e.occurred_at, e.player, p.external_id, e.data, e.words
        FROM outbox_events e LEFT JOIN players p ON p.realm = e.realm AND p.id = e.player "
    };
}

statement! {
    /// Events of some names past a place in the feed.
    FeedPage<'a> { realm: i64 => BigInt, after: i64 => BigInt, names: &'a str => Text, limit: i64 => BigInt }
    -> ToldColumns
    = concat!(select_told!(), "WHERE e.realm = ? AND e.position > ? AND instr(?, ' ' || e.name || ' ') > 0
        ORDER BY e.position LIMIT ?")
}

statement! {
    /// An event.
    FindTold<'a> { realm: i64 => BigInt, id: &'a [u8] => Binary } -> ToldColumns
    = concat!(select_told!(), "WHERE e.realm = ? AND e.id = ?")
}

statement! {
    /// A realm.
    FindRealm { realm: i64 => BigInt } -> (Binary, Binary, Text)
    = "SELECT g.studio, g.id, r.environment FROM realms r JOIN games g ON g.id = r.game WHERE r.id = ?"
}

/// Events of `realm` of these `names`, past `after`.
pub(super) fn page(
    connection: &mut SqliteConnection,
    realm: RealmId,
    after: FeedPosition,
    names: EventNames,
    limit: u32,
) -> QueryResult<Page<ToldEvent>> {
    let Some(realm) = self::realm(connection, realm)? else { return Ok(Page::of(Vec::new(), limit)) };
    let (number, names) = (realm.id.0, between_spaces(names));
    let statement = FeedPage { realm: number, after: after.0, names: &names, limit: i64::from(limit) + 1 };
    let rows = statement.load::<ToldRow>(connection)?.into_iter().map(|row| told_event(row, &realm));
    Ok(Page::of(rows.collect::<QueryResult<Vec<ToldEvent>>>()?, limit))
}

/// The event of that id.
pub(super) fn find(
    connection: &mut SqliteConnection,
    realm: RealmId,
    id: OutboxEventId,
) -> QueryResult<Option<ToldEvent>> {
    match self::realm(connection, realm)? {
        Some(realm) => find_in(connection, &realm, id),
        None => Ok(None),
    }
}

/// The event of that id in a realm that is known.
pub(super) fn find_in(
    connection: &mut SqliteConnection,
    realm: &Realm,
    id: OutboxEventId,
) -> QueryResult<Option<ToldEvent>> {
    let statement = FindTold { realm: realm.id.0, id: id.0.as_bytes() };
    statement.get_result::<ToldRow>(connection).optional()?.map(|row| told_event(row, realm)).transpose()
}

/// The realm of that number.
pub(super) fn realm(connection: &mut SqliteConnection, id: RealmId) -> QueryResult<Option<Realm>> {
    let found = FindRealm { realm: id.0 }.get_result::<RealmRow>(connection).optional()?;
    found.map(|row| realm_of(row, id)).transpose()
}
