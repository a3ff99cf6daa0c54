//! The one contract suite, stamped on PostgreSQL.

testkit::store_contract!(crate::fixture::PostgresFixture::create);
