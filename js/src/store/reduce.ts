/* What a run looks like after its events: the fold of dspex/runs/state.py, in the browser's language.
 * tests/golden/journals holds both to the same answers, so a change here is a change there. Nothing is mutated:
 * a view may keep the state it was given. */
import type { RunEvent, State } from "../wire/decode.ts";
import { BLANK_CandidateView, BLANK_ModelView, BLANK_PhaseView } from "../wire/types.ts";
import type { BestPoint, CandidateView, ModelView, PhaseView } from "../wire/types.ts";
import { counted } from "./latency.ts";
import { own } from "./select.ts";
import { endpoint, paused, reopened, resumed, steered } from "./steer.ts";

const LOG_LENGTH = 200;
const COLUMNS = 60;
const FAILURES = 12;
const CUT_SHORT = "the run ended first";
const LIMITED = "rate_limit";
const CANCELLED = "cancelled"; // a call that nobody needed any more: no fault of the model
const NOTEWORTHY: ReadonlySet<RunEvent["kind"]> = new Set([
  "run_start", "run_paused", "run_resumed", "run_reopened", "run_steered", "run_stopping", "run_end", "phase_start",
  "candidate_proposed", "candidate_evaluated", "candidate_dropped", "best_changed", "lm_retry", "breaker_changed",
  "budget_warned", "budget_reached", "log",
]);

type Of<K extends RunEvent["kind"]> = Extract<RunEvent, { kind: K }>;

/** Returns the state after all of `events`, in order. */
export const fold = (events: readonly RunEvent[], state: State): State => events.reduce(reduce, state);

/** Takes one event into the state; an event already taken is left aside. */
export const reduce = (state: State, event: RunEvent): State => {
  if (event.seq <= state.seq) return state;
  const idle = event.kind === "run_reopened" ? state.idle + Math.max(0, event.time - state.updated) : state.idle;
  const next = step({ ...state, seq: event.seq, updated: Math.max(state.updated, event.time), idle }, event);
  return isNoteworthy(event) ? { ...next, log: noted(next.log, event) } : next;
};

const isNoteworthy = (event: RunEvent): boolean =>
  NOTEWORTHY.has(event.kind) || (event.kind === "limit_changed" && event.limit < event.before);

/* A provider that is down would push all else out of the log; each retry is counted with its model anyway. */
const noted = (log: State["log"], event: RunEvent): State["log"] => {
  const last = log.at(-1);
  const again =
    event.kind === "lm_retry" && last?.kind === "lm_retry" &&
    event.model === last.model && event.role === last.role && event.error === last.error;
  return [...(again ? log.slice(0, -1) : log), event].slice(-LOG_LENGTH);
};

const step = (state: State, event: RunEvent): State => {
  switch (event.kind) {
    case "run_start":
      return begun(state, event);
    case "run_paused":
      return paused(state, event);
    case "run_resumed":
      return resumed(state, event);
    case "run_reopened":
      return reopened(state, CUT_SHORT);
    case "run_steered":
      return steered(state, event);
    case "limit_changed":
    case "breaker_changed":
      return endpoint(state, event);
    case "run_stopping":
      return { ...state, status: "stopping", holds: {}, frozen: [] };
    case "run_end":
      return ended(state, event);
    case "phase_start":
      return { ...state, phases: [...state.phases, { ...BLANK_PhaseView, name: event.name, total: event.total }] };
    case "phase_end":
      return phase(state, event.name, { state: "done" });
    case "optimization_step":
      return phase(state, event.phase, event.of === null ? { k: event.k } : { k: event.k, total: event.of });
    case "candidate_proposed":
      return proposed(state, event);
    case "evaluate_start":
      return candidate(state, event.candidate, started(event));
    case "candidate_evaluated":
      return candidate(state, event.candidate, evaluated(event));
    case "candidate_dropped":
      return candidate(state, event.candidate, { state: "dropped", reason: event.reason });
    case "best_changed":
      return best(state, event);
    case "example_scored":
      return example(state, event);
    case "lm_start":
      return model(state, event, (seen) => ({ in_flight: seen.in_flight + 1 }));
    case "lm_retry":
      return model(state, event, (seen) => ({
        retried: seen.retried + 1,
        limited: seen.limited + (event.error === LIMITED ? 1 : 0),
      }));
    case "lm_end":
      return model(state, event, called(event));
    case "evaluate_end":
    case "budget_warned":
    case "budget_reached":
    case "module_start":
    case "module_end":
    case "log":
    case "unknown":
      return state;
    default:
      return assertNever(event);
  }
};

const assertNever = (event: never): never => {
  throw new Error(`No rule for the event ${JSON.stringify(event)}.`);
};

/** Replaces the last item that `is` the one, or returns the same list where there is none. */
const replaceLast = <T>(items: readonly T[], is: (item: T) => boolean, change: (item: T) => T): readonly T[] => {
  const at = items.findLastIndex(is);
  return at < 0 ? items : items.map((item, index) => (index === at ? change(item) : item));
};

const begun = (state: State, event: Of<"run_start">): State => {
  const { run, name, work, method, metric, models, practice, budget_usd, limits, origin, seed, sizes, planned } = event;
  const start = { run, name, work, method, metric, models, practice, budget_usd, limits, origin, seed, sizes, planned };
  return { ...state, ...start, started: event.time, status: "running" };
};

