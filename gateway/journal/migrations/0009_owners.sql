-- Whose a node on the air is: our own word about its address, and what was last heard of other gateways'.

-- `node` is the name that it last had here; `kept` is JSON.
CREATE TABLE claims (
    address TEXT PRIMARY KEY,
    node    TEXT NOT NULL,
    kept    TEXT NOT NULL
) WITHOUT ROWID;
