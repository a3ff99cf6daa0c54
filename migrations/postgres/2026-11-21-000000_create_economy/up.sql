-- The twin of the SQLite schema: the same tables, columns and named constraints (a test compares them). Times are
-- microseconds since the Unix epoch, digests SHA-256 of 32 bytes. Texts compare by their bytes, as they do on SQLite.
-- Every rule that SQL can state is a CHECK: the pair of an assertion in the domain. A violation is a bug, never an outcome.

-- The directory: who owns which realm. The only tables whose keys cannot begin with the realm, because they define it.

CREATE TABLE studios (
    id UUID NOT NULL PRIMARY KEY,
    slug TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    CONSTRAINT studios_slug_length CHECK (length(slug) BETWEEN 1 AND 64)
);

CREATE TABLE games (
    id UUID NOT NULL PRIMARY KEY,
    studio UUID NOT NULL REFERENCES studios (id),
    slug TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (studio, slug),
    CONSTRAINT games_slug_length CHECK (length(slug) BETWEEN 1 AND 64)
);

CREATE SEQUENCE realm_ids;

CREATE TABLE realms (
    id BIGINT NOT NULL PRIMARY KEY,
    game UUID NOT NULL REFERENCES games (id),
    environment TEXT COLLATE "C" NOT NULL,
    UNIQUE (game, environment),
    CONSTRAINT realms_environment_known CHECK (environment IN ('sandbox', 'live'))
);

CREATE TABLE api_keys (
    realm BIGINT NOT NULL REFERENCES realms (id),
    id UUID NOT NULL,
    public_id TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL,
    name TEXT NOT NULL,
    permission_set TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT,
    revoked_reason TEXT,
    rotated_from UUID,
    PRIMARY KEY (realm, id),
    CONSTRAINT api_keys_public_id_length CHECK (length(public_id) = 10),
    CONSTRAINT api_keys_hash_length CHECK (length(hash) = 32),
    CONSTRAINT api_keys_permission_set_known CHECK (permission_set IN ('server_integration', 'client_sdk', 'admin'))
);

-- Keys are found by their public id before their realm is known. Not unique: a unique index would have to begin with the
-- realm, and the hash tells two keys apart anyway.
CREATE INDEX api_keys_by_public_id ON api_keys (public_id);

-- Players and what they hold. A player's row is what a batch locks, in the order of (realm, external_id); rows are packed
-- with room to change them in place.

CREATE TABLE players (
    realm BIGINT NOT NULL REFERENCES realms (id),
    id UUID NOT NULL,
    external_id TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    PRIMARY KEY (realm, id),
    UNIQUE (realm, external_id),
    CONSTRAINT players_external_id_length CHECK (length(external_id) BETWEEN 1 AND 128)
) WITH (fillfactor = 90);

-- What one player holds of one asset. `version` is the number of its entries and the sequence number of the last one.
CREATE TABLE accounts (
    realm BIGINT NOT NULL,
    player UUID NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    balance BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (realm, id),
    FOREIGN KEY (realm, player) REFERENCES players (realm, id),
    CONSTRAINT accounts_kind_known CHECK (kind IN ('currency', 'item')),
    CONSTRAINT accounts_key_length CHECK (length(key) BETWEEN 1 AND 64),
    CONSTRAINT accounts_balance_range CHECK (balance BETWEEN 0 AND 9007199254740991),
    CONSTRAINT accounts_version_range CHECK (version >= 1)
) WITH (fillfactor = 70);

-- Made after the other key on purpose: of two indexes that seem equally good, as all do on a table with a single row,
-- PostgreSQL takes the younger, and this is the one that batches look accounts up by.
ALTER TABLE accounts ADD PRIMARY KEY (realm, player, kind, key);

-- The ledger: append-only. Keyed by account and position, so one account's history is one range of the index. There is no
-- foreign key to accounts, because checking it would cost a look-up per entry; `purser verify` reports entries without an
-- account.
CREATE TABLE entries (
    realm BIGINT NOT NULL,
    account UUID NOT NULL,
    position BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    id UUID NOT NULL,
    delta BIGINT NOT NULL,
    balance_after BIGINT NOT NULL,
    operation TEXT COLLATE "C" NOT NULL,
    origin TEXT COLLATE "C" NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT,
    source_ref TEXT,
    grant_id UUID,
    idempotency_key BYTEA,
    fingerprint BYTEA,
    created_at BIGINT NOT NULL,
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
);

CREATE UNIQUE INDEX entries_once ON entries (realm, operation, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- Positions are drawn in blocks, one for each batch: what SQLite keeps in ledger_positions would be one row here that all
-- batches of a realm wait for. A block is drawn while the players of its batch are locked, so that a player's later commits
-- have higher positions.
CREATE SEQUENCE ledger_blocks;

CREATE TABLE grants (
    realm BIGINT NOT NULL,
    id UUID NOT NULL,
    player UUID NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    -- JSON, not JSONB: texts in it are given back as they came, and may hold what JSONB refuses (a NUL written as \u0000).
    entries JSON NOT NULL,
    source_kind TEXT COLLATE "C" NOT NULL,
    source_ref TEXT,
    metadata JSON,
    delivery TEXT COLLATE "C" NOT NULL,
    claimed_at BIGINT,
    acked_by TEXT COLLATE "C",
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    idempotency_key BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
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
);

CREATE INDEX grants_by_player ON grants (realm, player, id);

-- First statistics. Servers prepare their statements while these tables are empty and keep the plans until the tables are
-- analysed next, which may be a minute and a million rows later. PostgreSQL's guess for a table that it knows nothing
-- about is that a realm has a row or two, so that reading them all is as good as any index. So it is shown what the tables
-- will look like: rows of one realm. The rows go, what was learnt of them stays. They are too few (below fifty) for the
-- autovacuum to come and learn that the tables are empty.

INSERT INTO studios VALUES (gen_random_uuid(), 'x', 0);
INSERT INTO games SELECT gen_random_uuid(), id, 'x', 0 FROM studios;
INSERT INTO realms SELECT 0, id, 'sandbox' FROM games;
INSERT INTO players SELECT 0, gen_random_uuid(), 'player-' || n, n, n FROM generate_series(1, 40) AS n;
INSERT INTO accounts SELECT realm, id, 'currency', 'gold', gen_random_uuid(), 1, 1, 0, 0 FROM players;
INSERT INTO entries SELECT realm, id, 1, 1, gen_random_uuid(), 1, 1, 'wallet.credit', 'server', 'x', NULL, NULL, NULL,
    sha256(convert_to(id::text, 'UTF8')), sha256('x'), 0 FROM accounts;
INSERT INTO grants SELECT realm, gen_random_uuid(), id, 'reward', '[]', 'api', NULL, NULL, 'claim', NULL, NULL, NULL, 0, 'x',
    sha256(convert_to(id::text, 'UTF8')), sha256('x') FROM players;
ANALYZE players, accounts, entries, grants;
DELETE FROM grants;
DELETE FROM entries;
DELETE FROM accounts;
DELETE FROM players;
DELETE FROM realms;
DELETE FROM games;
DELETE FROM studios;
