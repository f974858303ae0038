// Whether rows suit a chart, and which. What draws it is loaded only then.

import { announce, button, make, visible } from "./dom.js";
import { count, formatterOf, isName, kindOf } from "./values.js";

const MOST_BARS = 40;

const isMeasure = (column, data) => kindOf(column) === "number" && !isName(column)
  && data.every((row) => row[column.name] === null || typeof row[column.name] === "number")
  && data.some((row) => row[column.name] !== null);

// One column that names each row (a time, or distinct words) beside one or more of figures; else null.
export const suits = ({ columns, data }) => {
  if (data.length < 2 || columns.length < 2) return null;
  const measures = columns.filter((column) => isMeasure(column, data));
  const others = columns.filter((column) => !measures.includes(column));
  if (!measures.length || others.length !== 1) return null;
  const [by] = others;
  const names = data.map((row) => row[by.name]);
  const kind = kindOf(by);
  if (new Set(names).size !== names.length) return null;
  if (kind === "date" || kind === "moment") {
    const times = names.map((name) => (name === null ? NaN : Date.parse(name)));
    return times.length > 2 && !times.some(Number.isNaN) ? { kind: "line", by, measures } : null;
  }
  return kind !== "number" || isName(by) ? (data.length <= MOST_BARS && names.every((name) => typeof name !== "object" || name === null)
    ? { kind: "bars", by, measures } : null) : null;
};

const summary = ({ kind, by }, measure, names, figures) => {
  const known = figures.map((figure, index) => [figure, index]).filter(([figure]) => figure !== null).sort(([one], [other]) => one - other);
  const format = formatterOf(measure, figures);
  const told = ([figure, index]) => `${names[index]}, ${format(figure).text}`;
  return `${kind === "line" ? "Line" : "Bar"} chart of ${measure.name} by ${by.name}, ${count(names.length, "point")}. `
    + `Highest: ${told(known.at(-1))}. Lowest: ${told(known[0])}. The table below holds every value.`;
};

export const chart = (told, shape) => {
  const { data } = told;
  const { kind, by, measures } = shape;
  const ofName = formatterOf(by, data.map((row) => row[by.name]));
  const names = data.map((row) => (row[by.name] === null ? "NULL" : visible(ofName(row[by.name]).text) || "empty"));
  const place = make("div", { className: "plot", role: "img" });
  const readout = make("figcaption", { className: "quiet readout" });
  const figure = make("figure", { className: "chart" });
  let [measure] = measures;
  let stop = () => {};
  const draw = async () => {
    const figures = data.map((row) => row[measure.name]);
    const format = formatterOf(measure, figures);
    place.setAttribute("aria-label", summary(shape, measure, names, figures));
    const rest = `${measure.name.replaceAll("_", " ")} by ${by.name.replaceAll("_", " ")}`;
    readout.replaceChildren(make("bdi", {}, visible(rest)));
    const point = (index) => {
      const at = index !== null && figures[index] !== null && index !== undefined;
      readout.replaceChildren(make("bdi", {}, at ? `${names[index]}: ${format(figures[index]).text}` : visible(rest)));
    };
    const { plot } = await import("./plot.js");
    stop();
    stop = plot(place, { kind, names, figures, times: data.map((row) => Date.parse(row[by.name])), format: (figure) => format(figure).text, point });
  };
  const choices = measures.map((one) => button(visible(one.name.replaceAll("_", " ")), () => {
    measure = one;
    for (const choice of choices) choice.setAttribute("aria-pressed", String(choice === choices[measures.indexOf(one)]));
    announce(`Chart of ${one.name}`);
    draw();
  }, { className: "plain small", "aria-pressed": String(one === measure) }));
  figure.append(...(measures.length > 1 ? [make("div", { className: "choices", role: "group", "aria-label": "Figures" }, choices)] : []), place, readout);
  draw().catch(() => figure.remove()); // the table holds it all
  return figure;
};
