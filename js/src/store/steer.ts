/* The part of the reducer about who holds and steers a run, and where its models are asked. As in
 * dspex/runs/state.py; kept apart because a run without a person or a fault never comes here. */
import type { RunEvent, State } from "../wire/decode.ts";
import { BLANK_EndpointView } from "../wire/types.ts";
import type { CandidateView, EndpointView } from "../wire/types.ts";
import { own } from "./select.ts";

type Of<K extends RunEvent["kind"]> = Extract<RunEvent, { kind: K }>;

const HOLDABLE: ReadonlySet<State["status"]> = new Set(["starting", "running", "paused"]);

/** Notes one more hold. */
export const paused = (state: State, { hold, reason, now }: Of<"run_paused">): State => {
  if (!HOLDABLE.has(state.status)) return state;
  const others = state.frozen.filter((name) => name !== hold);
  const frozen = now ? [...others, hold] : others;
  return { ...state, status: "paused", holds: { ...state.holds, [hold]: reason }, frozen };
};

/** Takes one hold away; with the last one the run goes on. */
export const resumed = (state: State, { hold }: Of<"run_resumed">): State => {
  const holds = without(state.holds, hold);
  const goes = state.status === "paused" && Object.keys(holds).length === 0;
  const frozen = state.frozen.filter((name) => name !== hold);
  return { ...state, holds, frozen, status: goes ? "running" : state.status };
};

/** Forgets what the dead kernel held, had in flight and knew of its endpoints. */
export const reopened = (state: State, cutShort: string): State => ({
  ...state,
  status: "running",
  reason: "",
  ended: null,
  holds: {},
  frozen: [],
  endpoints: [],
  reopened: state.reopened + 1,
  lm: state.lm.map((seen) => ({ ...seen, in_flight: 0 })),
  candidates: state.candidates.map((seen) =>
    seen.state === "dropped" && seen.reason === cutShort ? { ...seen, state: "running", reason: "" } : seen,
  ),
});

/** Notes how an endpoint is. */
export const endpoint = (state: State, event: Of<"limit_changed" | "breaker_changed">): State => {
  const is = (it: EndpointView): boolean => it.model === event.model && it.endpoint === event.endpoint;
  const blank: EndpointView = { ...BLANK_EndpointView, model: event.model, endpoint: event.endpoint };
  const endpoints = state.endpoints.some(is) ? state.endpoints : [...state.endpoints, blank];
  const change = event.kind === "limit_changed" ? () => ({ limit: event.limit }) : broken(event);
  return { ...state, endpoints: endpoints.map((it) => (is(it) ? { ...it, ...change(it) } : it)) };
};

const broken = (event: Of<"breaker_changed">) => (seen: EndpointView): Partial<EndpointView> => ({
  state: event.state,
  reason: event.reason,
  until: event.wait > 0 && event.state !== "closed" ? event.time + event.wait : 0,
  opened: seen.opened + (event.state === "open" && seen.state !== "open" ? 1 : 0),
});

/** Notes what a person changed. */
export const steered = (state: State, event: Of<"run_steered">): State => {
  const { args, by } = event;
  switch (event.verb) {
    case "budget":
      return capped(state, args);
    case "concurrency": {
      const n = numberOf(own(args, "n"));
      return { ...state, concurrency: n === null ? null : Math.floor(n) };
    }
    case "model": {
      const name = textOf(own(args, "model"));
      return name && !state.models.includes(name) ? { ...state, models: [...state.models, name] } : state;
    }
    case "label":
      return { ...state, labels: state.labels + 1 };
    case "retry": {
      // What failed is told once more, scored or failed again.
      const candidates = state.candidates.map((seen) => ({ ...seen, failed: 0 }));
      return { ...state, examples: state.examples - state.errors, errors: 0, failures: [], candidates };
    }
    case "pin":
      return candidate(state, args, () => ({ pinned: own(args, "pinned") === "false" ? "" : by }));
    case "drop": {
      const why = textOf(own(args, "reason"));
      return candidate(state, args, (seen) => ({ state: "dropped", reason: why || seen.reason || `by ${by}` }));
    }
    default:
      return state;
  }
};

type Args = Of<"run_steered">["args"];

const capped = (state: State, args: Args): State => {
  const usd = own(args, "usd");
  const limits = ["tokens", "calls", "seconds"].reduce((all, kind) => {
    const json = own(args, kind);
    const cap = numberOf(json);
    return json === undefined ? all : cap === null ? without(all, kind) : { ...all, [kind]: cap };
  }, state.limits);
  return { ...state, limits, budget_usd: usd === undefined ? state.budget_usd : numberOf(usd) };
};

const candidate = (state: State, args: Args, change: (seen: CandidateView) => Partial<CandidateView>): State => {
  const id = textOf(own(args, "candidate"));
  const at = state.candidates.findLastIndex((c) => c.id === id);
  return at < 0 ? state : { ...state, candidates: state.candidates.map((c, k) => (k === at ? { ...c, ...change(c) } : c)) };
};

const without = <T>(record: Readonly<Record<string, T>>, name: string): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(record).filter(([other]) => other !== name));

const valueOf = (json: string | undefined): unknown => {
  try {
    return JSON.parse(json ?? "");
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // an older or newer kernel's plain text
    throw error;
  }
};

const numberOf = (json: string | undefined): number | null => {
  const value = valueOf(json);
  return typeof value === "number" && Number.isFinite(value) ? value : null;
};

const textOf = (json: string | undefined): string => {
  const value = valueOf(json);
  return typeof value === "string" ? value : (json ?? "");
};
