-- Which pictures are copies does not depend on the album's key any more: sketches have other signs.
-- The next scan reads each photo once more for them, without looking for faces.
UPDATE photos SET sketch = NULL;

-- Which photo was found to be a copy of which earlier one, so that a face that is drawn in one of them later is in all.
CREATE TABLE photo_copies (
    photo INTEGER PRIMARY KEY REFERENCES photos (id) ON DELETE CASCADE,
    copy_of INTEGER NOT NULL REFERENCES photos (id) ON DELETE CASCADE,
    orientation INTEGER NOT NULL        -- EXIF 1 to 8, turns the copy into the earlier one
) STRICT;
CREATE INDEX photo_copies_of ON photo_copies (copy_of);

-- Names that other programs state of a photo without a place: what the review asks about.
CREATE TABLE stated_names (
    photo INTEGER NOT NULL REFERENCES photos (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    source TEXT NOT NULL,               -- which file says so: 'a sidecar', 'the photo''s XMP'
    PRIMARY KEY (photo, name)
) STRICT, WITHOUT ROWID;

-- A question may be about a name that nobody has yet, because a file states it.
CREATE TABLE questions_2 (
    id INTEGER PRIMARY KEY,
    subject INTEGER REFERENCES people (id),     -- a group; or
    face INTEGER REFERENCES faces (id) ON DELETE CASCADE,   -- a face assigned to nobody
    candidate INTEGER REFERENCES people (id),
    stated_name TEXT,                           -- the name that a file states; or
    stated_by TEXT,                             -- which file
    similarity REAL,                            -- to the candidate, if one has templates
    next INTEGER REFERENCES people (id),        -- the second nearest, if there is one
    next_similarity REAL,
    settles INTEGER NOT NULL,                   -- how many faces one answer settles
    probability REAL NOT NULL,
    gain REAL NOT NULL,
    CHECK ((subject IS NULL) != (face IS NULL)),
    CHECK (candidate IS NOT NULL OR stated_name IS NOT NULL)
) STRICT;
INSERT INTO questions_2 (id, subject, face, candidate, similarity, next, next_similarity, settles, probability, gain)
    SELECT id, subject, face, candidate, similarity, next, next_similarity, settles, probability, gain FROM questions;
DROP TABLE questions;
ALTER TABLE questions_2 RENAME TO questions;
CREATE INDEX questions_by_gain ON questions (gain DESC, similarity DESC, id);
CREATE INDEX questions_of_subject ON questions (subject);
CREATE INDEX questions_of_candidate ON questions (candidate);
CREATE INDEX questions_of_next ON questions (next);
CREATE INDEX questions_of_face ON questions (face);

DELETE FROM state WHERE key IN ('grouped', 'cells');
