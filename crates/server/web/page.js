// What scripts add to the pages: keys, counts and ranges in selections, naming without a new page,
// zoom, the next page of a grid on scrolling down, progress without reloading. Everything can be
// done without it.
"use strict";

// The path below which a proxy shows the server, or nothing.
const base = new URL(document.currentScript.src).pathname.replace(/\/assets\/page\.js$/, "");

const typing = (at) =>
    at.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");

// One key for each answer of the review and each step between photos, shown on the buttons; `/`
// goes to the search.
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
const selections = () => {
    for (const area of document.querySelectorAll(".select:not([data-ready])")) {
        area.dataset.ready = "";
        const boxes = () => [...area.querySelectorAll(".tile input[type=checkbox]")];
        const said = area.querySelector("output");
        let last = null;
        const tell = () => {
            const n = boxes().filter((box) => box.checked).length;
            if (said) said.textContent = n === 1 ? "1 selected" : `${n} selected`;
        };
        area.addEventListener("click", (event) => {
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
        area.addEventListener("change", tell);
        area.addEventListener("keydown", (event) => {
            const all = boxes();
            const at = all.indexOf(event.target);
            if (event.key === "Escape") {
                for (const box of all) box.checked = false;
                tell();
            } else if (at >= 0 && event.key.startsWith("Arrow")) {
                const columns = all.filter(
                    (box) => box.closest("li").offsetTop === all[0].closest("li").offsetTop,
                ).length;
                const step = {
                    ArrowRight: 1,
                    ArrowLeft: -1,
                    ArrowDown: columns,
                    ArrowUp: -columns,
                }[event.key];
                const next = all[at + step];
                if (next) {
                    event.preventDefault();
                    next.focus();
                }
            }
        });
        area.querySelector("button[data-clear]")?.addEventListener("click", () => {
            for (const box of boxes()) box.checked = false;
            tell();
        });
        // A page that comes back from history keeps its ticks.
        tell();
    }
};
selections();

// Naming one group after the other: the form is sent, the content it leads to takes the place of
// this one, and the next field has the focus, without a new page in between.
let naming = Promise.resolve();
document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-inline]");
    if (!form) return;
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form));
    const name = form.querySelector("input[name=name]");
    name.readOnly = true;
    // One after the other, so that a quick typist's names are all kept.
    naming = naming.then(async () => {
        const answer = await fetch(form.action, { method: "POST", body });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const [old, now] = [document.querySelector("main"), page.querySelector("main")];
        if (!answer.ok || !now) {
            const why = page.querySelector("[role=alert]")?.textContent ?? "That went wrong";
            name.readOnly = false;
            name.setCustomValidity(why);
            name.reportValidity();
            name.addEventListener("input", () => name.setCustomValidity(""), { once: true });
            return;
        }
        const ticked = [...old.querySelectorAll(".tile :checked")].map((box) => box.value);
        old.replaceWith(now);
        document.title = page.title;
        history.replaceState(null, "", answer.url);
        for (const box of now.querySelectorAll(".tile input[type=checkbox]"))
            box.checked = ticked.includes(box.value);
        selections();
        const more = now.querySelector(".more a");
        if (more) watch(more);
        (now.querySelector("[autofocus]") ?? now.querySelector("h1"))?.focus();
    });
    naming = naming.catch(() => form.submit());
});

