-- Decisions with their actor, assertions keyed by content and box, and stored counts for lists.
CREATE TABLE decisions_2 (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    who TEXT NOT NULL,                  -- 'command line', 'web', 'import of digiKam', …
    kind TEXT NOT NULL CHECK (kind IN ('name', 'merge', 'split', 'differ', 'is', 'is_not', 'ignore', 'not_a_face',
                                       'unsure', 'hide', 'show', 'erase')),
    person INTEGER REFERENCES people (id),
    other INTEGER REFERENCES people (id),
    old_name TEXT,
    new_name TEXT,
    undone INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO decisions_2 (id, at, who, kind, person, other, old_name, new_name, undone)
    SELECT id, at, 'command line', kind, person, other, old_name, new_name, undone FROM decisions;

-- What a decision asserts about single faces. Content and box are the key; `face` is a link to the
-- row that the last scan made for it.
CREATE TABLE facts_2 (
    id INTEGER PRIMARY KEY,
    decision INTEGER NOT NULL REFERENCES decisions_2 (id),
    hash BLOB NOT NULL,                 -- BLAKE3 of the photo's bytes
    x_min REAL NOT NULL, y_min REAL NOT NULL, x_max REAL NOT NULL, y_max REAL NOT NULL,
    face INTEGER REFERENCES faces (id) ON DELETE SET NULL,
    kind TEXT NOT NULL CHECK (kind IN ('is', 'is_not', 'ignore', 'not_a_face', 'unsure', 'erase')),
    person INTEGER REFERENCES people (id),
    -- The assignment of the face until then, for undoing.
    before INTEGER,
    before_similarity REAL,
    before_aside TEXT
) STRICT;
INSERT INTO facts_2 (id, decision, hash, x_min, y_min, x_max, y_max, face, kind, person, before)
    SELECT t.id, t.decision, p.hash, f.x_min, f.y_min, f.x_max, f.y_max, t.face, t.kind, t.person, t.before
    FROM facts t JOIN faces f ON f.id = t.face JOIN photos p ON p.id = f.photo;
DROP TABLE facts;
DROP TABLE decisions;
ALTER TABLE decisions_2 RENAME TO decisions;
ALTER TABLE facts_2 RENAME TO facts;
CREATE INDEX facts_of_face ON facts (face);
CREATE INDEX facts_of_content ON facts (hash);
CREATE INDEX facts_of_decision ON facts (decision);
CREATE INDEX facts_of_person ON facts (person);

ALTER TABLE people ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
ALTER TABLE people ADD COLUMN erased INTEGER NOT NULL DEFAULT 0;

-- Why a face is excluded from all people: 'ignore', 'not_a_face', 'erase'. Derived from assertions.
ALTER TABLE faces ADD COLUMN aside TEXT;
UPDATE faces SET aside = 'ignore' WHERE id NOT IN (SELECT face FROM members)
    AND id IN (SELECT face FROM facts JOIN decisions d ON d.id = decision WHERE facts.kind = 'ignore' AND undone = 0);
-- The first number of `quality`, for sorting.
ALTER TABLE faces ADD COLUMN overall REAL NOT NULL DEFAULT 0;
UPDATE faces SET overall = coalesce((SELECT max(quality) FROM templates WHERE face = id), 0);

-- Counts, cover and dates of a person. Derived from members.
CREATE TABLE cards (
    person INTEGER PRIMARY KEY REFERENCES people (id),
    n_faces INTEGER NOT NULL,
    n_photos INTEGER NOT NULL,
    cover INTEGER REFERENCES faces (id) ON DELETE SET NULL,
    first_taken TEXT,
    last_taken TEXT
) STRICT;
CREATE INDEX cards_by_size ON cards (n_faces DESC, person);
INSERT INTO cards (person, n_faces, n_photos, cover, first_taken, last_taken)
    SELECT p.id, count(m.face), count(DISTINCT f.photo),
           (SELECT face FROM members JOIN faces g ON g.id = face WHERE person = p.id
            ORDER BY similarity IS NOT NULL, g.overall DESC, face LIMIT 1),
           min(h.taken_at), max(h.taken_at)
    FROM people p LEFT JOIN members m ON m.person = p.id LEFT JOIN faces f ON f.id = m.face
    LEFT JOIN photos h ON h.id = f.photo WHERE p.merged_into IS NULL GROUP BY p.id;

-- Questions for a human, replaced by each grouping: is this group, or this lone face, that person?
CREATE TABLE questions (
    id INTEGER PRIMARY KEY,
    subject INTEGER REFERENCES people (id),     -- a group; or
    face INTEGER REFERENCES faces (id) ON DELETE CASCADE,   -- a face assigned to nobody
    candidate INTEGER NOT NULL REFERENCES people (id),
    similarity REAL NOT NULL,
    next INTEGER REFERENCES people (id),        -- the second nearest, if there is one
    next_similarity REAL,
    settles INTEGER NOT NULL,                   -- how many faces one answer settles
    CHECK ((subject IS NULL) != (face IS NULL))
) STRICT;
CREATE INDEX questions_by_gain ON questions (settles DESC, similarity DESC, id);
CREATE INDEX questions_of_subject ON questions (subject);
CREATE INDEX questions_of_candidate ON questions (candidate);
CREATE INDEX questions_of_next ON questions (next);
CREATE INDEX questions_of_face ON questions (face);

CREATE INDEX photos_by_time ON photos (taken_at);
DELETE FROM state WHERE key = 'grouped';
