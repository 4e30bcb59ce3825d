-- When Zigbee nodes were heard last, by place (zigbee:NETWORK#IEEE): for people, so that one that sleeps for
-- weeks is shown with its age also after a restart.  Written rarely; nothing is decided by it.
CREATE TABLE zigbee_heard (
    place TEXT PRIMARY KEY,
    at    TEXT NOT NULL
) WITHOUT ROWID;
