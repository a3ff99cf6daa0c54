ALTER TABLE ranking_entries RESET (fillfactor);
ALTER TABLE ranking_entries DROP CONSTRAINT ranking_entries_pkey;
ALTER TABLE ranking_entries ADD PRIMARY KEY (realm, ranking, player);
CREATE INDEX ranking_entries_by_player ON ranking_entries (realm, player, ranking);
