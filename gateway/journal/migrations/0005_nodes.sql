-- Nodes that come, go, are replaced and renamed.  Values are JSON, as elsewhere.

-- A new board under an old name is a new generation: what the old one was told is not the new one's.
ALTER TABLE attempts ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
ALTER TABLE nodes ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;

-- When the identity was last read; where the node was found; who else answers there now.
ALTER TABLE nodes ADD COLUMN identity_at TEXT;
ALTER TABLE nodes ADD COLUMN place TEXT;
ALTER TABLE nodes ADD COLUMN stranger TEXT;
-- What it runs that nobody here brought to it.
ALTER TABLE nodes ADD COLUMN changed TEXT;
-- What people say of it: its table if it is in no file, changes of its labels, the name it had before.
ALTER TABLE nodes ADD COLUMN adopted TEXT;
ALTER TABLE nodes ADD COLUMN labels TEXT;
ALTER TABLE nodes ADD COLUMN renamed TEXT;
-- Its retained state was taken away from upstream, since it is no node of this gateway any more.
ALTER TABLE nodes ADD COLUMN cleared INTEGER NOT NULL DEFAULT 0;

-- When the known-good was proved to run.
ALTER TABLE known_goods ADD COLUMN proved TEXT;

-- One attempt of a deployment on each board: a name may have had several.
DROP INDEX attempts_once;
CREATE UNIQUE INDEX attempts_once ON attempts (deployment, node, generation)
    WHERE deployment IS NOT NULL AND json_extract(record, '$.recovers') IS NULL;
