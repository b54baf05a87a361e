// Images in, faces out: the same as the binary's, whatever form the image has.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { compare, Engine, Face, FusiformError, Photo } from "fusiform";

import { ALBUM, binary, engine, GROUP, OTHER_PERSON, PORTRAIT, raises, ROOT, SAME_PERSON } from "./photos.js";

const { fround } = Math;
const numbers = (box) => [box.xMin, box.yMin, box.xMax, box.yMax];
const jpegs = (folder) =>
  readdirSync(folder).filter((name) => name.endsWith(".jpg")).sort().map((name) => join(folder, name));

test("faces are the binary's to the bit", async () => {
  const photos = [...jpegs(ALBUM), ...jpegs(join(ROOT, "crates/fusiform/tests/data"))];
  const said = execFileSync(binary(), ["--json", "detect", ...photos], { maxBuffer: 1 << 26, stdio: ["ignore", "pipe", "ignore"] });
  const rows = JSON.parse(said).photos;
  let nFaces = 0;
  for (const [at, path] of photos.entries()) {
    const [row, photo] = [rows[at], await engine.analyse(path)];
    assert.deepEqual([photo.widthPx, photo.heightPx, photo.turnDeg], [row.width_px, row.height_px, row.turn_deg]);
    assert.equal(photo.faces.length, row.faces.length);
    for (const [n, face] of photo.faces.entries()) {
      const wanted = row.faces[n];
      nFaces += 1;
      // JSON has the shortest digits that give the 32-bit number back.
      assert.deepEqual(numbers(face.bbox), wanted.bbox.map(fround));
      assert.equal(face.score, fround(wanted.score));
      assert.deepEqual(face.landmarks, wanted.landmarks.map((point) => point.map(fround)));
      const snake = (name) => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
      const own = Object.entries({ ...face.quality, ...face.pose }).map(([k, v]) => [snake(k), v]);
      const quality = Object.fromEntries(own);
      for (const [name, value] of Object.entries(wanted.quality)) {
        assert.equal(quality[name], fround(value), name);
      }
    }
  }
  assert.ok(nFaces > 30);
});

test("every form of an image gives the same faces", async () => {
  const rgb = await engine.decode(PORTRAIT);
  const { width, height, data } = rgb;
  const wanted = await engine.analyse(rgb);
  assert.equal(wanted.faces.length, 1);
  const repack = (nBytes, order, strideBytes = width * nBytes) => {
    const out = new Uint8Array(strideBytes * height).fill(255);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        order.forEach((from, to) => (out[y * strideBytes + x * nBytes + to] = data[(y * width + x) * 3 + from]));
      }
    }
    return out;
  };
  const shared = new Uint8Array(new SharedArrayBuffer(data.length));
  shared.set(data);
  const rgba = repack(4, [0, 1, 2]);
  const forms = {
    "without format": { data, width, height },
    "a Buffer in the middle of another": { data: Buffer.concat([Buffer.alloc(7), data]).subarray(7), width, height },
    "an ArrayBuffer": { data: data.buffer.slice(data.byteOffset, data.byteOffset + data.length), width, height },
    "shared memory": { data: shared, width, height },
    "shared memory itself": { data: shared.buffer, width, height },
    "bgr": { data: repack(3, [2, 1, 0]), width, height, format: "bgr" },
    "rgba by its length": { data: new Uint8ClampedArray(rgba), width, height },
    "bgra": { data: repack(4, [2, 1, 0]), width, height, format: "bgra" },
    "rows with gaps": { data: repack(3, [0, 1, 2], width * 3 + 5), width, height, format: "rgb", strideBytes: width * 3 + 5 },
    "more bytes than pixels": { data: Buffer.concat([data, Buffer.alloc(99)]), width, height, format: "rgb" },
  };
  for (const [name, image] of Object.entries(forms)) {
    assert.deepEqual((await engine.analyse(image)).toJSON(), wanted.toJSON(), name);
  }
  const turned = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      // Upright turned a quarter to the left; rotated by 90 degrees clockwise it is upright.
      const to = ((width - 1 - x) * height + y) * 3;
      turned.set(data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3), to);
    }
  }
  const image = { data: turned, width: height, height: width, format: "rgb", rotationDeg: 90 };
  assert.deepEqual((await engine.analyse(image)).toJSON(), wanted.toJSON());
  const grey = { data: repack(1, [1]), width, height };
  assert.deepEqual(
    (await engine.analyse(grey)).toJSON(),
    (await engine.analyse({ data: repack(3, [1, 1, 1]), width, height })).toJSON(),
  );
  const file = readFileSync(PORTRAIT);
  const byFile = (await engine.analyse(PORTRAIT)).toJSON();
  const bytes = new Uint8Array(file);
  for (const same of [file, bytes, bytes.buffer, pathToFileURL(PORTRAIT)]) {
    assert.deepEqual((await engine.analyse(same)).toJSON(), byFile);
    assert.deepEqual(engine.analyseSync(same).toJSON(), byFile);
  }
});

