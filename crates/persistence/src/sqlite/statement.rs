//! Hand-written statements that diesel prepares once and keeps.
//!
//! Diesel never caches its own INSERT and UPDATE statements. A statement made here has a static identity, so each
//! connection prepares it once; its binds and rows are still checked by their SQL types.

/// Declares a statement: its binds in the order of the `?` in its SQL, and the SQL types of the rows that it answers (`()`
/// for none).
macro_rules! statement {
    (
        $(#[$attribute:meta])*
        $name:ident $(<$lifetime:lifetime>)? { $($bind:ident: $type:ty => $sql_type:ty),* $(,)? }
        -> $row:ty = $sql:expr
    ) => {
        $(#[$attribute])*
        #[derive(Debug)]
        pub(super) struct $name $(<$lifetime>)? { $(pub(super) $bind: $type),* }

        const _: () = {
            use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
            use diesel::sqlite::{Sqlite, SqliteConnection};

            /// Stands for the statement in the cache.
            pub(super) struct Identity;

            impl $(<$lifetime>)? QueryId for $name $(<$lifetime>)? {
                type QueryId = Identity;
                const HAS_STATIC_QUERY_ID: bool = true;
            }

            impl $(<$lifetime>)? Query for $name $(<$lifetime>)? {
                type SqlType = $row;
            }

            impl $(<$lifetime>)? diesel::RunQueryDsl<SqliteConnection> for $name $(<$lifetime>)? {}

            impl $(<$lifetime>)? QueryFragment<Sqlite> for $name $(<$lifetime>)? {
                fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> diesel::QueryResult<()> {
                    let mut pieces = $sql.split('?');
                    out.push_sql(pieces.next().unwrap_or_default());
                    $(
                        out.push_bind_param::<$sql_type, _>(&self.$bind)?;
                        out.push_sql(pieces.next().expect("there is a ? for every bind"));
                    )*
                    assert!(pieces.next().is_none(), "there is a bind for every ?");
                    Ok(())
                }
            }
        };
    };
}

pub(super) use statement;
