-- What a move from another platform brings with it: attributes of items, which go into the ledger, and what was known of a
-- player there. JSON, not JSONB: it is given back as it came.
ALTER TABLE entries ADD COLUMN parameters JSON;
ALTER TABLE players ADD COLUMN context_snapshot JSON;

-- The idempotency record of an import of a player, which makes no ledger entry that could hold it.
CREATE TABLE player_imports (
    realm BIGINT NOT NULL,
    idempotency_key BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
    player UUID NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (realm, idempotency_key),
    CONSTRAINT player_imports_idempotency_key_length CHECK (length(idempotency_key) = 32),
    CONSTRAINT player_imports_fingerprint_length CHECK (length(fingerprint) = 32)
);

-- First statistics, as in the migration before. The reference comes afterwards, because these rows have no players.

INSERT INTO player_imports SELECT 0, sha256(convert_to(n::text, 'UTF8')), sha256('x'), gen_random_uuid(), 0
    FROM generate_series(1, 40) AS n;
ANALYZE player_imports;
DELETE FROM player_imports;

ALTER TABLE player_imports ADD FOREIGN KEY (realm, player) REFERENCES players (realm, id);
