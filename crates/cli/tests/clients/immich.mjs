// Immich's request for faces as its server makes it, and its answer as the server reads it: the embedding goes into
// PostgreSQL unparsed, as the text of a vector. Prints one line of JSON for each picture.
// Usage: node immich.mjs URL PICTURE...
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

const [url, ...pictures] = process.argv.slice(2);

const ping = await fetch(new URL('/ping', url), { signal: AbortSignal.timeout(2000) });
assert.ok(ping.ok);
assert.equal(await ping.text(), 'pong');
assert.deepEqual(await (await fetch(new URL('/', url))).json(), { message: 'Immich ML' });

const entries = {
  'facial-recognition': {
    detection: { modelName: 'buffalo_l', options: { minScore: 0.7 } },
    recognition: { modelName: 'buffalo_l' },
  },
};

async function predict(form) {
  const response = await fetch(new URL('/predict', url), { method: 'POST', body: form });
  return { ok: response.ok, status: response.status, answer: await response.json() };
}

for (const picture of pictures) {
  const form = new FormData();
  form.append('entries', JSON.stringify(entries));
  form.append('image', new Blob([new Uint8Array(await readFile(picture))]));
  const { ok, answer } = await predict(form);
  assert.ok(ok, JSON.stringify(answer));
  assert.deepEqual(Object.keys(answer).sort(), ['facial-recognition', 'imageHeight', 'imageWidth']);
  const faces = answer['facial-recognition'];
  for (const face of faces) {
    assert.deepEqual(Object.keys(face).sort(), ['boundingBox', 'embedding', 'score']);
    assert.equal(typeof face.embedding, 'string');
    const vector = JSON.parse(face.embedding);
    assert.equal(vector.length, 512);
    assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-3);
    const { x1, y1, x2, y2 } = face.boundingBox;
    for (const side of [x1, y1, x2, y2]) assert.ok(Number.isInteger(side) && side >= 0);
    assert.ok(x1 < x2 && x2 <= answer.imageWidth && y1 < y2 && y2 <= answer.imageHeight);
    assert.ok(face.score >= 0.7 && face.score <= 1);
  }
  console.log(JSON.stringify(answer));
}

// What is not about faces, as Immich sends it.
const text = new FormData();
text.append('entries', JSON.stringify({ clip: { textual: { modelName: 'ViT-B-32__openai', options: { language: 'de' } } } }));
text.append('text', 'a dog on the beach');
const { ok, status, answer } = await predict(text);
console.log(JSON.stringify({ ok, status, answer }));
