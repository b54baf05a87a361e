// Checked by `tsc --strict`, never run: what programs in TypeScript may write, and what they may not.
import {
  Album,
  compare,
  Engine,
  Face,
  FusiformError,
  Gallery,
  Photo,
  type Consent,
  type Identification,
  type Verification,
} from "fusiform";

const engine: Engine = await Engine.open({ threads: 2, maxPixels: 10_000_000 });
const photo: Photo = await engine.analyse(Buffer.from([1]), { minFacePx: 20 });
const pixels: Photo = engine.analyseSync({ data: new Uint8ClampedArray(4), width: 1, height: 1 });
const face: Face = photo.largest();
const template: Float32Array = face.template;
const x: number = face.landmarks?.[0]?.[0] ?? face.bbox.xMin;
const answer: Verification = engine.verify(face, pixels.largest());
if (answer.verdict === "unsure") console.log(answer.sameAt.fmr, compare(face, face), template, x);
const consent: Consent = { basis: "consent", purpose: "a test", expiresAt: new Date() };
const people = await Gallery.open(null, engine, { passphrase: "x" });
await people.enrol("Mara", face, { consent });
const who: Identification = await people.identify(face, { fmr: 1e-4 });
const name: string | null = who.name;
const album = await Album.open(new URL("file:///album.db"), engine, { create: true });
const { nFiles, problems } = await album.scan(["a", "b"], {
  progress: (nDone, nAll) => console.log(nDone / nAll),
  signal: AbortSignal.timeout(1000),
});
console.log(name, nFiles, problems[0]?.kind === "damaged");
const again: Face = Face.fromJSON(face.toJSON());
try {
  await engine.decode("photo.jpg");
} catch (error) {
  if (error instanceof FusiformError && error.kind === "not_a_photo") console.log(error.code, again);
}

// @ts-expect-error an engine is opened with options
new Engine("pack");
// @ts-expect-error no such option
await engine.analyse("a.jpg", { minFace: 3 });
// @ts-expect-error a face is found, not made
new Face();
// @ts-expect-error no such format
await engine.analyse({ data: new Uint8Array(3), width: 1, height: 1, format: "hsv" });
// @ts-expect-error it cannot be changed
face.score = 1;
// @ts-expect-error a name may be null
const wrong: string = who.name;
