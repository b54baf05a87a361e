// Immich's table of faces, with PostgreSQL and pgvector compiled to WebAssembly (PGlite). In: the answers of /predict, one
// on each line of stdin, of which the first two show one person and the third another. The embeddings go in as they come.
// Usage: node immich_vector.mjs FOLDER_OF_PGLITE MAXIMUM_RECOGNITION_DISTANCE
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [folder, distance] = process.argv.slice(2);
const required = createRequire(`${folder}/`);
const { PGlite } = required('@electric-sql/pglite');
const { vector } = required('@electric-sql/pglite/vector');
const db = await PGlite.create({ extensions: { vector } });
await db.exec('CREATE EXTENSION vector; CREATE TABLE face_search (face int PRIMARY KEY, embedding vector(512) NOT NULL)');
await db.exec('CREATE INDEX ON face_search USING hnsw (embedding vector_cosine_ops)');

const lines = readFileSync(0, 'utf8').split('\n').filter((line) => line.includes('"facial-recognition"'));
const embeddings = lines.map((line) => JSON.parse(line)['facial-recognition'][0].embedding);
assert.equal(embeddings.length, 3);
for (const [face, embedding] of embeddings.entries())
  await db.query('INSERT INTO face_search VALUES ($1, $2)', [face, embedding]);
const found = await db.query(
  'SELECT face, embedding <=> $1 AS distance FROM face_search WHERE face != 0 ORDER BY distance',
  [embeddings[0]],
);
console.log(JSON.stringify(found.rows));
const [same, other] = found.rows;
assert.ok(same.face === 1 && same.distance <= Number(distance), 'the same person is within the distance to type');
assert.ok(other.face === 2 && other.distance > Number(distance), 'another person is not');
