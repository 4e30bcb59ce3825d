-- How nodes behind a radio are found in each of their roles, as their flashers said before they went there.
-- A node is its place here, since it may get another name; "away" is one that was sent to where several
-- nodes would be called alike, and was not seen back yet.
CREATE TABLE callings (
    place TEXT NOT NULL,
    role TEXT NOT NULL,
    calling TEXT NOT NULL,
    away INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (place, role)
);

-- How many links each adapter was found to carry.
CREATE TABLE adapter_caps (
    adapter TEXT PRIMARY KEY,
    links INTEGER NOT NULL
);
