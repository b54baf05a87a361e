// Every page and every decision of `fusiform serve`, as a person uses them: pointer, keyboard alone,
// phone, dark, no scripts.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ask, faultsOfAccess, faultsOfLayout, open, passwordFile, serve } from "./stage.mjs";

const [, , binary, album, shots] = process.argv;
const stage = await open(binary, shots);
const { browser, server, context, page, test, go, heading, press, scan } = stage;
const told = [];
const foreign = [];
page.on("request", (r) => {
    if (!r.url().startsWith(server.url)) foreign.push(r.url());
});
page.on("console", (m) => {
    if (m.type() === "error") told.push(m.text());
});

const notice = () => page.locator(".notice").innerText();
const tiles = () => page.locator(".tile").count();
const pictured = async (name, options = {}) => {
    if (!shots) return;
    const seen = () =>
        [...document.images].every(
            (i) => (i.complete && i.naturalWidth > 0) || i.loading === "lazy",
        );
    await page.waitForFunction(seen);
    await page.screenshot({
        path: join(shots, `${name}.jpg`),
        type: "jpeg",
        quality: 82,
        ...options,
    });
};
/** The numbers of the people on a page, largest first. */
const people = async (path) => {
    await go(path);
    const links = await page
        .locator(".grid a[href^='/people/']")
        .evaluateAll((all) => all.map((a) => a.getAttribute("href")));
    return links.map((href) => Number(href.split("/")[2]));
};
const nameThem = async (id, name) => {
    await go(`/people/${id}`);
    await page
        .getByRole("textbox", { name: "Name", exact: true })
        .or(page.getByRole("combobox", { name: "Name", exact: true }))
        .first()
        .fill(name);
    await press("Save name");
};

await test("an empty catalogue leads to adding a folder, whose scan is followed live", async () => {
    await go("/");
    await page.getByRole("link", { name: "Add photos" }).last().click();
    await page.getByRole("heading", { name: "Add photos" }).waitFor();
    await scan(album);
    assert.match(await page.locator("main").innerText(), /25 photos, 25 new with 33 faces/);
});

let ids;
await test("faces are shown as pictures, cut on demand and not fetched twice", async () => {
    ids = await people("/people");
    assert.ok(ids.length >= 6, `${ids}`);
    const widths = await page
        .locator(".grid img")
        .evaluateAll((all) => all.map((i) => i.naturalWidth));
    assert.ok(
        widths.every((w) => w > 50),
        `${widths}`,
    );
    const first = await page.request.get("/faces/1/crop.jpg");
    const again = await page.request.get("/faces/1/crop.jpg", {
        headers: { "if-none-match": first.headers().etag },
    });
    assert.deepEqual([first.status(), again.status()], [200, 304]);
});

await test("a group gets a name", async () => {
    await nameThem(ids[0], "Ada");
    assert.equal(await heading(), "Ada");
    assert.match(await notice(), /named "Ada"/);
    for (const [at, name] of ["Bela", "Cleo", "Dario"].entries()) await nameThem(ids[at + 1], name);
    await go("/people");
    assert.match(await page.locator("main").innerText(), /4 people/);
});

await test("names are offered for completion", async () => {
    await go(`/people/${ids[4]}`);
    const offered = await page
        .locator("#names option")
        .evaluateAll((all) => all.map((o) => o.value));
    assert.deepEqual(offered, ["Ada", "Bela", "Cleo", "Dario"]);
});

await test("rename, and a name that is taken asks whether they are one", async () => {
    await go(`/people/${ids[0]}`);
    await page.getByText("Rename", { exact: true }).click();
    await page.getByLabel("New name").fill("Ada Ilves");
    await press("Save name");
    assert.equal(await heading(), "Ada Ilves");
    await page.getByText("Rename", { exact: true }).click();
    await page.getByLabel("New name").fill("Bela");
    await press("Save name");
    assert.equal(await heading(), "Are these one person?");
    await page.getByRole("link", { name: "Choose another name" }).click();
    assert.equal(await heading(), "Ada Ilves");
});

