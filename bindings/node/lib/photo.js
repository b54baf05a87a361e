// Photos and faces. In: the fields that native code gives. Out: objects that cannot be changed, and
// JSON of them. Knows nothing of how faces are found.
import { native } from "./addon.js";
import { optional, shown, text, whole } from "./arguments.js";
import { badOption, FusiformError, settled } from "./errors.js";

const ALIGNED_SIDE_PX = 112;
const ALIGNED_BYTES = ALIGNED_SIDE_PX ** 2 * 3;
const POSE = ["yawDeg", "pitchDeg", "rollDeg"];
const QUALITY = [
  "overall",
  "size",
  "sharpness",
  "exposure",
  "frontal",
  "detectorScore",
  "recognisability",
];
/** Only this file has it: faces and photos are made here. */
const KEY = Symbol("made by Fusiform");

function refuseOthers(key, name) {
  if (key !== KEY) {
    throw badOption(`a ${name} is made by Engine.analyse, or read by ${name}.fromJSON`);
  }
}

/** A bounding box from its four numbers. */
export function boundingBox([xMin, yMin, xMax, yMax]) {
  return Object.freeze({ xMin, yMin, xMax, yMax });
}

function some(object, names) {
  return Object.freeze(Object.fromEntries(names.map((name) => [name, object[name]])));
}

/** The fields of a face; an error for anything else. */
export let fieldsOf;

/** One face: where it is, how good it is, and the template by which it is compared. */
export class Face {
  #fields;

  constructor(fields, key) {
    refuseOthers(key, "Face");
    this.#fields = fields;
    const { landmarks, template } = fields;
    const point = (at) => Object.freeze([landmarks[2 * at], landmarks[2 * at + 1]]);
    this.bbox = boundingBox(fields.bbox);
    this.score = fields.score;
    this.landmarks = landmarks ? Object.freeze([0, 1, 2, 3, 4].map(point)) : null;
    this.quality = some(fields.quality, QUALITY);
    this.pose = some(fields.quality, POSE);
    this.model = template?.model ?? null;
    this.embeddingLength = fields.embeddingLength ?? null;
    this.isUnclear = fields.isUnclear;
    Object.freeze(this);
  }

  static {
    fieldsOf = (value, name) => {
      if (typeof value === "object" && value !== null && #fields in value) return value.#fields;
      throw badOption(`${name} is a Face, not ${shown(value)}`);
    };
  }

  /** A copy each time: what is written into it does not change the face. */
  get template() {
    return Float32Array.from(this.#template("the face").vector);
  }

  /** Cosine similarity to another face, -1 to 1; larger is nearer. */
  similarity(other) {
    fieldsOf(other, "the other face");
    const templates = [this.#template("the face"), other.#template("the other face")];
    return settled(native().similarity(...templates));
  }

  #template(name) {
    const { template } = this.#fields;
    if (template) return template;
    throw new FusiformError(`${name} was found by a pack without embedder`, "lacks_embedder", 25);
  }

  /** A copy each time. */
  get aligned() {
    const data = new Uint8Array(Buffer.from(this.#fields.aligned, "base64"));
    return { data, width: ALIGNED_SIDE_PX, height: ALIGNED_SIDE_PX, format: "rgb" };
  }

  toJSON() {
    return { type: "Face", ...structuredClone(this.#fields) };
  }

  static fromJSON(json) {
    return new Face(readFace(json), KEY);
  }
}

/** A photo and its faces, best detector score first. */
export class Photo {
  constructor(fields, key) {
    refuseOthers(key, "Photo");
    this.widthPx = fields.widthPx;
    this.heightPx = fields.heightPx;
    this.takenAt = fields.takenAt ?? null;
    this.turnDeg = fields.turnDeg;
    this.smallestFacePx = fields.smallestFacePx;
    this.notes = Object.freeze([...fields.notes]);
    this.faces = Object.freeze(fields.faces.map((face) => new Face(face, KEY)));
    Object.freeze(this);
  }

  /** The face with the largest box. */
  largest() {
    const area = ({ bbox }) =>
      Math.max(0, bbox.xMax - bbox.xMin) * Math.max(0, bbox.yMax - bbox.yMin);
    const [first, ...rest] = this.faces;
    if (first === undefined) throw new FusiformError("no face was found", "no_face", 14);
    return rest.reduce((best, face) => (area(face) >= area(best) ? face : best), first);
  }

  toJSON() {
    return { type: "Photo", ...this, faces: this.faces.map((face) => face.toJSON()) };
  }

  static fromJSON(json) {
    const { faces, notes, ...fields } = ofType(json, "Photo");
    for (const name of ["widthPx", "heightPx"]) whole(fields[name], name, 1);
    whole(fields.turnDeg, "turnDeg", 0, 270);
    numbers([fields.smallestFacePx], 1, "smallestFacePx");
    optional(fields.takenAt ?? undefined, "takenAt", text);
    if (!Array.isArray(faces) || !Array.isArray(notes)) {
      throw badOption("this is no Photo that was written as JSON: faces and notes are arrays");
    }
    notes.forEach((note) => text(note, "notes"));
    return new Photo({ ...fields, notes, faces: faces.map(readFace) }, KEY);
  }
}

export function photo(fields) {
  return new Photo(fields, KEY);
}

export function face(fields) {
  return new Face(fields, KEY);
}

function ofType(json, type) {
  if (typeof json === "object" && json !== null && json.type === type) return json;
  throw badOption(`this is no ${type} that was written as JSON: ${shown(json)}`);
}

function numbers(value, count, what) {
  const isArray = Array.isArray(value) && (count === undefined || value.length === count);
  if (isArray && value.every((n) => typeof n === "number" && Number.isFinite(n))) return [...value];
  throw badOption(`this is no Face that was written as JSON: its ${what} is ${shown(value)}`);
}

/** The fields of a face from JSON; native code checks what depends on the engine. */
function readFace(json) {
  const of = ofType(json, "Face");
  const names = [...QUALITY, ...POSE];
  const quality = numbers(names.map((name) => of.quality?.[name]), names.length, "quality");
  const { aligned, embeddingLength, isUnclear, template } = of;
  if (typeof aligned !== "string" || Buffer.byteLength(aligned, "base64") !== ALIGNED_BYTES) {
    throw badOption("this is no Face that was written as JSON: its crop is not of 112x112 pixels");
  }
  return {
    bbox: numbers(of.bbox, 4, "bbox"),
    score: numbers([of.score], 1, "score")[0],
    landmarks: of.landmarks == null ? undefined : numbers(of.landmarks, 10, "landmarks"),
    quality: Object.fromEntries(names.map((name, at) => [name, quality[at]])),
    aligned,
    fromPhoto: numbers(of.fromPhoto, 4, "fromPhoto"),
    embeddingLength:
      embeddingLength == null ? undefined : numbers([embeddingLength], 1, "embeddingLength")[0],
    isUnclear: isUnclear === true,
    template: template == null ? undefined : readTemplate(template),
  };
}

function readTemplate({ model, vector, quality }) {
  return {
    model: text(model, "model"),
    vector: numbers(vector, undefined, "template"),
    quality: numbers([quality], 1, "template's quality")[0],
  };
}
