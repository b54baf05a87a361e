// Enrolled people. In: names, faces, consent. Out: who a face is. Knows nothing of pixels.
import { native } from "./addon.js";
import { number, optional, options, path, shown, text } from "./arguments.js";
import { engineOf } from "./engine.js";
import { badOption, settledLater } from "./errors.js";
import { fieldsOf } from "./photo.js";
import { Queue } from "./queue.js";

const KEY = Symbol("opened");
const USUAL_FMR = 1e-3;

/** People who are recognised: names, consents and faces, sealed in a file or in memory. */
export class Gallery {
  #native;
  #queue = new Queue();

  constructor(opened, key) {
    if (key !== KEY) throw badOption("a Gallery is opened by `await Gallery.open(path, engine)`");
    this.#native = opened;
    Object.freeze(this);
  }

  static async open(file, engine, given) {
    const { key, passphrase } = options(given, ["key", "passphrase"], "Gallery.open");
    const opened = native().NativeGallery.open(
      file === null ? undefined : path(file, "path"),
      engineOf(engine, "engine"),
      optional(key, "key", text),
      optional(passphrase, "passphrase", text),
    );
    return new Gallery(await settledLater(opened), KEY);
  }

  async enrol(name, face, given) {
    const { consent } = options(given, ["consent"], "enrol");
    const terms = optional(consent, "consent", readConsent);
    const fields = fieldsOf(face, "face");
    return this.#run((people) => people.enrol(text(name, "name"), fields, terms));
  }

  async identify(face, given) {
    return (await this.identifyAll([face], given))[0];
  }

  async identifyAll(faces, given) {
    const { fmr = USUAL_FMR } = options(given, ["fmr"], "identify");
    if (!Array.isArray(faces)) throw badOption(`faces is an array of Faces, not ${shown(faces)}`);
    const probes = faces.map((face, at) => fieldsOf(face, `faces[${at}]`));
    number(fmr, "fmr");
    return this.#run((people) => people.identifyAll(probes, fmr));
  }

  async people() {
    const people = await this.#run((people) => people.people());
    return people.map(({ number, name, consent: { basis, purpose, expiresAtMs } }) => {
      const expiresAt = expiresAtMs === null ? null : new Date(expiresAtMs);
      return { number, name, consent: { basis, purpose, expiresAt } };
    });
  }

  async erase(name) {
    return this.#run((people) => people.erase(text(name, "name")));
  }

  async eraseEnded() {
    return this.#run((people) => people.eraseEnded());
  }

  async close() {
    await this.#run((people) => people.close());
  }

  #run(task) {
    return this.#queue.run(() => settledLater(task(this.#native)));
  }
}

function readConsent(value, name) {
  const { basis, purpose, expiresAt } = options(value, ["basis", "purpose", "expiresAt"], name);
  let expiresAtMs = null;
  if (expiresAt != null) {
    expiresAtMs = expiresAt instanceof Date ? expiresAt.getTime() : NaN;
    if (Number.isNaN(expiresAtMs)) {
      throw badOption(`${name}.expiresAt is a Date that is valid, not ${shown(expiresAt)}`);
    }
  }
  return {
    basis: text(basis, `${name}.basis`),
    purpose: text(purpose, `${name}.purpose`),
    expiresAtMs,
  };
}
