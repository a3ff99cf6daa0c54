-- Events, the lobbies that play them, attempts, and leaderboards.

-- A live-ops event as the studio configured it. `definition` is all of it but the key; its windows are computed from it.
CREATE TABLE events (
    realm BIGINT NOT NULL,
    id UUID NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    definition JSON NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (realm, id),
    UNIQUE (realm, key),
    CONSTRAINT events_key_length CHECK (length(key) BETWEEN 1 AND 64),
    CONSTRAINT events_version_range CHECK (version >= 1)
);

-- A leaderboard that stands on its own, as configured.
CREATE TABLE leaderboards (
    realm BIGINT NOT NULL,
    id UUID NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    definition JSON NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (realm, id),
    UNIQUE (realm, key),
    CONSTRAINT leaderboards_key_length CHECK (length(key) BETWEEN 1 AND 64),
    CONSTRAINT leaderboards_version_range CHECK (version >= 1)
);

-- Some players and bots who play one window of an event together. `status` is what was last written: a read computes what it
-- is by now. `due_at` is when it moves on by the clock; `is_open` is whether players who look for a lobby may be put in.
CREATE TABLE lobbies (
    realm BIGINT NOT NULL,
    id UUID NOT NULL,
    event UUID NOT NULL,
    window_id UUID NOT NULL,
    external_key TEXT COLLATE "C",
    mode TEXT COLLATE "C" NOT NULL,
    aggregation TEXT COLLATE "C" NOT NULL,
    sort_order TEXT COLLATE "C" NOT NULL,
    capacity BIGINT NOT NULL,
    fill_bots BOOLEAN NOT NULL,
    bots JSON NOT NULL,
    participants BIGINT NOT NULL,
    metadata JSON,
    status TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    fill_by BIGINT,
    started_at BIGINT,
    ends_at BIGINT NOT NULL,
    closed_at BIGINT,
    due_at BIGINT,
    is_open BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (realm, id),
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
) WITH (fillfactor = 80);

-- The studio's own name for a lobby that it pushed happens once.
CREATE UNIQUE INDEX external_lobby_key ON lobbies (realm, external_key) WHERE external_key IS NOT NULL;
CREATE INDEX lobbies_by_event ON lobbies (realm, event, id);
-- Few of an event's lobbies are not closed.
CREATE INDEX lobbies_live ON lobbies (realm, event, id) WHERE due_at IS NOT NULL;
CREATE INDEX lobbies_open ON lobbies (realm, event, window_id, id) WHERE is_open;
-- What is due is looked for in all realms at once.
CREATE INDEX lobbies_due ON lobbies (due_at, realm, id) WHERE due_at IS NOT NULL;

-- Who is in which lobby, and how they stand on its board. Without a score until the first one.
CREATE TABLE lobby_participants (
    realm BIGINT NOT NULL,
    lobby UUID NOT NULL,
    player UUID NOT NULL,
    joined_at BIGINT NOT NULL,
    score BIGINT,
    achieved_at BIGINT,
    PRIMARY KEY (realm, lobby, player),
    CONSTRAINT lobby_participants_score_complete CHECK ((score IS NULL) = (achieved_at IS NULL)),
    CONSTRAINT lobby_participants_score_range CHECK (score BETWEEN -9007199254740991000 AND 9007199254740991000)
) WITH (fillfactor = 80);

CREATE INDEX lobby_participants_by_player ON lobby_participants (realm, player, lobby);

-- A player's tries at an event. `metrics` are raw; the score that they make is in thousandths.
CREATE TABLE attempts (
    realm BIGINT NOT NULL,
    id UUID NOT NULL,
    player UUID NOT NULL,
    event UUID NOT NULL,
    window_id UUID NOT NULL,
    lobby UUID,
    board UUID NOT NULL,
    metrics JSON NOT NULL,
    score BIGINT NOT NULL,
    has_target BOOLEAN NOT NULL,
    started_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    completed_at BIGINT,
    status TEXT COLLATE "C" NOT NULL,
    idempotency_key BYTEA,
    fingerprint BYTEA,
    PRIMARY KEY (realm, id),
    CONSTRAINT attempts_status_known CHECK (status IN ('in_progress', 'completed', 'expired', 'force_completed')),
    CONSTRAINT attempts_score_range CHECK (score BETWEEN -9007199254740991000 AND 9007199254740991000),
    CONSTRAINT attempts_completed_complete CHECK (status <> 'completed' OR completed_at IS NOT NULL),
    CONSTRAINT attempts_idempotency_key_length CHECK (idempotency_key IS NULL OR length(idempotency_key) = 32),
    CONSTRAINT attempts_fingerprint_length CHECK (fingerprint IS NULL OR length(fingerprint) = 32),
    CONSTRAINT attempts_once_complete CHECK ((idempotency_key IS NULL) = (fingerprint IS NULL))
) WITH (fillfactor = 80);

