-- How many calls a minute a key may make, where it has a limit of its own; 0 is any number.
ALTER TABLE api_keys ADD COLUMN rate_limit_server_api INTEGER
    CONSTRAINT api_keys_rate_limit_server_api_within_bounds CHECK (rate_limit_server_api BETWEEN 0 AND 1000000000);
