/* Examples by candidates as letters: which of the examples each of the best candidates gets right, hardest on the
 * right. dspex_widgets/heat.py works it out alike; tests/golden/shown.json holds both to it. */
import { inPercent, own, ranked } from "../store/select.ts";
import { count, plural, score } from "../ui/format.ts";
import type { State } from "../wire/decode.ts";
import type { CandidateView } from "../wire/types.ts";
import { short } from "./describe.ts";

const ROWS = 8;
/** The letters of what has no score. */
export const FAILED = "x";
export const UNSEEN = ".";

/** The picture: one line for each candidate, one letter for each of the columns. */
export interface Cells {
  readonly lines: readonly { readonly id: string; readonly letters: string }[];
  /** The examples' names, by column. */
  readonly names: readonly string[];
  readonly caption: string;
}

/** A cell's place. */
export interface At {
  readonly line: number;
  readonly column: number;
}

/** Works the picture out; null where there is nothing to compare. */
export const cellsOf = (run: State): Cells | null => {
  const shown = run.work === "optimize" && inPercent(run) ? chosen(run) : [];
  const names = Object.entries(run.columns).sort(([, a], [, b]) => a - b).map(([name]) => name);
  const columns = names.map((_, k) => k).filter((k) => shown.some((c) => letterOf(c, k) !== UNSEEN));
  if (shown.length < 2 || columns.length < 2) return null;
  const ease = new Map(columns.map((k) => [k, easeOf(shown, k)] as const));
  const order = [...columns].sort((a, b) => (ease.get(b) ?? 0) - (ease.get(a) ?? 0) || a - b);
  return {
    lines: shown.map((c) => ({ id: c.id, letters: order.map((k) => letterOf(c, k)).join("") })),
    names: order.map((k) => names[k] ?? ""),
    caption: captionOf(run, order.length),
  };
};

/** The best candidates and the baseline, in the order they were proposed. */
const chosen = (run: State): readonly CandidateView[] => {
  const seen = ranked(run).filter((c) => [...c.cells].some((letter) => letter !== UNSEEN));
  const first = seen.filter((c) => c.id === run.best || c.id === run.baseline || c.pinned !== "");
  const kept = new Set([...first, ...seen.filter((c) => !first.includes(c))].slice(0, ROWS));
  return run.candidates.filter((c) => kept.has(c));
};

const letterOf = (c: CandidateView, column: number): string => c.cells[column] ?? UNSEEN;

/** A letter as tenths of a score; a failure counts as nothing. */
export const tenthsOf = (letter: string): number => Math.max(0, "0123456789a".indexOf(letter));

/** A cell in words. */
export const told = (drawn: Cells, { line, column }: At): string => {
  const { id, letters } = drawn.lines[line] ?? { id: "", letters: "" };
  return `${short(id)} on example ${short(drawn.names[column] ?? "")}: ${wordOf(letters[column] ?? UNSEEN)}`;
};

const wordOf = (letter: string): string => {
  if (letter === FAILED) return "failed";
  if (letter === UNSEEN) return "not seen yet";
  const tenths = tenthsOf(letter);
  return `score ${tenths === 0 || tenths === 10 ? "" : "about "}${score(tenths / 10, true)}`;
};

const easeOf = (shown: readonly CandidateView[], column: number): number => {
  const letters = shown.map((c) => letterOf(c, column)).filter((letter) => letter !== UNSEEN);
  return letters.reduce((all, letter) => all + tenthsOf(letter), 0) / letters.length;
};

const captionOf = (run: State, columns: number): string => {
  const val = own(run.sizes, "val");
  const kind = val === undefined ? "example" : "validation example";
  const total = val ?? Math.max(0, ...run.candidates.map((c) => c.total ?? 0));
  const of = total > columns ? `${count(columns)} of ${plural(total, kind)}` : plural(columns, kind);
  return `${of}, hardest right`;
};
