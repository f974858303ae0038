// The operators' tab: hit rates by layer over time, spend against budget, what is remembered, and what was nearly the same.

import { call } from "./api.js";
import { problemView } from "./answer.js";
import { announce, button, confirmed, make, visible } from "./dom.js";
import { LAYERS, template } from "./how.js";
import { sqlView } from "./sql.js";
import { count, dollars } from "./values.js";

const DAYS = 14;
const PAGES = 3; // of a hundred plans each: what is used most is among the newest
const SHOWN = 20;

const percent = (share) => (share === null ? "none yet" : share.toLocaleString(undefined, { style: "percent", maximumFractionDigits: 1 }));

const ago = (moment) => {
  const format = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  const minutes = (Date.parse(moment) - Date.now()) / 60_000;
  if (Math.abs(minutes) < 60) return format.format(Math.round(minutes), "minute");
  return Math.abs(minutes) < 48 * 60 ? format.format(Math.round(minutes / 60), "hour") : format.format(Math.round(minutes / 1440), "day");
};

const figure = (name, value, about) => make("div", { className: "figure" }, make("dt", {}, name), make("dd", {}, value), about ? make("dd", { className: "quiet small" }, about) : null);

const figures = ({ month }, stats) => make("dl", { className: "figures" },
  figure("Hit rate, 7 days", percent(stats.asked ? stats.hits.rate : null), `${count(stats.hits.count, "hit")} of ${count(stats.asked, "question")}`),
  figure("Remembered plans", stats.entries.toLocaleString(), `${stats.pinned.toLocaleString()} pinned, used ${stats.avg_use_count.toLocaleString(undefined, { maximumFractionDigits: 1 })} times on average`),
  figure("Spent this month", dollars(month.cost_usd), count(month.calls, "call of a model", "calls of models")),
  figure("Saved this month", dollars(month.saved_usd), "what the hits would have cost to plan"));

const budget = ({ budget: name, spent_usd, limit_usd, percentage, reset }) => {
  const until = new Date(reset).toLocaleDateString(undefined, { dateStyle: "medium", timeZone: "UTC" });
  const whose = name === "tenant" ? "The tenant's budget" : "Your budget";
  if (limit_usd === null) return make("p", { className: "quiet" }, `${whose}: ${dollars(spent_usd)} spent, no limit is set.`);
  return make("div", { className: "budget" },
    make("label", { htmlFor: `budget-${name}` }, whose),
    make("meter", { id: `budget-${name}`, min: 0, max: limit_usd, high: limit_usd * .8, optimum: 0, value: Math.min(spent_usd, limit_usd) }),
    make("span", { className: "quiet" }, `${dollars(spent_usd)} of ${dollars(limit_usd)} (${percentage} %), until ${until}`));
};

const lastDays = (days) => {
  const known = new Map(days.map((day) => [day.day, day]));
  return Array.from({ length: DAYS }, (_, back) => {
    const day = new Date(Date.now() - (DAYS - 1 - back) * 86_400_000).toISOString().slice(0, 10);
    return known.get(day) ?? { day, asked: 0, hit_rate: null, layers: { 1: 0, 2: 0, 3: 0 } };
  });
};

// Columns for the eye, and the same as a table for everybody.
const overTime = (days) => {
  const most = Math.max(1, ...days.map(({ layers }) => layers[1] + layers[2] + layers[3]));
  const format = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
  const columns = make("div", { className: "columns", "aria-hidden": "true" }, days.map(({ day, layers, hit_rate }) => {
    const stack = make("div", { className: "stack", title: `${format.format(new Date(day))}: ${percent(hit_rate)} hits` }, [3, 2, 1].map((layer) => {
      const part = make("span", { className: `fill-${layer}` });
      part.style.height = `${(layers[layer] / most) * 100}%`;
      return part;
    }));
    return make("div", {}, stack, make("small", {}, format.format(new Date(day))));
  }));
  const legend = make("p", { className: "legend", "aria-hidden": "true" }, [1, 2, 3].map((layer) => make("span", {}, make("span", { className: `dot fill-${layer}` }), LAYERS[layer].name)));
  const head = ["Day", "Asked", ...[1, 2, 3].map((layer) => LAYERS[layer].name), "Hit rate"];
  const rows = days.filter(({ asked }) => asked).reverse().map(({ day, asked, layers, hit_rate }) => [format.format(new Date(day)), asked, layers[1], layers[2], layers[3], percent(hit_rate)]);
  return make("section", { className: "panel", "aria-labelledby": "over-time" }, make("h3", { id: "over-time" }, "Answers by layer"), columns, legend,
    make("details", {}, make("summary", {}, "As a table"), make("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Answers by layer, scrollable" }, make("table", {},
      make("thead", {}, make("tr", {}, head.map((name, index) => make("th", { scope: "col", className: index ? "number pad" : "pad" }, name)))),
      make("tbody", {}, rows.map((row) => make("tr", {}, row.map((value, index) => make("td", { className: index ? "number" : "" }, value.toLocaleString())))))))));
};

