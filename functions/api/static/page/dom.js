// Elements. Text goes in as text only, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

// `on` holds listeners; `class` and names with a dash are attributes; all else are properties. Children may be null.
const furnish = (element, properties, children) => {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "on") for (const [event, listen] of Object.entries(value)) element.addEventListener(event, listen);
    else if (name in element && name !== "role" && element.namespaceURI !== SVG) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};

export const make = (tag, properties = {}, ...children) => furnish(document.createElement(tag), properties, children);

const ICONS = {
  up: "M7 10v11H4V10zm3 11h7.2a2 2 0 0 0 2-1.6l1.3-6.5A2 2 0 0 0 18.500 10H14V5.500A2.500 2.500 0 0 0 11.500 3L10 10z",
  down: "M7 14V3H4v11zm3-11h7.200a2 2 0 0 1 2 1.600l1.300 6.500A2 2 0 0 1 18.500 14H14v4.500a2.500 2.500 0 0 1-2.500 2.500L10 14z",
  send: "M12 20V5M5.500 11.500 12 5l6.500 6.500",
  stop: "M7 7h10v10H7z",
  pin: "M9 4h6l-1 6 3 3H7l3-3zM12 13v7",
};

export const icon = (name) => {
  const path = furnish(document.createElementNS(SVG, "path"), { d: ICONS[name] }, []);
  return furnish(document.createElementNS(SVG, "svg"), { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, [path]);
};

export const button = (label, press, properties = {}) =>
  make("button", { type: "button", className: "plain", on: { click: press }, ...properties }, ...[label].flat());

export const byId = (id) => document.getElementById(id);

// Tells a screen reader; the same words twice are told twice.
export const announce = (text) => {
  const said = byId("said");
  said.textContent = said.textContent === text ? `${text} ` : text;
};

// A value as a person can see it: control characters as pictures of themselves, and by name those that turn the
// direction of what follows, as "gnp.exe" must not look like "exe.png".
export const visible = (text) => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g, (character) => {
  const code = character.charCodeAt(0);
  if (code > 0x7f) return `[U+${code.toString(16).toUpperCase()}]`;
  return String.fromCharCode(code === 0x7f ? 0x2421 : 0x2400 + code);
});

// A button that copies what `text` gives, and says whether it did.
export const copier = (label, text, properties = {}) => {
  const copy = button(label, async () => {
    const done = await navigator.clipboard?.writeText(text()).then(() => true, () => false); // undefined where it is not allowed
    copy.textContent = done ? "Copied" : "Not allowed here";
    announce(copy.textContent);
    setTimeout(() => { copy.textContent = label; }, 1500);
  }, { className: "plain small", ...properties });
  return copy;
};

// Asks before what cannot be undone.
export const confirmed = (title, text, verb) => new Promise((resolve) => {
  const dialog = byId("confirm");
  const close = (yes) => () => { dialog.close(); resolve(yes); };
  dialog.replaceChildren(
    make("h2", { id: "confirm-title" }, title), make("p", { className: "quiet" }, text),
    make("div", { className: "actions" }, button("Cancel", close(false)), button(verb, close(true), { className: "danger" })));
  dialog.oncancel = close(false);
  dialog.showModal();
});
