-- Distributes a migrated database by realm over the nodes of a Citus cluster: `purser migrate distribute`, or psql -f, on the
-- coordinator, after CREATE EXTENSION citus and citus_add_node for every worker. Each statement is a transaction of its own,
-- and all of it can be run again when it was interrupted. No statement here ends in the middle of a line.

-- References between tables are taken off while the tables move, because Citus refuses them between a table that has moved
-- and one that has not, and are put back under their names at the end.

ALTER TABLE games DROP CONSTRAINT IF EXISTS games_studio_fkey;
ALTER TABLE realms DROP CONSTRAINT IF EXISTS realms_game_fkey;
ALTER TABLE api_keys DROP CONSTRAINT IF EXISTS api_keys_realm_fkey;
ALTER TABLE players DROP CONSTRAINT IF EXISTS players_realm_fkey;
ALTER TABLE accounts DROP CONSTRAINT IF EXISTS accounts_realm_player_fkey;
ALTER TABLE grants DROP CONSTRAINT IF EXISTS grants_realm_player_fkey;
ALTER TABLE player_imports DROP CONSTRAINT IF EXISTS player_imports_realm_player_fkey;
ALTER TABLE closed_accounts DROP CONSTRAINT IF EXISTS closed_accounts_realm_player_fkey;
ALTER TABLE player_merges DROP CONSTRAINT IF EXISTS player_merges_realm_source_fkey;
ALTER TABLE player_merges DROP CONSTRAINT IF EXISTS player_merges_realm_target_fkey;
ALTER TABLE player_erasures DROP CONSTRAINT IF EXISTS player_erasures_realm_player_fkey;
ALTER TABLE audit_log DROP CONSTRAINT IF EXISTS audit_log_realm_fkey;
ALTER TABLE events DROP CONSTRAINT IF EXISTS events_realm_fkey;
ALTER TABLE leaderboards DROP CONSTRAINT IF EXISTS leaderboards_realm_fkey;
ALTER TABLE lobbies DROP CONSTRAINT IF EXISTS lobbies_realm_event_fkey;
ALTER TABLE lobby_participants DROP CONSTRAINT IF EXISTS lobby_participants_realm_lobby_fkey;
ALTER TABLE lobby_participants DROP CONSTRAINT IF EXISTS lobby_participants_realm_player_fkey;
ALTER TABLE attempts DROP CONSTRAINT IF EXISTS attempts_realm_player_fkey;
ALTER TABLE attempts DROP CONSTRAINT IF EXISTS attempts_realm_event_fkey;
ALTER TABLE ranking_entries DROP CONSTRAINT IF EXISTS ranking_entries_realm_ranking_fkey;
ALTER TABLE ranking_entries DROP CONSTRAINT IF EXISTS ranking_entries_realm_player_fkey;
ALTER TABLE ranking_blocks DROP CONSTRAINT IF EXISTS ranking_blocks_realm_ranking_fkey;
ALTER TABLE ranking_sections DROP CONSTRAINT IF EXISTS ranking_sections_realm_ranking_fkey;
ALTER TABLE api_key_notices DROP CONSTRAINT IF EXISTS api_key_notices_realm_api_key_fkey;
ALTER TABLE grant_expiry_sweeps DROP CONSTRAINT IF EXISTS grant_expiry_sweeps_realm_fkey;
ALTER TABLE webhook_endpoints DROP CONSTRAINT IF EXISTS webhook_endpoints_realm_fkey;
ALTER TABLE outbox_positions DROP CONSTRAINT IF EXISTS outbox_positions_realm_fkey;

-- The directory, and what all servers agree on, is small and read everywhere: a copy on every node.

SELECT create_reference_table('studios') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'studios'::regclass);
SELECT create_reference_table('games') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'games'::regclass);
SELECT create_reference_table('realms') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'realms'::regclass);
SELECT create_reference_table('api_keys') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'api_keys'::regclass);
SELECT create_reference_table('installation') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'installation'::regclass);

-- All that belongs to a realm lies on one node, so a batch of one realm is a transaction on one node.

SELECT create_distributed_table('players', 'realm', colocate_with => 'none') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'players'::regclass);
SELECT create_distributed_table('accounts', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'accounts'::regclass);
SELECT create_distributed_table('entries', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'entries'::regclass);
SELECT create_distributed_table('grants', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'grants'::regclass);
SELECT create_distributed_table('player_imports', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'player_imports'::regclass);
SELECT create_distributed_table('closed_accounts', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'closed_accounts'::regclass);
SELECT create_distributed_table('player_merges', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'player_merges'::regclass);
SELECT create_distributed_table('player_erasures', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'player_erasures'::regclass);
SELECT create_distributed_table('audit_log', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'audit_log'::regclass);
SELECT create_distributed_table('events', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'events'::regclass);
SELECT create_distributed_table('leaderboards', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'leaderboards'::regclass);
SELECT create_distributed_table('lobbies', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'lobbies'::regclass);
SELECT create_distributed_table('lobby_participants', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'lobby_participants'::regclass);
SELECT create_distributed_table('attempts', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'attempts'::regclass);
SELECT create_distributed_table('score_requests', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'score_requests'::regclass);
SELECT create_distributed_table('rankings', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'rankings'::regclass);
SELECT create_distributed_table('ranking_entries', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'ranking_entries'::regclass);
SELECT create_distributed_table('ranking_blocks', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'ranking_blocks'::regclass);
SELECT create_distributed_table('ranking_sections', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'ranking_sections'::regclass);
SELECT create_distributed_table('api_key_notices', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'api_key_notices'::regclass);
SELECT create_distributed_table('grant_expiry_sweeps', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'grant_expiry_sweeps'::regclass);
SELECT create_distributed_table('webhook_endpoints', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'webhook_endpoints'::regclass);
SELECT create_distributed_table('outbox_positions', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'outbox_positions'::regclass);
SELECT create_distributed_table('outbox_events', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'outbox_events'::regclass);
SELECT create_distributed_table('webhook_deliveries', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'webhook_deliveries'::regclass);
SELECT create_distributed_table('webhook_attempts', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'webhook_attempts'::regclass);
SELECT create_distributed_table('player_numbers', 'realm', colocate_with => 'players') WHERE NOT EXISTS
    (SELECT FROM pg_dist_partition WHERE logicalrel = 'player_numbers'::regclass);

