// Finds and compares faces beside the page, which stays usable meanwhile. In: pixels. Out: faces, verdicts.
import { Engine } from "./fusiform.js";

const opened = fetch(new URL("fusiform.wasm", import.meta.url)).then((response) => {
  if (!response.ok) throw new Error(`fusiform.wasm cannot be loaded: ${response.status}`);
  return Engine.open(response);
});
const found = [];

self.onmessage = async ({ data: { call, image } }) => {
  try {
    const engine = await opened;
    if (call === "open") {
      self.postMessage({ call });
      return;
    }
    const begin = performance.now();
    const faces = engine.analyse(image);
    const ms = performance.now() - begin;
    const pairs = [];
    for (const [photo, others] of found.entries()) {
      for (const [a, one] of others.entries()) {
        for (const [b, other] of faces.entries()) {
          if (one.isUnclear || other.isUnclear) continue;
          const { similarity, verdict } = engine.verify(one, other);
          pairs.push({ a: [photo, a], b: [found.length, b], similarity, verdict });
        }
      }
    }
    found.push(faces);
    // Templates stay here: the page does not need them.
    const shown = faces.map(({ bbox, landmarks, score, isUnclear }) => ({ bbox, landmarks, score, isUnclear }));
    self.postMessage({ call, faces: shown, pairs, ms });
  } catch (error) {
    self.postMessage({ call, error: error.message });
  }
};
