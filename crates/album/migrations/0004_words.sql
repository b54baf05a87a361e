-- Tables and columns under the names that the code uses, and times of decisions as UTC milliseconds.
DROP INDEX facts_of_face;
DROP INDEX facts_of_content;
DROP INDEX facts_of_decision;
DROP INDEX facts_of_person;
ALTER TABLE facts RENAME TO assertions;
ALTER TABLE assertions RENAME COLUMN before TO previous_person;
ALTER TABLE assertions RENAME COLUMN before_similarity TO previous_similarity;
ALTER TABLE assertions RENAME COLUMN before_aside TO previous_excluded;
CREATE INDEX assertions_of_face ON assertions (face);
CREATE INDEX assertions_of_content ON assertions (hash);
CREATE INDEX assertions_of_decision ON assertions (decision);
CREATE INDEX assertions_of_person ON assertions (person);

DROP INDEX faces_aside;
ALTER TABLE faces RENAME COLUMN aside TO excluded;
CREATE INDEX faces_excluded ON faces (excluded) WHERE excluded IS NOT NULL;

DROP INDEX cards_by_size;
ALTER TABLE cards RENAME TO person_stats;
CREATE INDEX person_stats_by_size ON person_stats (n_faces DESC, person);

DROP INDEX homes_of_face;
ALTER TABLE homes RENAME TO face_cells;
CREATE INDEX face_cells_of_face ON face_cells (face);
ALTER TABLE centres RENAME TO cell_centroids;
ALTER TABLE unplaced RENAME TO ungrouped;
UPDATE state SET key = 'cells' WHERE key = 'standing';

-- `at` was local time, `2026-11-26 21:05:03`. The modifier 'utc' reads it as such. A text that is
-- not a time becomes 1970, so that the decision stays.
ALTER TABLE decisions RENAME COLUMN who TO actor;
ALTER TABLE decisions ADD COLUMN at_ms INTEGER NOT NULL DEFAULT 0;
UPDATE decisions SET at_ms = coalesce(CAST(strftime('%s', at, 'utc') AS INTEGER) * 1000, 0);
ALTER TABLE decisions DROP COLUMN at;
