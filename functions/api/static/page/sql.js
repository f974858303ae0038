// SQL for the eye: lines, indentation and colours. It reads tokens, not grammar, and changes no character but spaces.

import { copier, make, visible } from "./dom.js";

const TOKEN = /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$\d+|\d+(?:\.\d+)?|\w+|::|<>|[<>!]=|\|\||\s+|[^\s\w]/gy;
const CLAUSES = new Set(["SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "UNION", "INTERSECT", "EXCEPT", "WITH", "WINDOW"]);
const JOINS = new Set(["LEFT", "RIGHT", "FULL", "INNER", "CROSS", "JOIN"]);
const WORDS = new Set([...CLAUSES, ...JOINS, ..."ALL AND AS ASC BETWEEN BY CASE CAST DESC DISTINCT ELSE END EXISTS FALSE FILTER FIRST ILIKE IN IS LAST LATERAL LIKE NOT NULL NULLS ON OR OUTER OVER PARTITION ROWS THEN TRUE USING WHEN AT TIME ZONE INTERVAL".split(" ")]);
const WIDE = 72;

// Pieces of { token, spaced }: whether a space stood before it.
const tokensOf = (sql) => {
  const found = [...sql.matchAll(TOKEN)].map(([token]) => token);
  return found.map((token, index) => ({ token, spaced: index > 0 && !found[index - 1].trim() })).filter(({ token }) => token.trim());
};

// Lines of { depth, tokens }; a line ends before a clause, a join, and AND or OR of a condition.
const linesOf = (tokens) => {
  const lines = [{ depth: 0, tokens: [], commas: new Set() }];
  const blocks = [{ base: 0, inner: 0, cases: 0, between: false, clause: "" }]; // inner: open parentheses that hold no SELECT
  const open = (depth) => lines.push({ depth, tokens: [], commas: new Set() });
  tokens.forEach((piece, index) => {
    const block = blocks.at(-1);
    const { token } = piece;
    const word = token.toUpperCase();
    const [before, after] = [tokens[index - 1], tokens[index + 1]].map((other) => other?.token.toUpperCase() ?? "");
    if (block.inner === 0 && after !== "." && before !== ".") {
      if (CLAUSES.has(word)) {
        if (lines.at(-1).tokens.length) open(block.base);
        block.clause = word;
      } else if (JOINS.has(word) && after !== "(" && !JOINS.has(before) && before !== "OUTER") {
        open(block.base);
        block.clause = "JOIN";
      } else if (word === "BETWEEN") block.between = true;
      else if (word === "CASE") block.cases += 1;
      else if (word === "END") block.cases = Math.max(block.cases - 1, 0);
      else if ((word === "AND" || word === "OR") && !block.cases) {
        if (block.between && word === "AND") block.between = false;
        else open(block.base + 1);
      }
    }
    if (token === ")" && block.inner === 0 && blocks.length > 1) {
      blocks.pop();
      open(blocks.at(-1).base + (blocks.at(-1).clause === "WITH" ? 0 : 1));
      lines.at(-1).tokens.push(piece);
      return;
    }
    const line = lines.at(-1);
    line.tokens.push(piece);
    if (token === "," && block.inner === 0) line.commas.add(line.tokens.length - 1);
    if (token === "(") {
      if (after === "SELECT" || after === "WITH") {
        blocks.push({ base: block.base + 2, inner: 0, cases: 0, between: false, clause: "" });
        open(block.base + 2);
      } else block.inner += 1;
    } else if (token === ")") block.inner = Math.max(block.inner - 1, 0);
  });
  return lines.filter((line) => line.tokens.length);
};

// Lines of { indent, tokens }; a long one is broken after its commas.
export const formatted = (sql) => linesOf(tokensOf(sql)).flatMap(({ depth, tokens, commas }) => {
  const wide = tokens.reduce((width, { token }) => width + token.length + 1, 0) > WIDE;
  const lines = [[]];
  tokens.forEach((piece, index) => {
    lines.at(-1).push(piece);
    if (wide && commas.has(index) && index < tokens.length - 1) lines.push([]);
  });
  return lines.map((line, index) => ({ indent: "  ".repeat(depth + (index ? 1 : 0)), tokens: line }));
});

const textOf = (lines) => lines.map(({ indent, tokens }) =>
  indent + tokens.map(({ token, spaced }, index) => (spaced && index ? " " : "") + token).join("")).join("\n");

const colourOf = (token, after) => {
  if (token.startsWith("$")) return "param";
  if (token.startsWith("'")) return "string";
  if (/^\d/.test(token)) return "number";
  if (WORDS.has(token.toUpperCase()) && token === token.toUpperCase()) return "word";
  return /^\w+$/.test(token) && after === "(" ? "call" : "";
};

const told = (value) => (typeof value === "string" ? `'${visible(value)}'` : String(value));

const painted = (sql, params) => formatted(sql).flatMap(({ indent, tokens }, row) => {
  const pieces = [(row ? "\n" : "") + indent];
  tokens.forEach(({ token, spaced }, index) => {
    if (spaced && index) pieces.push(" ");
    const colour = colourOf(token, tokens[index + 1]?.token);
    const title = colour === "param" && params ? told(params[Number(token.slice(1)) - 1]) : undefined;
    pieces.push(colour ? make("span", { className: `sql-${colour}`, title }, visible(token)) : visible(token));
  });
  return pieces;
});

// A title beside a button that copies, the statement, and what each parameter was bound to.
export const sqlView = (sql, params) => {
  return make("div", { className: "sql" },
    make("div", { className: "row" }, make("h3", {}, "SQL"), copier("Copy", () => textOf(formatted(sql)), { title: "Copy SQL" })),
    make("pre", { tabIndex: 0, role: "group", "aria-label": "Statement" }, make("code", {}, painted(sql, params))),
    params?.length ? make("dl", { className: "params", "aria-label": "Parameters" }, params.map((value, index) => make("div", {},
      make("dt", {}, `$${index + 1}`), make("dd", {}, make("bdi", {}, told(value)))))) : null);
};
