// What scripts add to the pages: keys, counts and ranges in selections, the next page of a grid on
// scrolling down, progress without reloading. Everything can be done without it.
"use strict";

// The path below which a proxy shows the server, or nothing.
const base = new URL(document.currentScript.src).pathname.replace(/\/assets\/page\.js$/, "");

const typing = (at) =>
    at.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");

// Review: one key per answer, shown on the buttons.
document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing(event.target))
        return;
    const key = event.key.toLowerCase();
    const button = document.querySelector(`button[data-key="${CSS.escape(key)}"]`);
    if (button) {
        event.preventDefault();
        button.click();
        return;
    }
    const link = document.querySelector(`a[data-key="${CSS.escape(event.key)}"]`);
    if (link && !event.shiftKey) link.click();
    if (key === "/") {
        const search = document.querySelector("input[type=search]");
        if (search) {
            event.preventDefault();
            search.focus();
        }
    }
});

// Selections: how many, all or none, a range with Shift, Escape lets go.
for (const form of document.querySelectorAll("form.select")) {
    const boxes = () => [...form.querySelectorAll(".tile input[type=checkbox]")];
    const said = form.querySelector("output");
    let last = null;
    const tell = () => {
        const n = boxes().filter((box) => box.checked).length;
        if (said) said.textContent = n === 1 ? "1 selected" : `${n} selected`;
    };
    form.addEventListener("click", (event) => {
        const box = event.target.closest?.(".tile input[type=checkbox]");
        if (!box) return;
        const all = boxes();
        if (event.shiftKey && last && all.includes(last)) {
            const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
            for (const one of all.slice(from, to + 1)) one.checked = box.checked;
        }
        last = box;
        tell();
    });
    form.addEventListener("change", tell);
    form.addEventListener("keydown", (event) => {
        const all = boxes();
        const at = all.indexOf(event.target);
        if (event.key === "Escape") {
            for (const box of all) box.checked = false;
            tell();
        } else if (at >= 0 && event.key.startsWith("Arrow")) {
            const columns = all.filter(
                (box) => box.closest("li").offsetTop === all[0].closest("li").offsetTop,
            ).length;
            const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[
                event.key
            ];
            const next = all[at + step];
            if (next) {
                event.preventDefault();
                next.focus();
            }
        }
    });
    form.querySelector("button[data-clear]")?.addEventListener("click", () => {
        for (const box of boxes()) box.checked = false;
        tell();
    });
    // A page that comes back from history keeps its ticks.
    tell();
}

// Grids: fetch the next page when its link comes near.
const grow = async (link) => {
    const answer = await fetch(link.href, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [grid, more] = [document.querySelector("ul.grid"), page.querySelector("ul.grid")];
    if (!grid || !more) return;
    // A month that goes on needs no second heading.
    const heading = more.querySelector(":scope > .month");
    const headings = grid.querySelectorAll(":scope > .month");
    const before = headings[headings.length - 1];
    if (heading && before && heading.textContent === before.textContent) heading.remove();
    grid.append(...more.children);
    const next = page.querySelector(".more a");
    if (next) {
        link.href = next.href;
        watch(link);
    } else {
        link.closest(".more").remove();
    }
};
const watch = (link) => {
    const near = new IntersectionObserver(
        (seen) => {
            if (!seen.some((entry) => entry.isIntersecting)) return;
            near.disconnect();
            grow(link).catch(() => {});
        },
        { rootMargin: "800px" },
    );
    near.observe(link);
};
const more = document.querySelector(".more a");
if (more && "IntersectionObserver" in window) watch(more);

// Scan: progress as it happens.
const scan = document.querySelector("[data-scan]");
if (scan) {
    const events = new EventSource(`${base}/scan/events`);
    const bar = scan.querySelector("progress");
    const words = scan.querySelector("[role=status]");
    events.onmessage = (event) => {
        const now = JSON.parse(event.data);
        if (now.over) {
            events.close();
            location.replace(`${base}/scan`);
            return;
        }
        words.textContent = now.words;
        if (now.total > 0) {
            bar.max = now.total;
            bar.value = now.done;
        }
    };
}

// Drawing a face: a box with the pointer or the arrow keys; the four numbers follow, and lead.
const drawing = document.querySelector("[data-draw]");
if (drawing) {
    const svg = drawing.querySelector("svg");
    const rect = svg.querySelector(".drawn");
    const [x, y, w, h] = ["x", "y", "w", "h"].map((n) => document.getElementById(`box-${n}`));
    const { width, height } = svg.viewBox.baseVal;
    const clamp = (value, most) => Math.round(Math.min(Math.max(value, 0), most));
    const show = (box) => {
        const [left, top] = [clamp(box[0], width - 4), clamp(box[1], height - 4)];
        const sides = [left, top, clamp(box[2], width - left), clamp(box[3], height - top)];
        [x, y, w, h].forEach((field, at) => (field.value = sides[at]));
        follow();
    };
    const follow = () => {
        ["x", "y", "width", "height"].forEach((name, at) =>
            rect.setAttribute(name, Math.max([x, y, w, h][at].valueAsNumber || 0, 0)),
        );
    };
    for (const field of [x, y, w, h]) field.addEventListener("input", follow);
    const at = (event) => {
        const there = new DOMPoint(event.clientX, event.clientY);
        return there.matrixTransform(svg.getScreenCTM().inverse());
    };
    let from = null;
    svg.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        event.preventDefault();
        from = at(event);
        svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => {
        if (!from) return;
        const to = at(event);
        show([
            Math.min(from.x, to.x),
            Math.min(from.y, to.y),
            Math.abs(to.x - from.x),
            Math.abs(to.y - from.y),
        ]);
    });
    for (const end of ["pointerup", "pointercancel"])
        svg.addEventListener(end, () => {
            from = null;
            rect.focus();
        });
    rect.addEventListener("keydown", (event) => {
        const step = Math.max(1, Math.round(Math.max(width, height) / 200));
        const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
        const by = move[event.key];
        if (!by) return;
        event.preventDefault();
        const box = [x, y, w, h].map((field) => field.valueAsNumber || 0);
        const first = event.shiftKey ? 2 : 0;
        box[first] += by[0] * step;
        box[first + 1] += by[1] * step;
        show(box);
    });
}
