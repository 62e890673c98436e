/* The histogram of waits: tests/golden/latency.json holds its buckets to Python's. */
import { expect, test } from "vitest";
import { golden } from "../testing.ts";
import { bucketOf, counted, middleOf, quantile } from "./latency.ts";

const ROWS: readonly (readonly [number, number, number])[] = JSON.parse(golden("latency.json"));

test.each(ROWS)("%d s fall into bucket %d around %d ms", (seconds, bucket, middle) => {
  expect([bucketOf(seconds), middleOf(bucket)]).toEqual([bucket, middle]);
});

test("a wait that is no number counts as none", () => expect(bucketOf(Number.NaN)).toBe(0));

test("counts are bounded and never changed in place", () => {
  const one = counted(Object.freeze([]), 1e300);
  expect(one.length).toBe(304);
  expect(counted(Object.freeze(one), 0.001)[1]).toBe(1);
});

test("quantiles are those of the counts", () => {
  expect([quantile([], 0.5), quantile([0, 3, 0, 1], 0.5), quantile([0, 3, 0, 1], 0.95)]).toEqual([null, 1, 3]);
});
