-- An entry of a ranking is found by its player first, so that one index serves both who looks for a player in a ranking and who
-- looks for the rankings of a player. Each score writes one page less, and so does the log after each checkpoint.

ALTER TABLE ranking_entries DROP CONSTRAINT ranking_entries_pkey;
ALTER TABLE ranking_entries ADD PRIMARY KEY (realm, player, ranking);
DROP INDEX ranking_entries_by_player;
-- Room for an entry to move within its page: a score then changes one page of the table and not two. It is left in pages that are
-- new from now on.
ALTER TABLE ranking_entries SET (fillfactor = 80);
