/**
 * On-device face recognition: photos in; faces, people and answers with stated error rates out.
 *
 * ```js
 * import { Engine } from "fusiform";
 * const engine = new Engine();
 * const photo = await engine.analyse("party.jpg");
 * console.log(photo.faces[0]?.bbox, photo.faces[0]?.template.length);
 * ```
 *
 * An {@link Engine} finds and describes faces, a {@link Gallery} identifies them among people who
 * gave their consent, an {@link Album} finds the people in folders of photos. Every answer carries
 * the similarity, the threshold, and the false-match rate (`fmr`) that the threshold was measured at.
 * Whatever goes wrong is a {@link FusiformError}.
 */

/** Stable words for what went wrong; later versions may add some. */
export type ErrorKind =
  | "io"
  | "internal"
  | "bad_option"
  | "bad_handle"
  | "not_a_photo"
  | "damaged_photo"
  | "unsupported_photo"
  | "photo_too_large"
  | "no_face"
  | "unusable_face"
  | "unknown_pack"
  | "bad_manifest"
  | "hash_mismatch"
  | "lacks_detector"
  | "lacks_embedder"
  | "uncalibrated"
  | "bad_network"
  | "model_mismatch"
  | "unknown_person"
  | "name_taken"
  | "bad_name"
  | "not_found"
  | "refused"
  | "bad_file"
  | "newer_file"
  | "read_only"
  | "disk_full"
  | "busy"
  | "wrong_key"
  | "tampered"
  | "database"
  | (string & {});

/** What went wrong. Programs branch on `kind`, people read the message. */
export class FusiformError extends Error {
  /** With `kind` and `code` it is an error as the library makes them. */
  constructor(message: string, kind?: ErrorKind, code?: number);
  /** A stable word. */
  readonly kind: ErrorKind;
  /** Its stable number, as in every language. */
  readonly code: number;
}

/** An upright rectangle in pixels of the upright photo; it may reach over the photo's edge. */
export interface BoundingBox {
  readonly xMin: number;
  readonly yMin: number;
  readonly xMax: number;
  readonly yMax: number;
}

/** x and y in pixels of the upright photo. */
export type Point = readonly [x: number, y: number];

/**
 * How much of a recogniser's accuracy a face keeps, 0 to 1; `overall` is the product of the others
 * but `frontal`, and 0 for a face by which nobody can be recognised.
 */
export interface Quality {
  readonly overall: number;
  readonly size: number;
  readonly sharpness: number;
  readonly exposure: number;
  readonly frontal: number;
  readonly detectorScore: number;
  readonly recognisability: number;
}

/** Where a face is directed: turned to the subject's left, up, and clockwise are positive. */
export interface Pose {
  readonly yawDeg: number;
  readonly pitchDeg: number;
  readonly rollDeg: number;
}

/** A similarity and the error rates that were measured at it. */
export interface Threshold {
  /** False-match rate: the share of pairs of different people that reach the similarity. */
  readonly fmr: number;
  readonly similarity: number;
  /** False non-match rate: the share of pairs of one person that do not reach it. */
  readonly fnmr: number;
}

/** Whether two faces are of one person, and what the answer rests on. */
export interface Verification {
  /** Cosine similarity, -1 to 1; larger is nearer. */
  readonly similarity: number;
  readonly verdict: "same" | "different" | "unsure";
  /** At or above: same. */
  readonly sameAt: Threshold;
  /** Below: different. */
  readonly differentBelow: Threshold;
}

/** How the samples of a pixel follow one another; with opacity, pixels are laid on white. */
export type PixelFormat = "rgb" | "bgr" | "rgba" | "bgra" | "grey";

/** Pixels, 8 bits for each sample; `ImageData` of a canvas is of this form. */
export interface Pixels {
  readonly data: Uint8Array | Uint8ClampedArray | ArrayBufferLike;
  readonly width: number;
  readonly height: number;
  /** Without it the length of `data` says: four bytes for a pixel are rgba, three rgb, one grey. */
  readonly format?: PixelFormat;
  /** From one row to the next; the length of a row if it is not given. */
  readonly strideBytes?: number;
  /** Clockwise degrees that bring it upright. */
  readonly rotationDeg?: 0 | 90 | 180 | 270;
}

