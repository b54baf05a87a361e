// Runs a test of Rust that has a `main` and no harness, built for wasm32: cargo's runner.
import { readFileSync } from "node:fs";

const module = await WebAssembly.compile(readFileSync(process.argv[2]));
const { exports } = await WebAssembly.instantiate(module, {});
// A panic is a trap, which ends this with its stack.
process.exit(exports.main(0, 0));
