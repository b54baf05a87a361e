// What else runs in the process: the event loop, worker threads, the garbage collector, an exit.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";

import { Album, Engine, Face, Gallery, Photo } from "fusiform";

import { engine, GROUP, PORTRAIT, raises } from "./photos.js";

test("the event loop goes on while a photo is analysed", async () => {
  let nTicks = 0;
  const timer = setInterval(() => (nTicks += 1), 1);
  await Promise.all([1, 2, 3].map(() => engine.analyse(GROUP)));
  clearInterval(timer);
  assert.ok(nTicks >= 3, `${nTicks} ticks`);
});

const WORKER = `
  const { parentPort, workerData } = require("node:worker_threads");
  import("fusiform").then(async ({ Engine, Photo }) => {
    const engine = new Engine();
    const photo = await engine.analyse(workerData);
    parentPort.postMessage(photo.toJSON());
    if (process.argv.includes("endless")) for (;;) await engine.analyse(workerData);
  });
`;

test("worker threads have engines of their own, and send photos", async () => {
  const wanted = (await engine.analyse(GROUP)).toJSON();
  const workers = [1, 2, 3].map(() => new Worker(WORKER, { eval: true, workerData: GROUP }));
  const ended = workers.map((worker) => once(worker, "exit"));
  const said = await Promise.all(workers.map((worker) => once(worker, "message")));
  for (const [json] of said) assert.deepEqual(Photo.fromJSON(json).toJSON(), wanted);
  assert.deepEqual((await Promise.all(ended)).flat(), [0, 0, 0]);
});

test("a worker that is ended amid its work takes nobody with it", async () => {
  for (let n = 0; n < 4; n++) {
    const worker = new Worker(WORKER, { eval: true, workerData: GROUP, argv: ["endless"] });
    await once(worker, "message");
    await worker.terminate();
  }
  assert.equal((await engine.analyse(PORTRAIT)).faces.length, 1);
});

test("a process ends when it says so, whatever is under way", () => {
  const program = `
    import { Album, Engine, Gallery } from "fusiform";
    const engine = new Engine();
    const people = await Gallery.open(null, engine);
    const path = ${JSON.stringify(GROUP)};
    for (let n = 0; n < 8; n++) engine.analyse(path);
    setTimeout(() => process.exit(7), 30);
  `;
  const run = () => execFileSync(process.execPath, ["--input-type=module", "-e", program], { stdio: "pipe" });
  assert.throws(run, (error) => error.status === 7 && error.signal === null);
});

test("methods of other objects and of unfinished ones are refused", async () => {
  for (const method of ["analyse", "decode"]) {
    await assert.rejects(Engine.prototype[method].call({}, PORTRAIT), TypeError);
  }
  await assert.rejects(Gallery.prototype.people.call(engine), TypeError);
  await assert.rejects(Album.prototype.people.call({}), TypeError);
  assert.throws(() => Engine.prototype.verify.call(Object.create(Engine.prototype)), Error);
  const people = await Gallery.open(null, engine);
  const fake = Object.create(Engine.prototype);
  await assert.rejects(Gallery.open(null, fake), raises("bad_option", /Engine/));
  await assert.rejects(people.identify(Object.create(Face.prototype)), raises("bad_option"));
  const closing = people.close();
  await assert.rejects(people.people(), raises("bad_handle"));
  await closing;
});

test("calls grow no memory", async () => {
  const { data, width, height } = await engine.decode(PORTRAIT);
  const step = Math.ceil(Math.max(width, height) / 64);
  const [w, h] = [Math.floor(width / step), Math.floor(height / step)];
  const small = new Uint8Array(w * h * 3);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const from = (y * step * width + x * step) * 3;
      small.set(data.subarray(from, from + 3), (y * w + x) * 3);
    }
  }
  const image = { data: small, width: w, height: h, format: "rgb" };
  const people = await Gallery.open(null, engine);
  await people.enrol("Mara", (await engine.analyse(PORTRAIT)).largest());
  const work = async (nCalls) => {
    for (let n = 0; n < nCalls; n++) {
      // Half of them in one turn of the event loop.
      const photo = n % 2 === 0 ? engine.analyseSync(image) : await engine.analyse(image);
      for (const face of photo.faces) {
        face.template;
        face.aligned;
        if (n % 8 === 1) await people.identify(face);
      }
      assert.throws(() => engine.analyseSync(Buffer.from("no photo")));
    }
  };
  const resident = () => {
    globalThis.gc();
    globalThis.gc();
    return process.memoryUsage().rss / 1024;
  };
  const nCalls = Number(process.env.FUSIFORM_MEMORY_CALLS ?? 800);
  await work(200);
  const before = resident();
  await work(nCalls);
  const grown = resident() - before;
  // A leak of one template for each call would be 512 bytes; of one crop 37 KiB.
  assert.ok(grown < Math.max(8000, nCalls / 4), `${grown} KiB in ${nCalls} calls`);
});

test("synchronous calls in one turn of the event loop grow no memory", async () => {
  const image = await engine.decode(PORTRAIT);
  const before = process.memoryUsage().rss;
  for (let n = 0; n < 60; n++) engine.analyseSync(image);
  // Each copies the pixels, 60 times some hundred KiB.
  const grown = (process.memoryUsage().rss - before) / 1024 / 1024;
  assert.ok(grown < 60, `${grown} MiB`);
});