await test("merge asks once more about two people of one photo; undo from the notice", async () => {
    await go(`/people/${ids[0]}`);
    const before = await tiles();
    const merge = async () => {
        await go(`/people/${ids[0]}`);
        await page.getByText("Merge", { exact: true }).first().click();
        await page.getByLabel("Name or number of the person who is the same").fill("Bela");
        await page.locator("form[action$='/merge'] button").click();
    };
    await merge();
    assert.equal(await heading(), "Two people in one photo");
    await pictured("merge-question");
    const faults = await faultsOfAccess(page);
    assert.deepEqual(faults, []);
    await page.getByRole("link", { name: "Keep them apart" }).click();
    await go(`/people/${ids[0]}`);
    assert.equal(await tiles(), before);
    await merge();
    await press("Merge all the same");
    const merged = await tiles();
    assert.ok(merged > before);
    await press("Undo");
    assert.equal(await heading(), "History");
    await go(`/people/${ids[0]}`);
    assert.equal(await tiles(), before);
    await go(`/people/${ids[1]}`);
    assert.equal(await heading(), "Bela");
});

await test("split off by selecting, and undo", async () => {
    await go(`/people/${ids[0]}`);
    const before = await tiles();
    assert.ok(!(await page.locator(".toolbar").isVisible()), "no face is selected yet");
    await page.locator(".tile img").nth(0).click();
    await page.locator(".tile img").nth(1).click();
    assert.equal(await page.locator(".toolbar output").innerText(), "2 selected");
    await pictured("select");
    await press("Split off");
    assert.equal(await heading(), "Who is this?");
    assert.equal(await tiles(), 2);
    await press("Undo");
    await go(`/people/${ids[0]}`);
    assert.equal(await tiles(), before);
});

await test("not this person, ignore, move to another", async () => {
    await go(`/people/${ids[2]}`);
    const before = await tiles();
    await page.locator(".tile img").first().click();
    await press("Not Cleo");
    assert.equal(await tiles(), before - 1);
    await page.locator(".tile img").first().click();
    await press("Ignore");
    assert.equal(await tiles(), before - 2);
    await page.locator(".tile img").first().click();
    await page.getByLabel("Who the selected faces are").fill("Emil");
    await press("Move");
    assert.equal(await heading(), "Emil");
    for (let i = 0; i < 3; i++) {
        await go("/history");
        await page.getByRole("button", { name: /^Undo/ }).first().click();
    }
    await go(`/people/${ids[2]}`);
    assert.equal(await tiles(), before);
});

await test("hide and show again", async () => {
    await go(`/people/${ids[3]}`);
    await press("Hide");
    assert.doesNotMatch(await page.locator(".grid").first().innerText(), /Dario/);
    await page.getByRole("link", { name: "1 hidden" }).click();
    await page.getByRole("link", { name: /Dario/ }).click();
    await press("Show again");
    assert.doesNotMatch(await page.locator(".head").innerText(), /hidden/);
});

await test("photo page: boxes with names, and a face named there", async () => {
    await go("/photos");
    const photos = await page
        .locator(".grid.photos a")
        .evaluateAll((all) => all.map((a) => [a.getAttribute("href"), a.innerText]));
    assert.equal(photos.length, 25);
    const group = photos.find(([, text]) => !/1 face/.test(text));
    await go(group[0]);
    const n = await page.locator(".photo rect").count();
    assert.ok(n >= 2);
    assert.equal(await page.locator(".faces > li").count(), n);
    // The drawing lies exactly over the photo.
    const [image, drawing] = await page.evaluate(() =>
        [".photo img", ".photo svg"].map((s) => {
            const r = document.querySelector(s).getBoundingClientRect();
            return [r.height, r.top];
        }),
    );
    assert.ok(
        image.every((v, i) => Math.abs(v - drawing[i]) < 1.5),
        `${image} ${drawing}`,
    );
    await pictured("photo");
    const row = page.locator(".faces > li").first();
    await row.getByRole("combobox").fill("Greta");
    await row.getByRole("button", { name: "Name", exact: true }).click();
    assert.match(await page.locator(".faces > li").first().innerText(), /Greta/);
    await press("Undo");
});

