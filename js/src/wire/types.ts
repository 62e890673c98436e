/* What kernel and browser say to each other: made by `dspex_widgets/protocol.py`, do not edit.
 * Optional fields are those the kernel leaves out when they hold their default; the BLANK values hold those
 * defaults (and a zero for each required field), so that decode.ts can complete whatever arrives. */

/** A run began; everything frozen at its start. */
export interface RunStart {
  readonly kind: "run_start";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly name: string;
  readonly work: "evaluate" | "optimize";
  readonly method: string;
  readonly metric?: string;
  readonly models?: readonly string[];
  readonly practice?: boolean;
  readonly budget_usd?: number | null;
  readonly limits?: Readonly<Record<string, number>>;
  readonly origin?: string;
  readonly seed?: number;
  readonly sizes?: Readonly<Record<string, number>>;
  readonly planned?: number | null;
  readonly code?: string;
}

/** Nothing new starts until this hold is taken away; several may be on a run at once. */
export interface RunPaused {
  readonly kind: "run_paused";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly by?: string;
  readonly hold?: string;
  readonly reason?: string;
  readonly now?: boolean;
}

/** A hold was taken away; with the last one work goes on. */
export interface RunResumed {
  readonly kind: "run_resumed";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly by?: string;
  readonly hold?: string;
}

/** Another kernel goes on with the run after its own died; what was in flight then is not any more. */
export interface RunReopened {
  readonly kind: "run_reopened";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly by?: string;
  readonly code?: string;
}

/** Somebody changed the course of the run: who did what. */
export interface RunSteered {
  readonly kind: "run_steered";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly verb: "branch" | "budget" | "concurrency" | "drop" | "evaluate" | "label" | "model" | "pin" | "reset" | "retry";
  readonly by?: string;
  readonly text?: string;
  readonly args?: Readonly<Record<string, string>>;
}

/** Somebody asked the run to end; it has not yet. */
export interface RunStopping {
  readonly kind: "run_stopping";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly how: "cancel" | "stop";
  readonly by?: string;
}

/** The run is over; nothing follows. */
export interface RunEnd {
  readonly kind: "run_end";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly state: "cancelled" | "failed" | "finished" | "stopped";
  readonly reason?: string;
  readonly best?: string;
}

/** A named part of the method began. */
export interface PhaseStart {
  readonly kind: "phase_start";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly name: string;
  readonly total?: number | null;
}

/** The part ended. */
export interface PhaseEnd {
  readonly kind: "phase_end";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly name: string;
}

/** The method advanced within a phase: step `k` of `of`. */
export interface OptimizationStep {
  readonly kind: "optimization_step";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly phase: string;
  readonly k: number;
  readonly of?: number | null;
}

/** A new version of the program exists; it has no score yet. */
export interface CandidateProposed {
  readonly kind: "candidate_proposed";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly candidate: string;
  readonly origin?: string;
  readonly what?: string;
  readonly instructions?: Readonly<Record<string, string>>;
  readonly demos?: Readonly<Record<string, number>>;
  readonly program?: string;
  readonly baseline?: boolean;
  readonly by?: string;
}

/** A candidate's evaluation began over `total` examples. */
export interface EvaluateStart {
  readonly kind: "evaluate_start";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly candidate: string;
  readonly total?: number | null;
  readonly full?: boolean;
}

/** One example was answered and scored, or failed: an error is not a score. */
export interface ExampleScored {
  readonly kind: "example_scored";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly candidate: string;
  readonly example: string;
  readonly score?: number | null;
  readonly error?: string;
  readonly feedback?: string;
  readonly cost?: number;
  readonly seconds?: number;
  readonly repeat?: number;
}

/** The evaluation ended; `done` of its examples have a score. */
export interface EvaluateEnd {
  readonly kind: "evaluate_end";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly candidate: string;
  readonly done: number;
  readonly failed?: number;
}

