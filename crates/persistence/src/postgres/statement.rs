//! Hand-written statements that are prepared once on each connection and keep one plan.
//!
//! Diesel caches none of its own INSERT, UPDATE or ON CONFLICT statements. A statement made here has a static identity, so
//! each connection prepares it once; its binds and rows are still checked by their SQL types.
//!
//! PostgreSQL plans each of them once, for whatever arrays it is given later, perhaps while a table is still empty. So each
//! is written in a shape that has one good plan: look-ups by whole keys inside `LATERAL (… LIMIT 1)`, which no planner can
//! turn around, and `ON CONFLICT` instead of joins. The test in `plans_tests` explains them all, on empty tables and full
//! ones. Every statement names the realm, so that tables can be distributed by it; the same test checks that.

/// Declares a statement: its binds in the order of `$1`, `$2`, … in its SQL, and the SQL types of the rows that it answers
/// (`()` for none).
macro_rules! statement {
    (
        $(#[$attribute:meta])*
        $name:ident $(<$lifetime:lifetime>)? { $($bind:ident: $type:ty => $sql_type:ty),* $(,)? }
        -> $row:ty = $sql:expr
    ) => {
        $(#[$attribute])*
        #[derive(Debug)]
        pub(in crate::postgres) struct $name $(<$lifetime>)? { $(pub(in crate::postgres) $bind: $type),* }

        const _: () = {
            use diesel::pg::Pg;
            use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

            /// Stands for the statement in the cache.
            pub(in crate::postgres) struct Identity;

            impl $(<$lifetime>)? $name $(<$lifetime>)? {
                /// What PostgreSQL is given.
                pub(in crate::postgres) const SQL: &'static str = $sql;

                /// The SQL types of its binds, as they are written.
                #[cfg(test)]
                pub(in crate::postgres) const BINDS: &'static [&'static str] = &[$(stringify!($sql_type)),*];
            }

            impl $(<$lifetime>)? QueryId for $name $(<$lifetime>)? {
                type QueryId = Identity;
                const HAS_STATIC_QUERY_ID: bool = true;
            }

            impl $(<$lifetime>)? Query for $name $(<$lifetime>)? {
                type SqlType = $row;
            }

            impl $(<$lifetime>)? QueryFragment<Pg> for $name $(<$lifetime>)? {
                fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> diesel::QueryResult<()> {
                    out.push_sql(Self::SQL);
                    $(out.push_bind_param_value_only::<$sql_type, _>(&self.$bind)?;)*
                    Ok(())
                }
            }
        };
    };
}

pub(in crate::postgres) use statement;
