-- What happens to players: bans, merges, erasures; and who did it.

ALTER TABLE players ADD COLUMN banned_at BIGINT;
ALTER TABLE players ADD COLUMN ban_reason TEXT
    CONSTRAINT players_ban_complete CHECK ((banned_at IS NULL) = (ban_reason IS NULL));
ALTER TABLE players ADD COLUMN merged_into UUID;
ALTER TABLE players ADD COLUMN deleted_at BIGINT;

-- Who was merged into whom. Not the last of a chain: a row that was given up is never changed again, because whoever waited
-- for it under its old name still holds its lock.
CREATE INDEX players_by_merged_into ON players (realm, merged_into) WHERE merged_into IS NOT NULL;

-- Accounts that were emptied into another one by a merge. They hold nothing, and are kept for their entries, which are read
-- under `player`, the owner of the other one.
CREATE TABLE closed_accounts (
    realm BIGINT NOT NULL,
    id UUID NOT NULL,
    player UUID NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    closed_at BIGINT NOT NULL,
    PRIMARY KEY (realm, id),
    CONSTRAINT closed_accounts_kind_known CHECK (kind IN ('currency', 'item')),
    CONSTRAINT closed_accounts_key_length CHECK (length(key) BETWEEN 1 AND 64),
    CONSTRAINT closed_accounts_version_range CHECK (version >= 1)
);

CREATE INDEX closed_accounts_by_player ON closed_accounts (realm, player);

-- What was merged into what. Of the studio's ids only digests, keyed with a secret that is not in this database.
CREATE TABLE player_merges (
    realm BIGINT NOT NULL,
    source UUID NOT NULL,
    source_digest BYTEA NOT NULL,
    target UUID NOT NULL,
    target_digest BYTEA NOT NULL,
    idempotency_key BYTEA,
    merged_at BIGINT NOT NULL,
    PRIMARY KEY (realm, source),
    CONSTRAINT player_merges_source_digest_length CHECK (length(source_digest) = 32),
    CONSTRAINT player_merges_target_digest_length CHECK (length(target_digest) = 32),
    CONSTRAINT player_merges_idempotency_key_length CHECK (idempotency_key IS NULL OR length(idempotency_key) = 32)
);

CREATE INDEX player_merges_by_digests ON player_merges (realm, source_digest, target_digest);

-- Who was erased. Of the studio's id only such a digest.
CREATE TABLE player_erasures (
    realm BIGINT NOT NULL,
    player UUID NOT NULL,
    digest BYTEA NOT NULL,
    idempotency_key BYTEA,
    erased_at BIGINT NOT NULL,
    PRIMARY KEY (realm, player),
    CONSTRAINT player_erasures_digest_length CHECK (length(digest) = 32),
    CONSTRAINT player_erasures_idempotency_key_length CHECK (idempotency_key IS NULL OR length(idempotency_key) = 32)
);

CREATE INDEX player_erasures_by_digest ON player_erasures (realm, digest);

-- Who did what to whom, why and when. No reference to players, because a merge or an erasure never removes their rows.
CREATE TABLE audit_log (
    realm BIGINT NOT NULL,
    id UUID NOT NULL,
    created_at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    player UUID,
    into_player UUID,
    reason TEXT,
    details JSON,
    PRIMARY KEY (realm, id),
    CONSTRAINT audit_log_action_length CHECK (length(action) BETWEEN 1 AND 64)
);

CREATE INDEX audit_log_by_player ON audit_log (realm, player, id) WHERE player IS NOT NULL;

-- What all servers on this database must agree on: one row.
CREATE TABLE installation (
    id BIGINT NOT NULL PRIMARY KEY,
    secret_check BYTEA NOT NULL,
    CONSTRAINT installation_is_one CHECK (id = 1),
    CONSTRAINT installation_secret_check_length CHECK (length(secret_check) = 32)
);

-- First statistics, as in the migrations before. The references come afterwards, because these rows have no players.

INSERT INTO closed_accounts SELECT 0, gen_random_uuid(), gen_random_uuid(), 'currency', 'gold', 1, 0, 0
    FROM generate_series(1, 40) AS n;
INSERT INTO player_merges SELECT 0, gen_random_uuid(), sha256(convert_to(n::text, 'UTF8')), gen_random_uuid(),
    sha256(convert_to(n::text, 'UTF8')), NULL, 0 FROM generate_series(1, 40) AS n;
INSERT INTO player_erasures SELECT 0, gen_random_uuid(), sha256(convert_to(n::text, 'UTF8')), NULL, 0
    FROM generate_series(1, 40) AS n;
INSERT INTO audit_log SELECT 0, gen_random_uuid(), 0, 'x', 'player.ban', gen_random_uuid(), NULL, NULL, NULL
    FROM generate_series(1, 40) AS n;
ANALYZE closed_accounts, player_merges, player_erasures, audit_log;
DELETE FROM audit_log;
DELETE FROM player_erasures;
DELETE FROM player_merges;
DELETE FROM closed_accounts;

ALTER TABLE closed_accounts ADD FOREIGN KEY (realm, player) REFERENCES players (realm, id);
ALTER TABLE player_merges ADD FOREIGN KEY (realm, source) REFERENCES players (realm, id);
ALTER TABLE player_merges ADD FOREIGN KEY (realm, target) REFERENCES players (realm, id);
ALTER TABLE player_erasures ADD FOREIGN KEY (realm, player) REFERENCES players (realm, id);
ALTER TABLE audit_log ADD FOREIGN KEY (realm) REFERENCES realms (id);

-- Making an index on an empty table wrote down that it is empty, so what the first migration learnt of players is learnt
-- again. Few rows, because these and the first ones together must not be enough to make the autovacuum come. A database that
-- is in use knows better, and the rows of a slug that nobody can have do not meet its own.

INSERT INTO studios SELECT gen_random_uuid(), 'first statistics', 0 WHERE NOT EXISTS (SELECT FROM players);
INSERT INTO games SELECT gen_random_uuid(), id, 'x', 0 FROM studios WHERE slug = 'first statistics';
INSERT INTO realms SELECT 0, game.id, 'sandbox' FROM games AS game JOIN studios AS studio ON studio.id = game.studio
    WHERE studio.slug = 'first statistics';
INSERT INTO players SELECT id, gen_random_uuid(), 'player-' || n, n, n FROM realms, generate_series(1, 10) AS n WHERE id = 0;
ANALYZE players;
DELETE FROM players WHERE realm = 0;
DELETE FROM realms WHERE id = 0;
DELETE FROM games WHERE studio IN (SELECT id FROM studios WHERE slug = 'first statistics');
DELETE FROM studios WHERE slug = 'first statistics';