await test("two named people together", async () => {
    const together = await page.evaluate(async () => {
        const names = ["Ada Ilves", "Bela", "Cleo", "Dario"];
        const found = [];
        for (const a of names)
            for (const b of names)
                if (a < b) {
                    const text = await (await fetch(`/photos?who=${a}&who=${b}`)).text();
                    const shown = new DOMParser()
                        .parseFromString(text, "text/html")
                        .querySelectorAll(".grid.photos li").length;
                    if (shown) found.push([a, b, shown]);
                }
        return found;
    });
    assert.ok(together.length > 0, "the album shows people together");
    const [a, b, shown] = together[0];
    await go("/photos");
    await page.getByLabel("Who is in the photo").fill(a);
    await page.getByLabel("Who else is in the photo").fill(b);
    await page.keyboard.press("Enter");
    await page.waitForURL(/who=/);
    assert.equal(await page.locator(".grid.photos li").count(), shown);
    await page.locator(".grid.photos a").first().click();
    const faces = await page.locator(".faces").innerText();
    assert.ok(faces.includes(a) && faces.includes(b), faces);
    await go("/photos?who=Nobody+Such");
    assert.match(await page.locator("main").innerText(), /Nobody is called “Nobody Such”/);
});

await test("review by the keys Y, N and S", async () => {
    // The people of the album are told apart without a question; one face given to somebody else
    // makes questions of those that look like it.
    await go(`/people/${ids[0]}`);
    await page.locator(".tile img").first().click();
    await page.getByLabel("Who the selected faces are").fill("Zelda");
    await press("Move");
    await go("/review");
    // What was named may have settled them: sort again.
    if (await page.getByRole("button", { name: "Sort faces again" }).count())
        await press("Sort faces again");
    await go("/review");
    const open = async () =>
        Number((await page.locator(".head p").innerText()).match(/\d+/)?.[0] ?? 0);
    let left = await open();
    assert.ok(left > 0, "the album leaves questions open");
    await pictured("review");
    for (const key of ["s", "n", "y"]) {
        if (left === 0) break;
        await Promise.all([page.waitForURL(/did=/), page.keyboard.press(key)]);
        await page.waitForLoadState("networkidle");
        const now = await open();
        assert.ok(now < left, `${key}: ${now} of ${left} left`);
        left = now;
        await go("/review");
    }
    const said = await (await page.request.get("/history")).text();
    assert.match(said, /Not sure whether/);
});

await test("keyboard alone: name somebody, select faces, split", async () => {
    await go("/groups");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    const tabTo = async (match) => {
        for (let i = 0; i < 60; i++) {
            await page.keyboard.press("Tab");
            if (await page.evaluate((m) => document.activeElement.matches(m), match)) return;
        }
        assert.fail(`Tab does not reach ${match}`);
    };
    await tabTo(".grid a");
    await page.keyboard.press("Enter");
    await page.waitForURL(/people\/\d+/);
    await tabTo("form[action$='/name'] input[name=name]");
    await page.keyboard.type("Keyla");
    await page.keyboard.press("Enter");
    await page.waitForURL(/did=/);
    assert.equal(await heading(), "Keyla");
    await tabTo(".tile input");
    await page.keyboard.press("Space");
    await page.keyboard.press("ArrowRight");
    assert.equal(
        await page.evaluate(() =>
            document.activeElement.matches(".tile:nth-of-type(2) input, .tile input"),
        ),
        true,
    );
    assert.equal(await page.locator(".toolbar output").innerText(), "1 selected");
    await tabTo("button[value=split]");
    await page.keyboard.press("Enter");
    await page.waitForLoadState("networkidle");
    assert.equal(await heading(), "Who is this?");
    await tabTo("form[action='/undo'] button");
    await page.keyboard.press("Enter");
    await page.waitForURL(/history/);
});

await test("without scripts: name and undo", async () => {
    const plain = await browser.newContext({ baseURL: server.url, javaScriptEnabled: false });
    const bare = await plain.newPage();
    await bare.goto("/groups");
    await bare.locator(".grid a").first().click();
    await bare.locator("form[action$='/name'] input[name=name]").fill("Scriptless");
    await bare.getByRole("button", { name: "Save name" }).first().click();
    assert.equal(await bare.locator("h1").innerText(), "Scriptless");
    await bare.locator(".tile img").first().click();
    assert.ok(await bare.locator(".toolbar").isVisible());
    await bare.getByRole("button", { name: "Undo" }).click();
    await plain.close();
});

