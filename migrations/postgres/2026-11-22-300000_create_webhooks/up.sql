-- What Purser says to studios: endpoints, the outbox, deliveries; and when keys expire.

ALTER TABLE api_keys ADD COLUMN expiry_set_at BIGINT;

-- Which notices of a key's expiry were given. A key whose expiry moves gets new ones.
CREATE TABLE api_key_notices (
    realm BIGINT NOT NULL,
    api_key UUID NOT NULL,
    expires_at BIGINT NOT NULL,
    days BIGINT NOT NULL,
    noticed_at BIGINT NOT NULL,
    PRIMARY KEY (realm, api_key, expires_at, days),
    CONSTRAINT api_key_notices_days_known CHECK (days IN (30, 7, 1))
);

-- Where a realm's grants have been looked through for those that expired.
CREATE TABLE grant_expiry_sweeps (
    realm BIGINT NOT NULL PRIMARY KEY,
    swept_until BIGINT NOT NULL
) WITH (fillfactor = 50);

CREATE INDEX grants_by_expiry ON grants (realm, expires_at, id) WHERE claimed_at IS NULL AND expires_at IS NOT NULL;

-- Where studios want to be told, and of what. Secrets are sealed with the installation's, which is not in this database. One
-- that was removed stays until all that waited for it is gone, without its secrets.
CREATE TABLE webhook_endpoints (
    realm BIGINT NOT NULL,
    id UUID NOT NULL,
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    dialect TEXT COLLATE "C" NOT NULL,
    events TEXT NOT NULL,
    disabled_reason TEXT COLLATE "C",
    disabled_at BIGINT,
    failing_since BIGINT,
    secret BYTEA NOT NULL,
    previous_secret BYTEA,
    previous_secret_until BIGINT,
    callback_key BYTEA,
    previous_callback_key BYTEA,
    previous_callback_key_until BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    removed_at BIGINT,
    PRIMARY KEY (realm, id),
    CONSTRAINT webhook_endpoints_url_length CHECK (length(url) BETWEEN 1 AND 2048),
    CONSTRAINT webhook_endpoints_description_length CHECK (length(description) <= 500),
    CONSTRAINT webhook_endpoints_dialect_known CHECK (dialect IN ('json', 'kongregate')),
    CONSTRAINT webhook_endpoints_disabled_reason_known CHECK (disabled_reason IN ('by_request', 'gone', 'failing')),
    CONSTRAINT webhook_endpoints_disabled_complete CHECK ((disabled_reason IS NULL) = (disabled_at IS NULL)),
    CONSTRAINT webhook_endpoints_previous_secret_complete CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL)),
    CONSTRAINT webhook_endpoints_previous_callback_key_complete
        CHECK ((previous_callback_key IS NULL) = (previous_callback_key_until IS NULL)),
    CONSTRAINT webhook_endpoints_previous_callback_key_of_one
        CHECK (previous_callback_key IS NULL OR callback_key IS NOT NULL)
) WITH (fillfactor = 70);

