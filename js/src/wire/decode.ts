/* Turns what arrives into the types of types.ts: the only place that asserts a type.
 * Nothing here throws: a missing field gets its default, a kind from a newer kernel becomes `unknown`, and what
 * is no message at all becomes null. */
import {
  BLANK_BestPoint,
  BLANK_CandidateView,
  BLANK_EndpointView,
  BLANK_EVENTS,
  BLANK_ModelView,
  BLANK_FailureView,
  BLANK_PhaseView,
  BLANK_RunState,
} from "./types.ts";
import type { AnyEvent, RunState } from "./types.ts";

/** An event of a kind this front end does not know: counted, not understood. */
export interface Unknown {
  readonly kind: "unknown";
  readonly name: string;
  readonly seq: number;
  readonly time: number;
}

type Complete<E> = E extends unknown ? Required<E> : never;

/** An event with every field in place. */
export type RunEvent = Complete<AnyEvent> | Unknown;

/** A run's state whose events have every field in place. */
export type State = Omit<RunState, "log"> & { readonly log: readonly RunEvent[] };

/** What the kernel said. */
export type Incoming =
  | { readonly t: "d"; readonly from: number; readonly to: number; readonly ev: readonly RunEvent[] }
  | { readonly t: "s"; readonly seq: number; readonly state: State }
  | { readonly t: "r"; readonly path: string }
  | { readonly t: "k"; readonly op: string; readonly text: string }
  | { readonly t: "e"; readonly text: string };

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const fits = (value: unknown, blank: unknown): boolean => {
  if (blank === null) return value === null || typeof value === "number" || typeof value === "string";
  if (Array.isArray(blank)) return Array.isArray(value);
  if (isFields(blank)) return isFields(value);
  return typeof value === typeof blank;
};

/** Returns `blank` with each of its fields taken from `raw` where that has one of the same type. */
const complete = <T extends object>(blank: T, raw: unknown): T => {
  if (!isFields(raw)) return blank;
  const made: Record<string, unknown> = {};
  for (const [name, usual] of Object.entries(blank)) made[name] = fits(raw[name], usual) ? raw[name] : usual;
  return made as T;
};

const each = <T extends object>(blank: T, raw: unknown): readonly T[] =>
  Array.isArray(raw) ? raw.map((one) => complete(blank, one)) : [];

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const whole = (value: unknown): number => (typeof value === "number" ? value : 0);

/** Completes one event. */
export const decodeEvent = (raw: unknown): RunEvent => {
  const fields = isFields(raw) ? raw : {};
  const kind = text(fields["kind"]);
  if (Object.hasOwn(BLANK_EVENTS, kind)) {
    return complete(BLANK_EVENTS[kind as AnyEvent["kind"]], { ...fields, kind }) as RunEvent;
  }
  return { kind: "unknown", name: kind, seq: whole(fields["seq"]), time: whole(fields["time"]) };
};

/** Completes a run's state. */
export const decodeState = (raw: unknown): State => {
  const state = complete(BLANK_RunState, raw);
  return {
    ...state,
    candidates: each(BLANK_CandidateView, state.candidates),
    line: each(BLANK_BestPoint, state.line),
    lm: each(BLANK_ModelView, state.lm),
    endpoints: each(BLANK_EndpointView, state.endpoints),
    phases: each(BLANK_PhaseView, state.phases),
    failures: each(BLANK_FailureView, state.failures),
    log: state.log.map(decodeEvent),
  };
};

/** Reads the state out of JSON text, or gives null where it is none. */
export const parseState = (json: unknown): State | null => {
  if (typeof json !== "string" || json === "") return null;
  try {
    const raw: unknown = JSON.parse(json);
    return isFields(raw) ? decodeState(raw) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null; // half a text is no state; the next snapshot brings one
    throw error;
  }
};

/** Reads one custom message of the kernel. */
export const decodeMessage = (raw: unknown): Incoming | null => {
  if (!isFields(raw)) return null;
  switch (raw["t"]) {
    case "d":
      return {
        t: "d",
        from: whole(raw["from"]),
        to: whole(raw["to"]),
        ev: Array.isArray(raw["ev"]) ? raw["ev"].map(decodeEvent) : [],
      };
    case "s":
      return { t: "s", seq: whole(raw["seq"]), state: decodeState(raw["state"]) };
    case "r":
      return { t: "r", path: text(raw["path"]) };
    case "k":
      return { t: "k", op: text(raw["op"]), text: text(raw["text"]) };
    case "e":
      return { t: "e", text: text(raw["text"]) };
    default:
      return null;
  }
};

/** An empty run, before anything is known of it. */
export const EMPTY: State = decodeState({});