/** Upright pixels in RGB, row after row. */
export interface RgbPixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly format: "rgb";
}

/** A path (or `file:` URL), the bytes of a file, or pixels. Bytes are copied before a call returns. */
export type ImageSource = string | URL | Uint8Array | ArrayBufferLike | Pixels;

export interface EngineLimits {
  /** How many threads work on one photo, 1 to 1024; 1 by default. */
  threads?: number;
  /** Largest photo, in pixels. */
  maxPixels?: number;
  /** Largest file of a photo, in bytes. */
  maxBytes?: number;
}

export interface EngineOptions extends EngineLimits {
  /** Folder of a model pack; without it the one that comes with Fusiform. */
  pack?: string | URL;
}

export interface AnalyseOptions {
  /** Shorter side, in pixels, of the smallest face to look for. */
  minFacePx?: number;
  /** Least score of the detector, 0 to 1. */
  minScore?: number;
  /** Longest side that a photo is searched at. */
  longestSidePx?: number;
}

/** The networks of a model pack, ready to run. Calls run side by side, off the event loop. */
export class Engine {
  /** Opens a pack in the thread that calls; `Engine.open` does it off the event loop. */
  constructor(options?: EngineOptions);
  static open(options?: EngineOptions): Promise<Engine>;
  /** Opens a pack in memory: the text of its manifest, and the bytes of the files it names. */
  static fromMemory(
    manifest: string,
    files: Readonly<Record<string, Uint8Array | ArrayBufferLike>>,
    options?: EngineLimits,
  ): Promise<Engine>;
  /** The faces of an image. */
  analyse(image: ImageSource, options?: AnalyseOptions): Promise<Photo>;
  /** As `analyse`, while the event loop waits. */
  analyseSync(image: ImageSource, options?: AnalyseOptions): Photo;
  /** The face in a box that is known, whether or not the detector finds it. */
  describe(image: ImageSource, bbox: BoundingBox): Promise<Face>;
  /** Upright pixels of an image. */
  decode(image: ImageSource): Promise<RgbPixels>;
  /** Whether two faces are of one person, with the thresholds and error rates that decide. */
  verify(a: Face, b: Face): Verification;
  /** The similarity measured at a false-match rate that the pack states; nothing is interpolated. */
  threshold(fmr: number): Threshold;
  /** Every threshold that the pack states, loosest first. */
  get thresholds(): Threshold[];
  /** Name of the pack. */
  readonly pack: string;
  /** Numbers in a template; 0 if the pack has no embedder. */
  readonly dimensions: number;
  /** Which embedder this is; only templates of one id compare. */
  readonly model: string | null;
  /** Which detector this is. */
  readonly detector: string;
}

/** A photo and its faces. */
export class Photo {
  private constructor();
  /** Upright. */
  readonly widthPx: number;
  /** Upright. */
  readonly heightPx: number;
  /** Local time without a zone, as ISO 8601; null if the file does not say. */
  readonly takenAt: string | null;
  /** Clockwise degrees that bring its faces upright. */
  readonly turnDeg: number;
  /** Shorter side, in pixels, of the smallest face that was looked for. */
  readonly smallestFacePx: number;
  /** What in the file had no effect, in words. */
  readonly notes: readonly string[];
  /** Best detector score first. */
  readonly faces: readonly Face[];
  /** The face with the largest box; an error of kind "no_face" if there is none. */
  largest(): Face;
  /** For another thread or program: plain values, templates and crops among them. */
  toJSON(): PhotoJson;
  static fromJSON(json: PhotoJson): Photo;
}

/** One face: where it is, how good it is, and the template by which it is compared. */
export class Face {
  private constructor();
  readonly bbox: BoundingBox;
  /** The detector's score, 0 to 1. Not a probability. */
  readonly score: number;
  /** The subject's right eye, left eye, tip of the nose, right and left corner of the mouth. */
  readonly landmarks: readonly Point[] | null;
  readonly quality: Quality;
  readonly pose: Pose;
  /** The embedding of unit length, a copy each time; an error of kind "lacks_embedder" without. */
  get template(): Float32Array;
  /** Which model made the template. */
  readonly model: string | null;
  /** Length of the embedding before it was made 1. */
  readonly embeddingLength: number | null;
  /** The upright crop that the embedder was given, 112x112 pixels, a copy each time. */
  get aligned(): RgbPixels;
  /** Whether nobody can be recognised in it. */
  readonly isUnclear: boolean;
  /** Cosine similarity, -1 to 1; larger is nearer. `Engine.verify` judges it. */
  similarity(other: Face): number;
  /** For another thread or program: plain values, template and crop among them. */
  toJSON(): FaceJson;
  static fromJSON(json: FaceJson): Face;
}

