-- What happens to players: bans, merges, erasures; and who did it.

ALTER TABLE players ADD COLUMN banned_at INTEGER;
ALTER TABLE players ADD COLUMN ban_reason TEXT
    CONSTRAINT players_ban_complete CHECK ((banned_at IS NULL) = (ban_reason IS NULL));
ALTER TABLE players ADD COLUMN merged_into BLOB CHECK (merged_into IS NULL OR length(merged_into) = 16);
ALTER TABLE players ADD COLUMN deleted_at INTEGER;

-- Who was merged into whom; always the last of a chain.
CREATE INDEX players_by_merged_into ON players (realm, merged_into) WHERE merged_into IS NOT NULL;

-- Accounts that were emptied into another one by a merge. They hold nothing, and are kept for their entries, which are read
-- under `player`, the owner of the other one.
CREATE TABLE closed_accounts (
    realm INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    player BLOB NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    closed_at INTEGER NOT NULL,
    PRIMARY KEY (realm, id),
    FOREIGN KEY (realm, player) REFERENCES players (realm, id),
    CONSTRAINT closed_accounts_kind_known CHECK (kind IN ('currency', 'item')),
    CONSTRAINT closed_accounts_key_length CHECK (length(key) BETWEEN 1 AND 64),
    CONSTRAINT closed_accounts_version_range CHECK (version >= 1)
) STRICT, WITHOUT ROWID;

CREATE INDEX closed_accounts_by_player ON closed_accounts (realm, player);

-- What was merged into what. Of the studio's ids only digests, keyed with a secret that is not in this database.
CREATE TABLE player_merges (
    realm INTEGER NOT NULL,
    source BLOB NOT NULL,
    source_digest BLOB NOT NULL,
    target BLOB NOT NULL,
    target_digest BLOB NOT NULL,
    idempotency_key BLOB,
    merged_at INTEGER NOT NULL,
    PRIMARY KEY (realm, source),
    FOREIGN KEY (realm, source) REFERENCES players (realm, id),
    FOREIGN KEY (realm, target) REFERENCES players (realm, id),
    CONSTRAINT player_merges_source_digest_length CHECK (length(source_digest) = 32),
    CONSTRAINT player_merges_target_digest_length CHECK (length(target_digest) = 32),
    CONSTRAINT player_merges_idempotency_key_length CHECK (idempotency_key IS NULL OR length(idempotency_key) = 32)
) STRICT, WITHOUT ROWID;

CREATE INDEX player_merges_by_digests ON player_merges (realm, source_digest, target_digest);

-- Who was erased. Of the studio's id only such a digest.
CREATE TABLE player_erasures (
    realm INTEGER NOT NULL,
    player BLOB NOT NULL,
    digest BLOB NOT NULL,
    idempotency_key BLOB,
    erased_at INTEGER NOT NULL,
    PRIMARY KEY (realm, player),
    FOREIGN KEY (realm, player) REFERENCES players (realm, id),
    CONSTRAINT player_erasures_digest_length CHECK (length(digest) = 32),
    CONSTRAINT player_erasures_idempotency_key_length CHECK (idempotency_key IS NULL OR length(idempotency_key) = 32)
) STRICT, WITHOUT ROWID;

CREATE INDEX player_erasures_by_digest ON player_erasures (realm, digest);

-- Who did what to whom, why and when. No reference to players, because a merge or an erasure never removes their rows.
CREATE TABLE audit_log (
    realm INTEGER NOT NULL REFERENCES realms (id),
    id BLOB NOT NULL CHECK (length(id) = 16),
    created_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    player BLOB CHECK (player IS NULL OR length(player) = 16),
    into_player BLOB CHECK (into_player IS NULL OR length(into_player) = 16),
    reason TEXT,
    details TEXT CHECK (details IS NULL OR json_valid(details)),
    PRIMARY KEY (realm, id),
    CONSTRAINT audit_log_action_length CHECK (length(action) BETWEEN 1 AND 64)
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_log_by_player ON audit_log (realm, player, id) WHERE player IS NOT NULL;

-- What all servers on this database must agree on: one row.
CREATE TABLE installation (
    id INTEGER NOT NULL PRIMARY KEY,
    secret_check BLOB NOT NULL,
    CONSTRAINT installation_is_one CHECK (id = 1),
    CONSTRAINT installation_secret_check_length CHECK (length(secret_check) = 32)
) STRICT;