const ended = (state: State, event: Of<"run_end">): State => ({
  ...state,
  status: event.state,
  reason: event.reason,
  ended: event.time,
  holds: {},
  frozen: [],
  best: event.best || state.best,
  lm: state.lm.map((seen) => ({ ...seen, in_flight: 0 })),
  candidates: state.candidates.map((seen) =>
    seen.state === "running" ? { ...seen, state: "dropped", reason: CUT_SHORT } : seen,
  ),
});

const phase = (state: State, name: string, change: Partial<PhaseView>): State => ({
  ...state,
  phases: replaceLast(state.phases, (p) => p.name === name, (p) => ({ ...p, ...change })),
});

type Change = Partial<CandidateView> | ((seen: CandidateView) => Partial<CandidateView>);

const candidate = (state: State, id: string, change: Change): State => ({
  ...state,
  candidates: replaceLast(
    state.candidates,
    (c) => c.id === id,
    (c) => ({ ...c, ...(typeof change === "function" ? change(c) : change) }),
  ),
});

const proposed = (state: State, event: Of<"candidate_proposed">): State => {
  const { candidate: id, origin, what, instructions, demos, program, baseline, by } = event;
  const seen: CandidateView = { ...BLANK_CandidateView, id, origin, what, instructions, demos, program, baseline, by };
  return {
    ...state,
    candidates: [...state.candidates, seen],
    baseline: baseline ? id : state.baseline,
  };
};

const started = ({ total, full }: Of<"evaluate_start">) => ({
  state: "running" as const, total, full, mean: null, n: 0, sum: 0, failed: 0,
});

const evaluated = ({ full, mean, low, high, n, failed, calls, cost, spent, time }: Of<"candidate_evaluated">) => ({
  state: "scored" as const, full, mean, low, high, n, failed, calls, cost, spent, at: time,
});

const best = (state: State, event: Of<"best_changed">): State => {
  const seen = state.candidates.findLast((c) => c.id === event.candidate);
  if (seen === undefined) return state;
  const { calls, spent } = seen;
  const corner: BestPoint = { candidate: event.candidate, mean: event.mean, calls, spent, at: event.time };
  return { ...state, best: event.candidate, line: [...state.line, corner] };
};

const example = (state: State, event: Of<"example_scored">): State => {
  const { score } = event;
  const counted: State = {
    ...state,
    examples: state.examples + 1,
    errors: state.errors + (score === null ? 1 : 0),
    failures: score === null ? failed(state.failures, event.error) : state.failures,
  };
  if (!state.candidates.some((c) => c.id === event.candidate)) return counted;
  const columns = placed(state.columns, event.example);
  const column = own(columns, event.example);
  return candidate({ ...counted, columns }, event.candidate, (seen) => {
    const cells = column === undefined ? seen.cells : marked(seen.cells, column, score);
    const cost = seen.cost + event.cost;
    if (score === null) return { cells, cost, failed: seen.failed + 1 };
    const [n, sum] = [seen.n + 1, seen.sum + score];
    return { cells, cost, n, sum, mean: sum / n };
  });
};

const failed = (failures: State["failures"], error: string): State["failures"] => {
  const colon = error.indexOf(": ");
  const [kind, text] = colon < 0 ? [error, ""] : [error.slice(0, colon), error.slice(colon + 2)];
  const known = failures.some((it) => it.kind === kind);
  if (!known && failures.length >= FAILURES) return failures;
  const all = known ? failures : [...failures, { kind, count: 0, text }];
  return all.map((it) => (it.kind === kind ? { kind, count: it.count + 1, text } : it));
};

const placed = (columns: State["columns"], name: string): State["columns"] => {
  const places = Object.keys(columns).length;
  return places >= COLUMNS || own(columns, name) !== undefined ? columns : { ...columns, [name]: places };
};

const marked = (cells: string, column: number, score: number | null): string => {
  const letter = score === null ? "x" : tenths(score).toString(16);
  return cells.padEnd(column, ".").slice(0, column) + letter + cells.slice(column + 1);
};

const tenths = (score: number): number => (score >= 1 ? 10 : score > 0 ? Math.floor(score * 10 + 0.5) : 0);

const model = (
  state: State,
  event: Of<"lm_start" | "lm_retry" | "lm_end">,
  change: (seen: ModelView) => Partial<ModelView>,
): State => {
  const is = (m: ModelView): boolean => m.model === event.model && m.role === event.role;
  const blank: ModelView = { ...BLANK_ModelView, model: event.model, role: event.role };
  const lm = state.lm.some(is) ? state.lm : [...state.lm, blank];
  return { ...state, lm: replaceLast(lm, is, (m) => ({ ...m, ...change(m) })) };
};

const called = (event: Of<"lm_end">) => (seen: ModelView): Partial<ModelView> => ({
  calls: seen.calls + 1,
  cached: seen.cached + (event.cached ? 1 : 0),
  failed: seen.failed + (event.error === "" || event.error === CANCELLED ? 0 : 1),
  in_flight: Math.max(0, seen.in_flight - (event.cached ? 0 : 1)),
  prompt_tokens: seen.prompt_tokens + event.prompt_tokens,
  completion_tokens: seen.completion_tokens + event.completion_tokens,
  cost: seen.cost + event.cost,
  unpriced: seen.unpriced + (event.priced ? 0 : 1),
  latency: event.cached || event.error ? seen.latency : counted(seen.latency, event.seconds - event.waited),
});
