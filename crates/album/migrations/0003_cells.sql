-- Where faces lie among like ones, so that a new face of a large album is compared with few. Written by a grouping of
-- all faces, for the model that the state 'standing' names; follows from templates, and goes with an erasure.
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
-- Faces seen since the last grouping.
CREATE TABLE unplaced (
    face INTEGER PRIMARY KEY REFERENCES faces (id) ON DELETE CASCADE
) STRICT;
-- To count them at a glance.
CREATE INDEX faces_aside ON faces (aside) WHERE aside IS NOT NULL;
DELETE FROM state WHERE key = 'grouped';
