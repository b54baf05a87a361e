// The page of cameras: a camera in here gives single pictures of a group in which one of two people
// is enrolled, another one is away.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "./stage.mjs";

const [, , binary, album, shots] = process.argv;

const home = mkdtempSync(join(tmpdir(), "fusiform-cameras-"));
const env = { ...process.env, FUSIFORM_HOME: home };
const fusiform = (...words) => execFileSync(binary, ["--quiet", ...words], { env, encoding: "utf8" });
const key = join(home, "recognition.key");
writeFileSync(key, fusiform("key", "recognition"), { mode: 0o600 });
const people = join(home, "people");
mkdirSync(join(people, "Ida"), { recursive: true });
copyFileSync(join(album, "01-portrait.jpg"), join(people, "Ida", "1.jpg"));
fusiform("enrol", people, "--basis", "consent", "--no-expiry", "--key-file", key);

const group = readFileSync(join(album, "22-group.jpg"));
const camera = createServer((_, answer) => {
    answer.writeHead(200, { "Content-Type": "image/jpeg" });
    answer.end(group);
});
await new Promise((resolve) => camera.listen(0, "127.0.0.1", resolve));
writeFileSync(
    join(home, "config.toml"),
    `[serve.cameras]
key_file = "${key}"
[serve.camera.door]
source = "http://127.0.0.1:${camera.address().port}/still.jpg"
[serve.camera.garden]
source = "http://127.0.0.1:1/"
`,
);

const stage = await open(binary, shots, home);
const { test, page, go, main, sound } = stage;

await test("the menu leads to the cameras, and they say how they are and who came", async () => {
    await go("/people");
    await page.getByRole("link", { name: "Cameras", exact: true }).click();
    await page.waitForURL(/cameras$/);
    const told = /garden\s+away[^]*Ida came to door/;
    for (let tries = 0; !told.test(await main()); tries++) {
        assert.ok(tries < 60, await main());
        await page.waitForTimeout(500);
        await page.reload();
    }
    const text = await main();
    assert.match(text, /door\s+live, JPEG/);
    assert.match(text, /garden\s+away for \d+ s: no connection/);
    assert.match(text, /Ida and 1 stranger/);
    assert.match(text, /false-match rate 1 in 10,000/);
    assert.match(text, /Kept for 24 hours, in memory alone/);
    await sound("cameras");
});

await test("stills follow the camera without a new page", async () => {
    const still = page.locator("img[data-refresh]").first();
    const before = await still.getAttribute("src");
    await page.waitForFunction(
        ([image, before]) => image.src !== before && image.naturalWidth > 0,
        [await still.elementHandle(), before],
        { timeout: 20_000 },
    );
});

await test("a camera's page shows it live", async () => {
    // The network never rests while pictures come.
    await page.goto("/cameras/door");
    await page.waitForFunction(() => document.querySelector("img.live").naturalWidth > 0);
    assert.match(await main(), /Ida came to door/);
    await page.waitForTimeout(3000);
    await sound("camera");
    const answer = await page.goto("/cameras/nobody");
    assert.equal(answer.status(), 404);
});

const n = await stage.end();
camera.close();
rmSync(home, { recursive: true });
console.log(`${n} browser tests of cameras passed`);
