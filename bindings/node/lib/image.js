// What is an image. In: a path, the bytes of a file, or pixels. Out: what native code takes.
// Knows nothing of faces.
import { types } from "node:util";

import { bytes, number, optional, options, path, shown, whole } from "./arguments.js";
import { badOption } from "./errors.js";

/** Bytes for a pixel of each format. */
const FORMATS = { rgb: 3, bgr: 3, rgba: 4, bgra: 4, grey: 1 };
const FORMAT_OF_LENGTH = { 1: "grey", 3: "rgb", 4: "rgba" };

/** Path, bytes and layout of an image, two of which are undefined. */
export function source(image) {
  if (typeof image === "string" || image instanceof URL) return [path(image, "the image")];
  if (types.isAnyArrayBuffer(image) || types.isUint8Array(image)) {
    return [undefined, bytes(image, "the image")];
  }
  // `ImageData` of a canvas is of this form too.
  if (typeof image === "object" && image !== null && "data" in image) return pixels(image);
  throw badOption(
    "an image is a path, the bytes of a file (Buffer, Uint8Array, ArrayBuffer), or pixels " +
      `({ data, width, height }); ${shown(image)} is none of these`,
  );
}

function pixels(image) {
  const data = bytes(image.data, "data");
  const width = whole(image.width, "width", 1);
  const height = whole(image.height, "height", 1);
  let { format, strideBytes, rotationDeg = 0 } = image;
  if (format === undefined) {
    format = FORMAT_OF_LENGTH[data.length / (width * height)];
    if (format === undefined || strideBytes !== undefined) {
      throw badOption(
        `data of ${data.length} bytes does not say how ${width}x${height} pixels lie in it; give ` +
          'format: "rgb", "bgr", "rgba", "bgra" or "grey"',
      );
    }
  }
  if (!Object.hasOwn(FORMATS, format)) {
    throw badOption(`format ${shown(format)} is not ${Object.keys(FORMATS).join(", ")}`);
  }
  const row = width * FORMATS[format];
  strideBytes = whole(strideBytes ?? row, "strideBytes", row);
  const wanted = strideBytes * (height - 1) + row;
  if (data.length < wanted) {
    throw badOption(
      `data has ${data.length} bytes, and ${width}x${height} pixels in ${format} with strideBytes ` +
        `${strideBytes} have ${wanted}`,
    );
  }
  if (![0, 90, 180, 270].includes(rotationDeg)) {
    throw badOption(`rotationDeg is 0, 90, 180 or 270, not ${shown(rotationDeg)}`);
  }
  return [undefined, data, { width, height, format, strideBytes, rotationDeg }];
}

/** Options of a search for faces. */
export function search(given) {
  const of = options(given, ["minFacePx", "minScore", "longestSidePx"], "analyse");
  return {
    minFacePx: optional(of.minFacePx, "minFacePx", number),
    minScore: optional(of.minScore, "minScore", number),
    longestSidePx: optional(of.longestSidePx, "longestSidePx", whole),
  };
}
