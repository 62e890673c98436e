/* Decoding completes whatever arrives and never throws. */
import { describe, expect, test } from "vitest";
import { decodeEvent, decodeMessage, decodeState, EMPTY, parseState } from "./decode.ts";
import { BLANK_EVENTS } from "./types.ts";

describe("decodeEvent", () => {
  test("a field left out on the wire holds its default", () => {
    expect(decodeEvent({ kind: "lm_end", seq: 3, model: "m" })).toEqual({ ...BLANK_EVENTS.lm_end, seq: 3, model: "m" });
  });

  test("a field of another type than agreed is left aside", () => {
    expect(decodeEvent({ kind: "log", level: 4, text: ["x"], more: 1 })).toEqual(BLANK_EVENTS.log);
  });

  test.each([[{ kind: "from_tomorrow", seq: 7, time: 2 }], [{ kind: "constructor", seq: 7, time: 2 }]])(
    "a kind that is not known still counts: %j",
    (raw) => expect(decodeEvent(raw)).toEqual({ kind: "unknown", name: raw.kind, seq: 7, time: 2 }),
  );

  test.each([[null], [undefined], [4], ["x"], [[]], [{}]])("%j is no event but harmless", (raw) => {
    expect(decodeEvent(raw)).toEqual({ kind: "unknown", name: "", seq: 0, time: 0 });
  });
});

describe("decodeState", () => {
  test.each([[null], [undefined], [4], ["x"], [[]], [{}]])("%j gives the empty run", (raw) => {
    expect(decodeState(raw)).toEqual(EMPTY);
  });

  test("parts of an older kernel are completed", () => {
    const state = decodeState({ status: "paused", candidates: [{ id: "c1" }, null], lm: [{ model: "m", role: "proposal" }], log: [{}] });
    expect(state.candidates.map((c) => [c.id, c.state, c.mean])).toEqual([["c1", "proposed", null], ["", "proposed", null]]);
    expect(state.lm[0]).toMatchObject({ role: "proposal", calls: 0 });
    expect(state.log[0]?.kind).toBe("unknown");
  });
});

describe("parseState", () => {
  test.each(["", "{", "[]", "null", 4, undefined])("%j is no state", (text) => expect(parseState(text)).toBeNull());

  test("text is read", () => expect(parseState('{"run":"r3"}')?.run).toBe("r3"));
});

describe("decodeMessage", () => {
  test.each([[null], [3], ["d"], [{}], [{ t: "x" }], [[]]])("%j is no message", (raw) => expect(decodeMessage(raw)).toBeNull());

  test("the four messages are read", () => {
    expect(decodeMessage({ t: "d", from: 1, to: 1, ev: [{ kind: "log" }] })).toEqual({ t: "d", from: 1, to: 1, ev: [BLANK_EVENTS.log] });
    expect(decodeMessage({ t: "s", seq: 4, state: {} })).toEqual({ t: "s", seq: 4, state: EMPTY });
    expect(decodeMessage({ t: "r", path: "a.html" })).toEqual({ t: "r", path: "a.html" });
    expect(decodeMessage({ t: "e", text: 5 })).toEqual({ t: "e", text: "" });
  });
});
