/* Numbers and times as people read them. The rounding is half up, by floor, because Python draws the same
 * numbers (dspex_widgets/views.py) and the two languages' own rounding differ at ties. */

const floorTo = (value: number, digits: number): string => {
  const scale = 10 ** digits;
  return (Math.floor(value * scale + 0.5) / scale).toFixed(digits);
};

/** Puts commas between the thousands, left of the point. */
const grouped = (digits: string): string => {
  const [whole = "", part] = digits.split(".");
  const apart = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return part === undefined ? apart : `${apart}.${part}`;
};

/** A whole number with thousands apart: 1,284. */
export const count = (value: number): string => grouped(String(Math.floor(value + 0.5)));

/** Tokens, short from ten thousand on: 1,284, 92 k, 1.21 M. */
export const tokens = (value: number): string => {
  if (value < 10_000) return count(value);
  if (value < 999_500) return `${floorTo(value / 1e3, 0)} k`;
  if (value < 999_995_000) return `${floorTo(value / 1e6, 2)} M`;
  return `${grouped(floorTo(value / 1e9, 2))} B`;
};

/** Dollars: two decimals, four below a cent. */
export const money = (value: number): string => `$${grouped(floorTo(value, value > 0 && value < 0.01 ? 4 : 2))}`;

/** How the dollars of a column are written: with four decimals where the dearest is below ten cents, else with two. */
export const moneyOf = (column: readonly number[]): ((value: number) => string) => {
  const most = Math.max(0, ...column);
  if (most > 0 && most < 0.1) return (value) => `$${floorTo(value, 4)}`;
  return (value) => (value > 0 && value < 0.01 ? "<$0.01" : money(value));
};

/** A score: percent with one decimal where all scores lie in 0..1, else as it is with two. */
export const score = (value: number, percent: boolean): string =>
  percent ? floorTo(value * 100, 1) : grouped(floorTo(value, 2));

/** Half the width of an interval, as a score: ±3.1. */
export const halfWidth = (low: number, high: number, percent: boolean): string =>
  `±${score((high - low) / 2, percent)}`;

/** A share of a whole in percent without decimals: 62%. */
export const share = (part: number, whole: number): string =>
  whole > 0 ? `${Math.floor((100 * part) / whole + 0.5)}%` : "0%";

/** Seconds as 45 s, 6 m 12 s, 1 h 02 m. */
export const duration = (seconds: number): string => {
  const all = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  if (hours > 0) return `${hours} h ${String(minutes).padStart(2, "0")} m`;
  return minutes > 0 ? `${minutes} m ${String(rest).padStart(2, "0")} s` : `${rest} s`;
};

/** Two waits in one unit, given in milliseconds: 45 / 310 ms, 0.8 / 2.1 s; a dash where nothing was waited for. */
export const latency = (p50: number | null, p95: number | null): string => {
  if (p50 === null || p95 === null) return "–";
  if (p95 < 1000) return `${p50} / ${p95} ms`;
  const digits = p95 < 100_000 ? 1 : 0;
  return `${grouped(floorTo(p50 / 1000, digits))} / ${grouped(floorTo(p95 / 1000, digits))} s`;
};

/** Local time of day of an epoch second: 07:12:41. */
export const clock = (seconds: number): string => {
  const at = new Date(seconds * 1000);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((n) => String(n).padStart(2, "0")).join(":");
};

/** A count with its noun: 1 example, 4 examples. */
export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;
