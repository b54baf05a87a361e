-- A photo is a picture, whatever files hold it: contents (the bytes of files) and digests of decoded
-- pixels lead to it. `photos.hash` stays what it was for photos that are here already: the BLAKE3 of
-- the first content under which the picture was known. It is a photo's key for assertions.
CREATE TABLE contents (
    hash BLOB PRIMARY KEY,              -- BLAKE3 of a file's bytes
    photo INTEGER NOT NULL REFERENCES photos (id),
    orientation INTEGER                 -- EXIF 1 to 8, as decoding undid it; NULL if not known
) STRICT, WITHOUT ROWID;
CREATE INDEX contents_of_photo ON contents (photo);
INSERT INTO contents (hash, photo) SELECT hash, id FROM photos;

CREATE TABLE pictures (
    digest BLOB PRIMARY KEY,            -- keyed BLAKE3 of upright pixels
    photo INTEGER NOT NULL REFERENCES photos (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX pictures_of_photo ON pictures (photo);

-- Keyed marks that tell a re-saved, resized or turned copy. NULL until a scan has read the file.
ALTER TABLE photos ADD COLUMN sketch BLOB;
-- 1: every file of it was deleted. Decisions wait for it to come back; nothing else shows it.
ALTER TABLE photos ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;
CREATE INDEX photos_gone ON photos (gone) WHERE gone = 1;

-- The key of `pictures.digest` and `photos.sketch`. Random, so that marks of two albums differ.
CREATE TABLE picture_key (key BLOB NOT NULL) STRICT;
INSERT INTO picture_key VALUES (randomblob(32));

ALTER TABLE files ADD COLUMN hash BLOB;
UPDATE files SET hash = (SELECT hash FROM photos WHERE id = photo);

-- The same face in another copy of the picture.
ALTER TABLE faces ADD COLUMN copy_of INTEGER REFERENCES faces (id) ON DELETE SET NULL;
CREATE INDEX faces_copy_of ON faces (copy_of) WHERE copy_of IS NOT NULL;

-- To whom faces of photos that are gone were assigned.
CREATE TABLE gone_members (
    face INTEGER PRIMARY KEY REFERENCES faces (id) ON DELETE CASCADE,
    person INTEGER NOT NULL REFERENCES people (id),
    similarity REAL
) STRICT;
CREATE INDEX gone_members_of_person ON gone_members (person);

-- Folders that were scanned.
CREATE TABLE roots (path BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;

-- More kinds of decisions and assertions: 'held' (the face was shown when its person was named, and
-- in the history what a grouping left with its person although a later decision drew it away),
-- 'asked' (that such a face is asked about), 'cover' (shown for its person).
CREATE TABLE decisions_2 (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,             -- UTC in milliseconds since 1970
    actor TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('name', 'merge', 'split', 'differ', 'is', 'is_not', 'ignore', 'not_a_face',
                                       'unsure', 'hide', 'show', 'erase', 'held', 'cover')),
    person INTEGER REFERENCES people (id),
    other INTEGER REFERENCES people (id),
    old_name TEXT,
    new_name TEXT,
    undone INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO decisions_2 (id, at_ms, actor, kind, person, other, old_name, new_name, undone)
    SELECT id, at_ms, actor, kind, person, other, old_name, new_name, undone FROM decisions;
CREATE TABLE assertions_2 (
    id INTEGER PRIMARY KEY,
    decision INTEGER NOT NULL REFERENCES decisions_2 (id),
    hash BLOB NOT NULL,                 -- `photos.hash`
    x_min REAL NOT NULL, y_min REAL NOT NULL, x_max REAL NOT NULL, y_max REAL NOT NULL,
    face INTEGER REFERENCES faces (id) ON DELETE SET NULL,
    kind TEXT NOT NULL CHECK (kind IN ('is', 'held', 'is_not', 'ignore', 'not_a_face', 'unsure', 'erase', 'asked',
                                       'cover')),
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

-- Faces that stand under a name were shown under it: from now on they are held by it.
INSERT INTO assertions (decision, hash, x_min, y_min, x_max, y_max, face, kind, person, previous_person,
        previous_similarity)
    SELECT d.id, h.hash, f.x_min, f.y_min, f.x_max, f.y_max, f.id, 'held', m.person, m.person, m.similarity
    FROM members m JOIN people p ON p.id = m.person AND p.name IS NOT NULL
    JOIN faces f ON f.id = m.face JOIN photos h ON h.id = f.photo
    JOIN decisions d ON d.id = (SELECT max(n.id) FROM decisions n
                                WHERE n.kind = 'name' AND n.person = p.id AND n.undone = 0)
    WHERE m.similarity IS NOT NULL ORDER BY f.id;
DELETE FROM state WHERE key = 'grouped';
