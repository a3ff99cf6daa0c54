-- The blocks of a ranking once more, of blocks: a rank is a sum over the sections before it, over the blocks before it in its
-- section, and a count within its block. A section begins where one of the blocks does.
CREATE TABLE ranking_sections (
    realm INTEGER NOT NULL,
    ranking BLOB NOT NULL,
    order_key INTEGER NOT NULL,
    achieved_at INTEGER NOT NULL,
    player BLOB NOT NULL CHECK (length(player) = 16),
    entries INTEGER NOT NULL,
    PRIMARY KEY (realm, ranking, order_key, achieved_at, player),
    FOREIGN KEY (realm, ranking) REFERENCES rankings (realm, id),
    CONSTRAINT ranking_sections_entries_range CHECK (entries >= 0)
) STRICT, WITHOUT ROWID;

-- The first block after every 8,192 entries, and the first of all, begin one. Each is neither to be cut nor to be joined to
-- another, but a ranking's last, which is small at worst.
INSERT INTO ranking_sections (realm, ranking, order_key, achieved_at, player, entries)
WITH numbered AS (
    SELECT realm, ranking, order_key, achieved_at, player, entries,
        (sum(entries) OVER (PARTITION BY realm, ranking ORDER BY order_key, achieved_at, player) - entries) / 8192 AS section
    FROM ranking_blocks
), counted AS (
    SELECT realm, ranking, order_key, achieved_at, player,
        sum(entries) OVER (PARTITION BY realm, ranking, section) AS entries,
        row_number() OVER (PARTITION BY realm, ranking, section ORDER BY order_key, achieved_at, player) AS number
    FROM numbered
)
SELECT realm, ranking, order_key, achieved_at, player, entries FROM counted WHERE number = 1;
