// The engine. In: a pack, then images. Out: photos, verdicts, thresholds. Knows nothing of people.
import { native } from "./addon.js";
import { number, optional, options, path, text, whole, bytes, shown } from "./arguments.js";
import { badOption, settled, settledLater } from "./errors.js";
import { search, source } from "./image.js";
import { face, fieldsOf, photo } from "./photo.js";

const LIMITS = ["threads", "maxPixels", "maxBytes"];
const KEY = Symbol("opened");

/** The native engine; an error for anything else. */
export let engineOf;

/** The networks of a model pack, ready to run. */
export class Engine {
  #native;

  constructor(given, key) {
    if (key === KEY) this.#native = given;
    else this.#native = settled(native().NativeEngine.openSync(settings(given, "Engine"), []));
    const { pack, dimensions, model, detector } = this.#native.fields();
    Object.assign(this, { pack, dimensions, model, detector });
    Object.freeze(this);
  }

  static {
    engineOf = (value, name) => {
      if (typeof value === "object" && value !== null && #native in value) return value.#native;
      throw badOption(`${name} is an Engine, not ${shown(value)}`);
    };
  }

  static async open(given) {
    const opened = native().NativeEngine.open(settings(given, "Engine.open"), []);
    return new Engine(await settledLater(opened), KEY);
  }

  static async fromMemory(manifest, files, given) {
    const read = { ...settings(given, "Engine.fromMemory", LIMITS) };
    read.manifest = text(manifest, "manifest");
    if (typeof files !== "object" || files === null) {
      throw badOption(`files is an object of bytes by name, not ${shown(files)}`);
    }
    const held = Object.entries(files).map(([name, value]) => ({
      name,
      bytes: bytes(value, `files[${shown(name)}]`),
    }));
    return new Engine(await settledLater(native().NativeEngine.open(read, held)), KEY);
  }

  async analyse(image, given) {
    const [file, held, layout] = source(image);
    const found = this.#native.analyse(file, held, layout, search(given));
    return photo(await settledLater(found));
  }

  analyseSync(image, given) {
    const [file, held, layout] = source(image);
    return photo(settled(this.#native.analyseSync(file, held, layout, search(given))));
  }

  async describe(image, bbox) {
    const sides = ["xMin", "yMin", "xMax", "yMax"];
    if (typeof bbox !== "object" || bbox === null) {
      throw badOption(`bbox is { ${sides.join(", ")} } in pixels, not ${shown(bbox)}`);
    }
    const box = sides.map((side) => number(bbox[side], `bbox.${side}`));
    const [file, held, layout] = source(image);
    return face(await settledLater(this.#native.describe(file, held, layout, box)));
  }

  async decode(image) {
    const [file, held, layout] = source(image);
    const { width, height, data } = await settledLater(this.#native.decode(file, held, layout));
    return { data: new Uint8Array(Buffer.from(data, "base64")), width, height, format: "rgb" };
  }

  verify(a, b) {
    return settled(this.#native.verify(fieldsOf(a, "the first face"), fieldsOf(b, "the second face")));
  }

  threshold(fmr) {
    return settled(this.#native.threshold(number(fmr, "fmr")));
  }

  get thresholds() {
    return settled(this.#native.thresholds());
  }
}

function settings(given, of, names = ["pack", ...LIMITS]) {
  const { pack, threads, maxPixels, maxBytes } = options(given, names, of);
  return {
    pack: optional(pack, "pack", path),
    threads: optional(threads, "threads", whole, 0),
    maxPixels: optional(maxPixels, "maxPixels", whole, 1, Number.MAX_SAFE_INTEGER),
    maxBytes: optional(maxBytes, "maxBytes", whole, 1, Number.MAX_SAFE_INTEGER),
  };
}