test("bytes may be changed, transferred and thrown away once a call has returned", async () => {
  const wanted = (await engine.analyse(PORTRAIT)).toJSON();
  const bytes = new Uint8Array(readFileSync(PORTRAIT));
  const under = engine.analyse(bytes);
  bytes.fill(0);
  const more = new Uint8Array(readFileSync(PORTRAIT));
  const underToo = engine.analyse(more);
  structuredClone(more.buffer, { transfer: [more.buffer] });
  assert.deepEqual((await under).toJSON(), wanted);
  assert.deepEqual((await underToo).toJSON(), wanted);
  const pixels = { data: more, width: 2, height: 2 };
  for (const gone of [more, more.buffer, pixels, { ...pixels, format: "rgb" }]) {
    await assert.rejects(engine.analyse(gone), raises("bad_option", /transferred/));
    assert.throws(() => engine.analyseSync(gone), raises("bad_option", /transferred/));
  }
});

test("what is no image is named", async () => {
  const data = new Uint8Array(48);
  const unusable = [
    [undefined, /undefined is none/],
    [null, /null is none/],
    [7, /7 is none/],
    [{}, /class Object is none/],
    [[1, 2], /is none/],
    [() => 1, /is none/],
    [Symbol("x"), /Symbol\(x\)/],
    [new Float32Array(4), /Float32Array/],
    [new DataView(new ArrayBuffer(4)), /DataView/],
    [new URL("http://localhost/a.jpg"), /no path/],
    ["a\0b.jpg", /NUL/],
    [{ data: "abc", width: 1, height: 1 }, /data is a Buffer/],
    [{ data: new Float32Array(48), width: 4, height: 4 }, /Float32Array/],
    [{ data, width: 0, height: 4 }, /width is a whole number from 1/],
    [{ data, width: 4, height: NaN }, /height/],
    [{ data, width: 4.5, height: 4 }, /4\.5/],
    [{ data, width: 4 }, /height/],
    [{ data, width: -4, height: -4 }, /-4/],
    [{ data, width: 5, height: 5 }, /does not say how 5x5/],
    [{ data, width: 5, height: 5, format: "rgb" }, /48 bytes.*have 75/],
    [{ data, width: 4, height: 4, format: "hsv" }, /hsv/],
    [{ data, width: 4, height: 4, format: "toString" }, /toString/],
    [{ data, width: 4, height: 4, format: "rgb", strideBytes: 11 }, /strideBytes is a whole number from 12/],
    [{ data, width: 4, height: 4, format: "rgb", rotationDeg: 45 }, /45/],
    [{ data: new Uint8Array(0), width: 1, height: 1, format: "rgb" }, /0 bytes/],
  ];
  for (const [image, said] of unusable) {
    await assert.rejects(engine.analyse(image), raises("bad_option", said));
    assert.throws(() => engine.analyseSync(image), raises("bad_option", said));
    await assert.rejects(engine.decode(image), raises("bad_option", said));
  }
});

