// How an answer was found: the layer in words, what it cost, and where the time went.

import { make, visible } from "./dom.js";
import { count, dollars, milliseconds } from "./values.js";

export const LAYERS = {
  1: { name: "Remembered", about: "This question was planned before; today's values were put into that plan. No model was asked." },
  2: { name: "Remembered by meaning", about: "Another question that means the same was planned before. No model was asked." },
  3: { name: "Planned now", about: "Nothing remembered fitted, so a plan was made, checked and kept for next time." },
};

const STEPS = {
  read: "Reading the question", redis: "Looking up remembered plans", semantic: "Looking for the same meaning",
  plan: "Planning", postgres: "Running in Postgres", network: "On the way to you and back",
};

const NEAR = .5; // below it, nobody would call two questions near

const who = ({ planner, model }) => (model ? `${model} (${planner})` : planner === "grammar" ? "the grammar, without a model" : planner);

export const badge = (layer) => make("span", { className: `badge layer-${layer}` }, LAYERS[layer].name);

// A template with its slots set off: "top {count} products".
export const template = (text) => make("bdi", { className: "template" }, text.split(/(\{[^}]*\})/).map((piece) =>
  (piece.startsWith("{") ? make("span", { className: "slot" }, visible(piece.slice(1, -1))) : visible(piece))));

const facts = ({ meta }) => {
  const near = meta.near_miss?.similarity >= NEAR ? meta.near_miss : null;
  const rows = [
    ["Layer", `${meta.cache_layer}. ${LAYERS[meta.cache_layer].about}`],
    meta.matched_query && ["Matched", template(meta.matched_query)],
    meta.similarity !== null && ["Similarity", `${(meta.similarity * 100).toFixed(1)} %`],
    [meta.cache_layer === 3 ? "Planned by" : "First planned by", who(meta)],
    meta.passed_over.length > 0 && ["Not reachable", meta.passed_over.join(", ")],
    meta.attempts > 1 && ["Attempts", String(meta.attempts)],
    meta.tokens.input + meta.tokens.output > 0 && ["Tokens", `${meta.tokens.input.toLocaleString()} in, ${meta.tokens.output.toLocaleString()} out`],
    ["Cost", meta.cost_usd ? dollars(meta.cost_usd) : "nothing"],
    near && ["Not the same as", [template(near.matched_query), `: ${visible(near.why)}`]],
    ["Request", make("code", {}, meta.request_id)],
  ];
  return make("dl", { className: "facts" }, rows.filter(Boolean).map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, ...[value].flat()))));
};

// A bar whose parts are as long as the steps took, and the same as a list.
export const timing = (steps, took) => {
  const known = steps.reduce((sum, step) => sum + step.milliseconds, 0);
  const all = [...steps, { name: "network", milliseconds: Math.max(took - known, 0), calls: "" }].filter((step) => step.milliseconds >= .005);
  const bar = make("div", { className: "bar", "aria-hidden": "true" }, all.map((step) => {
    const part = make("span", { className: `step-${step.name}` });
    part.style.flexGrow = String(step.milliseconds);
    return part;
  }));
  return make("div", { className: "timing" }, make("h3", {}, "Where the time went"), bar, make("ul", {}, all.map((step) => make("li", {},
    make("span", { className: `dot step-${step.name}`, "aria-hidden": "true" }), STEPS[step.name] ?? step.name,
    step.calls ? make("small", {}, ` ${step.calls}`) : null, make("span", { className: "time" }, milliseconds(step.milliseconds))))),
  make("p", { className: "total" }, "In all", make("span", { className: "time" }, milliseconds(Math.max(took, known)))));
};

export const how = (told) => make("div", { className: "found" }, make("h3", {}, "How it was found"), facts(told));

export const glance = ({ meta, row_count, truncated }, took) => make("p", { className: "glance" },
  badge(meta.cache_layer),
  make("span", {}, truncated ? `the first ${count(row_count, "row")}` : count(row_count, "row")),
  make("span", {}, milliseconds(took ?? meta.latency_ms)),
  make("span", {}, meta.cost_usd ? dollars(meta.cost_usd) : "no cost"));
