-- Events, the lobbies that play them, attempts, and leaderboards.

-- A live-ops event as the studio configured it. `definition` is all of it but the key; its windows are computed from it.
CREATE TABLE events (
    realm INTEGER NOT NULL REFERENCES realms (id),
    id BLOB NOT NULL CHECK (length(id) = 16),
    key TEXT NOT NULL,
    definition TEXT NOT NULL CHECK (json_valid(definition)),
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (realm, id),
    UNIQUE (realm, key),
    CONSTRAINT events_key_length CHECK (length(key) BETWEEN 1 AND 64),
    CONSTRAINT events_version_range CHECK (version >= 1)
) STRICT, WITHOUT ROWID;

-- A leaderboard that stands on its own, as configured.
CREATE TABLE leaderboards (
    realm INTEGER NOT NULL REFERENCES realms (id),
    id BLOB NOT NULL CHECK (length(id) = 16),
    key TEXT NOT NULL,
    definition TEXT NOT NULL CHECK (json_valid(definition)),
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (realm, id),
    UNIQUE (realm, key),
    CONSTRAINT leaderboards_key_length CHECK (length(key) BETWEEN 1 AND 64),
    CONSTRAINT leaderboards_version_range CHECK (version >= 1)
) STRICT, WITHOUT ROWID;

-- Some players and bots who play one window of an event together. `status` is what was last written: a read computes what it
-- is by now. `due_at` is when it moves on by the clock; `is_open` is whether players who look for a lobby may be put in.
CREATE TABLE lobbies (
    realm INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    event BLOB NOT NULL,
    window_id BLOB NOT NULL CHECK (length(window_id) = 16),
    external_key TEXT,
    mode TEXT NOT NULL,
    aggregation TEXT NOT NULL,
    sort_order TEXT NOT NULL,
    capacity INTEGER NOT NULL,
    fill_bots INTEGER NOT NULL CHECK (fill_bots IN (0, 1)),
    bots TEXT NOT NULL CHECK (json_valid(bots)),
    participants INTEGER NOT NULL,
    metadata TEXT CHECK (metadata IS NULL OR json_valid(metadata)),
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    fill_by INTEGER,
    started_at INTEGER,
    ends_at INTEGER NOT NULL,
    closed_at INTEGER,
    due_at INTEGER,
    is_open INTEGER NOT NULL CHECK (is_open IN (0, 1)),
    version INTEGER NOT NULL,
    PRIMARY KEY (realm, id),
    FOREIGN KEY (realm, event) REFERENCES events (realm, id),
    CONSTRAINT lobbies_external_key_length CHECK (external_key IS NULL OR length(external_key) BETWEEN 1 AND 255),
    CONSTRAINT lobbies_mode_known CHECK (mode IN ('grouped', 'lobby_matched')),
    CONSTRAINT lobbies_aggregation_known CHECK (aggregation IN ('best', 'latest', 'sum')),
    CONSTRAINT lobbies_sort_order_known CHECK (sort_order IN ('ascending', 'descending')),
    CONSTRAINT lobbies_status_known CHECK (status IN ('forming', 'active', 'closed')),
    CONSTRAINT lobbies_capacity_range CHECK (capacity BETWEEN 1 AND 1000),
    CONSTRAINT lobbies_participants_fit CHECK (participants BETWEEN 0 AND capacity),
    CONSTRAINT lobbies_closed_complete CHECK ((status = 'closed') = (closed_at IS NOT NULL)),
    CONSTRAINT lobbies_started_complete CHECK (status <> 'active' OR started_at IS NOT NULL),
    CONSTRAINT lobbies_forming_not_started CHECK (status <> 'forming' OR started_at IS NULL),
    CONSTRAINT lobbies_due_unless_closed CHECK ((status = 'closed') = (due_at IS NULL)),
    CONSTRAINT lobbies_version_range CHECK (version >= 1)
) STRICT, WITHOUT ROWID;

-- The studio's own name for a lobby that it pushed happens once.
CREATE UNIQUE INDEX external_lobby_key ON lobbies (realm, external_key) WHERE external_key IS NOT NULL;
CREATE INDEX lobbies_by_event ON lobbies (realm, event, id);
-- Few of an event's lobbies are not closed.
CREATE INDEX lobbies_live ON lobbies (realm, event, id) WHERE due_at IS NOT NULL;
CREATE INDEX lobbies_open ON lobbies (realm, event, window_id, id) WHERE is_open = 1;
-- What is due is looked for in all realms at once.
CREATE INDEX lobbies_due ON lobbies (due_at, realm, id) WHERE due_at IS NOT NULL;

-- Who is in which lobby, and how they stand on its board. Without a score until the first one.
CREATE TABLE lobby_participants (
    realm INTEGER NOT NULL,
    lobby BLOB NOT NULL,
    player BLOB NOT NULL,
    joined_at INTEGER NOT NULL,
    score INTEGER,
    achieved_at INTEGER,
    PRIMARY KEY (realm, lobby, player),
    FOREIGN KEY (realm, lobby) REFERENCES lobbies (realm, id),
    FOREIGN KEY (realm, player) REFERENCES players (realm, id),
    CONSTRAINT lobby_participants_score_complete CHECK ((score IS NULL) = (achieved_at IS NULL)),
    CONSTRAINT lobby_participants_score_range CHECK (score BETWEEN -9007199254740991000 AND 9007199254740991000)
) STRICT, WITHOUT ROWID;

