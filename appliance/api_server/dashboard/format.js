// Figures and times as people read them. Pure.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(number) {
  let unit = 0;
  for (; number >= 1024 && unit < UNITS.length - 1; unit++) number /= 1024;
  return `${unit && number < 100 ? number.toFixed(1) : Math.round(number)} ${UNITS[unit]}`;
}

// 1234567 as "1.23 M"; small ones with three digits.
export function count(number) {
  const [by, suffix] = number >= 1e9 ? [1e9, " G"] : number >= 1e6 ? [1e6, " M"] : number >= 1e4 ? [1e3, " k"] : [1, ""];
  return `${trimmed(number / by)}${suffix}`;
}

const trimmed = (number) => String(Number(number >= 100 ? number.toFixed(0) : number.toPrecision(3)));

// Seconds as "1 h 5 min", the two largest parts.
export function duration(seconds) {
  const parts = [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
    ["s", 1],
  ];
  let left = Math.max(0, Math.round(seconds));
  const found = [];
  for (const [unit, size] of parts) {
    if (left >= size && found.length < 2) found.push(`${Math.floor(left / size)} ${unit}`);
    left %= size;
  }
  return found.join(" ") || "0 s";
}

// A figure with its unit, as the analytics have units.
export function figure(number, unit) {
  if (unit === "bytes") return bytes(number);
  if (unit === "seconds") return number >= 1 ? `${trimmed(number)} s` : `${trimmed(number * 1000)} ms`;
  return unit ? `${count(number)} ${number === 1 ? unit.replace(/s$/, "") : unit}` : count(number);
}

const at = (when) => new Date(typeof when === "number" ? when * 1000 : when);

// Unix seconds or a text of RFC 3339, in the browser's language and time zone.
export const time = (when) => at(when).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
export const minute = (when) => at(when).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
export const rfc3339 = (when) => at(when).toISOString();
export const clock = (when) => at(when).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
export const day = (when) => at(when).toLocaleDateString(undefined, { day: "numeric", month: "short" });

export const plural = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

// A long name for a small place; the whole of it stands elsewhere.
export function short(name, most) {
  const letters = [...name];
  return letters.length <= most ? name : `${letters.slice(0, most - 1).join("")}…`;
}