/** A candidate has its score; `mean` and `low`, `high` (95 %) lie in 0..1 for bounded metrics. */
export interface CandidateEvaluated {
  readonly kind: "candidate_evaluated";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly candidate: string;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly n: number;
  readonly failed?: number;
  readonly full?: boolean;
  readonly calls?: number;
  readonly cost?: number;
  readonly spent?: number;
}

/** The method gave a candidate up before a full score. */
export interface CandidateDropped {
  readonly kind: "candidate_dropped";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly candidate: string;
  readonly reason: string;
}

/** A candidate with a full score leads. */
export interface BestChanged {
  readonly kind: "best_changed";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly candidate: string;
  readonly mean: number;
}

/** A call is in flight. */
export interface LMStart {
  readonly kind: "lm_start";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly model: string;
  readonly role?: "embedding" | "judge" | "proposal" | "retrieval" | "task";
}

/** A call ended, answered or not. */
export interface LMEnd {
  readonly kind: "lm_end";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly model: string;
  readonly role?: "embedding" | "judge" | "proposal" | "retrieval" | "task";
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number;
  readonly cost?: number;
  readonly priced?: boolean;
  readonly cached?: boolean;
  readonly seconds?: number;
  readonly waited?: number;
  readonly error?: string;
}

/** A call failed and will be tried again after `wait` seconds. */
export interface LMRetry {
  readonly kind: "lm_retry";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly model: string;
  readonly role?: "embedding" | "judge" | "proposal" | "retrieval" | "task";
  readonly error: string;
  readonly attempt: number;
  readonly wait: number;
}

/** An endpoint takes more, or fewer, calls at once. */
export interface LimitChanged {
  readonly kind: "limit_changed";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly model: string;
  readonly endpoint?: string;
  readonly limit: number;
  readonly before?: number;
  readonly reason?: string;
}

/** An endpoint is asked no more (open), asked by one call to see (half open), or asked as usual (closed). */
export interface BreakerChanged {
  readonly kind: "breaker_changed";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly model: string;
  readonly endpoint?: string;
  readonly state: "closed" | "half_open" | "open";
  readonly reason?: string;
  readonly wait?: number;
}

/** A share of a cap is spent. */
export interface BudgetWarned {
  readonly kind: "budget_warned";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly share: number;
  readonly spent: number;
  readonly cap: number;
  readonly what?: "calls" | "seconds" | "tokens" | "usd";
}

/** The next act was refused because it could cross the cap. */
export interface BudgetReached {
  readonly kind: "budget_reached";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly spent: number;
  readonly cap: number;
  readonly what?: "calls" | "seconds" | "tokens" | "usd";
}

/** A module was called. Live listeners only: journals do not keep it. */
export interface ModuleStart {
  readonly kind: "module_start";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly module: string;
  readonly call: string;
}

/** A module returned or raised. Live listeners only: journals do not keep it. */
export interface ModuleEnd {
  readonly kind: "module_end";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly module: string;
  readonly call: string;
  readonly error?: string;
}

/** Something a person should read. */
export interface Log {
  readonly kind: "log";
  readonly seq?: number;
  readonly time?: number;
  readonly run?: string;
  readonly span?: string;
  readonly parent?: string;
  readonly level: "error" | "info" | "warning";
  readonly text: string;
}

/** One candidate as the table and the chart show it; `mean` is of the examples scored so far. */
export interface CandidateView {
  readonly id: string;
  readonly origin: string;
  readonly what: string;
  readonly instructions: Readonly<Record<string, string>>;
  readonly demos: Readonly<Record<string, number>>;
  readonly program: string;
  readonly baseline: boolean;
  readonly by: string;
  readonly pinned: string;
  readonly state: "dropped" | "proposed" | "running" | "scored";
  readonly full: boolean;
  readonly mean: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly n: number;
  readonly failed: number;
  readonly total: number | null;
  readonly sum: number;
  readonly cost: number;
  readonly calls: number;
  readonly spent: number;
  readonly at: number;
  readonly reason: string;
  readonly cells: string;
}

