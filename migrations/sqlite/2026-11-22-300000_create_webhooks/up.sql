-- What Purser says to studios: endpoints, the outbox, deliveries; and when keys expire.

ALTER TABLE api_keys ADD COLUMN expiry_set_at INTEGER;

-- Which notices of a key's expiry were given. A key whose expiry moves gets new ones.
CREATE TABLE api_key_notices (
    realm INTEGER NOT NULL,
    api_key BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    days INTEGER NOT NULL,
    noticed_at INTEGER NOT NULL,
    PRIMARY KEY (realm, api_key, expires_at, days),
    FOREIGN KEY (realm, api_key) REFERENCES api_keys (realm, id),
    CONSTRAINT api_key_notices_days_known CHECK (days IN (30, 7, 1))
) STRICT, WITHOUT ROWID;

-- Where a realm's grants have been looked through for those that expired.
CREATE TABLE grant_expiry_sweeps (
    realm INTEGER NOT NULL PRIMARY KEY REFERENCES realms (id),
    swept_until INTEGER NOT NULL
) STRICT;

CREATE INDEX grants_by_expiry ON grants (realm, expires_at, id) WHERE claimed_at IS NULL AND expires_at IS NOT NULL;

-- Where studios want to be told, and of what. Secrets are sealed with the installation's, which is not in this database. One
-- that was removed stays until all that waited for it is gone, without its secrets.
CREATE TABLE webhook_endpoints (
    realm INTEGER NOT NULL REFERENCES realms (id),
    id BLOB NOT NULL CHECK (length(id) = 16),
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    dialect TEXT NOT NULL,
    events TEXT NOT NULL,
    disabled_reason TEXT,
    disabled_at INTEGER,
    failing_since INTEGER,
    secret BLOB NOT NULL,
    previous_secret BLOB,
    previous_secret_until INTEGER,
    callback_key BLOB,
    previous_callback_key BLOB,
    previous_callback_key_until INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    removed_at INTEGER,
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
) STRICT, WITHOUT ROWID;

-- How far the numbers of a realm's events are, and up to which of them deliveries were made.
CREATE TABLE outbox_positions (
    realm INTEGER NOT NULL PRIMARY KEY REFERENCES realms (id),
    last INTEGER NOT NULL,
    published INTEGER NOT NULL,
    CONSTRAINT outbox_positions_published_range CHECK (published BETWEEN 0 AND last)
) STRICT;

-- What happened, stored by the transaction that did it, if an endpoint of the realm is told of it. `words` are what a person
-- wrote, or what a player was called; an erasure removes them.
CREATE TABLE outbox_events (
    realm INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    position INTEGER,
    name TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    player BLOB CHECK (player IS NULL OR length(player) = 16),
    data TEXT NOT NULL CHECK (json_valid(data)),
    words TEXT CHECK (words IS NULL OR json_valid(words)),
    PRIMARY KEY (realm, id),
    CONSTRAINT outbox_events_name_length CHECK (length(name) BETWEEN 1 AND 64)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX outbox_events_by_position ON outbox_events (realm, position) WHERE position IS NOT NULL;
CREATE INDEX outbox_events_by_player ON outbox_events (realm, player) WHERE player IS NOT NULL;

-- Which event is told to whom, and how far that is. What was taken by a process is due again when its time is over.
-- There is no foreign key to the endpoint: removing one would look through all deliveries of its realm.
CREATE TABLE webhook_deliveries (
    realm INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    endpoint BLOB NOT NULL,
    event BLOB NOT NULL CHECK (length(event) = 16),
    name TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    due_at INTEGER,
    claim BLOB CHECK (claim IS NULL OR length(claim) = 16),
    ended_at INTEGER,
    PRIMARY KEY (realm, id),
    CONSTRAINT webhook_deliveries_name_length CHECK (length(name) BETWEEN 1 AND 64),
    CONSTRAINT webhook_deliveries_status_known CHECK (status IN ('pending', 'delivered', 'failed')),
    CONSTRAINT webhook_deliveries_attempts_range CHECK (attempts >= 0 AND tries BETWEEN 0 AND attempts),
    CONSTRAINT webhook_deliveries_due_while_pending CHECK ((status = 'pending') = (due_at IS NOT NULL)),
    CONSTRAINT webhook_deliveries_ended_unless_pending CHECK ((status = 'pending') = (ended_at IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (realm, endpoint, due_at) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_by_status ON webhook_deliveries (realm, endpoint, status, id);

-- What came of each attempt: an answer or an error.
CREATE TABLE webhook_attempts (
    realm INTEGER NOT NULL,
    delivery BLOB NOT NULL CHECK (length(delivery) = 16),
    number INTEGER NOT NULL,
    attempted_at INTEGER NOT NULL,
    took INTEGER NOT NULL,
    answer_status INTEGER,
    answer_body TEXT,
    retry_after INTEGER,
    error TEXT,
    PRIMARY KEY (realm, delivery, number),
    CONSTRAINT webhook_attempts_number_range CHECK (number >= 1),
    CONSTRAINT webhook_attempts_outcome_complete
        CHECK ((answer_status IS NULL) = (answer_body IS NULL) AND (answer_status IS NULL) = (error IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- The numbers that stand for players where a receiver wants one. Never changed, never used again.
CREATE TABLE player_numbers (
    realm INTEGER NOT NULL,
    player BLOB NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (realm, player),
    UNIQUE (realm, number),
    CONSTRAINT player_numbers_number_range CHECK (number >= 1)
) STRICT, WITHOUT ROWID;
