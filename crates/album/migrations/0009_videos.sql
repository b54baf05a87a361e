-- Videos in which people with a name were looked for. Of anybody else a count is kept, nothing by which they could be
-- recognised; and no template of a video at all.
CREATE TABLE video_looks (
    id INTEGER PRIMARY KEY,
    looked_with TEXT NOT NULL,          -- models, rate of frames, false-match rate
    people TEXT NOT NULL,               -- for whom: 'number:faces' of each, by number
    UNIQUE (looked_with, people)
) STRICT;
CREATE TABLE videos (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,          -- BLAKE3 of the file's bytes
    duration_ms INTEGER NOT NULL,
    look INTEGER REFERENCES video_looks (id),   -- NULL: to be looked at again
    n_unknown INTEGER NOT NULL,         -- faces passing by clearly enough to be recognised that were nobody with a name
    cut_short TEXT                      -- why its end was not looked at
) STRICT;
-- Every file that holds a video. A video without one is gone: shown nowhere, and waiting for its file.
CREATE TABLE video_files (
    path BLOB PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    video INTEGER REFERENCES videos (id),
    problem TEXT,
    CHECK ((video IS NULL) != (problem IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX video_files_of_video ON video_files (video);

-- From when to when somebody was in view. Whose appearance it is follows from the face it was nearest to: whoever that
-- face is assigned to, now. So no decision about people has to be repeated here.
CREATE TABLE appearances (
    id INTEGER PRIMARY KEY,
    video INTEGER NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,             -- where the face was in the clearest frame, in pixels of the upright frame
    x_min REAL NOT NULL, y_min REAL NOT NULL, x_max REAL NOT NULL, y_max REAL NOT NULL,
    similarity REAL NOT NULL,
    face INTEGER REFERENCES faces (id) ON DELETE SET NULL,
    person INTEGER NOT NULL REFERENCES people (id)      -- whose it was last, for when the face is pruned
) STRICT;
CREATE INDEX appearances_of_video ON appearances (video);
CREATE INDEX appearances_of_face ON appearances (face);
CREATE INDEX appearances_of_person ON appearances (person);

-- What a decision asserts about an appearance: that it is not somebody, or, where that is NULL, that it was erased.
-- Content, time and box are the key.
-- `decision` is no reference, because the table of decisions is made anew whenever its form changes.
CREATE TABLE video_assertions (
    id INTEGER PRIMARY KEY,
    decision INTEGER NOT NULL,
    hash BLOB NOT NULL,                 -- `videos.hash`
    at_ms INTEGER NOT NULL,
    x_min REAL NOT NULL, y_min REAL NOT NULL, x_max REAL NOT NULL, y_max REAL NOT NULL,
    person INTEGER REFERENCES people (id)
) STRICT;
CREATE INDEX video_assertions_of_content ON video_assertions (hash);
CREATE INDEX video_assertions_of_person ON video_assertions (person);
