-- Times are microseconds since the Unix epoch, ids are UUIDs of 16 bytes, digests SHA-256 of 32 bytes.
-- Every rule that SQL can state is a CHECK: the pair of an assertion in the domain. A violation is a bug, never an outcome.

-- The directory: who owns which realm. The only tables whose keys cannot begin with the realm, because they define it.

CREATE TABLE studios (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    slug TEXT NOT NULL UNIQUE CHECK (length(slug) BETWEEN 1 AND 64),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE games (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    studio BLOB NOT NULL REFERENCES studios (id),
    slug TEXT NOT NULL CHECK (length(slug) BETWEEN 1 AND 64),
    created_at INTEGER NOT NULL,
    UNIQUE (studio, slug)
) STRICT;

CREATE TABLE realms (
    id INTEGER NOT NULL PRIMARY KEY,
    game BLOB NOT NULL REFERENCES games (id),
    environment TEXT NOT NULL CHECK (environment IN ('sandbox', 'live')),
    UNIQUE (game, environment)
) STRICT;

CREATE TABLE api_keys (
    realm INTEGER NOT NULL REFERENCES realms (id),
    id BLOB NOT NULL CHECK (length(id) = 16),
    public_id TEXT NOT NULL CHECK (length(public_id) = 10),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    name TEXT NOT NULL,
    permission_set TEXT NOT NULL CHECK (permission_set IN ('server_integration', 'client_sdk', 'admin')),
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER,
    revoked_reason TEXT,
    rotated_from BLOB CHECK (rotated_from IS NULL OR length(rotated_from) = 16),
    PRIMARY KEY (realm, id)
) STRICT, WITHOUT ROWID;

-- Keys are found by their public id before their realm is known. Not unique: a unique index would have to begin with the
-- realm, and the hash tells two keys apart anyway.
CREATE INDEX api_keys_by_public_id ON api_keys (public_id);

-- Players and what they hold.

CREATE TABLE players (
    realm INTEGER NOT NULL REFERENCES realms (id),
    id BLOB NOT NULL CHECK (length(id) = 16),
    external_id TEXT NOT NULL CHECK (length(external_id) BETWEEN 1 AND 128),
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    PRIMARY KEY (realm, id),
    UNIQUE (realm, external_id)
) STRICT, WITHOUT ROWID;

-- What one player holds of one asset. `version` is the number of its entries and the sequence number of the last one.
CREATE TABLE accounts (
    realm INTEGER NOT NULL,
    player BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('currency', 'item')),
    key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 64),
    id BLOB NOT NULL CHECK (length(id) = 16),
    balance INTEGER NOT NULL CHECK (balance BETWEEN 0 AND 9007199254740991),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (realm, player, kind, key),
    UNIQUE (realm, id),
    FOREIGN KEY (realm, player) REFERENCES players (realm, id)
) STRICT, WITHOUT ROWID;

-- The ledger: append-only. Clustered by account and position, so one account's history lies together. There is no foreign
-- key to accounts, because checking it would cost a look-up per entry; `purser verify` reports entries without an account.
CREATE TABLE entries (
    realm INTEGER NOT NULL,
    account BLOB NOT NULL CHECK (length(account) = 16),
    position INTEGER NOT NULL CHECK (position >= 1),
    sequence INTEGER NOT NULL CHECK (sequence >= 1),
    id BLOB NOT NULL CHECK (length(id) = 16),
    delta INTEGER NOT NULL CHECK (delta <> 0 AND delta BETWEEN -9007199254740991 AND 9007199254740991),
    balance_after INTEGER NOT NULL CHECK (balance_after BETWEEN 0 AND 9007199254740991),
    operation TEXT NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('server', 'client', 'admin', 'engine', 'migration')),
    actor TEXT NOT NULL,
    reason TEXT,
    source_ref TEXT,
    grant_id BLOB CHECK (grant_id IS NULL OR length(grant_id) = 16),
    idempotency_key BLOB CHECK (idempotency_key IS NULL OR length(idempotency_key) = 32),
    fingerprint BLOB CHECK (fingerprint IS NULL OR length(fingerprint) = 32),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (realm, account, position),
    CHECK ((idempotency_key IS NULL) = (fingerprint IS NULL)),
    CHECK (delta <= balance_after)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX entries_once ON entries (realm, operation, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- The last position given to an entry of a realm.
CREATE TABLE ledger_positions (
    realm INTEGER NOT NULL PRIMARY KEY REFERENCES realms (id),
    last INTEGER NOT NULL CHECK (last >= 1)
) STRICT;

CREATE TABLE grants (
    realm INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    player BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('reward', 'crate')),
    entries TEXT NOT NULL CHECK (json_valid(entries)),
    source_kind TEXT NOT NULL CHECK (source_kind IN ('api', 'admin')),
    source_ref TEXT,
    metadata TEXT CHECK (metadata IS NULL OR json_valid(metadata)),
    delivery TEXT NOT NULL CHECK (delivery IN ('claim', 'immediate')),
    claimed_at INTEGER,
    acked_by TEXT CHECK (acked_by IN ('server_api', 'delivery')),
    expires_at INTEGER,
    created_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    idempotency_key BLOB NOT NULL CHECK (length(idempotency_key) = 32),
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    PRIMARY KEY (realm, id),
    UNIQUE (realm, idempotency_key),
    FOREIGN KEY (realm, player) REFERENCES players (realm, id),
    CHECK ((claimed_at IS NULL) = (acked_by IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX grants_by_player ON grants (realm, player, id);
