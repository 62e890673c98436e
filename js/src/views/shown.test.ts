/* What a person is shown of a run in words: tests/golden/shown.json holds this and Python's to the same. */
import { describe, expect, test } from "vitest";
import { failuresOf } from "../store/failures.ts";
import { healthOf, held, listed, troubles } from "../store/health.ts";
import { quantile } from "../store/latency.ts";
import { fold } from "../store/reduce.ts";
import { eventsOf, golden } from "../testing.ts";
import { latency } from "../ui/format.ts";
import { EMPTY } from "../wire/decode.ts";
import { cellsOf } from "./cells.ts";
import { short } from "./describe.ts";
import { ROLES } from "./models.tsx";

interface Case {
  readonly journal: string;
  readonly upto: number;
  readonly held: string;
  readonly models: readonly object[];
  readonly failures: readonly (readonly [string, string, string])[];
  readonly heat: { readonly caption: string; readonly lines: readonly (readonly [string, string])[] } | null;
}

const CASES: readonly Case[] = JSON.parse(golden("shown.json"));

describe.each(CASES)("$journal up to $upto", ({ journal, upto, ...wanted }) => {
  const run = fold(eventsOf(journal).slice(0, upto), EMPTY);

  test("is held for the same reason", () => expect(held(run, run.updated)).toBe(wanted.held));

  test("has models that are alike", () => {
    const rows = listed(run).map((model) => {
      const { inFlight: in_flight, waiting, breaker, tone } = healthOf(run, model, run.updated);
      const slow = latency(quantile(model.latency, 0.5), quantile(model.latency, 0.95));
      return {
        name: short(model.model) + ROLES[model.role], in_flight, waiting, latency: slow, errors: troubles(model), breaker, tone,
      };
    });
    expect(rows).toEqual(wanted.models);
  });

  test("has examples that failed for the same reasons", () =>
    expect(failuresOf(run).map(({ count, kind, text }) => [count, kind, text])).toEqual(wanted.failures));

  test("has the same examples by candidates", () => {
    const drawn = cellsOf(run);
    const lines = drawn?.lines.map(({ id, letters }) => [id, letters]);
    expect(drawn && { caption: drawn.caption, lines }).toEqual(wanted.heat);
  });
});
