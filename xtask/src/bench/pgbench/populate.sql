-- Credits every player of a namespace once, all in one statement.
WITH met AS (
    INSERT INTO players (realm, id, external_id, created_at, last_seen_at)
    SELECT :realm, gen_random_uuid(), :'namespace' || '-' || number, 0, 0 FROM generate_series(0, :players - 1) AS number
    RETURNING id
), opened AS (
    INSERT INTO accounts (realm, player, kind, key, id, balance, version, created_at, updated_at)
    SELECT :realm, id, 'currency', 'gold', gen_random_uuid(), 1, 1, 0, 0 FROM met
    RETURNING id
)
INSERT INTO entries (realm, account, position, sequence, id, delta, balance_after, operation, origin, actor,
    idempotency_key, fingerprint, created_at)
SELECT :realm, id, nextval('ledger_blocks'), 1, gen_random_uuid(), 1, 1, 'wallet.credit', 'server', 'ks_sandbox_pgbench',
    sha256(uuid_send(id)), sha256(uuid_send(id)), 0
FROM opened;
