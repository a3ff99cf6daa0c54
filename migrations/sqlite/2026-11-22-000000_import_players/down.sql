DROP TABLE player_imports;
ALTER TABLE players DROP COLUMN context_snapshot;
ALTER TABLE entries DROP COLUMN parameters;