/** What `Face.toJSON` gives; read it with the version that wrote it. */
export interface FaceJson {
  readonly type: "Face";
  readonly [field: string]: unknown;
}

/** What `Photo.toJSON` gives; read it with the version that wrote it. */
export interface PhotoJson {
  readonly type: "Photo";
  readonly [field: string]: unknown;
}

/** Cosine similarity of two faces, -1 to 1; larger is nearer. `Engine.verify` judges it. */
export function compare(a: Face, b: Face): number;

/** On what ground a person is enrolled. */
export interface Consent {
  /** The legal ground: consent, contract, household and the like. */
  readonly basis: string;
  /** What the enrolment is for. */
  readonly purpose: string;
  /** When it ends; nobody is found by it afterwards. Without it: until erased. */
  readonly expiresAt?: Date | null;
}

/** Somebody who is enrolled. */
export interface Person {
  /** By which the audit log names the person; never used again. */
  readonly number: number;
  readonly name: string;
  readonly consent: Consent & { readonly expiresAt: Date | null };
}

/** Who a face is, and what the answer rests on. */
export interface Identification {
  /** null is a person who is not enrolled. */
  readonly name: string | null;
  /** To the nearest enrolled face, named or not; null if nobody is enrolled. */
  readonly similarity: number | null;
  /** From which on a face is named. */
  readonly threshold: Threshold;
}

/** People who are recognised. Calls are done one after the other. */
export class Gallery {
  private constructor();
  /**
   * Opens the people in a file, or makes it; `null` keeps them in memory. The key lies beside the
   * file (`people.key` for `people.db`), made on first use, unless `key` (64 hexadecimal digits) or
   * `passphrase` is given.
   */
  static open(
    path: string | URL | null,
    engine: Engine,
    options?: { key?: string; passphrase?: string },
  ): Promise<Gallery>;
  /**
   * Enrols a face under a name; a person may have several. On disk when it is done. `consent`
   * replaces an earlier one. Gives the id of the enrolled face.
   */
  enrol(name: string, face: Face, options?: { consent?: Consent }): Promise<string>;
  /** Who a face is, at a false-match rate that the pack states; 1e-3 by default. */
  identify(face: Face, options?: { fmr?: number }): Promise<Identification>;
  /** As `identify` for all faces of a photo, in one pass over the enrolled. */
  identifyAll(faces: readonly Face[], options?: { fmr?: number }): Promise<Identification[]>;
  /** Everybody enrolled, in the order in which they came. */
  people(): Promise<Person[]>;
  /** Erases a person with all faces; false if nobody has that name. */
  erase(name: string): Promise<boolean>;
  /** Erases everybody whose consent has ended: how many they were. */
  eraseEnded(): Promise<number>;
  /** Closes the file when all calls before are done. Closing twice changes nothing. */
  close(): Promise<void>;
}

/** A person of an album, named or not. */
export interface AlbumPerson {
  readonly id: number;
  readonly name: string | null;
  readonly nPhotos: number;
  readonly nFaces: number;
}

/** Who of an album a face is. */
export interface AlbumMatch {
  /** null if nobody is near enough. */
  readonly person: AlbumPerson | null;
  /** To the nearest face of the album; null if it holds none. */
  readonly similarity: number | null;
  readonly threshold: Threshold;
}

/** One face of a person with its photo. */
export interface PersonPhoto {
  readonly faceId: number;
  /** All copies of the photo. */
  readonly paths: string[];
  /** ISO 8601, the camera's local time. */
  readonly takenAt: string | null;
  readonly bbox: BoundingBox;
  /** To the person; null where you assigned the face. */
  readonly similarity: number | null;
  readonly quality: number;
}

/** A face of an album and the person it is assigned to. */
export interface AlbumFace {
  readonly faceId: number;
  readonly bbox: BoundingBox;
  readonly quality: number;
  readonly personId: number | null;
  readonly name: string | null;
  readonly similarity: number | null;
  readonly isUnclear: boolean;
}

