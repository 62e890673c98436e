/* The store keeps up with the kernel, notices gaps, and never says that something happened before it did. */
import { beforeEach, describe, expect, test } from "vitest";
import { eventsOf, golden, stateOf } from "../testing.ts";
import { EMPTY } from "../wire/decode.ts";
import type { OpName } from "../wire/types.ts";
import { fold } from "./reduce.ts";
import { createStore } from "./store.ts";
import type { Store } from "./store.ts";

const LINES = golden("journals/stopped.jsonl").split("\n").filter(Boolean).map((line): unknown => JSON.parse(line));
const delta = (from: number, to: number): unknown => ({ t: "d", from, to, ev: LINES.slice(from - 1, to) });
const snapshot = (seq: number): unknown => ({ t: "s", seq, state: fold(eventsOf("stopped").slice(0, seq), EMPTY) });

let sent: OpName[];
let store: Store;
beforeEach(() => {
  sent = [];
  store = createStore(EMPTY, ({ op }) => sent.push(op));
});

describe("deltas", () => {
  test("that follow each other give the golden state", () => {
    for (let from = 1; from <= LINES.length; from += 7) store.receive(delta(from, Math.min(from + 6, LINES.length)));
    expect(store.get().run).toEqual(stateOf("stopped"));
    expect(sent).toEqual([]);
  });

  test("that come twice or overlap are taken once", () => {
    store.receive(delta(1, 10));
    store.receive(delta(1, 10));
    store.receive(delta(5, LINES.length));
    expect(store.get().run).toEqual(stateOf("stopped"));
  });

  test("after a gap wait for a snapshot, then go on from it", () => {
    store.receive(delta(1, 5));
    store.receive(delta(11, 15));
    store.receive(delta(16, LINES.length));
    expect(sent).toEqual(["snapshot"]);
    expect(store.get().run.seq).toBe(5);
    store.receive(snapshot(12));
    expect(store.get().run).toEqual(stateOf("stopped"));
    expect(sent).toEqual(["snapshot"]);
  });

  test("after a gap ask again when no snapshot comes", () => {
    for (let from = 2; from <= 42; from += 1) store.receive(delta(from, from));
    expect(sent).toEqual(["snapshot", "snapshot", "snapshot"]);
  });

  test("held beyond the bound are forgotten, and the gap they leave is noticed", () => {
    for (let seq = 1002; seq < 1202; seq += 1) store.receive({ t: "d", from: seq, to: seq, ev: [] });
    sent.length = 0;
    store.receive({ t: "s", seq: 1010, state: { ...EMPTY, seq: 1010 } });
    expect(store.get().run.seq).toBe(1010);
    expect(sent).toContain("snapshot");
  });
});

describe("buttons that change the course", () => {
  test("send what belongs to them and wait for the kernel's word", () => {
    const asked: unknown[] = [];
    store = createStore(EMPTY, (request) => asked.push(request));
    store.press("pin", { candidate: "c1" });
    store.press("pin", { candidate: "c2" });
    store.press("budget", { caps: { usd: 5 } });
    expect(asked).toEqual([{ op: "pin", candidate: "c1" }, { op: "budget", caps: { usd: 5 } }]);
    store.receive({ t: "k", op: "pin", text: "" });
    expect([store.get().pending, store.get().notice]).toEqual([["budget"], null]);
    store.receive({ t: "k", op: "budget", text: "done" });
    expect([store.get().pending, store.get().notice]).toEqual([[], { tone: "info", text: "done" }]);
  });

  test("do not take a status for their answer, nor a hold for nothing", () => {
    store.receive(delta(1, 10));
    store.press("evaluate", { instruction: "x" });
    store.press("pause");
    store.receive({ t: "s", seq: 10, state: store.get().run });
    expect(store.get().pending).toEqual(["evaluate", "pause"]);
    store.receive({ t: "d", from: 11, to: 11, ev: [{ kind: "run_paused", seq: 11 }] });
    expect(store.get().pending).toEqual(["evaluate"]);
  });
});

describe("snapshots", () => {
  test("older than what is known are left aside", () => {
    store.receive(delta(1, 20));
    const before = store.get().run;
    store.receive(snapshot(12));
    store.restore(JSON.stringify(fold(eventsOf("stopped").slice(0, 3), EMPTY)));
    expect(store.get().run).toBe(before);
  });

  test("of the trait heal a gap too", () => {
    store.receive(delta(20, LINES.length));
    store.restore(golden("journals/stopped.state.json"));
    expect(store.get().run).toEqual(stateOf("stopped"));
  });

  test.each(["", "{", undefined, 4])("that are none (%j) change nothing", (text) => {
    store.restore(text);
    expect(store.get().run).toBe(EMPTY);
  });
});

describe("requests", () => {
  test("wait until the run's status moves, and only then", () => {
    store.receive(delta(1, 20));
    store.press("stop");
    store.press("stop");
    expect(sent).toEqual(["stop"]);
    expect([store.get().run.status, store.get().pending]).toEqual(["running", ["stop"]]);
    store.receive(snapshot(21));
    expect(store.get().pending).toEqual(["stop"]);
    store.receive({ t: "d", from: 22, to: 22, ev: [{ kind: "run_stopping", seq: 22, how: "stop" }] });
    expect([store.get().run.status, store.get().pending]).toEqual(["stopping", []]);
  });

  test("for a report wait for its path, whatever the status does", () => {
    store.press("report");
    store.receive(delta(1, 3));
    expect(store.get().pending).toEqual(["report"]);
    store.receive({ t: "r", path: "dspex-r3.html" });
    expect(store.get()).toMatchObject({ pending: [], notice: { tone: "info", text: "Report written to dspex-r3.html" } });
  });

  test("to a kernel that is gone say so and do not wait", () => {
    const gone = createStore(EMPTY, () => {
      throw new Error("Comm is closed");
    });
    gone.press("pause");
    gone.catchUp();
    expect(gone.get()).toMatchObject({ pending: [], notice: { tone: "error" } });
  });

  test("that fail say why and may be made again", () => {
    store.press("report");
    store.receive({ t: "e", text: "no space left" });
    expect(store.get()).toMatchObject({ pending: [], notice: { tone: "error", text: "no space left" } });
    store.press("report");
    expect([sent, store.get().notice]).toEqual([["report", "report"], null]);
  });
});

test("a listener that left hears nothing more", () => {
  let heard = 0;
  const leave = store.subscribe(() => (heard += 1));
  store.receive(delta(1, 2));
  leave();
  store.receive(delta(3, 4));
  expect(heard).toBe(1);
});

test.each([null, 4, "d", { t: "x" }, {}])("a message that is none (%j) changes nothing", (raw) => {
  store.receive(raw);
  expect(store.get()).toEqual({ run: EMPTY, pending: [], notice: null });
});
