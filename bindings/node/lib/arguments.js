// Arguments, checked before native code sees them. In: anything. Out: what it should be, or an error
// of kind "bad_option" that names the argument and its value. Knows nothing of faces.
import { inspect, types } from "node:util";
import { fileURLToPath } from "node:url";

import { badOption } from "./errors.js";

const MAX_U32 = 2 ** 32 - 1;

/** A value for a message, short. */
export function shown(value) {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return `an object of class ${value.constructor?.name ?? "null"}`;
  }
  const text = inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: 60 });
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

export function text(value, name) {
  if (typeof value === "string") return value;
  throw badOption(`${name} is a string, not ${shown(value)}`);
}

export function bool(value, name) {
  if (typeof value === "boolean") return value;
  throw badOption(`${name} is true or false, not ${shown(value)}`);
}

export function number(value, name) {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw badOption(`${name} is a finite number, not ${shown(value)}`);
}

/** A whole number from `min` to `max`. */
export function whole(value, name, min = 0, max = MAX_U32) {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw badOption(`${name} is a whole number from ${min} to ${max}, not ${shown(value)}`);
}

/** Number of a person, a face or a decision. */
export function id(value, name) {
  return whole(value, name, 0, Number.MAX_SAFE_INTEGER);
}

/** Numbers of faces. */
export function ids(value, name) {
  if (!Array.isArray(value)) throw badOption(`${name} is an array of numbers, not ${shown(value)}`);
  return value.map((item, at) => id(item, `${name}[${at}]`));
}

/** A path: a string, or a URL of a file. */
export function path(value, name) {
  if (value instanceof URL) {
    try {
      return fileURLToPath(value);
    } catch (cause) {
      throw badOption(`${name} ${shown(value.href)} is no path: ${cause.message}`);
    }
  }
  if (typeof value !== "string") throw badOption(`${name} is a path, not ${shown(value)}`);
  if (value.includes("\0")) throw badOption(`${name} ${shown(value)} holds a NUL`);
  return value;
}

/** Options by name; one that does not exist is an error, because it would have no effect. */
export function options(value, names, of) {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badOption(`the options of ${of} are an object, not ${shown(value)}`);
  }
  const unknown = Object.keys(value).filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    const wrong = unknown.map((name) => shown(name)).join(", ");
    throw badOption(`${of} has no option ${wrong}; it has ${names.join(", ")}`);
  }
  return value;
}

/** What is there, read with `reader`; undefined stays so. */
export function optional(value, name, reader, ...more) {
  return value === undefined ? undefined : reader(value, name, ...more);
}

/**
 * Bytes as a view that no other thread writes into while it is copied. Those of a buffer that was
 * transferred are gone.
 */
export function bytes(value, name) {
  const isBuffer = types.isAnyArrayBuffer(value);
  if (!isBuffer && !types.isUint8Array(value) && !types.isUint8ClampedArray(value)) {
    throw badOption(`${name} is a Buffer, a Uint8Array or an ArrayBuffer, not ${shown(value)}`);
  }
  const buffer = isBuffer ? value : value.buffer;
  let all;
  try {
    all = new Uint8Array(buffer);
  } catch {
    throw badOption(`the bytes of ${name} were transferred to another owner`);
  }
  const view = isBuffer ? all : all.subarray(value.byteOffset, value.byteOffset + value.byteLength);
  return types.isSharedArrayBuffer(buffer) ? view.slice() : view;
}
