// What owners of a library do every week: go through photos, find by date and people, name many
// groups, share some photos, look at an album whose disk is off. Photos here have dates.
import assert from "node:assert/strict";
import {
    mkdirSync,
    mkdtempSync,
    readFileSync,
    readdirSync,
    renameSync,
    rmSync,
    statSync,
    utimesSync,
    writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
    ask,
    dated,
    faultsOfAccess,
    faultsOfLayout,
    open,
    passwordFile,
    serve,
} from "./stage.mjs";

const [, , binary, album, shots] = process.argv;

// 25 photos from 2018 to 2021, the last two of them without a date but that of the file, 2017; a
// broken one, and one of a kind that is not read.
const library = mkdtempSync(join(tmpdir(), "fusiform-library-"));
const photos = join(library, "Photos");
mkdirSync(photos);
const names = readdirSync(album).filter((name) => name.endsWith(".jpg")).sort();
names.forEach((name, at) => {
    const bytes = readFileSync(join(album, name));
    const date = `${2018 + (at % 4)}:0${1 + (at % 3)}:1${at % 10} 12:00:0${at % 10}`;
    const folder = join(photos, at % 2 ? "Übersee" : "home");
    mkdirSync(folder, { recursive: true });
    const file = join(folder, name);
    const hasDate = at < names.length - 2;
    writeFileSync(file, hasDate ? dated(bytes, date) : bytes);
    if (!hasDate) utimesSync(file, new Date("2017-05-05"), new Date("2017-05-05"));
});
writeFileSync(join(photos, "broken.jpg"), "no picture");
writeFileSync(join(photos, "drawing.psd"), "no picture either");

process.env.HOME = library;
const stage = await open(binary, shots);
const { browser, server, page, test, go, heading, main, press, scan, sound } = stage;
const hrefs = (of) => page.locator(of).evaluateAll((all) => all.map((a) => a.getAttribute("href")));

await test("a folder below ~ is scanned, and what was not read is said with its reason", async () => {
    await scan("~/Photos");
    const text = await main();
    assert.match(text, /26 photos, 25 new/);
    assert.match(text, /1 file is no photo in spite of the name/);
    assert.match(text, /1 file of a kind that is not read: Photoshop file/);
    assert.match(text, /Folders scanned before/);
    await page.getByText("1 file is no photo in spite of the name").click();
    assert.match(await main(), /broken\.jpg: /);
    await sound("scan-ended");
});

await test("groups are named one after the other from the keyboard", async () => {
    await go("/groups");
    const groups = await page.locator(".group").count();
    assert.ok(groups >= 5, `${groups}`);
    await page.locator(".group input[name=name]").first().focus();
    for (const [at, name] of ["Ada", "Bela", "Cleo"].entries()) {
        await page.keyboard.type(name);
        await page.keyboard.press("Enter");
        await page.waitForFunction(
            (left) => document.querySelectorAll(".group").length === left &&
                document.activeElement.matches(".group input[name=name]"),
            groups - at - 1,
        );
    }
    assert.match(await main(), /named "Cleo"/);
    // A name that somebody has merges the group into them, unless both are in one photo.
    await sound("groups");
    await go("/people");
    for (const name of ["Ada", "Bela", "Cleo"]) assert.ok((await main()).includes(name));
});

await test("ticked groups are hidden, ignored or named in one step, and one click undoes it", async () => {
    await go("/groups");
    const before = await page.locator(".group").count();
    const tick = async (k) => {
        for (let at = 0; at < k; at++) await page.locator(".group .tick input").nth(at).check();
    };
    for (const what of ["Hide", "Ignore"]) {
        await tick(2);
        assert.equal(await page.locator(".toolbar output").innerText(), "2 selected");
        if (what === "Hide" && shots)
            await page.screenshot({ path: join(shots, "groups-ticked.jpg"), type: "jpeg" });
        await page.locator("#bulk").getByRole("button", { name: what, exact: true }).click();
        assert.equal(await page.locator(".group").count(), before - 2);
        await press("Undo");
        await go("/groups");
        assert.equal(await page.locator(".group").count(), before, what);
    }
    // Two that are in no photo together.
    await tick(2);
    await page.locator("#bulk input[name=name]").fill("Dario");
    await page.locator("#bulk").getByRole("button", { name: "Name" }).click();
    if ((await heading()) === "Two people in one photo") await press("Merge all the same");
    assert.equal(await heading(), "Dario");
    assert.match(await page.locator(".notice").innerText(), /and 1 more in one step/);
    await press("Undo");
    await go("/groups");
    assert.equal(await page.locator(".group").count(), before);
});

