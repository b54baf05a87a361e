// Galleries and albums: who a face is, who is in a folder.
import assert from "node:assert/strict";
import { copyFileSync, cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";

import { Album, FusiformError, Gallery } from "fusiform";

import { ALBUM, engine, GROUP, OTHER_PERSON, PORTRAIT, raises, SAME_PERSON } from "./photos.js";

const folder = mkdtempSync(join(tmpdir(), "fusiform-"));
after(() => rmSync(folder, { recursive: true }));
const file = (name) => join(folder, name);
const largest = async (path) => (await engine.analyse(path)).largest();

test("people are enrolled with consent, found, and erased", async () => {
  const people = await Gallery.open(file("people.db"), engine);
  const [mara, again, ida] = await Promise.all([PORTRAIT, SAME_PERSON, OTHER_PERSON].map(largest));
  const nobody = await people.identify(mara);
  assert.deepEqual([nobody.name, nobody.similarity, nobody.threshold.fmr], [null, null, 1e-3]);
  const expiresAt = new Date(Math.floor(Date.now() / 1000) * 1000 + 3_600_000);
  const consent = { basis: "consent", purpose: "a test", expiresAt };
  assert.match(await people.enrol("Mara", mara, { consent }), /^[0-9a-f-]{36}$/);
  const found = await people.identify(again);
  assert.equal(found.name, "Mara");
  assert.ok(found.similarity >= found.threshold.similarity);
  const [first, second] = await people.identifyAll([again, ida], { fmr: 1e-4 });
  assert.deepEqual([first.name, second.name, second.threshold.fmr], ["Mara", null, 1e-4]);
  assert.deepEqual(await people.identifyAll([]), []);
  const [person] = await people.people();
  assert.deepEqual(person, { number: 1, name: "Mara", consent });
  await people.enrol("Ida", ida, { consent: { basis: "household", purpose: "a test" } });
  assert.equal((await people.people())[1].consent.expiresAt, null);
  const ended = { ...consent, expiresAt: new Date(1000) };
  await assert.rejects(people.enrol("Late", ida, { consent: ended }), FusiformError);
  await assert.rejects(people.enrol("  ", ida), raises("bad_name"));
  assert.equal(await people.erase("Mara"), true);
  assert.equal(await people.erase("Mara"), false);
  assert.equal((await people.identify(again)).name, null);
  assert.equal(await people.eraseEnded(), 0);
  await assert.rejects(Gallery.open(file("people.db"), engine), raises("busy"));
  await people.close();
  await people.close();
  await assert.rejects(people.identify(mara), raises("bad_handle", /Gallery is closed/));
  const opened = await Gallery.open(pathToFileURL(file("people.db")), engine);
  assert.deepEqual((await opened.people()).map((p) => p.name), ["Ida"]);
  await opened.close();
});

test("a gallery opens with its key alone", async () => {
  const passphrase = "correct horse battery staple";
  await (await Gallery.open(file("sealed.db"), engine, { passphrase })).close();
  const wrong = Gallery.open(file("sealed.db"), engine, { passphrase: "12345" });
  await assert.rejects(wrong, raises("wrong_key"));
  const both = Gallery.open(file("sealed.db"), engine, { passphrase, key: "00" });
  await assert.rejects(both, raises("bad_option", /not both/));
  await assert.rejects(Gallery.open(null, engine, { passphrase }), raises("bad_option", /no use/));
});

test("arguments of galleries are checked", async () => {
  const people = await Gallery.open(null, engine);
  const face = await largest(PORTRAIT);
  const unusable = [
    [() => new Gallery(), /Gallery\.open/],
    [() => Gallery.open(undefined, engine), /path/],
    [() => Gallery.open(null, {}), /Engine/],
    [() => Gallery.open(null, engine, { pass: "x" }), /pass.*passphrase/],
    [() => people.enrol(7, face), /name is a string/],
    [() => people.enrol("Mara", {}), /face is a Face/],
    [() => people.enrol("Mara", face, { consent: { basis: "x" } }), /consent\.purpose/],
    [() => people.enrol("Mara", face, { consent: { basis: "x", purpose: "y", until: 3 } }), /until/],
    [() => people.enrol("Mara", face, { consent: { basis: "x", purpose: "y", expiresAt: 3 } }), /Date/],
    [() => people.enrol("Mara", face, { consent: { basis: "x", purpose: "y", expiresAt: new Date("x") } }), /Date/],
    [() => people.identify(null), /faces\[0\]/],
    [() => people.identifyAll(face), /array of Faces/],
    [() => people.identify(face, { fmr: "x" }), /fmr/],
    [() => people.erase(null), /name/],
  ];
  for (const [call, said] of unusable) {
    await assert.rejects(async () => call(), raises("bad_option", said));
  }
  await assert.rejects(people.identify(face, { fmr: 1e-9 }), raises("uncalibrated"));
  assert.equal((await people.people()).length, 0);
});

test("a folder becomes people, who are named, split, merged, undone and erased", async () => {
  const album = await Album.open(file("album.db"), engine);
  const heard = [];
  const summary = await album.scan(ALBUM, { progress: (...said) => heard.push(said) });
  const nPhotos = readdirSync(ALBUM).filter((name) => name.endsWith(".jpg")).length;
  assert.equal(summary.nFiles, nPhotos);
  assert.ok(summary.nNewFaces > 25 && summary.problems.length === 0);
  assert.deepEqual(heard[0], [0, nPhotos]);
  const grouped = await album.group();
  const people = await album.people();
  assert.ok(grouped.nPeople > 3 && people[0].name === null);
  await album.name(people[0].id, "Zoë");
  assert.equal(await album.findPerson("ZOË"), people[0].id);
  assert.equal((await album.person(people[0].id)).name, "Zoë");
  const photos = await album.photosOf(people[0].id);
  assert.equal(photos.length, people[0].nFaces);
  assert.ok(photos[0].paths[0].startsWith(ALBUM) && photos[0].bbox.xMax > photos[0].bbox.xMin);
  const faces = await album.facesIn(photos[0].paths[0]);
  assert.ok(faces.some((face) => face.name === "Zoë" && face.faceId === photos[0].faceId));
  const match = await album.identify(await largest(photos[0].paths[0]));
  assert.equal(match.person?.name, "Zoë");
  const other = await album.split(people[0].id, [photos[0].faceId]);
  assert.equal((await album.person(other)).nFaces, 1);
  await album.merge(people[0].id, other);
  await album.ignore([photos[0].faceId]);
  await album.notAFace([photos[1].faceId]);
  const history = await album.history();
  assert.equal(history.length, 5);
  assert.equal((await album.undo(2)).length, 2);
  assert.equal((await album.person(people[0].id)).nFaces, people[0].nFaces);
  assert.equal(await album.erase(people[0].id), people[0].nFaces);
  await assert.rejects(album.findPerson("Zoë"), raises("unknown_person"));
  await assert.rejects(album.name(people[1].id, " "), raises("bad_name"));
  await assert.rejects(album.facesIn("/no/photo.jpg"), raises("not_found"));
  await album.close();
  await album.close();
  await assert.rejects(album.people(), raises("bad_handle", /Album is closed/));
  const readOnly = await Album.open(file("album.db"), engine, { readOnly: true });
  await assert.rejects(readOnly.name(people[1].id, "Tom"), raises("read_only"));
  await readOnly.close();
  await assert.rejects(Album.open(file("none.db"), engine, { create: false }), FusiformError);
});

test("a scan is stopped, goes on, and names what it could not use", async () => {
  const photos = file("photos");
  cpSync(ALBUM, photos, { recursive: true });
  for (let n = 0; n < 40; n++) copyFileSync(GROUP, join(photos, `copy-${n}.jpg`));
  writeFileSync(join(photos, "broken.jpg"), "no photo");
  const album = await Album.open(file("stopped.db"), engine);
  const controller = new AbortController();
  const aborted = album.scan(photos, {
    signal: controller.signal,
    threads: 1,
    progress: (nDone) => nDone > 2 && controller.abort(),
  });
  await assert.rejects(aborted, { name: "AbortError" });
  await assert.rejects(album.scan(photos, { signal: AbortSignal.abort() }), { name: "AbortError" });
  const progress = () => {
    throw new RangeError("enough");
  };
  await assert.rejects(album.scan(photos, { progress, threads: 1 }), RangeError);
  // What is called meanwhile waits for the scan.
  const [summary, people] = await Promise.all([album.scan([photos]), album.people()]);
  assert.ok(summary.nAnalysed < summary.nFiles && summary.nUnchanged > 0);
  assert.equal(summary.problems.length, 1);
  assert.match(summary.problems[0].path, /broken\.jpg$/);
  assert.equal(summary.problems[0].kind, "no_photo");
  assert.deepEqual(people, []);
  const unusable = [
    [() => new Album(), /Album\.open/],
    [() => Album.open(null, engine), /path/],
    [() => Album.open(file("x.db"), engine, { create: 1 }), /create/],
    [() => album.scan(3), /folder/],
    [() => album.scan([ALBUM, null]), /folder/],
    [() => album.scan(ALBUM, { threads: -1 }), /threads/],
    [() => album.scan(ALBUM, { threads: 2000 }), /2000/],
    [() => album.scan(ALBUM, { progress: 3 }), /progress/],
    [() => album.scan(ALBUM, { signal: {} }), /AbortSignal/],
    [() => album.person("1"), /personId/],
    [() => album.person(1.5), /personId/],
    [() => album.person(2 ** 60), /personId/],
    [() => album.ignore(3), /faceIds/],
    [() => album.ignore([3, "4"]), /faceIds\[1\]/],
    [() => album.undo(-1), /count/],
    [() => album.identify({}), /face is a Face/],
  ];
  for (const [call, said] of unusable) {
    await assert.rejects(async () => call(), raises("bad_option", said));
  }
  await album.close();
});
