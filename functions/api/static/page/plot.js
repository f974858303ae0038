// Draws with uPlot, in the page's colours and as wide as there is room.

import uPlot from "./uPlot.js";

const FONT = "12px ui-sans-serif, system-ui, sans-serif";
const BAR = 30;
const dark = matchMedia("(prefers-color-scheme: dark)");

// A colour of the page's, as a canvas takes it.
const colour = (name) => {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

const faded = (text) => text.replace(/^rgb\((.+)\)$/, "rgba($1, .14)");

const widthOf = (texts) => {
  const context = document.createElement("canvas").getContext("2d");
  context.font = FONT;
  return Math.ceil(Math.max(0, ...texts.map((text) => context.measureText(text).width)));
};

const clipped = (text, most) => ([...text].length > most ? `${[...text].slice(0, most - 1).join("")}…` : text);

const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 2 });

const axis = (more) => ({
  font: FONT, stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, gap: 6, ...more,
});

const lines = ({ times, figures }) => {
  const order = [...times.keys()].sort((one, other) => times[one] - times[other]);
  const line = colour("--accent");
  return {
    order,
    data: [order.map((index) => times[index] / 1000), order.map((index) => figures[index])],
    height: 260,
    options: {
      tzDate: (time) => uPlot.tzDate(new Date(time * 1000), "UTC"),
      scales: { y: { range: (_, least, most) => [Math.min(0, least), most === least ? most + 1 : most + (most - Math.min(0, least)) * .06] } },
      axes: [axis({ grid: { show: false } }), axis({ size: (_, values) => widthOf(values ?? []) + 14, values: (_, ticks) => ticks.map((tick) => compact.format(tick)) })],
      series: [{}, { stroke: line, width: 2, fill: faded(line), points: { size: 6, fill: colour("--card"), width: 2 } }],
    },
  };
};

const bars = ({ names, figures }, width) => {
  const labels = names.map((name) => clipped(name, width < 480 ? 14 : 28));
  const room = widthOf(labels) + 12;
  return {
    order: [...names.keys()],
    data: [[...names.keys()], figures],
    height: names.length * BAR + 36,
    options: {
      scales: {
        x: { time: false, ori: 1, dir: -1, range: [-0.5, names.length - 0.5] },
        y: { ori: 0, range: (_, least, most) => [Math.min(0, least), Math.max(0, most) * 1.04 || 1] },
      },
      axes: [
        axis({ side: 3, size: room, grid: { show: false }, splits: () => [...names.keys()], values: () => labels }),
        axis({ side: 2, space: 70, size: 28, values: (_, ticks) => ticks.map((tick) => compact.format(tick)) }),
      ],
      series: [{}, { fill: colour("--accent"), width: 0, paths: uPlot.paths.bars({ size: [.62, 22], radius: .18 }), points: { show: false } }],
    },
  };
};

// Draws into `place`; gives what ends it.
export const plot = (place, what) => {
  let drawn = null;
  let width = 0;
  const draw = () => {
    drawn?.destroy();
    const { order, data, height, options } = (what.kind === "line" ? lines : bars)(what, width);
    drawn = new uPlot({
      width, height, legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { show: what.kind === "line" }, x: what.kind === "line", y: false },
      hooks: { setCursor: [({ cursor }) => what.point(cursor.idx === null || cursor.idx === undefined ? null : order[cursor.idx])] },
      ...options,
    }, data, place);
  };
  const watch = new ResizeObserver(([{ contentRect }]) => {
    if (Math.round(contentRect.width) === width || !contentRect.width) return;
    width = Math.round(contentRect.width);
    draw();
  });
  const recolour = () => { if (width) draw(); };
  dark.addEventListener("change", recolour);
  watch.observe(place);
  return () => {
    watch.disconnect();
    dark.removeEventListener("change", recolour);
    drawn?.destroy();
  };
};
