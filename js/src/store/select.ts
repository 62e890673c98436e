/* What the views ask of a run's state: sums, the best, the order of the table. Pure functions, no drawing. */
import type { State } from "../wire/decode.ts";
import type { CandidateView, ModelView } from "../wire/types.ts";

const OVER: ReadonlySet<State["status"]> = new Set(["stopped", "cancelled", "finished", "failed", "lost"]);

/** Whether the run has ended. */
export const isOver = (run: State): boolean => OVER.has(run.status);

/** Sums over all models of a run. */
export interface Totals {
  readonly calls: number;
  readonly cached: number;
  readonly inFlight: number;
  readonly prompt: number;
  readonly completion: number;
  readonly cost: number;
  readonly unpriced: number;
}

/** Adds up what the models of the run did, or of one role. */
export const totals = (run: State, role?: ModelView["role"]): Totals => {
  const models = role === undefined ? run.lm : run.lm.filter((model) => model.role === role);
  const sum = (of: (model: ModelView) => number): number => models.reduce((all, model) => all + of(model), 0);
  return {
    calls: sum((m) => m.calls),
    cached: sum((m) => m.cached),
    inFlight: sum((m) => m.in_flight),
    prompt: sum((m) => m.prompt_tokens),
    completion: sum((m) => m.completion_tokens),
    cost: sum((m) => m.cost),
    unpriced: sum((m) => m.unpriced),
  };
};

/** Whether all scores lie in 0..1, so that they are shown in percent. */
export const inPercent = (run: State): boolean => run.candidates.every((c) => c.mean === null || Math.abs(c.mean) <= 1);

/** The last candidate with this id. */
export const candidateOf = (run: State, id: string): CandidateView | null =>
  run.candidates.findLast((c) => c.id === id) ?? null;

/** The candidate that leads; of an evaluation, the one that is evaluated. */
export const bestOf = (run: State): CandidateView | null =>
  candidateOf(run, run.best) ?? (run.work === "evaluate" ? (run.candidates.at(-1) ?? null) : null);

/** The program as it was given. */
export const baselineOf = (run: State): CandidateView | null => candidateOf(run, run.baseline);

/** The table's order: the best, then scores from the top, then what is being scored, then what waits. */
export const ranked = (run: State): readonly CandidateView[] => {
  const rank = (c: CandidateView): number =>
    c.state === "running" ? 2 : c.mean === null ? 3 : c.id === run.best ? 0 : 1;
  return run.candidates
    .map((c, index) => ({ c, index }))
    .sort((a, b) => rank(a.c) - rank(b.c) || (b.c.mean ?? 0) - (a.c.mean ?? 0) || a.index - b.index)
    .map(({ c }) => c);
};

/** Whether candidates come from others than the baseline; else a column that says so is only noise. */
export const hasOrigins = (run: State): boolean => run.candidates.some((c) => c.origin !== "" && c.origin !== run.baseline);

/** Whether the run was asked to end at once, without keeping the best. */
export const isCancelling = (run: State): boolean => {
  const asked = run.log.findLast((event) => event.kind === "run_stopping");
  return asked?.kind === "run_stopping" && asked.how === "cancel";
};

/** A value by a name that a user or model chose: only what the record itself holds, never `constructor` and kin. */
export const own = <T>(record: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined;
