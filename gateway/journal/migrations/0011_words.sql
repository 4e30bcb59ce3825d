-- What flashers asked to be remembered of a node, because the node cannot say it later: by board, with the
-- attempt that it was said in.
CREATE TABLE words (
    node       TEXT NOT NULL,
    generation INTEGER NOT NULL,
    name       TEXT NOT NULL,
    value      TEXT NOT NULL,
    attempt    INTEGER,
    PRIMARY KEY (node, generation, name)
) WITHOUT ROWID;

-- Whether nodes of a type and model take an older image while this version runs: the last one that tried says.
CREATE TABLE downgrades (
    profile TEXT NOT NULL,
    model   TEXT NOT NULL,
    version TEXT NOT NULL,
    taken   INTEGER NOT NULL,
    attempt INTEGER,
    seen_at TEXT NOT NULL,
    PRIMARY KEY (profile, model, version)
) WITHOUT ROWID;

-- Deployments whose staged nodes somebody said may be started.
CREATE TABLE let_go (
    deployment TEXT PRIMARY KEY,
    let_go     TEXT NOT NULL
) WITHOUT ROWID;
