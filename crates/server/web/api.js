// Each operation of openapi.json as a form that can be sent.
"use strict";

// The path below which a proxy shows the server, or nothing.
const base = location.pathname.replace(/\/api\/fusiform\/v1\/.*$/, "");

const make = (name, parent, text = "") => {
  const element = document.createElement(name);
  element.textContent = text;
  return parent.appendChild(element);
};

const resolve = (all, schema) =>
  schema.$ref ? resolve(all, all.components.schemas[schema.$ref.split("/").pop()]) : schema;

// A body to start from: every field once.
const example = (all, given) => {
  const schema = resolve(all, given);
  if (schema.enum) return schema.enum[0];
  if (schema.properties) {
    return Object.fromEntries(
      Object.entries(schema.properties).map(([name, of]) => [name, example(all, of)]),
    );
  }
  const kind = [schema.type].flat()[0];
  return (
    {
      array: () => [example(all, schema.items)],
      integer: () => null,
      string: () => "",
      boolean: () => false,
    }[kind]?.() ?? null
  );
};

function operation(all, path, method, about, parent) {
  const box = make("details", parent);
  const head = make("summary", box);
  make("code", head, `${method.toUpperCase()} ${path}`);
  make("div", head, [about.summary, about.description].filter(Boolean).join(" "));
  const fields = (about.parameters ?? []).map((parameter) => {
    const label = make(
      "label",
      box,
      `${parameter.name}${parameter.required ? "" : " (may be empty)"}`,
    );
    if (parameter.description) make("small", label, ` ${parameter.description}`);
    return [parameter, make("input", label)];
  });
  const body = about.requestBody?.content;
  let file, text;
  if (body?.["application/octet-stream"]) {
    file = make("input", make("label", box, "image"));
    file.type = "file";
  } else if (body?.["application/json"]) {
    text = make("textarea", make("label", box, "body"));
    text.value = JSON.stringify(example(all, body["application/json"].schema), null, 2);
  }
  const send = make("button", box, "Send");
  const answer = make("pre", box);
  answer.setAttribute("aria-live", "polite");
  answer.tabIndex = 0; // it scrolls, also by keyboard
  answer.hidden = true;
  send.onclick = async () => {
    let target = base + path;
    const query = new URLSearchParams();
    for (const [parameter, input] of fields) {
      if (parameter.in === "path")
        target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value) query.set(parameter.name, input.value);
    }
    const headers = { "x-api-key": document.getElementById("key").value };
    if (text) headers["content-type"] = "application/json";
    answer.hidden = false;
    answer.textContent = "…";
    try {
      const reply = await fetch(query.size ? `${target}?${query}` : target, {
        method: method.toUpperCase(),
        headers,
        body: file?.files[0] ?? text?.value,
      });
      const said = await reply.text();
      let shown = said;
      try {
        shown = JSON.stringify(JSON.parse(said), null, 2);
      } catch {
        /* not JSON: as it is */
      }
      answer.textContent = `${reply.status} ${reply.statusText}\n${shown}`;
    } catch (error) {
      answer.textContent = String(error);
    }
  };
}

fetch("openapi.json")
  .then((reply) => reply.json())
  .then((all) => {
    document.getElementById("about").textContent = all.info.description;
    const parent = document.getElementById("operations");
    for (const [path, methods] of Object.entries(all.paths)) {
      for (const [method, about] of Object.entries(methods))
        operation(all, path, method, about, parent);
    }
  });
