-- What the server stores for a credit with an idempotency key, as one statement: the best that was found without batches.
--
-- A key that was used before violates `entries_once`, which undoes the statement; a client would then look its answer up.
-- That costs less than asking first, and here never happens. A player's row is written once, because the server moves
-- `last_seen_at` every five minutes at most. Credits to one player queue for a lock that is nothing but a queue: those
-- that wait for a row are all woken at each commit, which halves the rate of a hot player. The position is drawn when the
-- account is locked.
\set number random(0, :players - 1)
\set key random(1, 9223372036854775806)
WITH turn AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(hashtextextended(:namespace::text || '-' || :number::text, :realm))
), sample AS MATERIALIZED (
    SELECT (date_part('epoch', clock_timestamp()) * 1000000)::bigint AS at FROM turn
), known AS MATERIALIZED (
    SELECT id FROM players WHERE realm = :realm AND external_id = :namespace::text || '-' || :number::text
), met AS (
    INSERT INTO players (realm, id, external_id, created_at, last_seen_at)
    SELECT :realm, gen_random_uuid(), :namespace::text || '-' || :number::text, at, at
    FROM sample WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT (realm, external_id) DO UPDATE SET last_seen_at = excluded.last_seen_at
    RETURNING id
), moved AS (
    INSERT INTO accounts (realm, player, kind, key, id, balance, version, created_at, updated_at)
    SELECT :realm, player.id, 'currency', 'gold', gen_random_uuid(), 1, 1, at, at
    FROM sample, (SELECT id FROM known UNION ALL SELECT id FROM met) AS player
    ON CONFLICT (realm, player, kind, key) DO UPDATE
    SET balance = accounts.balance + excluded.balance, version = accounts.version + 1, updated_at = excluded.updated_at
    RETURNING id, balance, version, updated_at
)
INSERT INTO entries (realm, account, position, sequence, id, delta, balance_after, operation, origin, actor, reason,
    source_ref, grant_id, idempotency_key, fingerprint, created_at)
SELECT :realm, id, nextval('ledger_blocks'), version, gen_random_uuid(), 1, balance, 'wallet.credit', 'server',
    'ks_sandbox_pgbench', NULL, NULL, NULL, sha256(int8send(:key) || int4send(:client_id)), sha256(int8send(:key)),
    updated_at
FROM moved
RETURNING balance_after
