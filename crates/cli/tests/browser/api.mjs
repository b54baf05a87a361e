// The page of the v1 API: every operation of the document as a form, sent with a key and answered.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { axe, browse, serve } from "./stage.mjs";

const [, , binary, album] = process.argv;
const folder = mkdtempSync(join(tmpdir(), "fusiform-vault-"));
process.env.FUSIFORM_VAULT = join(folder, "vault.db");
const key = execFileSync(binary, ["key", "recognition"], { encoding: "utf8" }).trim();
const server = await serve(binary, ["--no-pages"]);
const browser = await browse();
const page = await (await browser.newContext({ baseURL: server.url })).newPage();
page.setDefaultTimeout(20_000);
const foreign = [];
page.on("request", (r) => {
    if (!r.url().startsWith(server.url)) foreign.push(r.url());
});

await page.goto("/api/fusiform/v1/", { waitUntil: "networkidle" });
const document = await (await page.request.get("/api/fusiform/v1/openapi.json")).json();
const n = Object.values(document.paths).flatMap(Object.keys).length;
assert.equal(await page.locator("details").count(), n);

const operation = async (name, fill) => {
    const box = page.locator("details", { has: page.getByText(name, { exact: true }) });
    await box.locator("summary").click();
    await fill(box);
    await box.getByRole("button", { name: "Send" }).click();
    await box.locator("pre").filter({ hasText: /^\d/ }).waitFor();
    return box.locator("pre").innerText();
};

const path = "/api/fusiform/v1";
assert.match(await operation(`GET ${path}/people`, () => {}), /^401/);
await page.fill("#key", key);
const consent = { basis: "consent", purpose: "door", expires_at_ms: null };
assert.match(
    await operation(`PUT ${path}/people/{name}`, async (box) => {
        await box.locator("input").fill("Ida & Bo");
        assert.deepEqual(
            Object.keys(JSON.parse(await box.locator("textarea").inputValue())).sort(),
            Object.keys(consent).sort(),
        );
        await box.locator("textarea").fill(JSON.stringify(consent));
    }),
    /^200[\s\S]*"Ida & Bo"/,
);
assert.match(
    await operation(`POST ${path}/identify`, (box) =>
        box.locator("input[type=file]").setInputFiles(join(album, "01-portrait.jpg")),
    ),
    /^200[\s\S]*"person": null/,
);

await page.evaluate(axe);
const { violations } = await page.evaluate(() => window.axe.run());
assert.deepEqual(
    violations.map((v) => v.id),
    [],
);
assert.deepEqual(foreign, []);
await browser.close();
await server.end();
rmSync(folder, { recursive: true });
console.log(`ok the API's page: ${n} operations`);
