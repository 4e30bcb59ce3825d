-- What people said of rollouts, and what a rollout concluded by itself.  Waves need no
-- table: they follow from the attempts.

-- Scope '' is everything, else a deployment's id.
CREATE TABLE pauses (
    scope TEXT PRIMARY KEY,
    pause TEXT NOT NULL
) WITHOUT ROWID;

-- A stopped rollout stays stopped; what is forgiven counts no longer.
CREATE TABLE rollouts (
    deployment TEXT PRIMARY KEY,
    stop       TEXT,
    forgiven   TEXT NOT NULL DEFAULT '[]'
) WITHOUT ROWID;

CREATE TABLE release_marks (
    release TEXT PRIMARY KEY,
    mark    TEXT NOT NULL
) WITHOUT ROWID;

-- When an attempt began, in seconds of this gateway's own age.
CREATE TABLE begun (
    attempt INTEGER PRIMARY KEY,
    node    TEXT NOT NULL,
    age_s   REAL NOT NULL
);
CREATE INDEX begun_by_age ON begun (age_s);

-- One row: how old this gateway is, and what its wall clock said then.
CREATE TABLE age (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    age_s REAL NOT NULL,
    at    TEXT NOT NULL
);
