// The ask tab: a question, its answer or what went wrong, and what was asked before.

import { answer, problemView } from "./answer.js";
import * as api from "./api.js";
import { announce, button, byId, make, visible } from "./dom.js";
import * as history from "./history.js";
import { milliseconds } from "./values.js";

let running = null;

const waiting = (stop) => {
  const clock = make("span", { className: "time" });
  const begin = performance.now();
  const tick = setInterval(() => { clock.textContent = milliseconds(Math.round((performance.now() - begin) / 100) * 100); }, 100);
  const view = make("div", { className: "waiting" },
    make("p", {}, "Looking for your rows ", clock, button("Cancel", stop, { className: "plain small" })),
    make("div", { className: "bones", "aria-hidden": "true" }, [1, 2, 3, 4].map(() => make("span"))));
  return { view, end: () => clearInterval(tick) };
};

// Asks `text`. `needSignIn` is called when that is missing, with what to do afterwards.
const ask = async (text, fresh = false) => {
  const question = text.trim();
  const input = byId("question");
  input.value = text;
  if (!question) { input.focus(); return; }
  running?.abort();
  const mine = running = new AbortController();
  const place = byId("answer");
  const wait = waiting(() => mine.abort());
  byId("hero").hidden = byId("suggestions").hidden = true;
  document.body.classList.add("asked");
  place.replaceChildren(wait.view);
  place.setAttribute("aria-busy", "true");
  announce("Looking for your rows");
  try {
    const found = await api.ask(question, Number(byId("limit").value), fresh, mine.signal);
    if (mine !== running) return;
    place.replaceChildren(answer(found, (anew) => ask(question, anew)));
    history.add(question, ask);
  } catch (problem) {
    if (mine !== running) return;
    if (problem.name === "AbortError") {
      place.replaceChildren(make("p", { className: "none" }, "Cancelled."));
      announce("Cancelled");
      input.focus();
    } else if (problem.code === "unauthenticated") {
      place.replaceChildren();
      needSignIn(problem, () => ask(question, fresh));
    } else if (problem.code) {
      place.replaceChildren(problemView(problem, ask));
    } else throw problem;
  } finally {
    wait.end();
    if (mine === running) place.removeAttribute("aria-busy");
  }
};

let needSignIn = () => {};

export const suggest = async () => {
  const place = byId("suggestions");
  const { suggestions } = await api.call("GET", "api/suggestions");
  place.replaceChildren(...suggestions.map((text) => button(visible(text), () => ask(text), { className: "chip" })));
  place.hidden = !suggestions.length || document.body.classList.contains("asked");
  if (suggestions.length) byId("question").placeholder = suggestions[0];
};

export const start = (signInFirst) => {
  needSignIn = signInFirst;
  const input = byId("question");
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask(input.value);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && running && byId("answer").hasAttribute("aria-busy")) running.abort();
  });
  // A question may come in the fragment, which no server ever sees. It is not asked by itself: a link spends nobody's budget.
  const linked = new URLSearchParams(location.hash.slice(1)).get("q");
  if (linked) input.value = linked;
  history.show(ask);
};
