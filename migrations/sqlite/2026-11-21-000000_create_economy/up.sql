-- Times are microseconds since the Unix epoch, ids are UUIDs of 16 bytes, digests SHA-256 of 32 bytes.
-- Every rule that SQL can state is a CHECK: the pair of an assertion in the domain. A violation is a bug, never an outcome.
-- The rules have names, the same as in the PostgreSQL schema (a test compares them); a CHECK without a name stands in for a
-- type that SQLite lacks.

-- The directory: who owns which realm. The only tables whose keys cannot begin with the realm, because they define it.

CREATE TABLE studios (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    slug TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    CONSTRAINT studios_slug_length CHECK (length(slug) BETWEEN 1 AND 64)
) STRICT;

CREATE TABLE games (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    studio BLOB NOT NULL REFERENCES studios (id),
    slug TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (studio, slug),
    CONSTRAINT games_slug_length CHECK (length(slug) BETWEEN 1 AND 64)
) STRICT;

CREATE TABLE realms (
    id INTEGER NOT NULL PRIMARY KEY,
    game BLOB NOT NULL REFERENCES games (id),
    environment TEXT NOT NULL,
    UNIQUE (game, environment),
    CONSTRAINT realms_environment_known CHECK (environment IN ('sandbox', 'live'))
) STRICT;

CREATE TABLE api_keys (
    realm INTEGER NOT NULL REFERENCES realms (id),
    id BLOB NOT NULL CHECK (length(id) = 16),
    public_id TEXT NOT NULL,
    hash BLOB NOT NULL,
    name TEXT NOT NULL,
    permission_set TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER,
    revoked_reason TEXT,
    rotated_from BLOB CHECK (rotated_from IS NULL OR length(rotated_from) = 16),
    PRIMARY KEY (realm, id),
    CONSTRAINT api_keys_public_id_length CHECK (length(public_id) = 10),
    CONSTRAINT api_keys_hash_length CHECK (length(hash) = 32),
    CONSTRAINT api_keys_permission_set_known CHECK (permission_set IN ('server_integration', 'client_sdk', 'admin'))
) STRICT, WITHOUT ROWID;

-- Keys are found by their public id before their realm is known. Not unique: a unique index would have to begin with the
-- realm, and the hash tells two keys apart anyway.
CREATE INDEX api_keys_by_public_id ON api_keys (public_id);

-- Players and what they hold.

CREATE TABLE players (
    realm INTEGER NOT NULL REFERENCES realms (id),
    id BLOB NOT NULL CHECK (length(id) = 16),
    external_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    PRIMARY KEY (realm, id),
    UNIQUE (realm, external_id),
    CONSTRAINT players_external_id_length CHECK (length(external_id) BETWEEN 1 AND 128)
) STRICT, WITHOUT ROWID;

-- What one player holds of one asset. `version` is the number of its entries and the sequence number of the last one.
CREATE TABLE accounts (
    realm INTEGER NOT NULL,
    player BLOB NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    balance INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (realm, player, kind, key),
    UNIQUE (realm, id),
    FOREIGN KEY (realm, player) REFERENCES players (realm, id),
    CONSTRAINT accounts_kind_known CHECK (kind IN ('currency', 'item')),
    CONSTRAINT accounts_key_length CHECK (length(key) BETWEEN 1 AND 64),
    CONSTRAINT accounts_balance_range CHECK (balance BETWEEN 0 AND 9007199254740991),
    CONSTRAINT accounts_version_range CHECK (version >= 1)
) STRICT, WITHOUT ROWID;

-- The ledger: append-only. Clustered by account and position, so one account's history lies together. There is no foreign
-- key to accounts, because checking it would cost a look-up per entry; `purser verify` reports entries without an account.
CREATE TABLE entries (
    realm INTEGER NOT NULL,
    account BLOB NOT NULL CHECK (length(account) = 16),
    position INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    delta INTEGER NOT NULL,
    balance_after INTEGER NOT NULL,
    operation TEXT NOT NULL,
    origin TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT,
    source_ref TEXT,
    grant_id BLOB CHECK (grant_id IS NULL OR length(grant_id) = 16),
    idempotency_key BLOB,
    fingerprint BLOB,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (realm, account, position),
    CONSTRAINT entries_position_range CHECK (position >= 1),
    CONSTRAINT entries_sequence_range CHECK (sequence >= 1),
    CONSTRAINT entries_delta_range CHECK (delta <> 0 AND delta BETWEEN -9007199254740991 AND 9007199254740991),
    CONSTRAINT entries_balance_after_range CHECK (balance_after BETWEEN 0 AND 9007199254740991),
    CONSTRAINT entries_origin_known CHECK (origin IN ('server', 'client', 'admin', 'engine', 'migration')),
    CONSTRAINT entries_idempotency_key_length CHECK (idempotency_key IS NULL OR length(idempotency_key) = 32),
    CONSTRAINT entries_fingerprint_length CHECK (fingerprint IS NULL OR length(fingerprint) = 32),
    CONSTRAINT entries_once_complete CHECK ((idempotency_key IS NULL) = (fingerprint IS NULL)),
    CONSTRAINT entries_delta_fits CHECK (delta <= balance_after)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX entries_once ON entries (realm, operation, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- The last position given to an entry of a realm.
CREATE TABLE ledger_positions (
    realm INTEGER NOT NULL PRIMARY KEY REFERENCES realms (id),
    last INTEGER NOT NULL,
    CONSTRAINT ledger_positions_last_range CHECK (last >= 1)
) STRICT;

CREATE TABLE grants (
    realm INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    player BLOB NOT NULL,
    kind TEXT NOT NULL,
    entries TEXT NOT NULL CHECK (json_valid(entries)),
    source_kind TEXT NOT NULL,
    source_ref TEXT,
    metadata TEXT CHECK (metadata IS NULL OR json_valid(metadata)),
    delivery TEXT NOT NULL,
    claimed_at INTEGER,
    acked_by TEXT,
    expires_at INTEGER,
    created_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    idempotency_key BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    PRIMARY KEY (realm, id),
    UNIQUE (realm, idempotency_key),
    FOREIGN KEY (realm, player) REFERENCES players (realm, id),
    CONSTRAINT grants_kind_known CHECK (kind IN ('reward', 'crate')),
    CONSTRAINT grants_source_kind_known CHECK (source_kind IN ('api', 'admin')),
    CONSTRAINT grants_delivery_known CHECK (delivery IN ('claim', 'immediate')),
    CONSTRAINT grants_acked_by_known CHECK (acked_by IN ('server_api', 'delivery')),
    CONSTRAINT grants_idempotency_key_length CHECK (length(idempotency_key) = 32),
    CONSTRAINT grants_fingerprint_length CHECK (length(fingerprint) = 32),
    CONSTRAINT grants_claim_complete CHECK ((claimed_at IS NULL) = (acked_by IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX grants_by_player ON grants (realm, player, id);
