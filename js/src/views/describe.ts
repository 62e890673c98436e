/* One sentence for each kind of event, as plain text. dspex_widgets/views.py says the same in Python;
 * tests/golden/describe holds both to it. Free text is shortened, since a model or a user wrote it. */
import { count, duration, money, plural, score, tokens } from "../ui/format.ts";
import type { RunEvent } from "../wire/decode.ts";

const LONGEST = 200;
const USER = "user"; // the hold of a person

type Of<K extends RunEvent["kind"]> = Extract<RunEvent, { kind: K }>;
type OfCandidate = Extract<RunEvent, { candidate: string }>;
type OfCall = Extract<RunEvent, { model: string } | { module: string }>;
type Kind = Of<"budget_reached">["what"];

/** Says what happened; `percent` decides how scores look, by default their own size does. */
export const describe = (event: RunEvent, percent?: boolean): string => {
  if ("candidate" in event) return ofCandidate(event, percent);
  if ("model" in event || "module" in event) return ofCall(event);
  switch (event.kind) {
    case "run_start":
      return started(event);
    case "run_paused":
      return paused(event);
    case "run_resumed":
      return event.hold === USER ? `resumed by ${short(event.by)}` : `no longer held by ${short(event.hold)}`;
    case "run_reopened":
      return `${short(event.by)} went on with the run in another kernel`;
    case "run_steered":
      return `${short(event.by)}: ${short(event.text || event.verb)}`;
    case "run_stopping":
      return `${event.how === "stop" ? "stopping, the best is kept" : "cancelling"}; asked by ${short(event.by)}`;
    case "run_end":
      return `${event.state}${after(": ", event.reason)}${after("; best is ", event.best)}`;
    case "phase_start":
      return `phase ${short(event.name)} started${event.total === null ? "" : `, ${plural(event.total, "step")}`}`;
    case "phase_end":
      return `phase ${short(event.name)} done`;
    case "optimization_step":
      return `${short(event.phase)}: step ${event.k}${event.of === null ? "" : ` of ${event.of}`}`;
    case "budget_warned": {
      const part = Math.floor(event.share * 100 + 0.5);
      return `${part}% of the budget: ${bare(event.spent, event.what)} of ${amount(event.cap, event.what)} ${used(event.what)}`;
    }
    case "budget_reached":
      return `budget of ${amount(event.cap, event.what)} reached, ${bare(event.spent, event.what)} ${used(event.what)}`;
    case "log":
      return `${event.level === "info" ? "" : `${event.level}: `}${short(event.text)}`;
    case "unknown":
      return short(event.name).replaceAll("_", " ") || "unknown event";
  }
};

/** One line of at most 200 characters (code points), blanks run together. */
export const short = (text: string): string => {
  const letters = [...text.replace(/[ \t\r\n]+/g, " ").replace(/^ | $/g, "")];
  return letters.length > LONGEST ? `${letters.slice(0, LONGEST - 1).join("")}…` : letters.join("");
};

const started = (event: Of<"run_start">): string =>
  (event.work === "evaluate" ? "evaluation of " : `${short(event.method)} on `) +
  `${short(event.name)} started` +
  (event.planned === null || event.work === "evaluate" ? "" : `, ${plural(event.planned, "candidate")} planned`) +
  (event.budget_usd === null ? "" : `, budget ${money(event.budget_usd)}`) +
  (event.practice ? ", practice model with simulated prices" : "");

const paused = ({ hold, by, now, reason }: Of<"run_paused">): string => {
  if (hold !== USER && reason) return `paused: ${short(reason)}`;
  return `paused by ${short(by)}${now ? ", calls in flight are held, too" : ""}${after(": ", reason)}`;
};

/** So much of a budget, with its unit: $2.00, 92 k tokens, 1,000 calls, 10 m 00 s. */
export const amount = (value: number, what: Kind): string =>
  what === "tokens" ? `${tokens(value)} tokens` : what === "calls" ? plural(value, "call") : bare(value, what);

const bare = (value: number, what: Kind): string =>
  what === "usd" ? money(value) : what === "tokens" ? tokens(value) : what === "calls" ? count(value) : duration(value);

const used = (what: Kind): string => (what === "usd" ? "spent" : "used");

const ofCandidate = (event: OfCandidate, percent?: boolean): string => {
  const id = short(event.candidate);
  switch (event.kind) {
    case "candidate_proposed":
      if (event.baseline) return `${id} is the program as given`;
      return `${id} proposed${after(" by ", event.by)}${after(" from ", event.origin)}${after(": ", event.what)}`;
    case "evaluate_start":
      return `${id} is being scored${event.total === null ? "" : ` on ${plural(event.total, "example")}`}`;
    case "example_scored":
      return event.score === null
        ? `${id} failed on ${short(event.example)}${after(": ", event.error)}`
        : `${id} got ${scored(event.score, percent)} on ${short(event.example)}`;
    case "evaluate_end":
      return `${id} was scored on ${plural(event.done, "example")}${failed(event.failed)}`;
    case "candidate_evaluated":
      return evaluated(event, percent);
    case "candidate_dropped":
      return `${id} dropped${after(": ", event.reason)}`;
    case "best_changed":
      return `${id} is the best so far with ${scored(event.mean, percent)}`;
  }
};

const evaluated = (event: Of<"candidate_evaluated">, percent?: boolean): string => {
  const as = percent ?? [event.mean, event.low, event.high].every(within);
  const [mean, spread] = [score(event.mean, as), score((event.high - event.low) / 2, as)];
  const on = `${plural(event.n, "example")}${event.full ? "" : " of a part"}`;
  return `${short(event.candidate)} scored ${mean} ±${spread} on ${on}${failed(event.failed)}`;
};

const ofCall = (event: OfCall): string => {
  const who = short("model" in event ? event.model : event.module);
  switch (event.kind) {
    case "lm_start":
    case "module_start":
      return `${who} called`;
    case "lm_retry":
      return `${who}: ${short(event.error)}, trying again in ${wait(event.wait)}`;
    case "limit_changed": {
      const change = event.before > 0 ? `${count(event.before)} → ${count(event.limit)}` : count(event.limit);
      return `${who}${after(" at ", event.endpoint)}: ${change} calls at once${after(", ", event.reason)}`;
    }
    case "breaker_changed":
      return `${who}${after(" at ", event.endpoint)} ${breaker(event)}`;
    case "lm_end": {
      if (event.error) return `${who} failed: ${short(event.error)}`;
      const spent = event.priced ? money(event.cost) : "price unknown";
      const from = event.cached ? " from the cache" : "";
      return `${who} answered${from}, ${tokens(event.prompt_tokens + event.completion_tokens)} tokens, ${spent}`;
    }
    case "module_end":
      return event.error ? `${who} raised ${short(event.error)}` : `${who} returned`;
  }
};

const breaker = (event: Of<"breaker_changed">): string => {
  if (event.state === "half_open") return "is tried again with one call";
  if (event.state === "closed") return `is asked again${after(": ", event.reason)}`;
  const again = event.wait > 0 ? `tried again in ${wait(event.wait)}` : "it waits for a person";
  return `is not asked for now${after(": ", event.reason)}; ${again}`;
};

const wait = (seconds: number): string => `${(Math.floor(seconds * 10 + 0.5) / 10).toFixed(1)} s`;

const after = (lead: string, text: string): string => (text ? `${lead}${short(text)}` : "");
const failed = (n: number): string => (n > 0 ? `, ${n} failed` : "");
const within = (value: number): boolean => Math.abs(value) <= 1;
const scored = (value: number, percent?: boolean): string => score(value, percent ?? within(value));
