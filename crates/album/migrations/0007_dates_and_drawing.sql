-- Who says when a photo was taken (`DateSource::word`; NULL where an earlier version noted the date alone), and by how
-- many minutes that clock is ahead of UTC, where the file states it. Photos without a date get the time of their file.
ALTER TABLE photos ADD COLUMN taken_from TEXT;
ALTER TABLE photos ADD COLUMN taken_offset_min INTEGER;
UPDATE photos SET
    taken_at = strftime('%Y-%m-%dT%H:%M:%S', (SELECT f.mtime_ns / 1000000000 FROM files f WHERE f.photo = photos.id
                                              ORDER BY f.path LIMIT 1), 'unixepoch'),
    taken_from = 'file_time', taken_offset_min = 0
    WHERE taken_at IS NULL AND EXISTS (SELECT 1 FROM files f WHERE f.photo = photos.id AND f.mtime_ns > 0);

-- Questions by what an answer is expected to settle. They are made anew by the next grouping.
ALTER TABLE questions ADD COLUMN probability REAL NOT NULL DEFAULT 0;
ALTER TABLE questions ADD COLUMN gain REAL NOT NULL DEFAULT 0;
DROP INDEX questions_by_gain;
CREATE INDEX questions_by_gain ON questions (gain DESC, similarity DESC, id);

-- 0: a folder that was scanned, but is not to be scanned again unasked.
ALTER TABLE roots ADD COLUMN is_remembered INTEGER NOT NULL DEFAULT 1;

-- One more kind of decision and assertion: 'draw' and 'drawn', a face that a human drew. From here on the words of kinds
-- are the code's alone: a list of them here would need both tables copied for every new one.
CREATE TABLE decisions_2 (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,             -- UTC in milliseconds since 1970
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    person INTEGER REFERENCES people (id),
    other INTEGER REFERENCES people (id),
    old_name TEXT,
    new_name TEXT,
    undone INTEGER NOT NULL DEFAULT 0   -- when, UTC in milliseconds since 1970
) STRICT;
INSERT INTO decisions_2 (id, at_ms, actor, kind, person, other, old_name, new_name, undone)
    SELECT id, at_ms, actor, kind, person, other, old_name, new_name, undone FROM decisions;
CREATE TABLE assertions_2 (
    id INTEGER PRIMARY KEY,
    decision INTEGER NOT NULL REFERENCES decisions_2 (id),
    hash BLOB NOT NULL,                 -- `photos.hash`
    x_min REAL NOT NULL, y_min REAL NOT NULL, x_max REAL NOT NULL, y_max REAL NOT NULL,
    face INTEGER REFERENCES faces (id) ON DELETE SET NULL,
    kind TEXT NOT NULL,
    person INTEGER REFERENCES people (id),
    -- The assignment of the face until then, for undoing.
    previous_person INTEGER,
    previous_similarity REAL,
    previous_excluded TEXT
) STRICT;
INSERT INTO assertions_2 SELECT id, decision, hash, x_min, y_min, x_max, y_max, face, kind, person, previous_person,
    previous_similarity, previous_excluded FROM assertions;
DROP TABLE assertions;
DROP TABLE decisions;
ALTER TABLE decisions_2 RENAME TO decisions;
ALTER TABLE assertions_2 RENAME TO assertions;
CREATE INDEX assertions_of_face ON assertions (face);
CREATE INDEX assertions_of_content ON assertions (hash);
CREATE INDEX assertions_of_decision ON assertions (decision);
CREATE INDEX assertions_of_person ON assertions (person);
CREATE INDEX faces_drawn ON faces (id) WHERE detector = 'human';
CREATE INDEX assertions_of_cover ON assertions (face) WHERE kind = 'cover';
DELETE FROM state WHERE key IN ('grouped', 'cells');
