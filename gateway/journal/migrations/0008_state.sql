-- Where this journal is from, if not from here; and what is still to be found out because of that.

-- An import, a rebuilding: told upstream once.  `facts` is JSON.
CREATE TABLE origins (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind   TEXT NOT NULL,
    facts  TEXT NOT NULL,
    told   INTEGER NOT NULL DEFAULT 0
);

-- Nodes of which the journal may know less than is true, until they were asked; `costly` is whether
-- that may restart their application.  `answer` is JSON once there is one.
CREATE TABLE to_ask (
    node   TEXT PRIMARY KEY,
    costly INTEGER NOT NULL,
    tries  INTEGER NOT NULL DEFAULT 0,
    answer TEXT
) WITHOUT ROWID;

-- What upstream still knew of nodes when this journal began, before we published anything newer.
CREATE TABLE remembered (
    node  TEXT PRIMARY KEY,
    state TEXT NOT NULL
) WITHOUT ROWID;
