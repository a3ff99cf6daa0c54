-- What a move from another platform brings with it: attributes of items, which go into the ledger, and what was known of a
-- player there.
ALTER TABLE entries ADD COLUMN parameters TEXT CHECK (parameters IS NULL OR json_valid(parameters));
ALTER TABLE players ADD COLUMN context_snapshot TEXT CHECK (context_snapshot IS NULL OR json_valid(context_snapshot));

-- The idempotency record of an import of a player, which makes no ledger entry that could hold it.
CREATE TABLE player_imports (
    realm INTEGER NOT NULL,
    idempotency_key BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    player BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (realm, idempotency_key),
    FOREIGN KEY (realm, player) REFERENCES players (realm, id),
    CONSTRAINT player_imports_idempotency_key_length CHECK (length(idempotency_key) = 32),
    CONSTRAINT player_imports_fingerprint_length CHECK (length(fingerprint) = 32)
) STRICT, WITHOUT ROWID;
