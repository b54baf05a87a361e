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

-- Faces that a human drew, and covers that a human chose.
CREATE INDEX faces_drawn ON faces (id) WHERE detector = 'human';
CREATE INDEX assertions_of_cover ON assertions (face) WHERE kind = 'cover';
DELETE FROM state WHERE key IN ('grouped', 'cells');
