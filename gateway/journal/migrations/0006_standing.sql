-- How often a node's own data was heard, as it was last known.
CREATE TABLE data_rates (
    node       TEXT PRIMARY KEY,
    per_second REAL NOT NULL
) WITHOUT ROWID;
