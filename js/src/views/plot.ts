/* What the chart draws, worked out from the run: dots, the best-so-far line, the baseline and both axes. Apart
 * from the drawing so that each place can be tested as a number. */
import { baselineOf, inPercent, isOver, totals } from "../store/select.ts";
import { count, duration, halfWidth, money, plural, score, tokens } from "../ui/format.ts";
import type { State } from "../wire/decode.ts";
import type { CandidateView } from "../wire/types.ts";
import { growthAxis, place, scoreAxis, timeAxis } from "./scale.ts";
import type { Axis } from "./scale.ts";

/** What the chart's x axis counts. */
export type Measure = "calls" | "cost" | "time";

/** The chart's frame in pixels. */
export interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** One candidate's place. */
export interface Dot {
  readonly id: string;
  readonly x: number;
  readonly y: number;
  readonly kind: "full" | "part" | "running";
  readonly dropped: boolean;
  /** Ends of the 95 % interval, low first. */
  readonly whisker: readonly [number, number] | null;
  readonly text: string;
}

/** A number on an axis. */
export interface Mark {
  readonly at: number;
  readonly text: string;
}

/** All of the chart. */
export interface Plot {
  readonly dots: readonly Dot[];
  readonly line: string;
  readonly baseline: { readonly y: number; readonly text: string; readonly above: boolean } | null;
  readonly xs: readonly Mark[];
  readonly ys: readonly Mark[];
}

/** Works the chart out. */
export const plot = (run: State, measure: Measure, frame: Frame): Plot => {
  const percent = inPercent(run);
  const xAxis = measured(run, measure);
  const yAxis = scores(run, percent);
  const x = place(xAxis, frame.left, frame.right);
  const y = place(yAxis, frame.bottom, frame.top);
  const unit = percent ? 100 : 1;
  const at = (c: { readonly calls: number; readonly spent: number; readonly at: number }): number =>
    x(measure === "calls" ? c.calls : measure === "cost" ? c.spent : c.at - run.started);
  const clipped = (value: number): number => Math.min(frame.bottom, Math.max(frame.top, y(value * unit)));
  const dots = run.candidates.flatMap((c): Dot[] => {
    if (c.mean === null || c.n === 0) return [];
    const running = c.state === "running" || c.at === 0;
    const whisker = c.low === null || c.high === null || running ? null : ([clipped(c.low), clipped(c.high)] as const);
    const kind = running ? "running" : c.full ? "full" : "part";
    const here = running ? frame.right : at(c);
    const dropped = c.state === "dropped";
    return [{ id: c.id, x: here, y: clipped(c.mean), kind, dropped, whisker, text: tell(run, c, percent) }];
  });
  return {
    dots,
    line: bestLine(run, at, clipped, frame),
    baseline: baseLine(run, percent, clipped, frame),
    xs: xAxis.ticks.map((tick) => ({ at: x(tick), text: tickText(tick, measure) })),
    ys: yAxis.ticks.map((tick) => ({ at: y(tick), text: scoreText(tick) })),
  };
};

const measured = (run: State, measure: Measure): Axis => {
  const { calls, cost } = totals(run);
  const furthest = (of: (c: CandidateView) => number): number => Math.max(0, ...run.candidates.map(of));
  if (measure === "calls") return growthAxis(Math.max(calls, furthest((c) => c.calls)), 10);
  if (measure === "cost") return growthAxis(Math.max(cost, furthest((c) => c.spent)), 0.001);
  return timeAxis((run.ended ?? run.updated) - run.started);
};

const scores = (run: State, percent: boolean): Axis => {
  const known = run.candidates.filter((c) => c.mean !== null);
  const settled = known.filter((c) => c.at > 0); // a mean of three examples must not move the axis
  const means = (settled.length > 0 ? settled : known).map((c) => (c.mean ?? 0) * (percent ? 100 : 1));
  if (percent) return scoreAxis(means.length > 0 ? means : [50, 90], 10, [0, 100]);
  const size = Math.max(...means.map(Math.abs), 0);
  return scoreAxis(means, Math.max(size / 20, 0.01), [-Infinity, Infinity]);
};

const bestLine = (
  run: State,
  at: (c: State["line"][number]) => number,
  y: (mean: number) => number,
  frame: Frame,
): string => {
  const [first, ...rest] = run.line;
  if (first === undefined) return "";
  const start = first.candidate === run.baseline ? frame.left : at(first);
  return [`M${start},${y(first.mean)}`, ...rest.map((c) => `H${at(c)}V${y(c.mean)}`), `H${frame.right}`].join("");
};

/* Its words stand above the line where others' dots are below it, or the axis is. */
const ROOM = 16;
const baseLine = (run: State, percent: boolean, y: (mean: number) => number, frame: Frame): Plot["baseline"] => {
  const base = baselineOf(run);
  if (base === null || base.mean === null) return null;
  const low = Math.min(...run.candidates.map((c) => c.mean ?? Infinity));
  const at = y(base.mean);
  return { y: at, text: `baseline ${score(base.mean, percent)}`, above: low < base.mean || at + ROOM > frame.bottom };
};

const scoreText = (tick: number): string =>
  Math.abs(tick) < 10_000 ? String(Math.round(tick * 100) / 100) : `${tick < 0 ? "-" : ""}${tokens(Math.abs(tick))}`;

const tickText = (tick: number, measure: Measure): string => {
  if (measure === "calls") return tokens(tick);
  if (measure === "time") return tick === 0 ? "0" : tick % 60 === 0 && tick < 3600 ? `${tick / 60} m` : duration(tick);
  return tick === 0 ? "$0" : tick < 0.01 ? `$${Number(tick.toPrecision(2))}` : money(tick);
};

const tell = (run: State, c: CandidateView, percent: boolean): string => {
  if (c.mean === null) return c.id;
  const spread = c.low === null || c.high === null ? "" : ` ${halfWidth(c.low, c.high, percent)}`;
  const of = c.total === null || c.n >= c.total ? "" : ` of ${count(c.total)}`;
  const running = `, ${isOver(run) ? "cut short" : "being scored"}: ${count(c.n)}${of}`;
  const how = c.state === "running" ? running : `, ${plural(c.n, "example")}`;
  const failed = c.failed > 0 ? `, ${count(c.failed)} failed` : "";
  return `${c.id}: ${score(c.mean, percent)}${spread}${how}${failed}, ${money(c.cost)}`;
};