const allPlans = async () => {
  const plans = [];
  let cursor = "0";
  for (let page = 0; page < PAGES && cursor; page += 1) {
    const told = await call("GET", `api/cache/plans?limit=100&cursor=${cursor}`);
    plans.push(...told.plans);
    cursor = told.cursor;
  }
  return plans.sort((one, other) => other.uses - one.uses);
};

const inspected = (plan) => make("div", { className: "inspected" },
  make("p", { className: "quiet" }, visible(plan.explanation)), sqlView(plan.sql),
  make("p", { className: "quiet small" }, [
    `made by ${plan.model ? `${plan.model} (${plan.planner})` : plan.planner} ${ago(plan.created)}`,
    plan.cost_usd ? `for ${dollars(plan.cost_usd)}` : null, `tables: ${plan.tables.join(", ")}`,
    plan.exact_only ? "serves this very question only" : null,
    plan.aliases ? count(plan.aliases, "other template shares it", "other templates share it") : null,
    plan.stricter ? "must be matched more closely since feedback" : null,
    plan.expires ? `expires ${ago(plan.expires)} unless used` : null,
  ].filter(Boolean).join(" · ")));

// One plan, with what may be done to it.
const planView = (plan) => {
  const place = make("div", {});
  const facts = make("p", { className: "quiet small" });
  const pin = button("", () => change(async () => {
    await call(plan.pinned ? "DELETE" : "PUT", `api/cache/plans/${plan.id}/pin`);
    plan.pinned = !plan.pinned;
    show();
    announce(plan.pinned ? "Pinned" : "No longer pinned");
  }), { className: "plain small" });
  const inspect = button("Inspect", () => {
    const open = inspect.getAttribute("aria-expanded") === "true";
    inspect.setAttribute("aria-expanded", String(!open));
    place.replaceChildren(...(open ? [] : [inspected(plan)]));
  }, { className: "plain small", "aria-expanded": "false" });
  const forget = button("Delete", async () => {
    if (!await confirmed("Delete this plan?", `“${plan.template}” will be planned anew when it is asked again.`, "Delete")) return;
    await change(async () => {
      await call("DELETE", `api/cache/plans/${plan.id}`);
      view.remove();
      announce("Deleted");
    });
  }, { className: "plain small" });
  const show = () => {
    pin.textContent = plan.pinned ? "Unpin" : "Pin";
    facts.replaceChildren(...(plan.pinned ? [make("span", { className: "badge layer-1" }, "pinned"), " "] : []),
      `${count(plan.uses, "use")} · last ${ago(plan.used)} · ${plan.model || plan.planner}`);
  };
  const change = async (act) => {
    try {
      await act();
    } catch (problem) {
      if (!problem.code) throw problem;
      place.replaceChildren(problemView(problem));
    }
  };
  const view = make("li", { className: "plan" }, make("div", { className: "row" },
    make("div", {}, template(plan.template), facts), make("div", { className: "actions" }, inspect, pin, forget)), place);
  show();
  return view;
};

const plansView = (plans) => {
  const list = make("ul", {}, plans.slice(0, SHOWN).map(planView));
  const more = plans.length > SHOWN ? button(`Show all ${plans.length}`, () => { list.append(...plans.slice(SHOWN).map(planView)); more.remove(); }) : null;
  return make("section", { className: "panel list", "aria-labelledby": "plans" }, make("h3", { id: "plans" }, "Top questions and their plans"),
    plans.length ? list : make("p", { className: "quiet" }, "Nothing is remembered yet. Ask something first."), more);
};

const nearMisses = ({ near_misses: found }) => make("section", { className: "panel list", "aria-labelledby": "near" },
  make("h3", { id: "near" }, "Near, and not the same"),
  make("p", { className: "quiet small" }, "Questions that were planned although a remembered one was near, and why. Only templates are kept, never a value."),
  found.length ? make("ul", {}, found.slice(0, SHOWN).map((miss) => make("li", {},
    make("div", {}, template(miss.template), make("span", { className: "quiet" }, " is not "), template(miss.matched_query)),
    make("p", { className: "quiet small" }, `${percent(miss.similarity)} similar · ${miss.rule}: `, make("bdi", {}, visible(miss.why))))))
    : make("p", { className: "quiet" }, "None yet."));

const load = async (place, signInFirst) => {
  place.setAttribute("aria-busy", "true");
  try {
    const [usage, stats, plans, near] = await Promise.all([
      call("GET", "api/usage?of=tenant"), call("GET", "api/cache/stats?days=7"), allPlans(), call("GET", "api/cache/near-misses")]);
    place.replaceChildren(figures(usage, stats), make("div", { className: "budgets" }, usage.budgets.map(budget)),
      overTime(lastDays(usage.days)), plansView(plans), nearMisses(near));
    announce("Figures are up to date");
  } catch (problem) {
    if (!problem.code) throw problem;
    place.replaceChildren(problemView(problem));
    if (problem.code === "unauthenticated") signInFirst(problem, () => load(place, signInFirst));
  } finally {
    place.removeAttribute("aria-busy");
  }
};

export const start = (section, signInFirst) => {
  const place = make("div", { className: "operate" });
  section.replaceChildren(make("div", { className: "row" }, make("h2", {}, "How it is doing"),
    button("Refresh", () => load(place, signInFirst), { className: "plain small" })), place);
  load(place, signInFirst);
};