-- The last position of a realm's events, also when none of them is kept any more, and up to which of them deliveries were made:
-- here always the same, because an event has no position before. Changed by one process at a time in a realm.
CREATE TABLE outbox_positions (
    realm BIGINT NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL,
    published BIGINT NOT NULL,
    CONSTRAINT outbox_positions_published_range CHECK (published BETWEEN 0 AND last)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

-- What happened, stored by the transaction that did it, if an endpoint of the realm is told of it. `words` are what a person
-- wrote, or what a player was called; an erasure removes them. `position` is given when an event is published: never a lower one
-- to an event that became known later. The realm is no reference: every batch would lock its row, once for each event. Rows wait
-- in a queue, which is an index: what has left it must be cleared away often, however large the table is.
CREATE TABLE outbox_events (
    realm BIGINT NOT NULL,
    id UUID NOT NULL,
    position BIGINT,
    name TEXT COLLATE "C" NOT NULL,
    occurred_at BIGINT NOT NULL,
    player UUID,
    data JSON NOT NULL,
    words JSON,
    PRIMARY KEY (realm, id),
    CONSTRAINT outbox_events_name_length CHECK (length(name) BETWEEN 1 AND 64)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

CREATE UNIQUE INDEX outbox_events_by_position ON outbox_events (realm, position) WHERE position IS NOT NULL;
CREATE INDEX outbox_events_unpublished ON outbox_events (realm, occurred_at, id) WHERE position IS NULL;
CREATE INDEX outbox_events_by_player ON outbox_events (realm, player) WHERE player IS NOT NULL;

-- Which event is told to whom, and how far that is. What was taken by a process is due again when its time is over. Neither event
-- nor endpoint is a reference: to check one costs more than to store the row, and a row without either is told to nobody and
-- goes by its age.
CREATE TABLE webhook_deliveries (
    realm BIGINT NOT NULL,
    id UUID NOT NULL,
    endpoint UUID NOT NULL,
    event UUID NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    occurred_at BIGINT NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    due_at BIGINT,
    claim UUID,
    ended_at BIGINT,
    PRIMARY KEY (realm, id),
    CONSTRAINT webhook_deliveries_name_length CHECK (length(name) BETWEEN 1 AND 64),
    CONSTRAINT webhook_deliveries_status_known CHECK (status IN ('pending', 'delivered', 'failed')),
    CONSTRAINT webhook_deliveries_attempts_range CHECK (attempts >= 0 AND tries BETWEEN 0 AND attempts),
    CONSTRAINT webhook_deliveries_due_while_pending CHECK ((status = 'pending') = (due_at IS NOT NULL)),
    CONSTRAINT webhook_deliveries_ended_unless_pending CHECK ((status = 'pending') = (ended_at IS NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (realm, endpoint, due_at) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_by_status ON webhook_deliveries (realm, endpoint, status, id);

-- What came of each attempt: an answer or an error.
CREATE TABLE webhook_attempts (
    realm BIGINT NOT NULL,
    delivery UUID NOT NULL,
    number BIGINT NOT NULL,
    attempted_at BIGINT NOT NULL,
    took BIGINT NOT NULL,
    answer_status BIGINT,
    answer_body TEXT,
    retry_after BIGINT,
    error TEXT,
    PRIMARY KEY (realm, delivery, number),
    CONSTRAINT webhook_attempts_number_range CHECK (number >= 1),
    CONSTRAINT webhook_attempts_outcome_complete
        CHECK ((answer_status IS NULL) = (answer_body IS NULL) AND (answer_status IS NULL) = (error IS NOT NULL))
);

-- The numbers that stand for players where a receiver wants one. Never changed, never used again. The player is no reference:
-- to check it is to lock a row that a merge may be changing.
CREATE SEQUENCE player_number_ids;

CREATE TABLE player_numbers (
    realm BIGINT NOT NULL,
    player UUID NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (realm, player),
    UNIQUE (realm, number),
    CONSTRAINT player_numbers_number_range CHECK (number >= 1)
);

-- First statistics, as in the migrations before. The references come afterwards, because these rows have none of what they
-- refer to.

INSERT INTO api_key_notices SELECT 0, gen_random_uuid(), 0, 7, 0 FROM generate_series(1, 40) AS n;
INSERT INTO webhook_endpoints SELECT 0, gen_random_uuid(), 'https://example.com/' || n, '', 'json', '*', NULL, NULL, NULL, 'x',
    NULL, NULL, NULL, NULL, NULL, 0, 0, NULL FROM generate_series(1, 40) AS n;
INSERT INTO outbox_events SELECT 0, gen_random_uuid(), nullif(n % 2, 0) * n, 'wallet.changed', n, gen_random_uuid(), '{}', NULL
    FROM generate_series(1, 40) AS n;
INSERT INTO webhook_deliveries SELECT 0, gen_random_uuid(), endpoint.id, event.id, 'wallet.changed', 0,
    CASE event.occurred_at % 2 WHEN 0 THEN 'pending' ELSE 'delivered' END, 0, 0,
    CASE event.occurred_at % 2 WHEN 0 THEN event.occurred_at END, NULL,
    CASE event.occurred_at % 2 WHEN 1 THEN event.occurred_at END
    FROM (SELECT id FROM webhook_endpoints LIMIT 1) AS endpoint, outbox_events AS event;
INSERT INTO webhook_attempts SELECT 0, id, 1, 0, 0, 200, '', NULL, NULL FROM webhook_deliveries;
INSERT INTO player_numbers SELECT 0, gen_random_uuid(), n FROM generate_series(1, 40) AS n;
ANALYZE api_key_notices, webhook_endpoints, outbox_events, webhook_deliveries, webhook_attempts, player_numbers;
DELETE FROM player_numbers;
DELETE FROM webhook_attempts;
DELETE FROM webhook_deliveries;
DELETE FROM outbox_events;
DELETE FROM webhook_endpoints;
DELETE FROM api_key_notices;

ALTER TABLE api_key_notices ADD FOREIGN KEY (realm, api_key) REFERENCES api_keys (realm, id);
ALTER TABLE grant_expiry_sweeps ADD FOREIGN KEY (realm) REFERENCES realms (id);
ALTER TABLE webhook_endpoints ADD FOREIGN KEY (realm) REFERENCES realms (id);
ALTER TABLE outbox_positions ADD FOREIGN KEY (realm) REFERENCES realms (id);

-- Making an index on an empty table wrote down that it is empty, so what the first migration learnt of grants is learnt again, as
-- the third one did with players, and of as few rows as keep the autovacuum away.

INSERT INTO studios SELECT gen_random_uuid(), 'first statistics', 0 WHERE NOT EXISTS (SELECT FROM grants);
INSERT INTO games SELECT gen_random_uuid(), id, 'x', 0 FROM studios WHERE slug = 'first statistics';
INSERT INTO realms SELECT 0, game.id, 'sandbox' FROM games AS game JOIN studios AS studio ON studio.id = game.studio
    WHERE studio.slug = 'first statistics';
INSERT INTO players SELECT id, gen_random_uuid(), 'player-' || n, n, n FROM realms, generate_series(1, 2) AS n WHERE id = 0;
INSERT INTO grants SELECT realm, gen_random_uuid(), id, 'reward', '[]', 'api', NULL, NULL, 'claim', NULL, NULL, nullif(n, 1), 0,
    'x', sha256(convert_to(id::text || n, 'UTF8')), sha256('x') FROM players, generate_series(1, 5) AS n WHERE realm = 0;
ANALYZE grants;
DELETE FROM grants WHERE realm = 0;
DELETE FROM players WHERE realm = 0;
DELETE FROM realms WHERE id = 0;
DELETE FROM games WHERE studio IN (SELECT id FROM studios WHERE slug = 'first statistics');
DELETE FROM studios WHERE slug = 'first statistics';
