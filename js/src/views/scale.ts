/* Numbers to places: axes whose ticks are round, for the chart. Pure, so that tests need no drawing. */

/** A stretch of numbers and the round ones to mark on it. */
export interface Axis {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
}

const ROUND = [1, 2, 5, 10];
const ROUND_SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

/** The smallest of 1, 2, 5 times a power of ten that is at least `rough`. */
export const roundStep = (rough: number): number => {
  const power = 10 ** Math.floor(Math.log10(rough));
  return (ROUND.find((step) => step * power >= rough * 0.999) ?? 10) * power;
};

const marks = (low: number, high: number, step: number): readonly number[] => {
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => (first + index) * step);
};

/** The scores' axis: round ends around `values`, never narrower than `least`, kept inside `bounds`. */
export const scoreAxis = (values: readonly number[], least: number, bounds: readonly [number, number]): Axis => {
  const [floor, ceiling] = bounds;
  if (values.length === 0) return { low: 0, high: least * 10, ticks: marks(0, least * 10, least * 2) };
  const [min, max] = [Math.min(...values), Math.max(...values)];
  const spare = Math.max(0, least * 2 - (max - min)) / 2;
  const step = roundStep((max - min + 2 * spare) / 4);
  const low = Math.max(floor, Math.floor((min - spare - step * 0.15) / step) * step);
  const high = Math.min(ceiling, Math.ceil((max + spare + step * 0.15) / step) * step);
  return { low, high, ticks: marks(low, high, step) };
};

/** The axis of calls or dollars: from zero to what there is. */
export const growthAxis = (reached: number, least: number): Axis => {
  const high = Math.max(reached, least);
  return { low: 0, high, ticks: marks(0, high, roundStep(high / 4.5)) };
};

/** The axis of seconds, marked at whole minutes where it is long. */
export const timeAxis = (reached: number): Axis => {
  const high = Math.max(reached, 5);
  const step = ROUND_SECONDS.find((each) => each >= high / 4.5) ?? roundStep(high / 4.5);
  return { low: 0, high, ticks: marks(0, high, step) };
};

/** Returns the function that places a number of `axis` between two pixels. */
export const place = (axis: Axis, from: number, to: number): ((value: number) => number) => {
  const per = (to - from) / (axis.high - axis.low || 1);
  return (value) => Math.round((from + (value - axis.low) * per) * 10) / 10;
};
