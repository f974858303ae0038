// The little Markdown that models write: paragraphs, lists, headings, tables, **bold** and `code`. All else is text.

import { make, visible } from "./dom.js";

const inline = (text) => text.split(/(\*\*[^*]+\*\*|`[^`]+`)/).map((piece) => {
  if (/^\*\*.+\*\*$/.test(piece)) return make("strong", {}, visible(piece.slice(2, -2)));
  return /^`.+`$/.test(piece) ? make("code", {}, visible(piece.slice(1, -1))) : visible(piece);
});

const BULLET = /^\s*[-*•]\s+/;
const NUMBERED = /^\s*\d+[.)]\s+/;

const block = (lines) => {
  for (const [tag, mark] of [["ul", BULLET], ["ol", NUMBERED]]) {
    if (lines.every((line) => mark.test(line))) return make(tag, {}, lines.map((line) => make("li", {}, inline(line.replace(mark, "")))));
  }
  if (lines.every((line) => line.startsWith("|"))) return make("pre", { tabIndex: 0 }, visible(lines.join("\n")));
  if (/^#{1,6}\s/.test(lines[0])) return make("p", {}, make("strong", {}, inline(lines.join(" ").replace(/^#+\s/, ""))));
  return make("p", {}, lines.flatMap((line, index) => [...(index ? [make("br")] : []), ...inline(line)]));
};

const kindOf = (line) => (BULLET.test(line) ? "ul" : NUMBERED.test(line) ? "ol" : line.startsWith("|") ? "table" : "p");

export const prose = (text) => {
  const blocks = [];
  let kind = "";
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() && kind === kindOf(line)) blocks.at(-1).push(line);
    else if (line.trim()) blocks.push([line]);
    kind = line.trim() ? kindOf(line) : "";
  }
  return blocks.map(block);
};
