// What was asked, kept in this page's memory. Questions can be personal: they are written to the device only where
// someone asks for it, and taken from it again when they change their mind. Answers are never kept.

import { button, byId, make, visible } from "./dom.js";

const PLACE = "rowcall.questions";
const MOST = 30;

const stored = () => {
  try {
    const found = JSON.parse(localStorage.getItem(PLACE) ?? "null");
    return Array.isArray(found) ? found.filter((text) => typeof text === "string").slice(0, MOST) : null;
  } catch { // no storage here, or not what we wrote
    return null;
  }
};

let remembers = stored() !== null;
let questions = stored() ?? [];

const write = () => {
  try {
    if (remembers) localStorage.setItem(PLACE, JSON.stringify(questions));
    else localStorage.removeItem(PLACE);
  } catch { /* this browser keeps nothing: memory has them */ }
};

export const show = (ask) => {
  const place = byId("history");
  place.hidden = !questions.length;
  const toggle = make("input", { type: "checkbox", id: "remember", checked: remembers, on: { change: () => { remembers = toggle.checked; write(); } } });
  place.replaceChildren(
    make("div", { className: "row" }, make("h2", { id: "history-title" }, "Asked before"),
      button("Clear", () => { questions = []; write(); show(ask); byId("question").focus(); }, { className: "link" })),
    make("ul", {}, questions.map((text) => make("li", {}, button(make("bdi", {}, visible(text)), () => ask(text), { className: "past" })))),
    make("label", { className: "quiet small", htmlFor: "remember" }, toggle, " Remember these questions on this device"));
};

export const add = (text, ask) => {
  questions = [text, ...questions.filter((other) => other !== text)].slice(0, MOST);
  write();
  show(ask);
};
