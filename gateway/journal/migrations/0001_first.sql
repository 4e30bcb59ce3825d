-- The journal as the first release writes it.  Values are JSON of frozen records,
-- columns are only what is searched by.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE attempts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    node       TEXT NOT NULL,
    deployment TEXT,
    open       INTEGER NOT NULL,
    outcome    TEXT,
    record     TEXT NOT NULL
);
CREATE INDEX attempts_by_node ON attempts (node, id);
CREATE INDEX attempts_open ON attempts (open) WHERE open;
CREATE UNIQUE INDEX attempts_once ON attempts (deployment, node)
    WHERE deployment IS NOT NULL AND json_extract(record, '$.recovers') IS NULL;

CREATE TABLE deployments (
    id       TEXT PRIMARY KEY,
    revision INTEGER,
    open     INTEGER NOT NULL,
    request  TEXT NOT NULL,
    created  TEXT NOT NULL
) WITHOUT ROWID;

-- Everything that is told, in order.  AUTOINCREMENT keeps a number from being used twice.
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    unsent   INTEGER NOT NULL,
    node     TEXT,
    event    TEXT NOT NULL
);
CREATE INDEX events_unsent ON events (sequence) WHERE unsent;

-- What was last seen of a node, and which of its states upstream has.
CREATE TABLE nodes (
    name      TEXT PRIMARY KEY,
    seen      TEXT,
    identity  TEXT,
    revision  INTEGER NOT NULL DEFAULT 1,
    published INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- The artifact to go back to, by node and component.
CREATE TABLE known_goods (
    node      TEXT NOT NULL,
    component TEXT NOT NULL,
    target    TEXT NOT NULL,
    PRIMARY KEY (node, component)
) WITHOUT ROWID;

-- Known-goods that the operator vouches for, by node type.
CREATE TABLE baselines (
    profile   TEXT NOT NULL,
    component TEXT NOT NULL,
    artifact  TEXT NOT NULL,
    target    TEXT NOT NULL,
    PRIMARY KEY (profile, component, artifact)
) WITHOUT ROWID;

-- Which ways back were seen to work, on which model and firmware.
CREATE TABLE ways_back (
    profile TEXT NOT NULL,
    kind    TEXT NOT NULL,
    version TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    PRIMARY KEY (profile, kind, version)
) WITHOUT ROWID;

-- Measured speeds, for estimates.
CREATE TABLE speeds (
    node             TEXT PRIMARY KEY,
    bytes_per_second REAL NOT NULL
) WITHOUT ROWID;

-- The last frames on the link of attempts that did not succeed.
CREATE TABLE traces (
    attempt INTEGER PRIMARY KEY,
    frames  TEXT NOT NULL
);
