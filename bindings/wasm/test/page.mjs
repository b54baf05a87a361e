// The page in Debian's chromium: the faces of the native binary, and nothing sent anywhere.
// Usage: node page.mjs FOLDER BINARY ALBUM, with playwright-core beside it. FOLDER is what build.sh made.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";

import { chromium } from "playwright-core";

const [, , folder, binary, album] = process.argv;
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm" };
const asked = [];
const server = createServer((request, response) => {
  const name = request.url === "/" ? "index.html" : request.url.slice(1);
  asked.push(`${request.method} ${request.url}`);
  try {
    const bytes = readFileSync(join(folder, name));
    response.writeHead(200, { "content-type": TYPES[extname(name)] }).end(bytes);
  } catch {
    response.writeHead(404).end();
  }
}).listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const address = `http://127.0.0.1:${server.address().port}/`;
const work = mkdtempSync(join(tmpdir(), "fusiform-page-"));
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
try {
  const context = await browser.newContext();
  const page = await context.newPage();
  const requests = [];
  const faults = [];
  context.on("request", (request) => requests.push(`${request.method()} ${request.url()}`));
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  await page.goto(address);
  await page.locator("#photos:not([disabled])").waitFor({ timeout: 120_000 });
  assert.equal(await page.locator("#said").innerText(), "Ready.");
  const files = ["index.html", "page.css", "page.js", "worker.js", "fusiform.js", "fusiform.wasm"];
  const wanted = files.map((name) => `GET /${name === "index.html" ? "" : name}`).sort();
  assert.deepEqual([...new Set(asked)].sort(), wanted);

  // From here on the network is gone, and nothing may be asked of it.
  await context.setOffline(true);
  const nBefore = requests.length;
  const photos = ["16-portrait.jpg", "17-portrait.jpg", "23-group.jpg"].map((name) => join(album, name));
  const noPhoto = join(work, "none.jpg");
  writeFileSync(noPhoto, "Dear diary");
  await page.setInputFiles("#photos", [...photos, noPhoto]);
  await page.locator("#said", { hasText: /^Ready\. none\.jpg: / }).waitFor({ timeout: 120_000 });
  assert.equal(requests.length, nBefore, "nothing was asked for after photos were chosen");
  assert.equal(asked.length, wanted.length);

  const captions = await page.locator("figcaption").allInnerTexts();
  assert.match(captions[0], /16-portrait\.jpg: 1 faces, \d+ ms/);
  const rows = await page.locator("#pairs tbody tr").allInnerTexts();
  const [pair, similarity, verdict] = rows[0].split("\t");
  assert.deepEqual([pair, verdict], ["1.1 and 2.1", "same"]);

  // The same pixels in the binary: boxes within a pixel, and for two JPEGs nearly the same similarity. Eight-bit
  // networks round otherwise with each instruction set.
  const pictures = await page.evaluate(async (files) => {
    const all = [];
    for (const bytes of files) {
      const bitmap = await createImageBitmap(new Blob([Uint8Array.from(bytes)]));
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
      canvas.getContext("2d").drawImage(bitmap, 0, 0);
      const png = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
      all.push([...new Uint8Array(await png.arrayBuffer())]);
    }
    return all;
  }, photos.map((path) => [...readFileSync(path)]));
  const pngs = pictures.map((bytes, at) => join(work, `${at}.png`));
  pictures.forEach((bytes, at) => writeFileSync(pngs[at], Buffer.from(bytes)));
  const run = (...command) => JSON.parse(execFileSync(binary, ["--json", ...command], { stdio: ["ignore", "pipe", "ignore"] }));
  const native = run("detect", ...pngs).photos;
  const here = await page.locator("figure").evaluateAll((all) => all.map((one) => JSON.parse(one.dataset.faces)));
  let [nFaces, apart] = [0, 0];
  for (const [at, { faces }] of native.entries()) {
    assert.equal(here[at].length, faces.length, photos[at]);
    for (const { bbox } of faces) {
      const off = here[at].map((face) => Math.max(...Object.values(face.bbox).map((v, i) => Math.abs(v - bbox[i]))));
      apart = Math.max(apart, Math.min(...off));
      nFaces += 1;
    }
  }
  assert.ok(nFaces >= 5 && apart < 2, `${nFaces} faces, boxes ${apart} px apart`);
  const verified = run("verify", ...pngs.slice(0, 2));
  assert.ok(Math.abs(verified.similarity - Number(similarity)) < 0.02, `${verified.similarity}, not ${similarity}`);

  // Whatever a script tries, the browser refuses.
  await context.setOffline(false);
  const sent = await page.evaluate(async () => {
    const tries = [
      () => fetch("http://127.0.0.1:9/", { method: "POST", body: "x" }),
      () => fetch("https://example.org/"),
      () => new Promise((resolve, reject) => {
        const image = new Image();
        [image.onload, image.onerror] = [resolve, reject];
        image.src = "https://example.org/a.png";
      }),
    ];
    const done = await Promise.allSettled(tries.map((one) => one()));
    return done.map(({ status }) => status);
  });
  assert.deepEqual(sent, ["rejected", "rejected", "rejected"]);
  const refused = faults.filter((fault) => /Content Security Policy/.test(fault));
  assert.ok(refused.length >= 3, faults.join("\n"));
  assert.deepEqual(faults.filter((fault) => !/Content Security Policy/.test(fault)), []);

  // One thread, the longer side 640 px: the median of nine.
  const ms = await page.evaluate(async (bytes) => {
    const { Engine } = await import("./fusiform.js");
    const engine = await Engine.open(await fetch("fusiform.wasm"));
    const bitmap = await createImageBitmap(new Blob([Uint8Array.from(bytes)]));
    const shrink = 640 / Math.max(bitmap.width, bitmap.height);
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height].map((side) => Math.round(side * shrink));
    const drawn = canvas.getContext("2d");
    drawn.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    const image = drawn.getImageData(0, 0, canvas.width, canvas.height);
    const all = [];
    for (let n = 0; n < 10; n++) {
      const begin = performance.now();
      engine.analyse(image);
      all.push(performance.now() - begin);
    }
    return all.slice(1).sort((a, b) => a - b)[4];
  }, [...readFileSync(photos[0])]);
  console.log(`the page agrees with the binary on ${nFaces} faces, boxes at most ${apart.toFixed(2)} px apart; ` +
    `nothing was sent; ${ms.toFixed(1)} ms for a photo of 640 px`);
} finally {
  await browser.close();
  server.close();
  rmSync(work, { recursive: true });
}