ALTER TABLE games ADD CONSTRAINT games_studio_fkey FOREIGN KEY (studio) REFERENCES studios (id);
ALTER TABLE realms ADD CONSTRAINT realms_game_fkey FOREIGN KEY (game) REFERENCES games (id);
ALTER TABLE api_keys ADD CONSTRAINT api_keys_realm_fkey FOREIGN KEY (realm) REFERENCES realms (id);
ALTER TABLE players ADD CONSTRAINT players_realm_fkey FOREIGN KEY (realm) REFERENCES realms (id);
ALTER TABLE accounts ADD CONSTRAINT accounts_realm_player_fkey FOREIGN KEY (realm, player) REFERENCES players (realm, id);
ALTER TABLE grants ADD CONSTRAINT grants_realm_player_fkey FOREIGN KEY (realm, player) REFERENCES players (realm, id);
ALTER TABLE player_imports ADD CONSTRAINT player_imports_realm_player_fkey FOREIGN KEY (realm, player)
    REFERENCES players (realm, id);
ALTER TABLE closed_accounts ADD CONSTRAINT closed_accounts_realm_player_fkey FOREIGN KEY (realm, player)
    REFERENCES players (realm, id);
ALTER TABLE player_merges ADD CONSTRAINT player_merges_realm_source_fkey FOREIGN KEY (realm, source)
    REFERENCES players (realm, id);
ALTER TABLE player_merges ADD CONSTRAINT player_merges_realm_target_fkey FOREIGN KEY (realm, target)
    REFERENCES players (realm, id);
ALTER TABLE player_erasures ADD CONSTRAINT player_erasures_realm_player_fkey FOREIGN KEY (realm, player)
    REFERENCES players (realm, id);
ALTER TABLE audit_log ADD CONSTRAINT audit_log_realm_fkey FOREIGN KEY (realm) REFERENCES realms (id);
ALTER TABLE events ADD CONSTRAINT events_realm_fkey FOREIGN KEY (realm) REFERENCES realms (id);
ALTER TABLE leaderboards ADD CONSTRAINT leaderboards_realm_fkey FOREIGN KEY (realm) REFERENCES realms (id);
ALTER TABLE lobbies ADD CONSTRAINT lobbies_realm_event_fkey FOREIGN KEY (realm, event) REFERENCES events (realm, id);
ALTER TABLE lobby_participants ADD CONSTRAINT lobby_participants_realm_lobby_fkey FOREIGN KEY (realm, lobby)
    REFERENCES lobbies (realm, id);
ALTER TABLE lobby_participants ADD CONSTRAINT lobby_participants_realm_player_fkey FOREIGN KEY (realm, player)
    REFERENCES players (realm, id);
ALTER TABLE attempts ADD CONSTRAINT attempts_realm_player_fkey FOREIGN KEY (realm, player)
    REFERENCES players (realm, id);
ALTER TABLE attempts ADD CONSTRAINT attempts_realm_event_fkey FOREIGN KEY (realm, event) REFERENCES events (realm, id);
ALTER TABLE ranking_entries ADD CONSTRAINT ranking_entries_realm_ranking_fkey FOREIGN KEY (realm, ranking)
    REFERENCES rankings (realm, id);
ALTER TABLE ranking_entries ADD CONSTRAINT ranking_entries_realm_player_fkey FOREIGN KEY (realm, player)
    REFERENCES players (realm, id);
ALTER TABLE ranking_blocks ADD CONSTRAINT ranking_blocks_realm_ranking_fkey FOREIGN KEY (realm, ranking)
    REFERENCES rankings (realm, id);
ALTER TABLE ranking_sections ADD CONSTRAINT ranking_sections_realm_ranking_fkey FOREIGN KEY (realm, ranking)
    REFERENCES rankings (realm, id);
ALTER TABLE api_key_notices ADD CONSTRAINT api_key_notices_realm_api_key_fkey FOREIGN KEY (realm, api_key)
    REFERENCES api_keys (realm, id);
ALTER TABLE grant_expiry_sweeps ADD CONSTRAINT grant_expiry_sweeps_realm_fkey FOREIGN KEY (realm) REFERENCES realms (id);
ALTER TABLE webhook_endpoints ADD CONSTRAINT webhook_endpoints_realm_fkey FOREIGN KEY (realm) REFERENCES realms (id);
ALTER TABLE outbox_positions ADD CONSTRAINT outbox_positions_realm_fkey FOREIGN KEY (realm) REFERENCES realms (id);
