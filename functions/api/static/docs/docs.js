"use strict";
// Shows openapi.json and lets one try it. Text goes in as text only, never as HTML.

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// Text with `code` in it.
const prose = (text = "") => text.split("`").map((part, index) => index % 2 ? make("code", { textContent: part }) : part);

let schemas = {};

// One line about a schema: its type, or those it may be.
const kind = (schema = {}) => {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(kind).join(" | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `${kind(schema.items)}[]`;
  return schema.format ?? schema.type ?? "any";
};

const table = (rows) => make("table", {}, ...rows.map(([name, type, about]) => make("tr", {},
  make("td", {}, make("code", { textContent: name })),
  make("td", {}, make("code", { textContent: type })),
  make("td", {}, ...prose(about)))));

const fields = (schema) => {
  const named = schema.$ref ? schemas[schema.$ref.split("/").pop()] : schema;
  const required = named.required ?? [];
  return table(Object.entries(named.properties ?? {}).map(([name, field]) =>
    [name + (required.includes(name) ? " *" : ""), kind(field), field.description]));
};

// What a body may look like: the examples of its required fields.
const example = (schema) => {
  const named = schema.$ref ? schemas[schema.$ref.split("/").pop()] : schema;
  return Object.fromEntries((named.required ?? []).map((name) => [name, named.properties[name].examples?.[0] ?? ""]));
};

const send = async (method, path, parameters, body, output) => {
  const query = new URLSearchParams();
  const headers = {};
  let address = path.replace(/^\//, "");
  for (const { name, place, input } of parameters) {
    if (place === "path") address = address.replace(`{${name}}`, encodeURIComponent(input.value));
    else if (input.value && place === "query") query.set(name, input.value);
    else if (input.value && place === "header") headers[name] = input.value;
  }
  const credential = document.getElementById("credential").value.trim();
  if (credential) headers.Authorization = `Bearer ${credential}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const begin = performance.now();
  try {
    const reply = await fetch(address + (query.size ? `?${query}` : ""), { method, headers, body });
    const took = Math.round(performance.now() - begin);
    const text = await reply.text();
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 1); } catch { /* it is not JSON: shown as it is */ }
    const told = [...reply.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    output.textContent = `${reply.status} in ${took} ms\n${told}\n\n${shown}`;
  } catch (error) {
    output.textContent = String(error);
  }
};

const operation = (method, path, told) => {
  const content = told.requestBody?.content["application/json"]?.schema;
  const parameters = (told.parameters ?? []).map((parameter) => ({
    ...parameter,
    place: parameter.in,
    input: make("input", { ariaLabel: parameter.name, placeholder: kind(parameter.schema) }),
  }));
  const body = content && make("textarea", {
    ariaLabel: "body", spellcheck: false, value: JSON.stringify(example(content), null, 1),
  });
  const output = make("pre", { hidden: true });
  const button = make("button", { type: "button", textContent: "Send" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    await send(method.toUpperCase(), path, parameters, body?.value, output);
    button.disabled = output.hidden = false;
  });
  const inputs = make("table", {}, ...parameters.map(({ name, place, required, description, input }) => make("tr", {},
    make("td", {}, make("code", { textContent: name + (required ? " *" : "") })),
    make("td", { textContent: place }), make("td", {}, input), make("td", {}, ...prose(description)))));
  const answers = Object.entries(told.responses).map(([status, answer]) =>
    [status, kind(Object.values(answer.content ?? {})[0]?.schema), answer.description]);
  const success = told.responses["200"]?.content?.["application/json"]?.schema;
  return make("details", { id: told.operationId },
    make("summary", {}, make("span", { className: "method", textContent: method.toUpperCase() }), path,
      make("small", { textContent: told.security ? "signed in" : "" })),
    make("p", {}, ...prose(told.description ?? told.summary)),
    ...(parameters.length ? [make("h2", { textContent: "Parameters" }), inputs] : []),
    ...(body ? [make("h2", { textContent: "Body" }), fields(content), body] : []),
    button, output,
    ...(success ? [make("h2", { textContent: "Answer" }), fields(success)] : []),
    make("h2", { textContent: "Statuses" }), table(answers));
};

const show = async () => {
  const main = document.getElementById("operations");
  const openapi = await (await fetch("openapi.json")).json();
  schemas = openapi.components.schemas;
  document.getElementById("about").textContent = openapi.info.description;
  for (const [path, operations] of Object.entries(openapi.paths)) {
    for (const [method, told] of Object.entries(operations)) main.append(operation(method, path, told));
  }
  main.firstElementChild.open = true;
  main.ariaBusy = "false";
};

show();
