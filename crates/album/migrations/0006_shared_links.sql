-- Links by which others see some photos, and nothing else, without a password.
CREATE TABLE shared_links (
    id INTEGER PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,    -- BLAKE3 of the token, which is stored nowhere
    made_at_ms INTEGER NOT NULL,        -- UTC in milliseconds since 1970, as the next two
    expires_at_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER,
    with_names INTEGER NOT NULL,
    -- Which photos, as in `PhotoFilter`.
    any_person INTEGER NOT NULL,
    from_date TEXT,
    to_date TEXT,
    words TEXT NOT NULL,
    folder BLOB
) STRICT;
-- Those who are not covered.
CREATE TABLE shared_link_people (
    link INTEGER NOT NULL REFERENCES shared_links (id),
    person INTEGER NOT NULL REFERENCES people (id),
    PRIMARY KEY (link, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX shared_link_people_of_person ON shared_link_people (person);

-- Decisions made in one step, and undone in one: the number of the first stands for all. No reference, because the
-- table of decisions is made anew whenever its form changes.
CREATE TABLE decision_batches (
    decision INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL
) STRICT;
CREATE INDEX decision_batches_of_batch ON decision_batches (batch);

-- The words of kinds are the code's alone: a list of them here would need both tables copied for every new one.
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

-- Photos in the order of lists, undated ones last, and faces by quality.
CREATE INDEX photos_by_date ON photos (coalesce(taken_at, '~'), id) WHERE gone = 0;
CREATE INDEX faces_by_quality ON faces (overall DESC, id) WHERE excluded IS NULL;
