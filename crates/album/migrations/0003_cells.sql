-- The inverted file of a large album's faces, so that a new face is compared with few. Written by a
-- grouping of all faces, for the model and options in the state 'standing'. Derived from templates,
-- and deleted by an erasure.
CREATE TABLE centres (
    cell INTEGER PRIMARY KEY,
    vector BLOB NOT NULL                -- little-endian f32, unit length
) STRICT;
CREATE TABLE homes (
    cell INTEGER NOT NULL,
    face INTEGER NOT NULL REFERENCES faces (id) ON DELETE CASCADE,
    PRIMARY KEY (cell, face)
) STRICT, WITHOUT ROWID;
CREATE INDEX homes_of_face ON homes (face);
-- Faces recorded since the last grouping.
CREATE TABLE unplaced (
    face INTEGER PRIMARY KEY REFERENCES faces (id) ON DELETE CASCADE
) STRICT;
-- For counting excluded faces.
CREATE INDEX faces_aside ON faces (aside) WHERE aside IS NOT NULL;
DELETE FROM state WHERE key = 'grouped';
