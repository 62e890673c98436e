/* Keeps a run's state up to date from what the kernel sends, and knows what was asked but not yet answered.
 * Deltas must follow each other: after a gap it asks for a snapshot, holds what comes meanwhile, and goes on
 * from there. It never guesses the run's status; a pending request is kept beside the state, not in it. */
import { decodeMessage, parseState } from "../wire/decode.ts";
import type { Incoming, State } from "../wire/decode.ts";
import type { Op, OpName } from "../wire/types.ts";
import { fold } from "./reduce.ts";

/** What a button may ask for. */
export type Asked = Exclude<OpName, "snapshot" | "closed">;

/** Asks for something, with what belongs to it. */
export type Press = (op: Asked, more?: Omit<Op, "op">) => void;

/** A line for the person: an answer of the kernel, or that there is none. */
export interface Notice {
  readonly tone: "info" | "error";
  readonly text: string;
}

/** All that the views draw. */
export interface Shown {
  readonly run: State;
  readonly pending: readonly Asked[];
  readonly notice: Notice | null;
}

/** A run as the browser follows it. */
export interface Store {
  readonly get: () => Shown;
  readonly subscribe: (listener: () => void) => () => void;
  /** Takes a custom message of the kernel, of whatever shape. */
  readonly receive: (raw: unknown) => void;
  /** Takes the text of the `snapshot` trait. */
  readonly restore: (json: unknown) => void;
  /** Asks for the whole state, as after a gap. */
  readonly catchUp: () => void;
  /** Sends what a button asks for, with what belongs to it, and remembers that it waits. */
  readonly press: Press;
}

/* What a button of a run's life changes: its status, who holds it, and whether calls are held, too. */
const standing = (run: State): string => JSON.stringify([run.status, Object.keys(run.holds), run.frozen]);

type Delta = Extract<Incoming, { t: "d" }>;

/* Batches kept while a snapshot is on its way, and how many of them to wait before asking again: the kernel
 * sends at most ten a second, so a lost request costs two seconds. */
const HELD = 100;
const PATIENCE = 20;

/* What the run's own status answers; of all else the kernel says when it is done. */
const LIFE: ReadonlySet<Asked> = new Set(["pause", "resume", "stop", "cancel"]);

/** Makes a store that starts from `initial` and asks through `send`. */
export const createStore = (initial: State, send: (op: Op) => void): Store => {
  let shown: Shown = { run: initial, pending: [], notice: null };
  let held: Delta[] = [];
  const listeners = new Set<() => void>();

  const show = (change: Partial<Shown>): void => {
    shown = { ...shown, ...change };
    for (const listener of [...listeners]) listener();
  };

  const ask = (op: OpName, more: Omit<Op, "op"> = {}): void => {
    try {
      send({ op, ...more });
    } catch {
      // The notebook's connection throws when its kernel is gone: that is news for the person, not a fault here.
      const text = "The kernel cannot be reached, so nothing was asked of it.";
      show({ pending: shown.pending.filter((other) => other !== op), notice: { tone: "error", text } });
    }
  };

  const adopt = (run: State): void => {
    show(standing(run) !== standing(shown.run) ? { run, pending: shown.pending.filter((op) => !LIFE.has(op)) } : { run });
  };

  const delta = (batch: Delta): void => {
    if (batch.to <= shown.run.seq) return;
    if (batch.from > shown.run.seq + 1) return hold(batch);
    adopt(fold(batch.ev, shown.run));
    if (shown.run.seq < batch.to) adopt({ ...shown.run, seq: batch.to });
  };

  const hold = (batch: Delta): void => {
    if (held.length % PATIENCE === 0) ask("snapshot");
    held = [...held, batch].slice(-HELD);
  };

  const snapshot = (state: State): void => {
    if (state.seq >= shown.run.seq) adopt(state);
    const waiting = held;
    held = [];
    for (const batch of waiting) delta(batch);
  };

  return {
    get: () => shown,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    receive: (raw) => {
      const message = decodeMessage(raw);
      switch (message?.t) {
        case "d":
          return delta(message);
        case "s":
          return snapshot(message.state);
        case "r": {
          const pending = shown.pending.filter((op) => op !== "report");
          return show({ pending, notice: { tone: "info", text: `Report written to ${message.path}` } });
        }
        case "k": {
          const pending = shown.pending.filter((op) => op !== message.op);
          return show({ pending, notice: message.text ? { tone: "info", text: message.text } : shown.notice });
        }
        case "e":
          return show({ pending: [], notice: { tone: "error", text: message.text } });
        default:
          return;
      }
    },
    restore: (json) => {
      const state = parseState(json);
      if (state !== null) snapshot(state);
    },
    catchUp: () => ask("snapshot"),
    press: (op, more) => {
      if (shown.pending.includes(op)) return;
      show({ pending: [...shown.pending, op], notice: null });
      ask(op, more);
    },
  };
};