CREATE UNIQUE INDEX attempts_once ON attempts (realm, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX attempts_by_player ON attempts (realm, player, id);
CREATE INDEX attempts_by_lobby ON attempts (realm, lobby, id) WHERE lobby IS NOT NULL;

-- The idempotency record of a score, which changes a row that others change too.
CREATE TABLE score_requests (
    realm BIGINT NOT NULL,
    operation TEXT COLLATE "C" NOT NULL,
    idempotency_key BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
    result JSON NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (realm, operation, idempotency_key),
    CONSTRAINT score_requests_operation_known CHECK (operation IN ('leaderboard.score', 'attempt.progress')),
    CONSTRAINT score_requests_idempotency_key_length CHECK (length(idempotency_key) = 32),
    CONSTRAINT score_requests_fingerprint_length CHECK (length(fingerprint) = 32)
);

-- One ranked list: a board (a leaderboard or an event) in one period, of one segment ('' when it has none). `id` is computed
-- from these three.
CREATE TABLE rankings (
    realm BIGINT NOT NULL,
    id UUID NOT NULL,
    board UUID NOT NULL,
    period_starts_at BIGINT NOT NULL,
    segment TEXT COLLATE "C" NOT NULL,
    aggregation TEXT COLLATE "C" NOT NULL,
    sort_order TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (realm, id),
    UNIQUE (realm, board, period_starts_at, segment),
    CONSTRAINT rankings_segment_length CHECK (length(segment) <= 64),
    CONSTRAINT rankings_aggregation_known CHECK (aggregation IN ('best', 'latest', 'sum')),
    CONSTRAINT rankings_sort_order_known CHECK (sort_order IN ('ascending', 'descending'))
);

-- How a player stands in a ranking. Ranks follow (order_key, achieved_at, player), ascending: the order key is the score, its
-- sign turned where more is better.
CREATE TABLE ranking_entries (
    realm BIGINT NOT NULL,
    ranking UUID NOT NULL,
    player UUID NOT NULL,
    order_key BIGINT NOT NULL,
    achieved_at BIGINT NOT NULL,
    PRIMARY KEY (realm, ranking, player),
    CONSTRAINT ranking_entries_order_key_range CHECK (order_key BETWEEN -9007199254740991000 AND 9007199254740991000)
);

CREATE UNIQUE INDEX ranking_entries_in_order ON ranking_entries (realm, ranking, order_key, achieved_at, player);
CREATE INDEX ranking_entries_by_player ON ranking_entries (realm, player, ranking);

-- How many entries a ranking has between one place of its order and the place of the next block: a rank is a sum over the
-- blocks before it and a count within one. A block that grew too large is cut in two.
CREATE TABLE ranking_blocks (
    realm BIGINT NOT NULL,
    ranking UUID NOT NULL,
    order_key BIGINT NOT NULL,
    achieved_at BIGINT NOT NULL,
    player UUID NOT NULL,
    entries BIGINT NOT NULL,
    PRIMARY KEY (realm, ranking, order_key, achieved_at, player),
    CONSTRAINT ranking_blocks_entries_range CHECK (entries >= 0)
) WITH (fillfactor = 80);

-- The same once more, of blocks: a rank is a sum over the sections before it, over the blocks before it in its section, and a
-- count within its block. A section begins where one of the blocks does.
CREATE TABLE ranking_sections (
    realm BIGINT NOT NULL,
    ranking UUID NOT NULL,
    order_key BIGINT NOT NULL,
    achieved_at BIGINT NOT NULL,
    player UUID NOT NULL,
    entries BIGINT NOT NULL,
    PRIMARY KEY (realm, ranking, order_key, achieved_at, player),
    CONSTRAINT ranking_sections_entries_range CHECK (entries >= 0)
) WITH (fillfactor = 80);

-- First statistics, as in the migrations before. The references come afterwards, because these rows have no players.

INSERT INTO events SELECT 0, gen_random_uuid(), 'event-' || n, '{}', 1, 0, 0 FROM generate_series(1, 40) AS n;
INSERT INTO leaderboards SELECT 0, gen_random_uuid(), 'board-' || n, '{}', 1, 0, 0 FROM generate_series(1, 40) AS n;
INSERT INTO lobbies SELECT 0, gen_random_uuid(), id, id, 'lobby-' || n, 'lobby_matched', 'best', 'descending', 4, true,
    '[]', 2, NULL, 'active', n, NULL, n, n, NULL, n, true, 1
    FROM (SELECT id FROM events LIMIT 1) AS event, generate_series(1, 40) AS n;
INSERT INTO lobby_participants SELECT 0, id, gen_random_uuid(), 0, NULL, NULL
    FROM (SELECT id FROM lobbies LIMIT 10) AS lobby, generate_series(1, 4) AS n;
INSERT INTO attempts SELECT 0, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), id, id, '{}', 0, false, 0, 0,
    NULL, 'in_progress', sha256(convert_to(id::text || n, 'UTF8')), sha256('x')
    FROM (SELECT id FROM lobbies LIMIT 10) AS lobby, generate_series(1, 4) AS n;
