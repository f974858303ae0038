// The chat tab: a reply is shown as it comes, each claim with the rows it rests on. A reply that was cut is shown as cut.

import * as api from "./api.js";
import { downloads, problemView, rows } from "./answer.js";
import { announce, button, confirmed, icon, make, visible } from "./dom.js";
import { eventsOf } from "./events.js";
import { badge } from "./how.js";
import { prose } from "./prose.js";
import { sqlView } from "./sql.js";
import { count, dollars } from "./values.js";

const MOST_CHARACTERS = 40_000; // of earlier messages that go along, below what the API takes

const page = {};
let chat = { id: null, messages: [] };
let running = null;

// What of a chat goes along: the latest messages, beginning with one of the user's.
const recent = (messages) => {
  let characters = 0;
  const kept = messages.filter((_, index) => {
    characters = messages.slice(index).reduce((sum, { content }) => sum + content.length, 0);
    return characters <= MOST_CHARACTERS;
  });
  return kept.slice(kept.findIndex(({ role }) => role === "user"));
};

const evidence = (told) => make("details", { className: "evidence", open: true },
  make("summary", {}, make("bdi", {}, visible(told.query)), make("span", { className: "quiet" }, ` ${count(told.row_count, "row")} `), badge(told.meta.cache_layer)),
  rows(told),
  make("details", {}, make("summary", {}, "SQL"), sqlView(told.sql, told.params)),
  told.data.length ? make("div", { className: "actions" }, ...downloads(told)) : null);

const TOOLS = { query: "Asking the database", explain: "Planning", list_tables: "Looking at the tables" };

const step = ({ name, input, state, problem }) => {
  const about = input?.query ?? input?.question ?? input?.name ?? "";
  return [make("span", { className: `state ${state}`, "aria-hidden": "true" }), `${TOOLS[name] ?? name} `,
    about ? make("q", {}, make("bdi", {}, visible(String(about)))) : null,
    state === "failed" ? make("span", { className: "wrong" }, ` ${visible(problem?.detail ?? "failed")}`) : null,
    make("span", { className: "unseen" }, ` ${state}`)];
};

const spent = ({ usage, meta }) => [
  meta?.cached ? "told before, no model was asked" : usage?.model ? `${usage.model}, ${(usage.tokens.input + usage.tokens.cached + usage.tokens.cache_write + usage.tokens.output).toLocaleString()} tokens` : null,
  usage?.cost_usd ? dollars(usage.cost_usd) : null, meta?.degraded ? "degraded: something this service relies on is down" : null,
].filter(Boolean).join(" · ");

// A reply that grows: what is told is put at its end, in the order it comes.
const reply = () => {
  const body = make("div", { className: "body" });
  const foot = make("p", { className: "quiet small" });
  const view = make("li", { className: "message assistant", "aria-busy": "true" }, make("span", { className: "unseen" }, "rowcall: "), body, foot);
  const steps = new Map();
  let paragraph = null;
  let drawn = 0;
  const draw = () => { drawn = 0; paragraph?.view.replaceChildren(...prose(paragraph.text)); };
  const last = (child) => { draw(); paragraph = null; body.append(child); };
  const told = { usage: null, meta: null };
  return {
    view,
    text({ text }) {
      if (!paragraph) {
        const next = { text: "", view: make("div", { className: "prose" }) };
        last(next.view);
        paragraph = next;
      }
      paragraph.text += text;
      drawn ||= requestAnimationFrame(draw);
    },
    tool(event) {
      if (!steps.has(event.id)) {
        steps.set(event.id, make("p", { className: "step" }));
        last(steps.get(event.id));
      }
      steps.get(event.id).replaceChildren(...step(event).filter(Boolean));
    },
    rows(event) { last(evidence(event)); },
    usage(event) { told.usage = event; },
    done({ meta }) { told.meta = meta; },
    error(problem, retry) { last(problemView(new api.Problem(problem))); if (retry) last(button("Try again", retry)); },
    end(note = "") {
      draw();
      view.removeAttribute("aria-busy");
      for (const one of body.querySelectorAll(".started")) one.classList.replace("started", "failed");
      if (note) last(make("p", { className: "notice" }, note));
      foot.textContent = spent(told);
      announce(note || body.textContent.slice(0, 300));
    },
  };
};

const follow = (change) => {
  const low = page.list.getBoundingClientRect().bottom - innerHeight < 160;
  change();
  if (low) page.end.scrollIntoView({ block: "end" });
};

const own = (content) => make("li", { className: "message user" }, make("span", { className: "unseen" }, "You: "), make("p", {}, make("bdi", {}, visible(content))));

const isBusy = (busy) => {
  page.send.hidden = busy;
  page.stop.hidden = !busy;
};

