// A server over a fresh catalogue, and a browser. In: the binary. Out: what the tests need of both.
import { spawn } from "node:child_process";
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
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

/** The source of axe, which finds faults of access. */
export const axe = readFileSync(
    createRequire(import.meta.url).resolve("axe-core/axe.min.js"),
    "utf8",
);

/**
 * A server, a page on it, and what tests do with it; pictures of pages go to `shots`. The server
 * has a home of its own, or `home`, which is made ready.
 */
export async function open(binary, shots, home = null) {
    if (shots) mkdirSync(shots, { recursive: true });
    const browser = await browse();
    const server = await serve(binary, [], home && { home });
    const context = await browser.newContext({
        baseURL: server.url,
        viewport: { width: 1280, height: 860 },
    });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const complaints = [];
    page.on("pageerror", (e) => complaints.push(String(e)));
    let n = 0;
    return {
        browser,
        server,
        context,
        page,
        async test(name, work) {
            await work();
            n += 1;
            console.log(`ok ${n} ${name}`);
        },
        go: (path) => page.goto(path, { waitUntil: "networkidle" }),
        heading: () => page.locator("h1").innerText(),
        main: () => page.locator("main").innerText(),
        press: (name) => page.getByRole("button", { name, exact: true }).first().click(),
        /** Scans a folder from the page, to the end. */
        async scan(folder) {
            await page.goto("/scan", { waitUntil: "networkidle" });
            await page.getByLabel("Folder on the machine").fill(folder);
            await page.getByRole("button", { name: "Scan", exact: true }).click();
            await page.getByRole("link", { name: "To the people" }).waitFor({ timeout: 180_000 });
        },
        /** A page without faults, on a desk and on phones. */
        async sound(name) {
            assert.deepEqual(await faultsOfAccess(page), [], name);
            for (const width of [390, 320]) {
                await page.setViewportSize({ width, height: 844 });
                assert.deepEqual(await faultsOfLayout(page), [], `${name} at ${width} px`);
                if (shots && width === 390)
                    await page.screenshot({ path: join(shots, `${name}-390.jpg`), type: "jpeg" });
            }
            await page.setViewportSize({ width: 1280, height: 860 });
            if (shots) await page.screenshot({ path: join(shots, `${name}.jpg`), type: "jpeg" });
        },
        /** Ends all; gives how many tests there were. */
        async end() {
            assert.deepEqual(complaints, []);
            await browser.close();
            await server.end();
            return n;
        },
    };
}

/** Starts `fusiform serve` on a free port, with the album of another server if one is given. */
export async function serve(binary, more = [], of = null) {
    const home = of?.home ?? mkdtempSync(join(tmpdir(), "fusiform-page-"));
    const args = [
        "serve",
        "--quiet",
        ...(more.includes("--listen") ? more : ["--listen", "127.0.0.1:0", ...more]),
    ];
    const child = spawn(binary, args, {
        env: { ...process.env, FUSIFORM_HOME: home },
        stdio: ["ignore", "pipe", "inherit"],
    });
    // A test that fails leaves no server behind.
    process.once("exit", () => child.kill("SIGKILL"));
    const url = await new Promise((resolve, reject) => {
        createInterface(child.stdout).once("line", resolve);
        child.once("exit", (code) => reject(new Error(`serve ended with ${code}`)));
    });
    const end = () =>
        new Promise((resolve) => {
            child.removeAllListeners("exit");
            child.once("exit", () => {
                if (!of) rmSync(home, { recursive: true, force: true });
                resolve();
            });
            child.kill("SIGINT");
        });
    return { url: url.replace(/\/$/, ""), home, end };
}

/** A JPEG with `DateTimeOriginal`, `2021:07:04 18:30:05`, before everything else that it holds. */
export function dated(jpeg, date) {
    const tiff = Buffer.alloc(64);
    tiff.write("II*\0\x08\0\0\0", 0, "latin1");
    // One entry, ExifIFD at 26; there one entry, 20 letters at 44.
    tiff.writeUInt16LE(1, 8);
    tiff.writeUInt16LE(0x8769, 10);
    tiff.writeUInt16LE(4, 12);
    tiff.writeUInt32LE(1, 14);
    tiff.writeUInt32LE(26, 18);
    tiff.writeUInt16LE(1, 26);
    tiff.writeUInt16LE(0x9003, 28);
    tiff.writeUInt16LE(2, 30);
    tiff.writeUInt32LE(20, 32);
    tiff.writeUInt32LE(44, 36);
    tiff.write(`${date}\0`, 44, "latin1");
    const head = Buffer.from("\xff\xe1\0\0Exif\0\0", "latin1");
    head.writeUInt16BE(tiff.length + 8, 2);
    return Buffer.concat([jpeg.subarray(0, 2), head, tiff, jpeg.subarray(2)]);
}

/** What is wider than the window, and what is too small to be touched (WCAG 2.2, 2.5.8). */
export const faultsOfLayout = (page) =>
    page.evaluate(() => {
        const faults = [];
        const over = document.documentElement.scrollWidth - innerWidth;
        if (over > 0) faults.push(`${over} px too wide`);
        const targets = "a, button, input:not([type=hidden]), summary, select";
        for (const target of document.querySelectorAll(targets)) {
            const box = target.getBoundingClientRect();
            const style = getComputedStyle(target);
            const hidden = !box.width || style.visibility === "hidden" || box.right <= 0;
            // A link in a sentence is as high as the sentence.
            const inText = target.matches("p:not(.links) a, li > .words a, nav.turn > a");
            if (hidden || inText || target.closest("svg")) continue;
            if (box.width < 24 || box.height < 24)
                faults.push(
                    `${Math.round(box.width)}x${Math.round(box.height)} px: ` +
                        target.outerHTML.slice(0, 90),
                );
        }
        return faults;
    });

/** Serious and critical faults that axe finds. */
export const faultsOfAccess = (page) =>
    // The page's policy allows no foreign script; the browser's protocol runs one all the same.
    page.evaluate(`${axe};
        axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations
            .filter((v) => ["serious", "critical"].includes(v.impact))
            .map((v) => v.id + " " + v.nodes.map((n) => n.html).join(" ").slice(0, 300)))`);

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