const everyPage = [
    "/people",
    `/people/${ids[0]}`,
    `/people/${ids[5]}`,
    `/people/${ids[0]}/erase`,
    `/people/${ids[0]}/same/${ids[1]}`,
    "/groups",
    "/faces",
    "/unclear",
    "/aside",
    "/review",
    "/photos",
    "/photos?who=Bela",
    "/photos?who=Bela&who=Ada+Ilves&any=1&from=2019&to=never&q=jpg",
    "/photos/22",
    "/photos/22?who=Bela",
    "/shared",
    "/shared/new?who=Bela",
    "/scan",
    "/scan?at=/",
    "/history",
];
await test("axe finds no serious fault, in light and in dark", async () => {
    for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        for (const path of everyPage) {
            await go(path);
            for (const summary of await page.locator("details > summary").all())
                await summary.click();
            if (await page.locator(".tile input").count())
                await page.locator(".tile input").first().check();
            const faults = await faultsOfAccess(page);
            assert.deepEqual(faults, [], `${path}, ${colorScheme}`);
        }
    }
    await page.emulateMedia({ colorScheme: "light", reducedMotion: "no-preference" });
});

await test("no animation where none is wanted", async () => {
    await page.emulateMedia({ reducedMotion: "reduce" });
    await go("/people");
    const moves = await page.evaluate(
        () =>
            [...document.querySelectorAll("*")].filter(
                (e) =>
                    parseFloat(getComputedStyle(e).transitionDuration) > 0 ||
                    getComputedStyle(e).animationName !== "none",
            ).length,
    );
    assert.equal(moves, 0);
    await page.emulateMedia({ reducedMotion: "no-preference" });
});

await test("a phone's width holds every page, and a finger meets every button", async () => {
    for (const width of [390, 320]) {
        await page.setViewportSize({ width, height: 740 });
        for (const path of everyPage) {
            await go(path);
            assert.deepEqual(await faultsOfLayout(page), [], `${path} at ${width} px`);
        }
    }
    await page.setViewportSize({ width: 390, height: 740 });
    await go(`/people/${ids[0]}`);
    await pictured("phone");
    await go("/groups");
    await pictured("phone-groups");
    await page.setViewportSize({ width: 1280, height: 860 });
});

if (shots) {
    await go("/people");
    await pictured("people");
    await go(`/people/${ids[0]}`);
    await pictured("person");
    await page.emulateMedia({ colorScheme: "dark" });
    await go("/people");
    await pictured("dark");
    await page.emulateMedia({ colorScheme: "light" });
    await go("/history");
    await pictured("history");
    await go("/scan?at=/usr");
    await pictured("scan");
}

await test("a scan again keeps every decision", async () => {
    const before = (await people("/people")).length;
    await go("/scan");
    await page.getByLabel("Folder on the machine").fill(album);
    await press("Scan");
    await page.getByRole("link", { name: "To the people" }).waitFor({ timeout: 60_000 });
    await go("/people");
    const text = await page.locator("main").innerText();
    for (const name of ["Ada Ilves", "Bela", "Cleo", "Dario", "Keyla"])
        assert.ok(text.includes(name), `${name}: ${before}`);
});

await test("erase asks, then leaves nothing", async () => {
    await go(`/people/${ids[1]}`);
    const face = await page.locator(".tile input").first().getAttribute("value");
    await page.getByRole("link", { name: "Erase…" }).click();
    await press("Erase");
    assert.equal(await heading(), "Erase Bela?", "the box must be ticked first");
    await page.getByLabel(/Yes, erase Bela for good/).check();
    await press("Erase");
    assert.match(await page.locator("h1").innerText(), /People/);
    assert.doesNotMatch(await page.locator(".grid").first().innerText(), /Bela/);
    assert.equal((await page.request.get(`/faces/${face}/crop.jpg`)).status(), 404);
    assert.equal((await page.request.get(`/people/${ids[1]}`)).status(), 404);
    for (const file of readdirSync(server.home).filter((f) => f.startsWith("catalogue.db"))) {
        assert.ok(
            !readFileSync(join(server.home, file)).includes("Bela"),
            `${file} still holds the name`,
        );
    }
});

