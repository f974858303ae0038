// An answer document as a person reads it: the rows first, then how they were found.

import { call, timezone } from "./api.js";
import { chart, suits } from "./chart.js";
import { announce, button, copier, icon, make, visible } from "./dom.js";
import { glance, how, timing } from "./how.js";
import { sqlView } from "./sql.js";
import { single, table } from "./table.js";
import { count, csv } from "./values.js";

const save = (name, type, text) => {
  const address = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
};

const fileName = (query, ending) => `${query.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "rows"}.${ending}`;

export const downloads = ({ query, columns, data }) => [
  button("CSV", () => save(fileName(query, "csv"), "text/csv;charset=utf-8", csv(columns, data)), { className: "plain small", "aria-label": "Download CSV" }),
  button("JSON", () => save(fileName(query, "json"), "application/json", JSON.stringify(data, null, 1)), { className: "plain small", "aria-label": "Download JSON" }),
];

// The rows of a document: one value, a table, and a chart where they suit one.
export const rows = (told) => {
  const { data, columns, truncated } = told;
  if (!data.length) return make("p", { className: "none" }, "No rows. The question was understood, and nothing in the database fits it.");
  if (data.length === 1 && columns.length === 1) return single(told);
  const shape = suits(told);
  return make("div", { className: "rows" },
    shape ? chart(told, shape) : null,
    table(told, told.query),
    truncated ? make("p", { className: "quiet" }, `There are more: these are the first ${count(data.length, "row")}. Ask for more rows, or for less at once.`) : null);
};

const EFFECTS = {
  example_kept: "Thank you. It is kept as an example to plan by.",
  alias_removed: "Thank you. These two questions are no longer taken for the same.",
  plan_dropped: "Thank you. That plan is forgotten; ask again and it is planned anew.",
};

const feedback = ({ query }, again) => {
  const effect = make("span", { className: "quiet", role: "status" });
  const judge = async (verdict) => {
    for (const thumb of thumbs) thumb.disabled = true;
    try {
      const told = await call("POST", "api/feedback", { query, timezone, verdict });
      effect.replaceChildren(EFFECTS[told.effect] ?? "Thank you.", ...(verdict === "wrong" ? [" ", button("Ask again", again, { className: "link" })] : []));
    } catch (problem) {
      effect.textContent = problem.message;
      for (const thumb of thumbs) thumb.disabled = false;
    }
  };
  const thumbs = [["right", "up", "This is right"], ["wrong", "down", "This is wrong"]].map(([verdict, name, label]) =>
    button(icon(name), () => judge(verdict), { className: "plain small thumb", "aria-label": label, title: label }));
  return make("div", { className: "feedback" }, ...thumbs, effect);
};

// `again(fresh)` asks the same question once more.
export const answer = ({ told, steps, took }, again) => {
  const { query, explanation, meta, sql, params } = told;
  announce(`${count(told.row_count, "row")}. ${explanation}`);
  return make("article", { className: "answer", "aria-labelledby": "asked" },
    make("header", {},
      make("h2", { id: "asked" }, make("bdi", {}, visible(query))),
      make("p", { className: "quiet" }, make("bdi", {}, visible(explanation))), glance(told, took)),
    meta.degraded ? make("p", { className: "notice" }, "Degraded: something this service relies on is down. The rows are right, but this took longer, and may not be remembered.") : null,
    rows(told),
    make("div", { className: "tools" }, feedback(told, () => again(false)),
      make("div", { className: "actions" }, ...(told.data.length ? downloads(told) : []), copier("Copy link", () => `${location.origin}${location.pathname}#q=${encodeURIComponent(query)}`),
        button("Plan anew", () => again(true), { className: "plain small", title: "Ignore what is remembered" }))),
    make("div", { className: "panels" },
      make("section", { className: "panel wide", "aria-label": "SQL" }, sqlView(sql, params)),
      make("section", { className: "panel", "aria-label": "How it was found" }, how(told)),
      make("section", { className: "panel", "aria-label": "Where the time went" }, timing(steps, took))));
};

// A `Problem` as its sentence, with what would work.
export const problemView = (problem, ask) => make("div", { className: "problem", role: "alert" },
  make("p", { className: "sentence" }, make("bdi", {}, visible(problem.message))),
  problem.wait ? make("p", { className: "quiet" }, `Try again in ${count(problem.wait, "second")}.`) : null,
  problem.suggestions.length && ask ? make("div", { className: "suggestions", role: "group", "aria-label": "Questions that work" },
    make("span", { className: "quiet" }, "These work:"), problem.suggestions.map((text) => button(visible(text), () => ask(text), { className: "chip" }))) : null,
  problem.requestId ? make("p", { className: "quiet small" }, "Request ", make("code", {}, problem.requestId)) : null);
