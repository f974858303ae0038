// How a column's values are shown, compared and written to a file. Nothing here is lossy: what is rounded for the eye
// keeps its exact value in `title`.

const NUMBERS = /^(smallint|integer|bigint|numeric|real|double precision|oid|money)\b(?!.*\[\])/;
const MOMENTS = /^timestamp\b(?!.*\[\])/;
const MOST_DECIMALS = 4;
const LONG = 160;

export const kindOf = ({ type }) => {
  if (NUMBERS.test(type)) return "number";
  if (type === "date") return "date";
  if (MOMENTS.test(type)) return "moment";
  return type === "boolean" ? "boolean" : "text";
};

// Numbers that name something: nobody groups the thousands of an order's number or of a year.
export const isName = ({ name, type }) => /^(smallint|integer|bigint|oid)$/.test(type) && /(^|_)(id|year|number|no|code)$/i.test(name);

const decimalsOf = (value) => {
  const [mantissa, exponent] = String(value).toLowerCase().split("e");
  return Math.max((mantissa.split(".")[1]?.length ?? 0) - Number(exponent ?? 0), 0);
};

const isDay = (value) => /^\d{4}-\d\d-\d\d$/.test(value);

const textOf = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

const plain = (value) => {
  const text = textOf(value);
  return { text, long: text.length > LONG };
};

const numbers = (column, values) => {
  const known = values.filter((value) => typeof value === "number");
  const decimals = Math.min(Math.max(0, ...known.map(decimalsOf)), MOST_DECIMALS);
  const format = new Intl.NumberFormat(undefined, {
    useGrouping: !isName(column), minimumFractionDigits: decimals, maximumFractionDigits: decimals,
  });
  return (value) => {
    if (typeof value !== "number") return plain(value); // too many digits for a double, or NaN: as Postgres wrote it
    if (value && Math.abs(value) < 10 ** -decimals) return { text: String(value) };
    return { text: format.format(value), title: decimalsOf(value) > decimals ? String(value) : undefined };
  };
};

const days = (column, values) => {
  const known = values.filter((value) => value !== null);
  const monthly = /month/i.test(column.name) && known.every((value) => isDay(value) && value.endsWith("-01"));
  const yearly = /year/i.test(column.name) && known.every((value) => isDay(value) && value.endsWith("-01-01"));
  const style = yearly ? { year: "numeric" } : monthly ? { year: "numeric", month: "short" } : { dateStyle: "medium" };
  const format = new Intl.DateTimeFormat(undefined, { timeZone: "UTC", ...style });
  return (value) => (isDay(value) ? { text: format.format(new Date(`${value}T00:00:00Z`)), title: value } : plain(value));
};

const moments = (column) => {
  const zoned = column.type.endsWith("with time zone") && !column.type.includes("without");
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", ...(!zoned && { timeZone: "UTC" }) });
  return (value) => {
    const date = /^\d{4}-/.test(value) ? new Date(zoned ? value : `${value}Z`) : null;
    return date && !Number.isNaN(date.getTime()) ? { text: format.format(date), title: value } : plain(value);
  };
};

// value -> { text, title?, long? }; not for null.
export const formatterOf = (column, values) => {
  switch (kindOf(column)) {
    case "number": return numbers(column, values);
    case "date": return days(column, values);
    case "moment": return moments(column);
    default: return plain;
  }
};

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

const compareNumbers = (one, other) => {
  if (typeof one === "number" && typeof other === "number") return one - other;
  if (/^-?\d+$/.test(one) && /^-?\d+$/.test(other)) return BigInt(one) < BigInt(other) ? -1 : Number(BigInt(one) > BigInt(other));
  const [left, right] = [Number(one), Number(other)];
  return Number.isNaN(left) ? Number(!Number.isNaN(right)) : Number.isNaN(right) ? -1 : left - right; // NaN is the greatest, as in Postgres
};

// Rows in a column's order. Stable, and NULL comes last either way.
export const sorted = (rows, column, direction) => {
  const compare = { number: compareNumbers, boolean: (one, other) => one - other, text: (one, other) => collator.compare(textOf(one), textOf(other)) };
  const by = compare[kindOf(column)] ?? ((one, other) => (one < other ? -1 : Number(one > other)));
  const sign = direction === "descending" ? -1 : 1;
  return [...rows].sort((left, right) => {
    const [one, other] = [left[column.name], right[column.name]];
    if (one === null || other === null) return Number(one === null) - Number(other === null);
    return sign * by(one, other);
  });
};

// RFC 4180. NULL is an empty field, the empty text is "". A spreadsheet would run a text that begins like a formula
// (OWASP, "CSV injection"), so such a text gets an apostrophe before it, as in an export of a job; numbers, and the JSON
// file, stay as they are.
const FORMULA = /^(?:[=@\t\r\n]|[+-](?![\d .-]*$))/;

const field = (value) => {
  if (value === null) return "";
  const text = typeof value === "string" ? value.replace(FORMULA, "'$&") : textOf(value);
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export const csv = (columns, rows) => [
  columns.map(({ name }) => field(name)),
  ...rows.map((row) => columns.map(({ name, type }) => (NUMBERS.test(type) ? textOf(row[name] ?? "") : field(row[name])))),
].map((record) => `${record.join(",")}\r\n`).join("");

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString()} ${number === 1 ? one : many}`;

export const dollars = (amount) => (amount === 0 ? "$0" : new Intl.NumberFormat(undefined, {
  style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", ...(Math.abs(amount) < 1 ? { maximumSignificantDigits: 3, minimumFractionDigits: 0 } : {}),
}).format(amount));

export const milliseconds = (time) => (time >= 1000
  ? `${(time / 1000).toLocaleString(undefined, { maximumFractionDigits: 1 })} s`
  : `${time.toLocaleString(undefined, { maximumFractionDigits: time < 10 ? 1 : 0 })} ms`);
