-- A suspect that died again is run with nothing else under way in its process.

ALTER TABLE work ADD COLUMN is_exclusive boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN work.is_exclusive IS
    'its process died while it ran as a suspect: runs with nothing else in its process the next time';
