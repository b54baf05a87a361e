// What `import … from "fusiform"` gives. Knows nothing of how anything is done.
import { fieldsOf } from "./photo.js";

export { Album } from "./album.js";
export { Engine } from "./engine.js";
export { FusiformError } from "./errors.js";
export { Gallery } from "./gallery.js";
export { Face, Photo } from "./photo.js";

/** Cosine similarity of two faces, -1 to 1; larger is nearer. `Engine.verify` judges it. */
export function compare(a, b) {
  fieldsOf(a, "the first face");
  return a.similarity(b);
}
