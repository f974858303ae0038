// Rows as a table that sorts by a click on a column's name: up, down, and back to the order of the answer.

import { announce, button, make, visible } from "./dom.js";
import { count, formatterOf, kindOf, sorted } from "./values.js";

const LONG = 160;

const shortened = (text) => {
  const shown = document.createTextNode(`${text.slice(0, LONG)}… `);
  const more = button("more", () => {
    const open = more.textContent === "more";
    shown.data = open ? `${text} ` : `${text.slice(0, LONG)}… `;
    more.textContent = open ? "less" : "more";
  }, { className: "more" });
  return [make("bdi", {}, shown), more];
};

const WIDE = 24;

const cell = (value, format, kind) => {
  if (value === null) return make("td", { className: kind }, make("span", { className: "null" }, "NULL"));
  const { text, title, long } = format(value);
  if (text === "") return make("td", { className: kind }, make("span", { className: "empty" }, "empty"));
  const seen = visible(text);
  return make("td", { className: kind === "text" && seen.length > WIDE ? "text wide" : kind, title }, ...(long ? shortened(seen) : [make("bdi", {}, seen)]));
};

export const table = ({ columns, data }, caption) => {
  const formats = columns.map((column) => formatterOf(column, data.map((row) => row[column.name])));
  const lines = new Map(data.map((row) => [row, make("tr", {}, columns.map((column, index) =>
    cell(row[column.name], formats[index], kindOf(column))))]));
  const body = make("tbody", {}, ...lines.values());
  const heads = columns.map((column) => make("th", { scope: "col", className: kindOf(column), "aria-sort": "none" },
    button([make("bdi", {}, visible(column.name)), make("span", { className: "arrow", "aria-hidden": "true" })], () => sort(column), {
      className: "sort", title: `${column.name}: ${column.type}`,
    })));
  const sort = (column) => {
    const head = heads[columns.indexOf(column)];
    const next = { none: "ascending", ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")];
    for (const other of heads) other.setAttribute("aria-sort", other === head ? next : "none");
    body.replaceChildren(...(next === "none" ? data : sorted(data, column, next)).map((row) => lines.get(row)));
    announce(next === "none" ? "In the order of the answer" : `Sorted by ${column.name}, ${next}`);
  };
  const whole = make("table", {}, make("caption", { className: "unseen" }, caption), make("thead", {}, make("tr", {}, heads)), body);
  return make("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": `${count(data.length, "row")}, scrollable` }, whole);
};

// One value alone is no table: it is the answer.
export const single = ({ columns: [column], data: [row] }) => {
  const value = row[column.name];
  const text = value === null ? "NULL" : formatterOf(column, [value])(value).text;
  return make("dl", { className: text.length > 24 ? "single long" : "single" },
    make("dt", {}, make("bdi", {}, visible(column.name.replaceAll("_", " ")))),
    make("dd", { className: value === null ? "null" : "" }, make("bdi", {}, text === "" ? "empty" : visible(text))));
};
