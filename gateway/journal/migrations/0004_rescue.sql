-- What was done to nodes from outside.  A step is written before it is done: one that is
-- open may have left its nodes without power, whoever reads this first.

CREATE TABLE rescue_steps (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    node  TEXT NOT NULL,
    climb INTEGER,
    open  INTEGER NOT NULL,
    told  INTEGER NOT NULL DEFAULT 0,
    step  TEXT NOT NULL
);
CREATE INDEX rescue_steps_by_node ON rescue_steps (node, id);
CREATE INDEX rescue_steps_due ON rescue_steps (told) WHERE NOT told;

CREATE TABLE rescue_climbs (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    node  TEXT NOT NULL,
    open  INTEGER NOT NULL,
    climb TEXT NOT NULL
);
CREATE INDEX rescue_climbs_by_node ON rescue_climbs (node, id);