/** A corner of the best-so-far line. */
export interface BestPoint {
  readonly candidate: string;
  readonly mean: number;
  readonly calls: number;
  readonly spent: number;
  readonly at: number;
}

/** What one model did in one role. */
export interface ModelView {
  readonly model: string;
  readonly role: "embedding" | "judge" | "proposal" | "retrieval" | "task";
  readonly calls: number;
  readonly cached: number;
  readonly failed: number;
  readonly retried: number;
  readonly limited: number;
  readonly in_flight: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cost: number;
  readonly unpriced: number;
  readonly latency: readonly number[];
}

/** Where a model is asked, and whether it may be asked now. */
export interface EndpointView {
  readonly model: string;
  readonly endpoint: string;
  readonly state: "closed" | "half_open" | "open";
  readonly reason: string;
  readonly limit: number;
  readonly until: number;
  readonly opened: number;
}

/** One part of the method and how far it is. */
export interface PhaseView {
  readonly name: string;
  readonly k: number;
  readonly total: number | null;
  readonly state: "done" | "running";
}

/** Examples that failed for the same kind of reason. */
export interface FailureView {
  readonly kind: string;
  readonly count: number;
  readonly text: string;
}

/** The whole picture of a run after event `seq`. */
export interface RunState {
  readonly run: string;
  readonly seq: number;
  readonly name: string;
  readonly work: "evaluate" | "optimize";
  readonly method: string;
  readonly metric: string;
  readonly models: readonly string[];
  readonly practice: boolean;
  readonly budget_usd: number | null;
  readonly limits: Readonly<Record<string, number>>;
  readonly origin: string;
  readonly seed: number;
  readonly sizes: Readonly<Record<string, number>>;
  readonly planned: number | null;
  readonly status: "cancelled" | "failed" | "finished" | "lost" | "paused" | "running" | "starting" | "stopped" | "stopping";
  readonly reason: string;
  readonly holds: Readonly<Record<string, string>>;
  readonly frozen: readonly string[];
  readonly concurrency: number | null;
  readonly started: number;
  readonly updated: number;
  readonly ended: number | null;
  readonly idle: number;
  readonly reopened: number;
  readonly candidates: readonly CandidateView[];
  readonly baseline: string;
  readonly best: string;
  readonly line: readonly BestPoint[];
  readonly lm: readonly ModelView[];
  readonly endpoints: readonly EndpointView[];
  readonly phases: readonly PhaseView[];
  readonly examples: number;
  readonly errors: number;
  readonly failures: readonly FailureView[];
  readonly columns: Readonly<Record<string, number>>;
  readonly labels: number;
  readonly log: readonly AnyEvent[];
}

/** The events with `seq` in `from_ .. to`, without gaps. */
export interface Delta {
  readonly t: "d";
  readonly from: number;
  readonly to: number;
  readonly ev: readonly AnyEvent[];
}

/** The whole state after event `seq`: where the browser has a gap, or a batch would be too long. */
export interface Snapshot {
  readonly t: "s";
  readonly seq: number;
  readonly state: RunState;
}

/** The report is written to `path`, relative to the notebook's folder. */
export interface ReportReady {
  readonly t: "r";
  readonly path: string;
}

/** Something asked for from the browser could not be done; `text` is shown as it is. */
export interface Failure {
  readonly t: "e";
  readonly text: string;
}

/** What `op` asked for is done; `text` says more where an event alone would not. */
export interface Done {
  readonly t: "k";
  readonly op: "budget" | "cancel" | "closed" | "concurrency" | "drop" | "evaluate" | "label" | "pause" | "pin" | "report" | "reset" | "resume" | "snapshot" | "stop";
  readonly text: string;
}

/** One request from the browser. */
export interface Op {
  readonly op: "budget" | "cancel" | "closed" | "concurrency" | "drop" | "evaluate" | "label" | "pause" | "pin" | "report" | "reset" | "resume" | "snapshot" | "stop";
  readonly now?: boolean;
  readonly candidate?: string;
  readonly pinned?: boolean;
  readonly reason?: string;
  readonly predictor?: string;
  readonly instruction?: string;
  readonly caps?: Readonly<Record<string, number>>;
  readonly n?: number;
  readonly example?: string;
  readonly comment?: string;
}

