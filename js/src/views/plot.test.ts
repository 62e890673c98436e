/* The chart's places: everything inside the frame, on round axes, for every golden run. */
import { describe, expect, test } from "vitest";
import { eventsOf, goldenNames, partOf, stateOf } from "../testing.ts";
import { EMPTY } from "../wire/decode.ts";
import { plot } from "./plot.ts";
import type { Measure } from "./plot.ts";
import { growthAxis, place, roundStep, scoreAxis, timeAxis } from "./scale.ts";

const FRAME = { left: 38, right: 500, top: 14, bottom: 180 };
const MEASURES: readonly Measure[] = ["calls", "cost", "time"];

describe.each(goldenNames("journals", ".jsonl"))("%s", (name) => {
  test.each(MEASURES)("by %s stays inside the frame", (measure) => {
    for (const share of [0.1, 0.5, 1]) {
      const { dots, xs, ys } = plot(partOf(name, share), measure, FRAME);
      const places = [...dots.map((dot) => [dot.x, dot.y]), ...xs.map((x) => [x.at, 100]), ...ys.map((y) => [100, y.at])];
      for (const [x = NaN, y = NaN] of places) {
        expect(x).toBeGreaterThanOrEqual(FRAME.left);
        expect(x).toBeLessThanOrEqual(FRAME.right);
        expect(y).toBeGreaterThanOrEqual(FRAME.top);
        expect(y).toBeLessThanOrEqual(FRAME.bottom);
      }
      expect(ys.length).toBeGreaterThanOrEqual(2);
      expect(ys.length).toBeLessThanOrEqual(9);
    }
  });
});

test("a part of the set is hollow, the whole set full, what runs is faint and at the right edge", () => {
  const { dots } = plot(partOf("rich", 0.98), "calls", FRAME);
  const kind = (id: string): string | undefined => dots.find((dot) => dot.id === id)?.kind;
  expect([kind("c1"), kind("c15"), kind("c19")]).toEqual(["part", "full", "running"]);
  expect(dots.find((dot) => dot.id === "c19")?.x).toBe(FRAME.right);
});

test("the best-so-far line starts at the baseline on the left and has a corner for each further leader", () => {
  const { line, baseline } = plot(stateOf("rich"), "calls", FRAME);
  expect(line.startsWith(`M${FRAME.left},${baseline?.y}`)).toBe(true);
  expect(line.match(/V/g)?.length).toBe(stateOf("rich").line.length - 1);
  expect(line.endsWith(`H${FRAME.right}`)).toBe(true);
});

test("a dot tells what the table tells", () => {
  const tell = (id: string): string | undefined => plot(stateOf("rich"), "calls", FRAME).dots.find((dot) => dot.id === id)?.text;
  expect(tell("c15")).toMatch(/^c15: 88\.5 ±11\.9, 26 examples, \$0\.01$/);
  expect(tell("c11")).toMatch(/, 9 examples, 1 failed, /);
});

test("an empty run has axes and nothing on them", () => {
  expect(plot(EMPTY, "calls", FRAME)).toMatchObject({ dots: [], line: "", baseline: null });
});

test("the words of the baseline keep off the axis", () => {
  const run = stateOf("rich");
  const low = { ...run, candidates: run.candidates.filter((c) => (c.mean ?? 0) >= 0.61) };
  const drawn = plot(low, "calls", FRAME);
  expect(drawn.baseline?.above).toBe((drawn.baseline?.y ?? 0) + 16 > FRAME.bottom);
});

test("a candidate in the making does not move the score axis", () => {
  const events = eventsOf("rich");
  const ys = new Set(
    [0.955, 0.96, 0.97, 0.98].map((share) => JSON.stringify(plot(partOf("rich", share), "calls", FRAME).ys)),
  );
  expect(events.length).toBeGreaterThan(800);
  expect(ys.size).toBe(1);
});

describe("axes", () => {
  test.each([[0.3, 0.5], [1, 1], [3, 5], [7, 10], [41, 50], [0.011, 0.02]])("a step of %d becomes %d", (rough, round) => {
    expect(roundStep(rough)).toBeCloseTo(round, 9);
  });

  test("percent never leaves 0 to 100", () => {
    expect(scoreAxis([99, 100], 10, [0, 100])).toMatchObject({ high: 100 });
    expect(scoreAxis([0, 1], 10, [0, 100]).low).toBe(0);
  });

  test("time is marked at whole minutes", () => expect(timeAxis(372).ticks).toEqual([0, 120, 240, 360]));

  test("places run from one end to the other", () => {
    const at = place(growthAxis(600, 10), 0, 300);
    expect([at(0), at(300), at(600)]).toEqual([0, 150, 300]);
  });
});
