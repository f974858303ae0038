// Speaks to the API that served this page. The credential lives in this module and nowhere else: it is never stored,
// and never part of an address.

const BASE = new URL("../../", import.meta.url);
let credential = "";

export const signIn = (text) => { credential = text.trim(); };
export const isSignedIn = () => credential !== "";
export const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;

// An error as the API tells it (RFC 9457).
export class Problem extends Error {
  constructor(told) {
    super(told.detail);
    this.code = told.code ?? "unknown";
    this.suggestions = told.suggestions ?? [];
    this.requestId = told.request_id ?? "";
    this.wait = told.wait ?? null;
  }
}

const unreachable = () => new Problem({ code: "unreachable", detail: "The server cannot be reached. Check the connection, then try again." });

const problemOf = async (reply) => {
  const told = await reply.json().catch(() => null);
  const wait = Number(reply.headers.get("retry-after")) || null;
  const request_id = reply.headers.get("x-request-id") ?? "";
  if (told?.detail) return new Problem({ request_id, ...told, wait });
  return new Problem({ code: "unknown", detail: `The server answered with status ${reply.status}.`, request_id, wait });
};

// The reply to a request that went well; raises a `Problem`, or an AbortError when `signal` says so.
export const send = async (method, path, body, signal, accept = "application/json") => {
  const headers = { Accept: accept };
  if (credential) headers.Authorization = `Bearer ${credential}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let reply;
  try {
    reply = await fetch(new URL(path, BASE), { method, headers, signal, body: body && JSON.stringify(body) });
  } catch (error) {
    throw error.name === "AbortError" ? error : unreachable();
  }
  if (!reply.ok) throw await problemOf(reply);
  return reply;
};

export const call = async (method, path, body, signal) => {
  const reply = await send(method, path, body, signal);
  if (reply.status === 204) return null;
  return reply.json();
};

// An answer document, its Server-Timing and the milliseconds until it was here.
export const ask = async (query, limit, fresh, signal) => {
  const begin = performance.now();
  const reply = await send("POST", "api/query", { query, timezone, fresh, near_miss: true, ...(limit && { limit }) }, signal);
  const told = await reply.json();
  return { told, steps: steps(reply.headers.get("server-timing") ?? ""), took: performance.now() - begin };
};

// W3C Server Timing: `redis;dur=2.60;desc="1 request", postgres;dur=3.50`.
export const steps = (header) => [...header.matchAll(/([\w-]+)((?:;\w+=(?:"[^"]*"|[^,;]*))*)/g)].map(([, name, rest]) => ({
  name,
  milliseconds: Number(/;dur=([\d.]+)/.exec(rest)?.[1] ?? 0),
  calls: /;desc="([^"]*)"/.exec(rest)?.[1] ?? "",
}));