// One message, and its reply as it comes. Only a whole reply becomes part of the chat.
const say = async (content) => {
  const mine = running = new AbortController();
  const here = chat;
  const view = reply();
  page.hello.hidden = true;
  page.anew.hidden = false;
  page.list.append(own(content), view.view);
  page.end.scrollIntoView({ block: "end" });
  isBusy(true);
  const said = { role: "user", content };
  const messages = here.id ? [said] : [...recent(here.messages), said]; // a conversation that is kept knows the others
  let whole = null;
  let failed = false;
  const retry = () => { page.list.lastChild.remove(); page.list.lastChild.remove(); say(content); };
  const take = (name, data) => {
    if (name === "done") whole = data;
    if (name === "error") failed = true;
    if (name in view) follow(() => view[name](data, retry));
  };
  try {
    const answered = await api.send("POST", "api/chat", {
      messages, stream: true, timezone: api.timezone, ...(here.id && { conversation_id: here.id }),
    }, mine.signal, "text/event-stream, application/json");
    if (answered.headers.get("content-type")?.startsWith("application/json")) { // told whole, where nothing can stream
      const told = await answered.json();
      for (const tool of told.tools) take("tool", tool);
      for (const found of told.evidence) take("rows", found);
      take("text", { text: told.message.content });
      take("usage", told.usage);
      take("done", told);
    } else for await (const { name, data } of eventsOf(answered)) take(name, data);
    follow(() => view.end(whole || failed ? "" : "This reply was cut off. What stands here is not whole."));
  } catch (problem) {
    if (problem.code === "unauthenticated") {
      page.list.lastChild.remove();
      page.list.lastChild.remove();
      page.signInFirst(problem, () => say(content));
    } else {
      const told = problem instanceof api.Problem;
      if (told) view.error({ detail: problem.message, request_id: problem.requestId, suggestions: problem.suggestions, wait: problem.wait }, retry);
      follow(() => view.end(told ? "" : problem.name === "AbortError" ? "Stopped. What stands here is not whole." : "This reply was cut off. What stands here is not whole."));
    }
  } finally {
    isBusy(false);
    if (running === mine) running = null;
  }
  if (!whole || here !== chat) return;
  here.id = whole.conversation_id ?? here.id;
  here.messages = [...here.messages, said, { role: "assistant", content: whole.message.content }];
  if (here.id) conversations();
};

const begin = (id = null) => {
  running?.abort();
  chat = { id, messages: [] };
  page.list.replaceChildren();
  page.hello.hidden = false;
  page.anew.hidden = true;
  page.input.focus();
};

const openConversation = async (id) => {
  begin(id);
  page.hello.hidden = true;
  page.anew.hidden = false;
  const here = chat;
  let cursor = "";
  try {
    do {
      const told = await api.call("GET", `api/conversations/${encodeURIComponent(id)}?limit=50${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      if (here !== chat) return;
      for (const { role, content, evidence: found } of told.turns) {
        here.messages.push({ role, content });
        page.list.append(role === "user" ? own(content) : make("li", { className: "message assistant" },
          make("span", { className: "unseen" }, "rowcall: "), make("div", { className: "prose" }, prose(content)), (found ?? []).filter((one) => one.data).map(evidence)));
      }
      cursor = told.cursor ?? "";
    } while (cursor);
    page.end.scrollIntoView({ block: "end" });
  } catch (problem) {
    if (!problem.code) throw problem;
    page.list.append(make("li", {}, problemView(problem)));
  }
};

const forget = async (id, title) => {
  if (!await confirmed("Delete this conversation?", title, "Delete")) return;
  await api.call("DELETE", `api/conversations/${encodeURIComponent(id)}`);
  if (chat.id === id) begin();
  announce("Deleted");
  conversations();
};

const suggest = async () => {
  const { suggestions } = await api.call("GET", "api/suggestions");
  page.hello.lastChild.replaceChildren(...suggestions.slice(0, 3).map((text) => button(visible(text), () => say(text), { className: "chip" })));
};

// The list of what was talked about before; nothing where conversations are not kept.
const conversations = async () => {
  const told = await api.call("GET", "api/conversations?limit=30").catch(() => null);
  page.past.hidden = !told?.conversations.length;
  page.past.replaceChildren(make("summary", {}, "Earlier conversations"), make("ul", {}, (told?.conversations ?? []).map(({ id, title }) => make("li", {},
    button(make("bdi", {}, visible(title || "Untitled")), () => openConversation(id), { className: "past" }),
    button("Delete", () => forget(id, title), { className: "link small", "aria-label": `Delete ${title}` })))));
};

export const start = (section, signInFirst) => {
  page.signInFirst = signInFirst;
  page.hello = make("div", { className: "hero" }, make("h2", {}, "Talk to your data"),
    make("p", { className: "quiet" }, "Ask, then ask on. Every figure comes with the rows and the SQL it rests on."),
    make("div", { className: "suggestions", role: "group", "aria-label": "Questions to begin with" }));
  page.list = make("ol", { className: "messages", "aria-label": "Messages" });
  page.end = make("div", { className: "end" });
  page.past = make("details", { className: "conversations", hidden: true });
  page.input = make("textarea", { id: "message", rows: 1, maxLength: 4000, placeholder: "How did revenue develop this year?", on: {
    keydown: (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); }
      if (event.key === "Escape") running?.abort();
    },
  } });
  page.send = make("button", { type: "submit", className: "main round", "aria-label": "Send", title: "Send" }, icon("send"));
  page.stop = button(icon("stop"), () => running?.abort(), { className: "main round", "aria-label": "Stop", title: "Stop", hidden: true });
  page.anew = button("New chat", () => begin(), { className: "plain small", hidden: true });
  const submit = () => {
    const content = page.input.value.trim();
    if (!content || running) return;
    page.input.value = "";
    say(content);
  };
  section.replaceChildren(
    make("div", { className: "row" }, page.past, page.anew),
    page.hello, page.list,
    make("form", { className: "question composer", on: { submit: (event) => { event.preventDefault(); submit(); } } },
      make("label", { className: "unseen", htmlFor: "message" }, "Message"), page.input, page.send, page.stop), page.end);
  page.input.focus();
  conversations();
  suggest().catch(() => {}); // a convenience, as on the other tab
};