/** What somebody decided about an album. */
export interface Decision {
  readonly id: number;
  /** UTC in milliseconds since 1970. */
  readonly atMs: number;
  readonly actor: string;
  readonly what: string;
  readonly isUndone: boolean;
  readonly isUndoable: boolean;
}

/** What a grouping found. */
export interface GroupSummary {
  readonly nPeople: number;
  /** Faces assigned to a person. */
  readonly nMembers: number;
  /** Faces assigned to nobody. */
  readonly nUnassigned: number;
}

/** A file that could not be used. */
export interface ScanProblem {
  readonly path: string;
  readonly kind:
    | "over_limit"
    | "damaged"
    | "no_photo"
    | "not_covered"
    | "unreadable"
    | "failed"
    | (string & {});
  /** Reason and remedy. */
  readonly why: string;
}

/** A file or folder and what is said of it. */
export interface Remark {
  readonly path: string;
  readonly text: string;
}

/** What a scan did. */
export interface ScanSummary {
  /** Files with the name of a photo. */
  readonly nFiles: number;
  /** Recorded by an earlier scan and not read again. */
  readonly nUnchanged: number;
  /** Read, and found to show a picture that the album has. */
  readonly nKnown: number;
  /** Pictures that are new. */
  readonly nAnalysed: number;
  readonly nNewFaces: number;
  readonly problems: ScanProblem[];
  /** What in photos that were used had no effect. */
  readonly notes: Remark[];
  /** Pictures and films that are not read, each with what it seems to be. */
  readonly unread: Remark[];
  /** Folders and files that were left out, each with the reason. */
  readonly excluded: Remark[];
}

export interface ScanOptions {
  /** Told the number of files done and of all; what it throws ends the scan. */
  progress?: (nDone: number, nFiles: number) => void;
  /** Ends the scan after the files under way; a later scan goes on from there. */
  signal?: AbortSignal;
  /** 1 to 1024; all cores by default. */
  threads?: number;
}

/** A photo library in one file. Calls are done one after the other. */
export class Album {
  private constructor();
  /** Opens an album, or makes it unless `create` is false. */
  static open(
    path: string | URL,
    engine: Engine,
    options?: { create?: boolean; readOnly?: boolean },
  ): Promise<Album>;
  /** Records every new or changed photo below the folders; `group` makes people. */
  scan(
    folders: string | URL | readonly (string | URL)[],
    options?: ScanOptions,
  ): Promise<ScanSummary>;
  /** Groups the faces into people, if anything changed since that was last done. */
  group(): Promise<GroupSummary>;
  /** All people with a name or a face: those with most faces first. */
  people(): Promise<AlbumPerson[]>;
  person(personId: number): Promise<AlbumPerson>;
  /** The number of the person of a name, however it is spelt in case and composition. */
  findPerson(name: string): Promise<number>;
  /** The faces of a person with their photos, by date. */
  photosOf(personId: number): Promise<PersonPhoto[]>;
  /** The faces in a photo of the album, from left to right. */
  facesIn(path: string | URL): Promise<AlbumFace[]>;
  /** The person that a face is nearest to, if near enough; 1e-4 by default. */
  identify(face: Face, options?: { fmr?: number }): Promise<AlbumMatch>;
  /** Names a person. It outlives new scans, new groupings and other models. */
  name(personId: number, name: string): Promise<void>;
  /** Two numbers are one person: `otherId`'s faces become those of `personId`. */
  merge(personId: number, otherId: number): Promise<void>;
  /** These faces are another person's: gives that person's number. */
  split(personId: number, faceIds: readonly number[]): Promise<number>;
  /** These faces are of no interest. */
  ignore(faceIds: readonly number[]): Promise<void>;
  /** These are no faces. */
  notAFace(faceIds: readonly number[]): Promise<void>;
  /** Takes back the latest decisions; gives them in words. */
  undo(count?: number): Promise<string[]>;
  /** All decisions, latest first. */
  history(): Promise<Decision[]>;
  /** Erases a person for good: name, templates, landmarks. Gives the number of faces. */
  erase(personId: number): Promise<number>;
  /** Closes the file when all calls before are done. Closing twice changes nothing. */
  close(): Promise<void>;
}