export type AnyEvent =
  | RunStart
  | RunPaused
  | RunResumed
  | RunReopened
  | RunSteered
  | RunStopping
  | RunEnd
  | PhaseStart
  | PhaseEnd
  | OptimizationStep
  | CandidateProposed
  | EvaluateStart
  | ExampleScored
  | EvaluateEnd
  | CandidateEvaluated
  | CandidateDropped
  | BestChanged
  | LMStart
  | LMEnd
  | LMRetry
  | LimitChanged
  | BreakerChanged
  | BudgetWarned
  | BudgetReached
  | ModuleStart
  | ModuleEnd
  | Log;

export type Message =
  | Delta
  | Snapshot
  | ReportReady
  | Failure
  | Done;

export type OpName =
  | "pause"
  | "resume"
  | "stop"
  | "cancel"
  | "report"
  | "snapshot"
  | "closed"
  | "reset"
  | "pin"
  | "drop"
  | "evaluate"
  | "budget"
  | "concurrency"
  | "label";

export const BLANK_CandidateView: CandidateView = {
  id: "",
  origin: "",
  what: "",
  instructions: {},
  demos: {},
  program: "",
  baseline: false,
  by: "",
  pinned: "",
  state: "proposed",
  full: true,
  mean: null,
  low: null,
  high: null,
  n: 0,
  failed: 0,
  total: null,
  sum: 0.0,
  cost: 0.0,
  calls: 0,
  spent: 0.0,
  at: 0.0,
  reason: "",
  cells: "",
};

export const BLANK_BestPoint: BestPoint = {
  candidate: "",
  mean: 0,
  calls: 0,
  spent: 0,
  at: 0,
};

export const BLANK_ModelView: ModelView = {
  model: "",
  role: "embedding",
  calls: 0,
  cached: 0,
  failed: 0,
  retried: 0,
  limited: 0,
  in_flight: 0,
  prompt_tokens: 0,
  completion_tokens: 0,
  cost: 0.0,
  unpriced: 0,
  latency: [],
};

export const BLANK_EndpointView: EndpointView = {
  model: "",
  endpoint: "",
  state: "closed",
  reason: "",
  limit: 0,
  until: 0.0,
  opened: 0,
};

export const BLANK_PhaseView: PhaseView = {
  name: "",
  k: 0,
  total: null,
  state: "running",
};

export const BLANK_FailureView: FailureView = {
  kind: "",
  count: 0,
  text: "",
};

export const BLANK_RunState: RunState = {
  run: "",
  seq: 0,
  name: "",
  work: "optimize",
  method: "",
  metric: "",
  models: [],
  practice: false,
  budget_usd: null,
  limits: {},
  origin: "",
  seed: 0,
  sizes: {},
  planned: null,
  status: "starting",
  reason: "",
  holds: {},
  frozen: [],
  concurrency: null,
  started: 0.0,
  updated: 0.0,
  ended: null,
  idle: 0.0,
  reopened: 0,
  candidates: [],
  baseline: "",
  best: "",
  line: [],
  lm: [],
  endpoints: [],
  phases: [],
  examples: 0,
  errors: 0,
  failures: [],
  columns: {},
  labels: 0,
  log: [],
};

