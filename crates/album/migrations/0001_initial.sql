-- Photos by content, faces, templates, people, and apart from all of these the decisions of humans.
-- Tables and columns have the names of the first version; 0004 renames some.
CREATE TABLE photos (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,          -- BLAKE3 of the file's bytes
    width_px INTEGER NOT NULL,
    height_px INTEGER NOT NULL,
    taken_at TEXT                       -- ISO 8601, the camera's local time
) STRICT;

-- Every file that holds a content. Paths are bytes: they need not be UTF-8.
CREATE TABLE files (
    path BLOB PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    photo INTEGER REFERENCES photos (id),
    problem TEXT,
    CHECK ((photo IS NULL) != (problem IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX files_of_photo ON files (photo);

-- Which models have analysed a photo.
CREATE TABLE passes (
    photo INTEGER NOT NULL REFERENCES photos (id),
    detector TEXT NOT NULL,
    embedder TEXT NOT NULL,             -- '' where there was none
    PRIMARY KEY (photo, detector, embedder)
) STRICT, WITHOUT ROWID;

CREATE TABLE faces (
    id INTEGER PRIMARY KEY,
    photo INTEGER NOT NULL REFERENCES photos (id),
    detector TEXT NOT NULL,             -- the model that found it last
    x_min REAL NOT NULL, y_min REAL NOT NULL, x_max REAL NOT NULL, y_max REAL NOT NULL,
    score REAL NOT NULL,
    landmarks BLOB,                     -- five points as little-endian f32 pairs
    quality BLOB NOT NULL               -- overall, size, sharpness, exposure, frontal, yaw, pitch, roll
) STRICT;
CREATE INDEX faces_of_photo ON faces (photo);

CREATE TABLE templates (
    face INTEGER NOT NULL REFERENCES faces (id),
    model TEXT NOT NULL,
    vector BLOB NOT NULL,               -- little-endian f32, unit length
    quality REAL NOT NULL,
    PRIMARY KEY (face, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE people (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE,                   -- NULL for a group without a name
    merged_into INTEGER REFERENCES people (id)
) STRICT;

-- Decisions of humans, in order. Nothing is deleted: undoing sets `undone`.
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('name', 'merge', 'split', 'ignore', 'is_not')),
    person INTEGER REFERENCES people (id),
    other INTEGER REFERENCES people (id),
    old_name TEXT,
    new_name TEXT,
    undone INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What a decision asserts about single faces.
CREATE TABLE facts (
    id INTEGER PRIMARY KEY,
    decision INTEGER NOT NULL REFERENCES decisions (id),
    face INTEGER NOT NULL REFERENCES faces (id),
    kind TEXT NOT NULL CHECK (kind IN ('is', 'is_not', 'ignore')),
    person INTEGER REFERENCES people (id),
    before INTEGER                      -- the person until then, for undoing
) STRICT;
CREATE INDEX facts_of_face ON facts (face);

-- The person of a face: assigned by a human where `similarity` is NULL, else by a grouping.
CREATE TABLE members (
    face INTEGER PRIMARY KEY REFERENCES faces (id),
    person INTEGER NOT NULL REFERENCES people (id),
    similarity REAL
) STRICT;
CREATE INDEX members_of_person ON members (person);

-- 'grouped': the model and options of the last grouping; absent if faces or assertions changed since.
CREATE TABLE state (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