test("errors have kinds", async () => {
  const temporary = mkdtempSync(join(tmpdir(), "fusiform-"));
  await assert.rejects(engine.analyse(Buffer.from("a text")), raises("not_a_photo"));
  await assert.rejects(engine.analyse(Buffer.alloc(0)), raises("not_a_photo"));
  await assert.rejects(engine.analyse(new ArrayBuffer(0)), raises("not_a_photo"));
  await assert.rejects(engine.analyse(readFileSync(PORTRAIT).subarray(0, 700)), raises("damaged_photo"));
  await assert.rejects(engine.analyse(join(temporary, "none.jpg")), raises("io", /none\.jpg/));
  await assert.rejects(engine.analyse(temporary), raises("io"));
  rmSync(temporary, { recursive: true });
  await assert.rejects(engine.analyse(PORTRAIT, { minScore: 7 }), raises("bad_option"));
  await assert.rejects(engine.analyse(PORTRAIT, { minScore: "7" }), raises("bad_option", /minScore/));
  await assert.rejects(engine.analyse(PORTRAIT, { longestSidePx: -1 }), raises("bad_option", /longestSidePx/));
  await assert.rejects(engine.analyse(PORTRAIT, { minFace: 3 }), raises("bad_option", /minFace.*minFacePx/));
  await assert.rejects(engine.analyse(PORTRAIT, 3), raises("bad_option", /options of analyse/));
  const blank = await engine.analyse({ data: new Uint8Array(64 * 64), width: 64, height: 64 });
  assert.throws(() => blank.largest(), raises("no_face"));
  const small = new Engine({ maxPixels: 1000, maxBytes: 100_000_000 });
  await assert.rejects(small.analyse(PORTRAIT), raises("photo_too_large"));
  await assert.rejects(small.analyse({ data: new Uint8Array(1200), width: 40, height: 30 }), raises("photo_too_large"));
  await assert.rejects(new Engine({ maxBytes: 10 }).analyse(readFileSync(PORTRAIT)), raises("photo_too_large"));
  assert.throws(() => new Engine({ pack: "/nowhere" }), raises("io", /nowhere/));
  await assert.rejects(Engine.open({ pack: "/nowhere" }), raises("io", /nowhere/));
  for (const threads of [0, 1025, 1.5, "2"]) {
    assert.throws(() => new Engine({ threads }), raises("bad_option", /threads/));
  }
  const made = new FusiformError("x");
  assert.ok(made instanceof Error && made.kind === "internal" && made.code === 2);
});

test("a pack in memory is the pack in its folder", async () => {
  const folder = join(ROOT, "crates/fusiform/packs/base");
  const names = readdirSync(folder).filter((name) => name.endsWith(".onnx"));
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))]));
  const manifest = readFileSync(join(folder, "manifest.toml"), "utf8");
  const [there, here] = [await Engine.open({ pack: folder }), await Engine.fromMemory(manifest, files)];
  assert.ok(there.model && there.model === here.model && here.model === engine.model);
  const wanted = (await engine.analyse(PORTRAIT)).toJSON();
  for (const one of [there, here]) assert.deepEqual((await one.analyse(PORTRAIT)).toJSON(), wanted);
  files["embedder.onnx"] = files["embedder.onnx"].subarray(1);
  await assert.rejects(Engine.fromMemory(manifest, files), raises("hash_mismatch"));
  await assert.rejects(Engine.fromMemory("x = [", {}), raises("bad_manifest"));
  await assert.rejects(Engine.fromMemory(manifest, { a: "b" }), raises("bad_option", /files\['a'\]/));
  await assert.rejects(Engine.fromMemory(7, {}), raises("bad_option", /manifest/));
});

test("verification carries what it rests on", async () => {
  const faces = await Promise.all([PORTRAIT, SAME_PERSON, OTHER_PERSON].map((path) => engine.analyse(path)));
  const [one, same, other] = faces.map((photo) => photo.largest());
  const answer = engine.verify(one, same);
  assert.equal(answer.verdict, "same");
  assert.equal(answer.sameAt.fmr, 1e-3);
  assert.equal(answer.similarity, compare(one, same));
  assert.ok(answer.similarity >= answer.sameAt.similarity);
  const dot = one.template.reduce((sum, value, at) => sum + value * same.template[at], 0);
  assert.ok(Math.abs(dot - answer.similarity) < 1e-6);
  assert.equal(engine.verify(one, other).verdict, "different");
  assert.deepEqual(engine.thresholds.map((t) => t.fmr), [1e-2, 1e-3, 1e-4, 1e-5]);
  assert.ok(engine.threshold(1e-4).similarity > engine.threshold(1e-3).similarity);
  assert.throws(() => engine.threshold(1e-9), raises("uncalibrated"));
  assert.throws(() => engine.threshold("1e-3"), raises("bad_option", /fmr/));
  for (const wrong of [undefined, null, {}, one.toJSON(), Object.create(Face.prototype), faces[0]]) {
    assert.throws(() => engine.verify(one, wrong), raises("bad_option", /second face/));
    assert.throws(() => compare(wrong, one), raises("bad_option", /first face/));
    assert.throws(() => one.similarity(wrong), raises("bad_option", /other face/));
  }
});