INSERT INTO score_requests SELECT 0, 'leaderboard.score', sha256(convert_to(n::text, 'UTF8')), sha256('x'), '{}', 0
    FROM generate_series(1, 40) AS n;
INSERT INTO rankings SELECT 0, gen_random_uuid(), gen_random_uuid(), 0, '', 'best', 'descending', 0
    FROM generate_series(1, 40) AS n;
INSERT INTO ranking_entries SELECT 0, id, gen_random_uuid(), n, n
    FROM (SELECT id FROM rankings LIMIT 1) AS ranking, generate_series(1, 40) AS n;
INSERT INTO ranking_blocks SELECT 0, id, n, n, gen_random_uuid(), 1
    FROM (SELECT id FROM rankings LIMIT 1) AS ranking, generate_series(1, 40) AS n;
INSERT INTO ranking_sections SELECT * FROM ranking_blocks;
ANALYZE events, leaderboards, lobbies, lobby_participants, attempts, score_requests, rankings, ranking_entries, ranking_blocks,
    ranking_sections;
DELETE FROM ranking_sections;
DELETE FROM ranking_blocks;
DELETE FROM ranking_entries;
DELETE FROM rankings;
DELETE FROM score_requests;
DELETE FROM attempts;
DELETE FROM lobby_participants;
DELETE FROM lobbies;
DELETE FROM leaderboards;
DELETE FROM events;

ALTER TABLE events ADD FOREIGN KEY (realm) REFERENCES realms (id);
ALTER TABLE leaderboards ADD FOREIGN KEY (realm) REFERENCES realms (id);
ALTER TABLE lobbies ADD FOREIGN KEY (realm, event) REFERENCES events (realm, id);
ALTER TABLE lobby_participants ADD FOREIGN KEY (realm, lobby) REFERENCES lobbies (realm, id);
ALTER TABLE lobby_participants ADD FOREIGN KEY (realm, player) REFERENCES players (realm, id);
ALTER TABLE attempts ADD FOREIGN KEY (realm, player) REFERENCES players (realm, id);
ALTER TABLE attempts ADD FOREIGN KEY (realm, event) REFERENCES events (realm, id);
ALTER TABLE ranking_entries ADD FOREIGN KEY (realm, ranking) REFERENCES rankings (realm, id);
ALTER TABLE ranking_entries ADD FOREIGN KEY (realm, player) REFERENCES players (realm, id);
ALTER TABLE ranking_blocks ADD FOREIGN KEY (realm, ranking) REFERENCES rankings (realm, id);
ALTER TABLE ranking_sections ADD FOREIGN KEY (realm, ranking) REFERENCES rankings (realm, id);
