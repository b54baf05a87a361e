// A server over a fresh catalogue, and a browser. In: the binary. Out: what the tests need of both.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

export const browse = () => chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });

/** Starts `fusiform serve` on a free port. */
export async function serve(binary, more = []) {
    const home = mkdtempSync(join(tmpdir(), "fusiform-page-"));
    const args = [
        "serve",
        "--quiet",
        ...(more.includes("--listen") ? more : ["--listen", "127.0.0.1:0", ...more]),
    ];
    const child = spawn(binary, args, {
        env: { ...process.env, FUSIFORM_HOME: home },
        stdio: ["ignore", "pipe", "inherit"],
    });
    const url = await new Promise((resolve, reject) => {
        createInterface(child.stdout).once("line", resolve);
        child.once("exit", (code) => reject(new Error(`serve ended with ${code}`)));
    });
    const end = () =>
        new Promise((resolve) => {
            child.removeAllListeners("exit");
            child.once("exit", () => {
                rmSync(home, { recursive: true, force: true });
                resolve();
            });
            child.kill("SIGINT");
        });
    return { url: url.replace(/\/$/, ""), home, end };
}

export function passwordFile(home, text) {
    const file = join(home, "password");
    writeFileSync(file, text + "\n");
    return file;
}

/** One raw request; `fetch` would not let us lie about Host and Origin. */
export function ask(url, { method = "GET", path = "/", headers = {}, body } = {}) {
    const { hostname, port } = new URL(url);
    return new Promise((resolve, reject) => {
        const sent = request({ hostname, port, path, method, headers }, (answer) => {
            let text = "";
            answer.on("data", (part) => (text += part));
            answer.on("end", () =>
                resolve({ status: answer.statusCode, headers: answer.headers, text }),
            );
        });
        sent.on("error", reject);
        sent.end(body);
    });
}
