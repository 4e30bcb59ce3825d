-- Phases are told most often and are forgotten first; this finds them without reading every event.
CREATE INDEX events_phases ON events (sequence)
    WHERE NOT unsent AND json_extract(event, '$.kind') = 'attempt.phase';
