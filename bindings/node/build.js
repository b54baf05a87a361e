// Builds the addon into lib/: one file for each system and processor.
//
//     node build.js [PROFILE]
//
// CARGO_TARGET_DIR names a target folder to share; the repository's own holds what both need.
import { execFileSync } from "node:child_process";
import { copyFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { addonName } from "./lib/addon.js";

const here = dirname(fileURLToPath(import.meta.url));
const [profile = "release"] = process.argv.slice(2);
const target = process.env.CARGO_TARGET_DIR ?? join(here, "target");
const manifest = join(here, "Cargo.toml");
execFileSync(
  "cargo",
  ["build", "--quiet", "--locked", "--manifest-path", manifest, "--profile", profile],
  { env: { ...process.env, CARGO_TARGET_DIR: target }, stdio: "inherit" },
);
const made = { darwin: "libfusiform_node.dylib", win32: "fusiform_node.dll" };
const library = made[process.platform] ?? "libfusiform_node.so";
const addon = join(here, "lib", addonName);
// A process that has the earlier one open keeps it.
copyFileSync(join(target, profile === "dev" ? "debug" : profile, library), `${addon}.new`);
renameSync(`${addon}.new`, addon);