await test("nothing was asked of others, and no page broke a rule of its own", async () => {
    assert.deepEqual(foreign, []);
    // The refused pages above are told to the console as well.
    assert.deepEqual(
        told.filter((c) => !/status of 4\d\d/.test(c)),
        [],
    );
});

await test("forged requests are refused", async () => {
    const { url } = server;
    const host = new URL(url).host;
    const first = await ask(url, { path: "/people", headers: { host } });
    const cookie = first.headers["set-cookie"][0].split(";")[0];
    assert.match(first.headers["set-cookie"][0], /HttpOnly; SameSite=Strict/);
    const token =
        first.text.match(/name="token" value="([0-9a-f]{64})"/)?.[1] ??
        (await ask(url, { path: "/groups", headers: { host, cookie } })).text.match(
            /name="token" value="([0-9a-f]{64})"/,
        )[1];
    const change = async (more, sent = token) =>
        (
            await ask(url, {
                method: "POST",
                path: `/people/${ids[0]}/hide`,
                body: `token=${sent}`,
                headers: {
                    host,
                    cookie,
                    origin: url,
                    "content-type": "application/x-www-form-urlencoded",
                    ...more,
                },
            })
        ).status;
    assert.equal(await change({ origin: "http://evil.example" }), 403);
    assert.equal(await change({ origin: "null" }), 403);
    assert.equal(await change({ cookie: "" }), 403);
    assert.equal(await change({ "sec-fetch-site": "cross-site" }), 403);
    assert.equal(await change({}, "0".repeat(64)), 403);
    assert.equal(await change({}, ""), 403);
    assert.equal(await change({ host: "evil.example", origin: "http://evil.example" }), 421);
    assert.equal(
        (await ask(url, { path: "/people", headers: { host: "evil.example" } })).status,
        421,
    );
    assert.equal(
        (
            await ask(url, {
                path: "/faces/1/crop.jpg",
                headers: {
                    host,
                    cookie,
                    "sec-fetch-site": "cross-site",
                    "sec-fetch-mode": "no-cors",
                    "sec-fetch-dest": "image",
                },
            })
        ).status,
        403,
    );
    assert.equal(await change({}), 303, "the page's own form passes");
});

await test("beyond this machine a password is asked for", async () => {
    // Without one the first start makes it: nobody is let in who has not read it.
    const made = await serve(binary, ["--listen", "0.0.0.0:0"]);
    const stranger = await browser.newContext({
        baseURL: made.url.replace("0.0.0.0", "127.0.0.1"),
    });
    assert.equal((await stranger.request.get("/faces/1/crop.jpg")).status(), 401);
    await stranger.close();
    await made.end();
    const file = passwordFile(server.home, "correct horse");
    const guarded = await serve(binary, ["--listen", "0.0.0.0:0", "--password", file]);
    const base = guarded.url.replace("0.0.0.0", "127.0.0.1");
    const visitor = await browser.newContext({ baseURL: base });
    const tab = await visitor.newPage();
    await tab.goto("/people");
    assert.match(tab.url(), /\/login$/);
    assert.equal((await visitor.request.get("/faces/1/crop.jpg")).status(), 401);
    await tab.getByLabel("Password").fill("wrong horse");
    await tab.getByRole("button", { name: "Sign in" }).click();
    assert.match(await tab.getByRole("alert").innerText(), /not the password/);
    await tab.getByLabel("Password").fill("correct horse");
    await tab.getByRole("button", { name: "Sign in" }).click();
    await tab.waitForURL(/people/);
    await tab.getByRole("button", { name: "Sign out" }).click();
    await tab.goto("/people");
    assert.match(tab.url(), /\/login$/);
    await visitor.close();
    await guarded.end();
});

console.log(`${await stage.end()} browser tests passed`);