export const BLANK_EVENTS: { readonly [E in AnyEvent as E["kind"]]: Required<E> } = {
  run_start: { kind: "run_start", seq: 0, time: 0.0, run: "", span: "", parent: "", name: "", work: "evaluate", method: "", metric: "", models: [], practice: false, budget_usd: null, limits: {}, origin: "", seed: 0, sizes: {}, planned: null, code: "" },
  run_paused: { kind: "run_paused", seq: 0, time: 0.0, run: "", span: "", parent: "", by: "user", hold: "user", reason: "", now: false },
  run_resumed: { kind: "run_resumed", seq: 0, time: 0.0, run: "", span: "", parent: "", by: "user", hold: "user" },
  run_reopened: { kind: "run_reopened", seq: 0, time: 0.0, run: "", span: "", parent: "", by: "user", code: "" },
  run_steered: { kind: "run_steered", seq: 0, time: 0.0, run: "", span: "", parent: "", verb: "branch", by: "user", text: "", args: {} },
  run_stopping: { kind: "run_stopping", seq: 0, time: 0.0, run: "", span: "", parent: "", how: "cancel", by: "user" },
  run_end: { kind: "run_end", seq: 0, time: 0.0, run: "", span: "", parent: "", state: "cancelled", reason: "", best: "" },
  phase_start: { kind: "phase_start", seq: 0, time: 0.0, run: "", span: "", parent: "", name: "", total: null },
  phase_end: { kind: "phase_end", seq: 0, time: 0.0, run: "", span: "", parent: "", name: "" },
  optimization_step: { kind: "optimization_step", seq: 0, time: 0.0, run: "", span: "", parent: "", phase: "", k: 0, of: null },
  candidate_proposed: { kind: "candidate_proposed", seq: 0, time: 0.0, run: "", span: "", parent: "", candidate: "", origin: "", what: "", instructions: {}, demos: {}, program: "", baseline: false, by: "" },
  evaluate_start: { kind: "evaluate_start", seq: 0, time: 0.0, run: "", span: "", parent: "", candidate: "", total: null, full: true },
  example_scored: { kind: "example_scored", seq: 0, time: 0.0, run: "", span: "", parent: "", candidate: "", example: "", score: null, error: "", feedback: "", cost: 0.0, seconds: 0.0, repeat: 0 },
  evaluate_end: { kind: "evaluate_end", seq: 0, time: 0.0, run: "", span: "", parent: "", candidate: "", done: 0, failed: 0 },
  candidate_evaluated: { kind: "candidate_evaluated", seq: 0, time: 0.0, run: "", span: "", parent: "", candidate: "", mean: 0, low: 0, high: 0, n: 0, failed: 0, full: true, calls: 0, cost: 0.0, spent: 0.0 },
  candidate_dropped: { kind: "candidate_dropped", seq: 0, time: 0.0, run: "", span: "", parent: "", candidate: "", reason: "" },
  best_changed: { kind: "best_changed", seq: 0, time: 0.0, run: "", span: "", parent: "", candidate: "", mean: 0 },
  lm_start: { kind: "lm_start", seq: 0, time: 0.0, run: "", span: "", parent: "", model: "", role: "task" },
  lm_end: { kind: "lm_end", seq: 0, time: 0.0, run: "", span: "", parent: "", model: "", role: "task", prompt_tokens: 0, completion_tokens: 0, cost: 0.0, priced: true, cached: false, seconds: 0.0, waited: 0.0, error: "" },
  lm_retry: { kind: "lm_retry", seq: 0, time: 0.0, run: "", span: "", parent: "", model: "", role: "task", error: "", attempt: 0, wait: 0 },
  limit_changed: { kind: "limit_changed", seq: 0, time: 0.0, run: "", span: "", parent: "", model: "", endpoint: "", limit: 0, before: 0, reason: "" },
  breaker_changed: { kind: "breaker_changed", seq: 0, time: 0.0, run: "", span: "", parent: "", model: "", endpoint: "", state: "closed", reason: "", wait: 0.0 },
  budget_warned: { kind: "budget_warned", seq: 0, time: 0.0, run: "", span: "", parent: "", share: 0, spent: 0, cap: 0, what: "usd" },
  budget_reached: { kind: "budget_reached", seq: 0, time: 0.0, run: "", span: "", parent: "", spent: 0, cap: 0, what: "usd" },
  module_start: { kind: "module_start", seq: 0, time: 0.0, run: "", span: "", parent: "", module: "", call: "" },
  module_end: { kind: "module_end", seq: 0, time: 0.0, run: "", span: "", parent: "", module: "", call: "", error: "" },
  log: { kind: "log", seq: 0, time: 0.0, run: "", span: "", parent: "", level: "error", text: "" },
};
