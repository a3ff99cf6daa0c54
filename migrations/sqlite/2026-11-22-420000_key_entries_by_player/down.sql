CREATE TABLE ranking_entries_new (
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

INSERT INTO ranking_entries_new (realm, ranking, player, order_key, achieved_at)
SELECT realm, ranking, player, order_key, achieved_at FROM ranking_entries ORDER BY realm, ranking, player;

DROP TABLE ranking_entries;
ALTER TABLE ranking_entries_new RENAME TO ranking_entries;

CREATE UNIQUE INDEX ranking_entries_in_order ON ranking_entries (realm, ranking, order_key, achieved_at, player);
CREATE INDEX ranking_entries_by_player ON ranking_entries (realm, player, ranking);
