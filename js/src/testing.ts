/* What several tests need: the golden files, and a run in a state. Never imported by what ships. */
import { readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fold } from "./store/reduce.ts";
import { decodeEvent, decodeState, EMPTY } from "./wire/decode.ts";
import type { RunEvent, State } from "./wire/decode.ts";

const GOLDEN = resolve(import.meta.dirname, "../../tests/golden");

/** Reads one golden file as text. */
export const golden = (path: string): string => readFileSync(join(GOLDEN, path), "utf8");

/** The names of the golden files of a folder with this ending. */
export const goldenNames = (folder: string, ending: string): readonly string[] =>
  readdirSync(join(GOLDEN, folder)).filter((name) => name.endsWith(ending)).map((name) => name.slice(0, -ending.length)).sort();

/** The events of a golden journal. */
export const eventsOf = (name: string): readonly RunEvent[] =>
  golden(`journals/${name}.jsonl`).split("\n").filter(Boolean).map((line) => decodeEvent(JSON.parse(line)));

/** The state that a golden journal must fold to. */
export const stateOf = (name: string): State => decodeState(JSON.parse(golden(`journals/${name}.state.json`)));

/** The state after a share of a golden journal. */
export const partOf = (name: string, share: number): State => {
  const events = eventsOf(name);
  return fold(events.slice(0, Math.floor(events.length * share)), EMPTY);
};

/** Waits until the views have drawn and their effects have run. */
export const settled = (): Promise<void> => new Promise((done) => setTimeout(done, 30));
