// Faces that a scan missed, drawn with the pointer and with the keyboard alone; the face that stands
// for a person; what a scan left out, on the page; names that files state without a place.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "./stage.mjs";

const [, , binary, album, shots] = process.argv;
const library = mkdtempSync(join(tmpdir(), "fusiform-faces-"));
const names = ["01-portrait.jpg", "02-portrait.jpg", "03-portrait.jpg", "22-group.jpg"];
for (const name of [...names, "09-portrait.jpg"])
    copyFileSync(join(album, name), join(library, name));
mkdirSync(join(library, "@eaDir"));
copyFileSync(join(album, "03-portrait.jpg"), join(library, "@eaDir", "03.jpg"));
writeFileSync(join(library, "notes.txt"), "Dear diary");
writeFileSync(join(library, "none.jpg"), "Dear diary");

const stage = await open(binary, shots);
const { page, test, go, main, press, scan, sound } = stage;

await test("what a scan left out is counted by reason, and each reason opens a list", async () => {
    await scan(library);
    const reasons = await page.locator("details summary").allInnerTexts();
    assert.deepEqual(reasons, [
        "1 file is no photo in spite of the name",
        "1 folder or file was left out: @eaDir: thumbnails of a Synology",
        "1 file is neither a picture nor a film",
    ]);
    for (const [reason, line] of [
        [/in spite/, /none\.jpg: the content is not an image/],
        [/Synology/, /@eaDir/],
        [/neither/, /1 \.txt/],
    ]) {
        const details = page.locator("details", { hasText: reason });
        assert.equal(await details.locator("li").isVisible(), false);
        await details.locator("summary").focus();
        await page.keyboard.press("Enter");
        assert.match(await details.locator("li").innerText(), line);
    }
    await sound("left-out");
});

const photoOf = async (name) => {
    await go(`/photos?q=${name}`);
    const href = await page.locator(".grid.photos a").first().getAttribute("href");
    return href.match(/photos\/(\d+)/)[1];
};
const box = () =>
    page.evaluate(() => ["x", "y", "w", "h"].map((n) => document.getElementById(`box-${n}`).valueAsNumber));
const nFaces = () => page.locator("ul.faces li").count();

await test("a face is drawn with the pointer and named, and one click takes it back", async () => {
    const photo = await photoOf("01-portrait");
    await go(`/photos/${photo}`);
    const before = await nFaces();
    await page.getByRole("link", { name: "Draw a face" }).click();
    const at = await page.locator(".draw svg").boundingBox();
    const width = await page.locator(".draw img").evaluate((i) => Number(i.getAttribute("width")));
    const scale = width / at.width;
    await page.mouse.move(at.x + 4, at.y + 5);
    await page.mouse.down();
    await page.mouse.move(at.x + 30, at.y + 30, { steps: 4 });
    await page.mouse.move(at.x + 64, at.y + 75, { steps: 4 });
    await page.mouse.up();
    const drawn = await box();
    for (const [at, expected] of [4, 5, 60, 70].entries())
        assert.ok(Math.abs(drawn[at] - expected * scale) < 2 * scale, `${drawn}, scale ${scale}`);
    assert.equal(await page.evaluate(() => document.activeElement.matches(".drawn")), true);
    await sound("draw");
    await page.getByLabel("Who is it?").fill("Drawn by hand");
    await press("Save face");
    await page.waitForURL(/face=\d+&did=/);
    assert.equal(await nFaces(), before + 1);
    assert.match(await main(), /Drawn by hand/);
    await press("Undo");
    await go(`/photos/${photo}`);
    assert.equal(await nFaces(), before);
});

await test("a face is drawn with the keyboard alone", async () => {
    const photo = await photoOf("02-portrait");
    await go(`/photos/${photo}/draw`);
    const start = await box();
    for (let tab = 0; tab < 60; tab++) {
        if (await page.evaluate(() => document.activeElement.matches(".drawn"))) break;
        await page.keyboard.press("Tab");
    }
    assert.ok(await page.evaluate(() => document.activeElement.matches(".drawn")), "Tab reaches the box");
    for (let at = 0; at < 200; at++) await page.keyboard.press("ArrowLeft");
    for (let at = 0; at < 200; at++) await page.keyboard.press("ArrowUp");
    for (let at = 0; at < 3; at++) await page.keyboard.press("Shift+ArrowLeft");
    await page.keyboard.press("Shift+ArrowDown");
    const moved = await box();
    assert.deepEqual(moved.slice(0, 2), [0, 0], "the box stays on the photo");
    assert.ok(moved[2] < start[2] && moved[3] > start[3], `${start} ${moved}`);
    const shown = await page.locator(".drawn").evaluate((r) => Number(r.getAttribute("width")));
    assert.equal(shown, moved[2]);
    // On to the form, past the numbers, to the name.
    for (let tab = 0; tab < 10; tab++) {
        await page.keyboard.press("Tab");
        if (await page.evaluate(() => document.activeElement.id === "drawn-name")) break;
    }
    await page.keyboard.type("Keyed");
    await page.keyboard.press("Enter");
    await page.waitForURL(/face=\d+&did=/);
    assert.match(await main(), /Keyed/);
    await go("/people");
    assert.match(await main(), /Keyed/);
});

await test("a face is chosen to stand for its person, and stays", async () => {
    const faces = [];
    for (const name of ["01-portrait", "22-group"]) {
        await go(`/photos/${await photoOf(name)}`);
        const form = page.locator("ul.faces form").first();
        faces.push(await form.locator("input[name=face]").getAttribute("value"));
        await form.getByRole("combobox").fill("Ada");
        await form.getByRole("button", { name: "Name", exact: true }).click();
        if ((await stage.heading()) === "Two people in one photo") await press("Merge all the same");
    }
    const cover = async () => {
        await go("/people");
        const card = page.locator(".grid a", { hasText: "Ada" });
        return (await card.locator("img").getAttribute("src")).match(/faces\/(\d+)/)[1];
    };
    const before = await cover();
    const other = faces.find((face) => face !== before);
    await page.locator(".grid a", { hasText: "Ada" }).click();
    await page.locator(`input[name=face][value="${other}"]`).check();
    await press("Show as cover");
    assert.equal(await cover(), other);
    await sound("cover");
    await go("/history");
    await page.getByRole("button", { name: /^Undo: another face shown/i }).first().click();
    assert.equal(await cover(), before);
});

await test("a name that a file states is asked about with its source, and yes gives it", async () => {
    const xmp = `<x:xmpmeta xmlns:x='adobe:ns:meta/' xmlns:i='http://iptc.org/std/Iptc4xmpExt/2008-02-29/'>
        <rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description>
        <i:PersonInImage><rdf:Bag><rdf:li>Zoë</rdf:li></rdf:Bag></i:PersonInImage>
        </rdf:Description></rdf:RDF></x:xmpmeta>`;
    writeFileSync(join(library, "09-portrait.jpg.xmp"), xmp);
    const env = { ...process.env, FUSIFORM_HOME: stage.server.home };
    execFileSync(binary, ["import", "xmp", "--quiet"], { env });
    await go("/review");
    await press("Sort faces again");
    assert.match(await main(), /Is this Zoë\?/);
    assert.match(await main(), /a sidecar names them in the photo, without a place/);
    assert.match(await main(), /Nobody is called Zoë yet/);
    await sound("stated");
    await page.keyboard.press("y");
    await page.waitForURL(/did=/);
    await go("/people");
    assert.match(await main(), /Zoë/);
});

const n = await stage.end();
rmSync(library, { recursive: true });
console.log(`${n} browser tests of faces passed`);