await test("a timeline counts years and months, and its addresses can be kept", async () => {
    await go("/photos");
    assert.match(await main(), /25 photos/);
    const years = await page.locator("nav[aria-label=Years] a").allInnerTexts();
    assert.deepEqual(
        years.map((text) => text.split(/\s/)[0]),
        ["2017", "2018", "2019", "2020", "2021"],
    );
    const counts = years.map((text) => Number(text.split(/\s/)[1]));
    assert.equal(
        counts.reduce((a, b) => a + b),
        25,
    );
    await sound("photos");
    const first = await page.locator(".grid.photos li:not(.month)").first().innerText();
    assert.match(first, /5 May 2017[\s\S]*date from the file's time/);
    await page.locator("nav[aria-label=Years] a").nth(2).click();
    await page.waitForURL(/from=2019&to=2019/);
    assert.equal(await page.locator(".grid.photos a").count(), counts[2]);
    const months = await page.locator("nav.months a").allInnerTexts();
    assert.equal(
        months.map((text) => Number(text.split(/\s/)[1])).reduce((a, b) => a + b),
        counts[2],
    );
    await page.locator("nav.months a").first().click();
    assert.match(await heading(), /Photos, \w+ 2019/);
    await sound("month");
    await go("/photos?from=2019-02&to=2020");
    const found = await page.locator(".grid.photos a small").allInnerTexts();
    assert.ok(found.length > 0 && found.every((text) => /(2019|2020)/.test(text)), `${found}`);
    await go("/photos?from=whenever");
    assert.match(await main(), /“whenever” is no date/);
    await go("/photos?q=ubersee");
    assert.match(await main(), /12 photos/);
    await go("/photos?who=Ada&who=Bela&any=1");
    const any = await page.locator(".grid.photos a").count();
    const one = async (who) => {
        await go(`/photos?who=${who}`);
        for (const text of await page.locator(".grid.photos .name").allInnerTexts())
            assert.ok(text.includes(who), `${text} lacks ${who}`);
        return page.locator(".grid.photos a").count();
    };
    const [ada, bela] = [await one("Ada"), await one("Bela")];
    await go("/photos?who=Ada&who=Bela");
    const both = await page.locator(".grid.photos a").count();
    assert.equal(any, ada + bela - both);
});

await test("next and previous follow the list that one came from, by click and by arrow", async () => {
    for (const list of ["/photos", "/photos?who=Ada&from=2018&to=2020"]) {
        await go(list);
        const all = await hrefs(".grid.photos a");
        await go(all[0]);
        assert.equal(await page.locator(".turn [aria-disabled]").count(), 1, "nothing before it");
        for (let at = 1; at < all.length; at++) {
            if (at % 2) await page.keyboard.press("ArrowRight");
            else await page.getByRole("link", { name: "Next →" }).click();
            await page.waitForURL((url) => url.pathname + url.search === all[at]);
            assert.match(await page.locator(".turn").innerText(), new RegExp(`${at + 1} of ${all.length}`));
        }
        await page.keyboard.press("ArrowLeft");
        await page.waitForURL((url) => url.pathname + url.search === all[all.length - 2]);
    }
    // From a person's page, and a decision does not lose the way.
    await go("/people");
    await page.getByRole("link", { name: /^Ada/ }).click();
    await page.locator(".tile a").first().click();
    await page.waitForURL(/person=\d+&face=\d+/);
    const of = (await page.locator(".turn").innerText()).match(/1 of (\d+)/)[1];
    assert.ok(Number(of) > 1);
    await page.locator(".faces form").first().getByRole("combobox").fill("Zoe");
    await page.locator(".faces form").first().getByRole("button", { name: "Name", exact: true }).click();
    await page.waitForURL(/person=\d+&face=\d+&did=/);
    await press("Undo");
});

await test("a photo is looked at closer with click, keys, wheel and buttons", async () => {
    await go("/photos/22");
    const scale = () =>
        page.evaluate(() => {
            const m = new DOMMatrix(getComputedStyle(document.querySelector(".photo img")).transform);
            return m.a;
        });
    assert.equal(await scale(), 1);
    await page.keyboard.press("+");
    assert.ok(Math.abs((await scale()) - 1.5) < 0.01);
    await page.keyboard.press("ArrowRight");
    assert.match(page.url(), /photos\/22$/, "while closer, arrows move the photo");
    await page.keyboard.press("-");
    assert.equal(await scale(), 1);
    const box = await page.locator(".photo").boundingBox();
    await page.mouse.move(box.x + 20, box.y + 20);
    await page.mouse.wheel(0, -400);
    await page.waitForFunction(() => document.querySelector(".photo.zoomed"));
    assert.ok((await scale()) > 2);
    if (shots) await page.screenshot({ path: join(shots, "zoom.jpg"), type: "jpeg" });
    // The boxes go with the photo.
    const same = await page.evaluate(() => {
        const of = (s) => document.querySelector(s).getBoundingClientRect();
        return Math.abs(of(".photo img").width - of(".photo svg").width) < 2;
    });
    assert.ok(same);
    await page.getByRole("button", { name: "Whole photo" }).click();
    assert.equal(await scale(), 1);
    await page.mouse.click(box.x + 8, box.y + 8);
    assert.equal(await scale(), 2);
    await page.keyboard.press("Escape");
    assert.equal(await scale(), 1);
    await sound("photo");
});

await test("a person over the years", async () => {
    await go("/people");
    await page.getByRole("link", { name: /^Ada/ }).click();
    const years = page.locator("nav.years a");
    assert.ok((await years.count()) >= 2);
    await sound("years");
    const [year, count] = (await years.first().innerText()).split(/\n/);
    await years.first().click();
    await page.waitForURL(new RegExp(`year=${year.trim()}`));
    assert.equal(await page.locator(".tile").count(), parseInt(count));
    await page.getByRole("link", { name: "All years" }).click();
});

let link;
await test("a shared link shows its people and covers everybody else", async () => {
    await go("/photos?who=Ada");
    const shown = await page.locator(".grid.photos a").count();
    await page.getByRole("link", { name: "Share these…" }).click();
    assert.match(await heading(), new RegExp(`Share ${shown} photo`));
    assert.equal(await page.getByLabel(/how many days/).inputValue(), "7");
    await sound("share");
    await press("Make the link");
    assert.equal(await heading(), "The link is made");
    await sound("share-made");
    link = (await hrefs(".panel a"))[0];
    assert.match(link, /^\/s\/[0-9a-f]{64}$/);

    const stranger = await browser.newContext({ baseURL: server.url });
    const tab = await stranger.newPage();
    const answer = await tab.goto(link, { waitUntil: "networkidle" });
    const headers = answer.headers();
    assert.equal(headers["cache-control"], "no-store");
    assert.equal(headers["referrer-policy"], "no-referrer");
    assert.match(headers["x-robots-tag"], /noindex/);
    assert.equal(headers["set-cookie"], undefined);
    assert.equal(await tab.locator(".grid.photos a").count(), shown);
    const text = await tab.locator("body").innerText();
    assert.doesNotMatch(text, /Ada|Photos\/|\.jpg/, "names were not to be shown");
    assert.equal(await tab.locator("script, form").count(), 0);
    if (shots) await tab.screenshot({ path: join(shots, "visitor.jpg"), type: "jpeg", fullPage: true });
    await tab.setViewportSize({ width: 390, height: 844 });
    assert.deepEqual(await faultsOfLayout(tab), []);
    assert.deepEqual(await faultsOfAccess(tab), []);
    await tab.locator(".grid.photos a").first().click();
    assert.deepEqual(await faultsOfAccess(tab), []);
    assert.deepEqual(await faultsOfLayout(tab), []);
    await stranger.close();

    // The pixels that are sent: faces of others are one colour, Ada's are as they were.
    await go("/photos?who=Ada");
    const ids = (await hrefs(".grid.photos a")).map((href) => href.match(/photos\/(\d+)/)[1]);
    let covered = 0;
    for (const id of ids) {
        await go(`/photos/${id}`);
        const faces = await page.locator(".photo a").evaluateAll((all) =>
            all.map((a) => {
                const rect = a.querySelector("rect");
                const side = (name) => Number(rect.getAttribute(name));
                return [a.getAttribute("aria-label"), ...["x", "y", "width", "height"].map(side)];
            }),
        );
        const colours = await page.evaluate(
            async ([own, shared, faces, width]) => {
                const pixels = async (path) => {
                    const picture = await createImageBitmap(await (await fetch(path)).blob());
                    const canvas = new OffscreenCanvas(picture.width, picture.height);
                    const drawing = canvas.getContext("2d");
                    drawing.drawImage(picture, 0, 0);
                    return { drawing, scale: picture.width / width };
                };
                const [before, after] = [await pixels(own), await pixels(shared)];
                return faces.map(([name, x, y, w, h]) => {
                    // The middle half of the box.
                    const read = ({ drawing, scale }) =>
                        drawing.getImageData(
                            (x + w / 4) * scale,
                            (y + h / 4) * scale,
                            Math.max(1, (w / 2) * scale),
                            Math.max(1, (h / 2) * scale),
                        ).data;
                    const [a, b] = [read(before), read(after)];
                    let [change, low, high] = [0, 255, 0];
                    for (let at = 0; at < b.length; at += 4) {
                        change += Math.abs(a[at] - b[at]);
                        [low, high] = [Math.min(low, b[at]), Math.max(high, b[at])];
                    }
                    return { name, change: change / (b.length / 4), spread: high - low };
                });
            },
            [`/photos/${id}/view.jpg`, `${link}/${id}/view.jpg`, faces, await page.locator(".photo img").evaluate((i) => Number(i.getAttribute("width")))],
        );
        for (const { name, change, spread } of colours) {
            if (name === "Ada") assert.ok(change < 6, `Ada in ${id} changed by ${change}`);
            else {
                assert.ok(spread < 40, `${name} in ${id} shows something: ${spread}`);
                covered += 1;
            }
        }
    }
    assert.ok(covered > 0, "nobody was there to cover");
});

await test("a link reaches nothing else, ends, and is revoked", async () => {
    const { url } = server;
    const host = new URL(url).host;
    const status = async (path, more = {}) =>
        (await ask(url, { path, headers: { host, ...more.headers }, method: more.method })).status;
    const outside = (await hrefs(".grid.photos a")).length;
    assert.equal(await status(link), 200, `${outside}`);
    await go("/photos?who=Bela");
    const ada = new Set();
    await go("/photos?who=Ada");
    for (const href of await hrefs(".grid.photos a")) ada.add(href.match(/photos\/(\d+)/)[1]);
    await go("/photos");
    const other = (await hrefs(".grid.photos a"))
        .map((href) => href.match(/photos\/(\d+)/)[1])
        .find((id) => !ada.has(id));
    for (const path of [
        `${link}/${other}`,
        `${link}/${other}/view.jpg`,
        `${link}/${[...ada][0]}/huge.jpg`,
        `${link}/../../people`,
        `${link}/people`,
        `/s/${"0".repeat(64)}`,
        "/s/x",
        "/s/",
    ])
        assert.ok([303, 400, 404, 422].includes(await status(path)), path);
    assert.equal(await status(link, { method: "POST" }), 404, "a link is only looked at");
    // The picture carries no metadata of the original.
    const picture = await page.request.get(`${link}/${[...ada][0]}/view.jpg`);
    const bytes = await picture.body();
    assert.ok(!bytes.includes("Exif") && !bytes.includes("2018:"), "no EXIF");
    // Its address alone opens it: nothing of it is in the album's file.
    const file = readFileSync(join(server.home, "catalogue.db"));
    assert.ok(!file.includes(link.slice(3)));
    // Where a password is asked for, the link needs none and opens nothing else.
    const password = passwordFile(server.home, "correct horse");
    const guarded = await serve(binary, ["--listen", "0.0.0.0:0", "--password", password], server);
    const there = async (path) => {
        const at = guarded.url.replace("0.0.0.0", "127.0.0.1");
        return (await ask(at, { path, headers: { host: new URL(at).host } })).status;
    };
    assert.equal(await there(link), 200);
    assert.equal(await there(`${link}/${[...ada][0]}/view.jpg`), 200);
    assert.deepEqual([await there("/people"), await there("/photos/1/view.jpg")], [303, 401]);
    assert.equal(await there("/shared"), 303);
    await guarded.end();
    // A file that was written since it was scanned may show anybody where Ada was.
    await go(`/photos/${[...ada][1]}`);
    const changed = (await page.locator("p.path").first().innerText()).trim();
    const was = readFileSync(changed);
    const { mtime } = statSync(changed);
    writeFileSync(changed, readFileSync(join(album, "22-group.jpg")));
    const fresh = await serve(binary, [], server);
    const host2 = new URL(fresh.url).host;
    const path = `${link}/${[...ada][1]}/view.jpg`;
    assert.equal((await ask(fresh.url, { path, headers: { host: host2 } })).status, 404);
    writeFileSync(changed, was);
    utimesSync(changed, mtime, mtime);
    await fresh.end();
    await go("/shared");
    assert.match(await main(), /Link 1: Ada/);
    await sound("shared");
    await press("Revoke link 1");
    assert.match(await main(), /revoked/);
    assert.equal(await status(link), 404);
    assert.equal(await status(`${link}/${[...ada][0]}/view.jpg`), 404);
    await go("/history");
    assert.match(await main(), /Link 1 revoked[\s\S]*Link 1 made/);
    // Guessing is slowed down, and a flood is refused.
    const seen = new Set();
    for (let at = 0; at < 200; at++) seen.add(await status(`/s/${at}`));
    assert.ok(seen.has(429), [...seen].join());
});

await test("without its disk an album says so, and shows no broken pictures", async () => {
    await go("/people");
    renameSync(photos, join(library, "away"));
    await page.waitForTimeout(3500);
    await go("/photos");
    assert.match(await page.locator(".missing").innerText(), /Photos is not there now.*25 photos/s);
    // What was looked at is in memory; this was not.
    const picture = await page.request.get("/photos/5/huge.jpg");
    assert.deepEqual([picture.status(), picture.headers()["content-type"]], [404, "image/svg+xml"]);
    await go("/people");
    const broken = await page
        .locator("main img")
        .evaluateAll((all) => all.filter((i) => i.complete && i.naturalWidth === 0).length);
    assert.equal(broken, 0);
    await sound("disk-off");
    await go("/scan");
    assert.match(await main(), /not there now/);
    renameSync(join(library, "away"), photos);
    await page.waitForTimeout(3500);
    await page.getByRole("button", { name: /^Scan again/ }).click();
    await page.getByRole("link", { name: "To the people" }).waitFor({ timeout: 60_000 });
    assert.match(await main(), /26 photos, 0 new/);
});

const n = await stage.end();
rmSync(library, { recursive: true });
console.log(`${n} browser tests of what owners do passed`);
