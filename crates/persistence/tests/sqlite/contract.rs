//! The one contract suite, stamped on SQLite.

testkit::store_contract!(crate::fixture::SqliteFixture::create);
