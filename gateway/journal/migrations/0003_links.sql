-- What is out: links that other software was asked off (`borrowed`), and links that the user's own
-- software or people have (`user`).  A row is here before the first hook runs, and until it is given back.
CREATE TABLE leases (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL,
    kind    TEXT NOT NULL,
    lease   TEXT NOT NULL,
    UNIQUE (channel, kind)
);

-- What passed between us and each node, by link.
CREATE TABLE link_traffic (
    channel TEXT NOT NULL,
    node    TEXT NOT NULL,
    traffic TEXT NOT NULL,
    PRIMARY KEY (channel, node)
) WITHOUT ROWID;

-- What each port was made of when it was last there: a port that is gone cannot be asked.
CREATE TABLE link_adapters (
    channel TEXT PRIMARY KEY,
    adapter TEXT NOT NULL
) WITHOUT ROWID;
