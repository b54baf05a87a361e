// Photos, an engine, and the binary to compare with.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

import { Engine } from "fusiform";

export const ROOT = resolve(process.env.FUSIFORM_ROOT ?? join(import.meta.dirname, "../../.."));
export const ALBUM = join(ROOT, "samples/album");
export const PORTRAIT = join(ALBUM, "16-portrait.jpg");
export const SAME_PERSON = join(ALBUM, "17-portrait.jpg");
export const OTHER_PERSON = join(ALBUM, "14-portrait.jpg");
export const GROUP = join(ALBUM, "23-group.jpg");

export const engine = new Engine();

/** The command `fusiform`, of whichever build there is. */
export function binary() {
  const named = process.env.FUSIFORM_BINARY;
  const builds = ["release", "debug"].map((kind) => join(ROOT, "target", kind, "fusiform"));
  const found = (named ? [named] : builds).find((path) => existsSync(path));
  if (!found) throw new Error(`no binary at ${builds}; name it in FUSIFORM_BINARY`);
  return found;
}

/** Whether `action` throws or rejects with a FusiformError of this kind whose message says this. */
export function raises(kind, said = /./) {
  return (error) => {
    const good = error.name === "FusiformError" && error.kind === kind && error.code > 0;
    if (!good || !said.test(error.message)) throw error;
    return true;
  };
}