CREATE INDEX lobby_participants_by_player ON lobby_participants (realm, player, lobby);

-- A player's tries at an event. `metrics` are raw; the score that they make is in thousandths.
CREATE TABLE attempts (
    realm INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    player BLOB NOT NULL,
    event BLOB NOT NULL,
    window_id BLOB NOT NULL CHECK (length(window_id) = 16),
    lobby BLOB CHECK (lobby IS NULL OR length(lobby) = 16),
    board BLOB NOT NULL CHECK (length(board) = 16),
    metrics TEXT NOT NULL CHECK (json_valid(metrics)),
    score INTEGER NOT NULL,
    has_target INTEGER NOT NULL CHECK (has_target IN (0, 1)),
    started_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    completed_at INTEGER,
    status TEXT NOT NULL,
    idempotency_key BLOB,
    fingerprint BLOB,
    PRIMARY KEY (realm, id),
    FOREIGN KEY (realm, player) REFERENCES players (realm, id),
    FOREIGN KEY (realm, event) REFERENCES events (realm, id),
    CONSTRAINT attempts_status_known CHECK (status IN ('in_progress', 'completed', 'expired', 'force_completed')),
    CONSTRAINT attempts_score_range CHECK (score BETWEEN -9007199254740991000 AND 9007199254740991000),
    CONSTRAINT attempts_completed_complete CHECK (status <> 'completed' OR completed_at IS NOT NULL),
    CONSTRAINT attempts_idempotency_key_length CHECK (idempotency_key IS NULL OR length(idempotency_key) = 32),
    CONSTRAINT attempts_fingerprint_length CHECK (fingerprint IS NULL OR length(fingerprint) = 32),
    CONSTRAINT attempts_once_complete CHECK ((idempotency_key IS NULL) = (fingerprint IS NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX attempts_once ON attempts (realm, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX attempts_by_player ON attempts (realm, player, id);
CREATE INDEX attempts_by_lobby ON attempts (realm, lobby, id) WHERE lobby IS NOT NULL;

-- The idempotency record of a score, which changes a row that others change too.
CREATE TABLE score_requests (
    realm INTEGER NOT NULL,
    operation TEXT NOT NULL,
    idempotency_key BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    result TEXT NOT NULL CHECK (json_valid(result)),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (realm, operation, idempotency_key),
    CONSTRAINT score_requests_operation_known CHECK (operation IN ('leaderboard.score', 'attempt.progress')),
    CONSTRAINT score_requests_idempotency_key_length CHECK (length(idempotency_key) = 32),
    CONSTRAINT score_requests_fingerprint_length CHECK (length(fingerprint) = 32)
) STRICT, WITHOUT ROWID;

-- One ranked list: a board (a leaderboard or an event) in one period, of one segment ('' when it has none). `id` is computed
-- from these three.
CREATE TABLE rankings (
    realm INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    board BLOB NOT NULL CHECK (length(board) = 16),
    period_starts_at INTEGER NOT NULL,
    segment TEXT NOT NULL,
    aggregation TEXT NOT NULL,
    sort_order TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (realm, id),
    UNIQUE (realm, board, period_starts_at, segment),
    CONSTRAINT rankings_segment_length CHECK (length(segment) <= 64),
    CONSTRAINT rankings_aggregation_known CHECK (aggregation IN ('best', 'latest', 'sum')),
    CONSTRAINT rankings_sort_order_known CHECK (sort_order IN ('ascending', 'descending'))
) STRICT, WITHOUT ROWID;

-- How a player stands in a ranking. Ranks follow (order_key, achieved_at, player), ascending: the order key is the score, its
-- sign turned where more is better.
CREATE TABLE ranking_entries (
    realm INTEGER NOT NULL,
    ranking BLOB NOT NULL,
    player BLOB NOT NULL,
    order_key INTEGER NOT NULL,
    achieved_at INTEGER NOT NULL,
    PRIMARY KEY (realm, ranking, player),
    FOREIGN KEY (realm, ranking) REFERENCES rankings (realm, id),
    FOREIGN KEY (realm, player) REFERENCES players (realm, id),
    CONSTRAINT ranking_entries_order_key_range CHECK (order_key BETWEEN -9007199254740991000 AND 9007199254740991000)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX ranking_entries_in_order ON ranking_entries (realm, ranking, order_key, achieved_at, player);
CREATE INDEX ranking_entries_by_player ON ranking_entries (realm, player, ranking);

-- How many entries a ranking has between one place of its order and the place of the next block: a rank is a sum over the
-- blocks before it and a count within one. A block that grew too large is cut in two.
CREATE TABLE ranking_blocks (
    realm INTEGER NOT NULL,
    ranking BLOB NOT NULL,
    order_key INTEGER NOT NULL,
    achieved_at INTEGER NOT NULL,
    player BLOB NOT NULL CHECK (length(player) = 16),
    entries INTEGER NOT NULL,
    PRIMARY KEY (realm, ranking, order_key, achieved_at, player),
    FOREIGN KEY (realm, ranking) REFERENCES rankings (realm, id),
    CONSTRAINT ranking_blocks_entries_range CHECK (entries >= 0)
) STRICT, WITHOUT ROWID;