// One photo, closer: wheel, pinch, double click or the keys + and -; drag or the arrow keys move it.
const closer = document.querySelector(".photo[data-zoom]");
if (closer) {
    const layers = [closer.querySelector("img"), closer.querySelector("svg")];
    const most = 12;
    let [scale, x, y] = [1, 0, 0];
    let fine = false;
    const bar = document.createElement("div");
    bar.className = "zoom";
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", "Zoom");
    const button = (text, label, work) => {
        const made = document.createElement("button");
        made.type = "button";
        made.textContent = text;
        made.setAttribute("aria-label", label);
        made.addEventListener("click", work);
        bar.append(made);
        return made;
    };
    const draw = () => {
        const { width, height } = closer.getBoundingClientRect();
        x = Math.min(0, Math.max(x, width * (1 - scale)));
        y = Math.min(0, Math.max(y, height * (1 - scale)));
        for (const layer of layers) {
            layer.style.transformOrigin = "0 0";
            layer.style.transform = scale === 1 ? "" : `translate(${x}px, ${y}px) scale(${scale})`;
        }
        closer.classList.toggle("zoomed", scale > 1);
        out.disabled = whole.disabled = scale === 1;
        nearer.disabled = scale === most;
        if (scale > 1 && !fine) {
            fine = true;
            const sharp = new Image();
            sharp.src = base + closer.dataset.zoom;
            sharp.decode().then(() => (layers[0].src = sharp.src)).catch(() => {});
        }
    };
    const zoom = (to, at) => {
        const box = closer.getBoundingClientRect();
        const [px, py] = at
            ? [at.clientX - box.left, at.clientY - box.top]
            : [box.width / 2, box.height / 2];
        const before = scale;
        scale = Math.min(most, Math.max(1, to));
        x = px - ((px - x) * scale) / before;
        y = py - ((py - y) * scale) / before;
        draw();
    };
    const nearer = button("+", "Zoom in", () => zoom(scale * 1.5));
    const out = button("−", "Zoom out", () => zoom(scale / 1.5));
    const whole = button("Whole", "Whole photo", () => zoom(1));
    closer.append(bar);
    draw();
    closer.addEventListener(
        "wheel",
        (event) => {
            // Scrolling down from the whole photo scrolls the page.
            if (scale === 1 && event.deltaY > 0) return;
            event.preventDefault();
            zoom(scale * Math.exp(-event.deltaY / 400), event);
        },
        { passive: false },
    );
    closer.addEventListener("dblclick", (event) => {
        if (!event.target.closest("button")) zoom(scale > 1 ? 1 : 3, event);
    });
    const fingers = new Map();
    let moved = 0;
    closer.addEventListener("pointerdown", (event) => {
        if (event.button !== 0 || event.target.closest("button")) return;
        fingers.set(event.pointerId, event);
        moved = 0;
    });
    closer.addEventListener("pointermove", (event) => {
        const last = fingers.get(event.pointerId);
        if (!last) return;
        const by = [event.clientX - last.clientX, event.clientY - last.clientY];
        moved += Math.abs(by[0]) + Math.abs(by[1]);
        if (fingers.size === 2) {
            const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
            const apart = (a) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY);
            const middle = {
                clientX: (event.clientX + other.clientX) / 2,
                clientY: (event.clientY + other.clientY) / 2,
            };
            zoom((scale * apart(event)) / Math.max(1, apart(last)), middle);
        } else if (scale > 1 && moved > 4) {
            closer.setPointerCapture(event.pointerId);
            [x, y] = [x + by[0], y + by[1]];
            draw();
        }
        fingers.set(event.pointerId, event);
    });
    for (const end of ["pointerup", "pointercancel"])
        closer.addEventListener(end, (event) => fingers.delete(event.pointerId));
    // A drag that ends on a face does not go to its form; a click on the photo itself goes closer.
    closer.addEventListener(
        "click",
        (event) => {
            if (event.target.closest("button")) return;
            if (moved > 4) event.preventDefault();
            else if (!event.target.closest("a") && scale === 1 && event.detail === 1)
                zoom(2, event);
        },
        true,
    );
    closer.addEventListener("dragstart", (event) => event.preventDefault());
    document.addEventListener(
        "keydown",
        (event) => {
            if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
            const step = 80;
            const move = {
                ArrowLeft: [step, 0],
                ArrowRight: [-step, 0],
                ArrowUp: [0, step],
                ArrowDown: [0, -step],
            }[event.key];
            if (event.key === "+" || event.key === "=") zoom(scale * 1.5);
            else if (event.key === "-") zoom(scale / 1.5);
            else if (event.key === "0" || (event.key === "Escape" && scale > 1)) zoom(1);
            else if (move && scale > 1) {
                [x, y] = [x + move[0], y + move[1]];
                draw();
            } else return;
            event.preventDefault();
            event.stopImmediatePropagation();
        },
        true,
    );
    addEventListener("resize", draw);
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
    // A group that was named meanwhile moves the others up: nobody is shown twice.
    for (const item of more.querySelectorAll(":scope > [id]"))
        if (document.getElementById(item.id)) item.remove();
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

// Stills of cameras follow the camera.
const stills = document.querySelectorAll("img[data-refresh]");
if (stills.length > 0)
    setInterval(() => {
        if (document.hidden) return;
        for (const still of stills) {
            // The first picture of a camera may take seconds.
            if ("asked" in still.dataset) continue;
            still.dataset.asked = "";
            const next = new Image();
            const address = new URL(still.src);
            address.searchParams.set("at", Date.now());
            next.onload = () => {
                still.src = next.src;
                delete still.dataset.asked;
            };
            next.onerror = () => delete still.dataset.asked;
            next.src = address.href;
        }
    }, 2000);
