// What the types say is what there is.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import * as fusiform from "fusiform";

import { engine, PORTRAIT, ROOT } from "./photos.js";

const declarations = readFileSync(fileURLToPath(import.meta.resolve("fusiform")).replace(/js$/, "d.ts"), "utf8");

test("tsc --strict agrees with a program", () => {
  const require = createRequire(import.meta.url);
  const tsc = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");
  const options = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2022", "--types", "node"];
  const exact = ["--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"];
  const program = join(import.meta.dirname, "types.ts");
  try {
    execFileSync(process.execPath, [tsc, ...options, ...exact, program], { encoding: "utf8", cwd: import.meta.dirname });
  } catch (error) {
    assert.fail(error.stdout);
  }
});

test("every class has the members that are declared, and no other", async () => {
  const classes = [...declarations.matchAll(/^export class (\w+)[^{]*\{(.*?)^\}/gms)];
  const functions = [...declarations.matchAll(/^export function (\w+)/gm)].map((found) => found[1]);
  assert.deepEqual(Object.keys(fusiform).sort(), [...classes.map((found) => found[1]), ...functions].sort());
  const photo = await engine.analyse(PORTRAIT);
  const made = { Engine: engine, Photo: photo, Face: photo.largest() };
  for (const [, name, body] of classes) {
    if (name === "FusiformError") continue;
    const Class = fusiform[name];
    const declared = [...body.matchAll(/^ {2}(?:private |readonly |get )?(\w+)[(:]/gm)].map((found) => found[1]);
    const there = [...Object.getOwnPropertyNames(Class.prototype), ...Object.keys(made[name] ?? {})];
    assert.deepEqual(there.sort(), declared.sort(), name);
    const statics = [...body.matchAll(/^ {2}static (\w+)\(/gm)].map((found) => found[1]);
    const own = Object.getOwnPropertyNames(Class).filter((key) => !["length", "name", "prototype"].includes(key));
    assert.deepEqual(own.sort(), statics.sort(), name);
  }
});

test("kinds of errors are the library's", { skip: !existsSync(join(ROOT, "crates/fusiform/src/error/kind.rs")) }, () => {
  const source = readFileSync(join(ROOT, "crates/fusiform/src/error/kind.rs"), "utf8");
  const kinds = [...source.matchAll(/^ {12}ErrorKind::\w+ => "(\w+)"/gm)].map((found) => found[1]);
  const declared = [...declarations.matchAll(/^ {2}\| "(\w+)"/gm)].map((found) => found[1]);
  assert.ok(kinds.length > 30);
  // Those of other rooms cannot happen here.
  const elsewhere = ["not_a_video", "unsupported_video", "video_too_large", "unknown_pack", "pack_taken"];
  for (const kind of kinds) assert.ok(declared.includes(kind) || elsewhere.includes(kind), kind);
  for (const kind of declared) assert.ok(kinds.includes(kind), kind);
});
