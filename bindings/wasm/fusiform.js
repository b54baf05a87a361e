// Fusiform in a page or in Node.js: objects of what the WebAssembly module computes. It is handed pixels
// and gives numbers; it has no way to send either anywhere.

const NAMES = ["different", "unsure", "same"];
const BEFORE_TEMPLATE = 17;

/** The networks of the base pack, ready to run on one thread. */
export class Engine {
  #wasm;
  /** Numbers in a template. */
  dimensions;

  /** `source`: the module's bytes, or a Response that has them. */
  static async open(source) {
    const isResponse = typeof Response === "function" && source instanceof Response;
    const { instance } = isResponse
      ? await WebAssembly.instantiateStreaming(source, {})
      : await WebAssembly.instantiate(source, {});
    const engine = new Engine();
    engine.#wasm = instance.exports;
    engine.dimensions = engine.#done(engine.#wasm.open());
    return Object.freeze(engine);
  }

  /**
   * The faces of an image: `{ data, width, height }` in RGBA, as a canvas gives it. Best score first.
   * Boxes and points are pixels of the image.
   */
  analyse({ data, width, height }) {
    const isWhole = Number.isInteger(width) && Number.isInteger(height);
    if (!isWhole || data.length !== width * height * 4) {
      throw new RangeError(`${data.length} bytes are no ${width}x${height} pixels in RGBA`);
    }
    const address = this.#wasm.room(width, height);
    if (address === 0) throw new RangeError(this.#message());
    new Uint8Array(this.#wasm.memory.buffer, address, data.length).set(data);
    const nFaces = this.#done(this.#wasm.analyse());
    const length = BEFORE_TEMPLATE + this.dimensions;
    const all = this.#numbers(nFaces * length);
    const faces = [];
    for (let at = 0; at < all.length; at += length) {
      const [xMin, yMin, xMax, yMax, score, ...more] = all.subarray(at, at + BEFORE_TEMPLATE);
      const points = [0, 2, 4, 6, 8].map((i) => [more[i], more[i + 1]]);
      faces.push({
        bbox: { xMin, yMin, xMax, yMax },
        score,
        landmarks: points,
        quality: more[10],
        isUnclear: more[11] === 1,
        template: all.slice(at + BEFORE_TEMPLATE, at + length),
      });
    }
    return faces;
  }

  /** Whether two faces are of one person: similarity, verdict, and the thresholds that decide. */
  verify(a, b) {
    for (const { template } of [a, b]) {
      if (template.length !== this.dimensions) {
        throw new RangeError(`a template of ${template.length} values is none of this model`);
      }
    }
    const similarity = a.template.reduce((sum, value, at) => sum + value * b.template[at], 0);
    const verdict = NAMES[this.#done(this.#wasm.judge(similarity))];
    const [same, sameFmr, different, differentFmr] = this.#numbers(4);
    return {
      similarity,
      verdict,
      sameAt: { similarity: same, fmr: sameFmr },
      differentBelow: { similarity: different, fmr: differentFmr },
    };
  }

  #numbers(length) {
    return new Float32Array(this.#wasm.memory.buffer, this.#wasm.numbers(), length).slice();
  }

  #done(answer) {
    if (answer < 0) throw new Error(this.#message());
    return answer;
  }

  #message() {
    const { memory, message_address: address, message_length: length } = this.#wasm;
    return new TextDecoder().decode(new Uint8Array(memory.buffer, address(), length()));
  }
}
