/* The reducer gives what the golden journals say: the same files hold dspex/runs/state.py. */
import { describe, expect, test } from "vitest";
import { eventsOf, goldenNames, stateOf } from "../testing.ts";
import { decodeEvent, decodeState, EMPTY } from "../wire/decode.ts";
import { fold, reduce } from "./reduce.ts";

const NAMES = goldenNames("journals", ".jsonl");

test("all golden journals are there", () => expect(NAMES.length).toBeGreaterThanOrEqual(8));

describe.each(NAMES)("%s", (name) => {
  const events = eventsOf(name);

  test("folds to its golden state", () => expect(fold(events, EMPTY)).toEqual(stateOf(name)));

  test.each([0, 0.2, 0.5, 0.8, 1])("folds to the same in two parts, cut at %d", (share) => {
    const cut = Math.round(share * events.length);
    const half = decodeState(JSON.parse(JSON.stringify(fold(events.slice(0, cut), EMPTY))));
    expect(fold(events.slice(cut), half)).toEqual(stateOf(name));
  });

  test("events already taken change nothing", () => {
    const state = stateOf(name);
    expect(events.slice(0, 40).reduce(reduce, state)).toBe(state);
  });
});

test("a state that was handed out is never changed", () => {
  const freeze = <T>(value: T): T => {
    if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
    return value;
  };
  const end = eventsOf("rich").reduce((state, event) => freeze(reduce(state, event)), freeze(EMPTY));
  expect(end).toEqual(stateOf("rich"));
});

test("an event of an unknown kind moves the count and nothing else", () => {
  const state = reduce(EMPTY, decodeEvent({ kind: "from_tomorrow", seq: 1, time: 5 }));
  expect(state).toEqual({ ...EMPTY, seq: 1, updated: 5 });
});
