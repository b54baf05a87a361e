// A photo library. In: folders, decisions. Out: people and their photos. Knows nothing of pixels.
import { native } from "./addon.js";
import { bool, id, ids, number, optional, options, path, shown, text, whole } from "./arguments.js";
import { engineOf } from "./engine.js";
import { badOption, settledLater } from "./errors.js";
import { boundingBox, fieldsOf } from "./photo.js";
import { Queue } from "./queue.js";

const KEY = Symbol("opened");
const USUAL_FMR = 1e-4;

/** A photo library in one file: photos, faces, people, and what you decided about them. */
export class Album {
  #native;
  #queue = new Queue();

  constructor(opened, key) {
    if (key !== KEY) throw badOption("an Album is opened by `await Album.open(path, engine)`");
    this.#native = opened;
    Object.freeze(this);
  }

  static async open(file, engine, given) {
    const of = options(given, ["create", "readOnly"], "Album.open");
    const { create = true, readOnly = false } = of;
    const opened = native().NativeAlbum.open(
      path(file, "path"),
      engineOf(engine, "engine"),
      bool(create, "create"),
      bool(readOnly, "readOnly"),
    );
    return new Album(await settledLater(opened), KEY);
  }

  async scan(folders, given) {
    const of = options(given, ["progress", "signal", "threads"], "scan");
    const { progress = () => {}, signal } = of;
    const threads = optional(of.threads, "threads", whole);
    const roots = (Array.isArray(folders) ? folders : [folders]).map((f) => path(f, "a folder"));
    if (typeof progress !== "function") {
      throw badOption(`progress is a function, not ${shown(progress)}`);
    }
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw badOption(`signal is an AbortSignal, not ${shown(signal)}`);
    }
    return this.#run(async (album) => {
      signal?.throwIfAborted();
      const { Stop } = native();
      const stop = new Stop();
      let [thrown, isOver] = [undefined, false];
      const tell = (nDone, nFiles) => {
        if (thrown !== undefined || isOver) return;
        try {
          progress(nDone, nFiles);
        } catch (error) {
          thrown = { error };
          stop.stop();
        }
      };
      const abort = () => stop.stop();
      signal?.addEventListener("abort", abort, { once: true });
      try {
        const done = await settledLater(album.scan(roots, threads, stop, tell));
        if (thrown !== undefined) throw thrown.error;
        const { interrupted, ...summary } = done;
        if (interrupted) signal?.throwIfAborted();
        return summary;
      } finally {
        isOver = true;
        signal?.removeEventListener("abort", abort);
      }
    });
  }

  async group() {
    return this.#run((album) => album.group());
  }

  async people() {
    return this.#run((album) => album.people());
  }

  async person(personId) {
    return this.#run((album) => album.person(id(personId, "personId")));
  }

  async findPerson(name) {
    return this.#run((album) => album.findPerson(text(name, "name")));
  }

  async photosOf(personId) {
    const photos = await this.#run((album) => album.photosOf(id(personId, "personId")));
    return photos.map((photo) => ({ ...photo, bbox: boundingBox(photo.bbox) }));
  }

  async facesIn(file) {
    const faces = await this.#run((album) => album.facesIn(path(file, "path")));
    return faces.map((face) => ({ ...face, bbox: boundingBox(face.bbox) }));
  }

  async identify(face, given) {
    const { fmr = USUAL_FMR } = options(given, ["fmr"], "identify");
    const probe = fieldsOf(face, "face");
    return this.#run((album) => album.identify(probe, number(fmr, "fmr")));
  }

  async name(personId, name) {
    await this.#run((album) => album.name(id(personId, "personId"), text(name, "name")));
  }

  async merge(personId, otherId) {
    await this.#run((album) => album.merge(id(personId, "personId"), id(otherId, "otherId")));
  }

  async split(personId, faceIds) {
    const [person, faces] = [id(personId, "personId"), ids(faceIds, "faceIds")];
    return this.#run((album) => album.split(person, faces));
  }

  async ignore(faceIds) {
    const faces = ids(faceIds, "faceIds");
    await this.#run((album) => album.ignore(faces));
  }

  async notAFace(faceIds) {
    const faces = ids(faceIds, "faceIds");
    await this.#run((album) => album.notAFace(faces));
  }

  async undo(count = 1) {
    return this.#run((album) => album.undo(whole(count, "count")));
  }

  async history() {
    return this.#run((album) => album.history());
  }

  async erase(personId) {
    return this.#run((album) => album.erase(id(personId, "personId")));
  }

  async close() {
    await this.#run((album) => album.close());
  }

  #run(task) {
    return this.#queue.run(async () => settledLater(task(this.#native)));
  }
}
