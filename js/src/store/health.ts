/* How the models of a run are and what holds it up, in words. dspex_widgets/health.py says the same in Python;
 * tests/golden/shown.json holds both to it. `now` is the time of the words, as epoch seconds. */
import { count, duration } from "../ui/format.ts";
import { short } from "../views/describe.ts";
import type { State } from "../wire/decode.ts";
import { BLANK_ModelView } from "../wire/types.ts";
import type { EndpointView, ModelView } from "../wire/types.ts";
import { isOver } from "./select.ts";

/** The hold of a person. */
export const USER = "user";

/** What one model's endpoints say. */
export interface Health {
  readonly inFlight: string;
  /** Calls beyond what the model takes at once. */
  readonly waiting: number;
  readonly breaker: string;
  readonly tone: "" | "good" | "warn" | "bad";
}

/** The models that were called, and those of which only an endpoint is known. */
export const listed = (run: State): readonly ModelView[] => {
  const known = new Set(run.lm.map((model) => model.model));
  const others = new Set(run.endpoints.map((it) => it.model).filter((name) => !known.has(name)));
  return [...run.lm, ...[...others].map((model): ModelView => ({ ...BLANK_ModelView, model, role: "task" }))];
};

/** Whether something other than a person holds the run. */
export const isHeld = (run: State): boolean =>
  run.status === "paused" && Object.keys(run.holds).some((hold) => hold !== USER);

/** What a paused run waits for, as far as it is not only a person. */
export const held = (run: State, now: number): string => {
  if (run.status !== "paused") return "";
  const reasons = [...new Set(Object.values(run.holds).filter(Boolean).map(short))].join("; ");
  return [reasons, isHeld(run) ? again(run.endpoints, now) : ""].filter(Boolean).join(", ");
};

/** When the endpoints that are not asked will be; empty where all are asked. */
export const again = (endpoints: readonly EndpointView[], now: number): string => {
  if (endpoints.some((it) => it.state === "half_open")) return "one call tries it now";
  const shut = endpoints.filter((it) => it.state === "open");
  if (shut.length === 0) return "";
  const until = shut.map((it) => it.until).filter((time) => time > 0);
  if (until.length === 0) return "waits for you";
  const left = Math.ceil(Math.min(...until) - now);
  return left > 0 ? `tries again in ${duration(left)}` : "tries again now";
};

/** How one model is. */
export const healthOf = (run: State, model: ModelView, now: number): Health => {
  const ends = run.endpoints.filter((it) => it.model === model.model);
  const limit = ends.reduce((all, it) => all + it.limit, 0);
  const busy = count(limit > 0 ? Math.min(model.in_flight, limit) : model.in_flight);
  return {
    inFlight: limit > 0 ? `${busy} of ${count(limit)}` : busy,
    waiting: limit > 0 ? Math.max(0, model.in_flight - limit) : 0,
    ...breakerOf(ends, isOver(run), now),
  };
};

const breakerOf = (ends: readonly EndpointView[], over: boolean, now: number): Pick<Health, "breaker" | "tone"> => {
  if (ends.length === 0) return { breaker: "", tone: "" };
  const rests = ends.filter((it) => it.state !== "closed");
  if (rests.length === 0) return { breaker: "closed", tone: "good" };
  const lead = ends.length > 1 ? `${rests.length} of ${ends.length} ` : "";
  const shut = rests.find((it) => it.state === "open");
  if (shut === undefined) return { breaker: `${lead}half-open${over ? "" : ", one call tries it now"}`, tone: "warn" };
  const why = shut.reason ? `: ${short(shut.reason)}` : "";
  return { breaker: `${lead}open${why}${over ? "" : `, ${again(ends, now)}`}`, tone: "bad" };
};

/** What went wrong with a model's calls. */
export const troubles = (model: ModelView): string =>
  [
    [model.failed, "failed"] as const,
    [model.limited, "rate-limited"] as const,
    [model.retried - model.limited, "retried"] as const,
  ].flatMap(([n, what]) => (n > 0 ? [`${count(n)} ${what}`] : [])).join(", ");
