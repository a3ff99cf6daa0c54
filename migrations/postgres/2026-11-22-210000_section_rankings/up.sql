-- SQLite gets its table of sections here; PostgreSQL has had one since it has had rankings.
SELECT 1;
