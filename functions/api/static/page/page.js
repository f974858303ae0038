// Starts the page: who is here, what they may do, and which tab is shown.

import * as api from "./api.js";
import * as ask from "./ask.js";
import { announce, button, byId, make } from "./dom.js";

const TABS = ["ask", "chat", "operate"];
const started = new Set(["ask"]);

const open = async (name, focus = false) => {
  for (const tab of TABS) {
    const here = tab === name;
    byId(`tab-${tab}`).setAttribute("aria-selected", String(here));
    byId(`tab-${tab}`).tabIndex = here ? 0 : -1;
    byId(tab).hidden = !here;
  }
  if (focus) byId(`tab-${name}`).focus();
  if (started.has(name)) return;
  try {
    const module = await import(`./${name}.js`);
    if (started.has(name)) return;
    started.add(name);
    module.start(byId(name), signInFirst);
  } catch {
    byId(name).replaceChildren(make("p", { className: "none" }, "This part could not be loaded. Check the connection, then reload the page."));
  }
};

const moves = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };

const onKey = (event) => {
  if (!(event.key in moves)) return;
  event.preventDefault();
  const shown = TABS.filter((tab) => !byId(`tab-${tab}`).hidden);
  const here = shown.findIndex((tab) => byId(`tab-${tab}`).getAttribute("aria-selected") === "true");
  const by = moves[event.key];
  open(shown[Number.isFinite(by) ? (here + by + shown.length) % shown.length : by < 0 ? 0 : shown.length - 1], true);
};

const signInFirst = (problem, then) => {
  const dialog = byId("sign-in");
  const input = make("input", { type: "password", id: "credential", autocomplete: "off", spellcheck: false, required: true });
  const wrong = make("p", { className: "sentence", role: "alert" }, problem?.message ?? "");
  const close = () => { input.value = ""; dialog.close(); };
  const submit = async (event) => {
    event.preventDefault();
    api.signIn(input.value);
    try {
      await welcome();
    } catch (refused) {
      api.signIn("");
      wrong.textContent = refused.message;
      input.select();
      return;
    }
    close();
    then?.();
  };
  dialog.oncancel = () => { input.value = ""; };
  dialog.replaceChildren(make("form", { on: { submit } },
    make("h2", { id: "sign-in-title" }, "Sign in"), wrong,
    make("label", { htmlFor: "credential" }, "Token or API key"), input,
    make("p", { className: "quiet small" }, "It stays in this page's memory, and is gone when you close or reload it."),
    make("div", { className: "actions" }, button("Cancel", close), make("button", { type: "submit", className: "main" }, "Sign in"))));
  if (!dialog.open) dialog.showModal();
  input.focus();
};

// Shows who is here and what they may do; raises a `Problem`.
const welcome = async () => {
  const me = await api.call("GET", "api/me");
  byId("who").textContent = api.isSignedIn() ? me.user : "";
  byId("sign").hidden = !api.isSignedIn();
  byId("sign").textContent = "Sign out";
  byId("tab-chat").hidden = !me.scopes.includes("chat");
  byId("tab-operate").hidden = !me.scopes.includes("operator");
  if (api.isSignedIn()) announce(`Signed in as ${me.user}`);
  if (me.scopes.includes("query")) ask.suggest().catch(() => {}); // a convenience: without it one still asks
};

const onSign = () => {
  if (api.isSignedIn()) location.reload(); // memory is all there was
  else signInFirst();
};

ask.start(signInFirst);
byId("sign").addEventListener("click", onSign);
byId("tabs").addEventListener("keydown", onKey);
for (const tab of TABS) byId(`tab-${tab}`).addEventListener("click", () => open(tab));
welcome().catch((problem) => {
  byId("sign").hidden = false;
  if (problem.code === "unauthenticated" && !byId("question").value) signInFirst(); // who types already is not interrupted
});
