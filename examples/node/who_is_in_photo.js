// Who is in this photo: portraits with names first, then a photo of several people.
//
//     node who_is_in_photo.js PHOTO NAME=PORTRAIT ...
import { Engine, Gallery } from "fusiform";

const [path, ...portraits] = process.argv.slice(2);
const engine = new Engine();
const people = await Gallery.open(null, engine);
for (const portrait of portraits) {
  const [name, file] = portrait.split("=", 2);
  await people.enrol(name, (await engine.analyse(file)).largest());
}
const { faces } = await engine.analyse(path);
for (const [at, found] of (await people.identifyAll(faces, { fmr: 1e-3 })).entries()) {
  const { xMin, yMin } = faces[at].bbox;
  console.log(
    `${found.name ?? "unknown"} at ${xMin.toFixed(1)}, ${yMin.toFixed(1)}: ` +
      `similarity ${(found.similarity ?? 0).toFixed(3)}`,
  );
}