test("faces and photos cannot be changed or made up", async () => {
  const photo = await engine.analyse(PORTRAIT);
  const face = photo.largest();
  assert.equal(face.template.length, engine.dimensions);
  assert.ok(Math.abs(Math.hypot(...face.template) - 1) < 1e-5);
  assert.equal(face.aligned.data.length, 112 * 112 * 3);
  face.template.fill(0);
  face.aligned.data.fill(0);
  assert.ok(face.template.some((v) => v !== 0) && face.aligned.data.some((v) => v !== 0));
  for (const change of [() => (face.score = 2), () => (face.bbox.xMin = 2), () => (face.landmarks[0][0] = 1), () => photo.faces.pop()]) {
    assert.throws(change, TypeError);
  }
  assert.throws(() => new Face({}), raises("bad_option", /Engine\.analyse/));
  assert.throws(() => new Photo({}), raises("bad_option"));
  const again = await engine.describe(PORTRAIT, face.bbox);
  assert.ok(compare(face, again) > 0.95);
  const empty = { xMin: 9, yMin: 9, xMax: 9, yMax: 9 };
  await assert.rejects(engine.describe(PORTRAIT, empty), FusiformError);
  await assert.rejects(engine.describe(PORTRAIT, { ...empty, xMin: NaN }), raises("bad_option", /xMin/));
  await assert.rejects(engine.describe(PORTRAIT, { ...empty, xMax: 1e300 }), raises("bad_option"));
  await assert.rejects(engine.describe(PORTRAIT), raises("bad_option", /bbox/));
});

test("JSON holds a photo, and nothing in it is believed", async () => {
  const photo = await engine.analyse(GROUP);
  const read = Photo.fromJSON(JSON.parse(JSON.stringify(photo)));
  assert.deepEqual(read.toJSON(), photo.toJSON());
  assert.equal(compare(read.faces[0], photo.faces[0]), compare(photo.faces[0], photo.faces[0]));
  assert.deepEqual(Face.fromJSON(structuredClone(photo.faces[1].toJSON())).template, photo.faces[1].template);
  const good = photo.faces[0].toJSON();
  const { template } = good;
  const damaged = [
    null, 7, {}, [], { type: "Face" }, photo.toJSON(), { ...good, bbox: [1, 2, 3] },
    { ...good, score: "1" }, { ...good, landmarks: [1] }, { ...good, aligned: "" },
    { ...good, quality: null }, { ...good, fromPhoto: [NaN, 0, 0, 0] },
    { ...good, template: { ...template, vector: "x" } }, { ...good, template: { ...template, model: 3 } },
  ];
  for (const json of damaged) assert.throws(() => Face.fromJSON(json), raises("bad_option"));
  const face = photo.faces[0];
  const short = { ...template, vector: [1] };
  for (const vector of [short.vector, [], template.vector.map(() => 0), template.vector.map(() => 1e39)]) {
    const wrong = Face.fromJSON({ ...good, template: { ...template, vector } });
    assert.throws(() => engine.verify(face, wrong), FusiformError);
    assert.throws(() => compare(face, wrong), FusiformError);
  }
  const other = Face.fromJSON({ ...good, template: { ...template, model: "other" } });
  assert.throws(() => compare(face, other), raises("model_mismatch"));
  const plain = Face.fromJSON({ ...good, template: null });
  assert.throws(() => compare(plain, face), raises("lacks_embedder"));
  assert.throws(() => plain.template, raises("lacks_embedder"));
});

test("calls run side by side, and give what they give alone", async () => {
  const paths = jpegs(ALBUM).slice(0, 6);
  const alone = [];
  for (const path of paths) alone.push((await engine.analyse(path)).toJSON());
  const together = await Promise.all([...paths, ...paths].map((path) => engine.analyse(path)));
  assert.deepEqual(together.map((photo) => photo.toJSON()), [...alone, ...alone]);
  const three = new Engine({ threads: 3 });
  assert.deepEqual((await three.analyse(GROUP)).toJSON(), (await engine.analyse(GROUP)).toJSON());
});
