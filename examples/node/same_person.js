// Is this the same person: two photos, one answer, and what it rests on.
//
//     node same_person.js PHOTO PHOTO
import { Engine } from "fusiform";

const engine = new Engine();
const photos = await Promise.all(process.argv.slice(2, 4).map((path) => engine.analyse(path)));
const answer = engine.verify(...photos.map((photo) => photo.largest()));
console.log(`${answer.verdict}: similarity ${answer.similarity.toFixed(3)}`);
const { fmr, similarity } = answer.sameAt;
console.log(`${fmr.toFixed(4)} of strangers reach ${similarity.toFixed(3)}`);
