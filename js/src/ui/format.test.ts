/* Numbers read the same here and in Python: tests/golden/numbers.json holds both. */
import { expect, test } from "vitest";
import { golden } from "../testing.ts";
import { clock, count, duration, halfWidth, money, moneyOf, plural, score, share, tokens } from "./format.ts";

const AS = {
  money,
  tokens,
  percent: (value: number) => score(value, true),
  plain: (value: number) => score(value, false),
  duration,
};
const NUMBERS: Record<keyof typeof AS, [number, string][]> = JSON.parse(golden("numbers.json"));

test.each(Object.entries(NUMBERS).flatMap(([kind, pairs]) => pairs.map(([value, text]) => ({ kind, value, text }))))(
  "$value as $kind is $text",
  ({ kind, value, text }) => {
    const format = Object.entries(AS).find(([name]) => name === kind)?.[1];
    expect(format?.(value)).toBe(text);
  },
);

const COLUMNS: [number[], string[]][] = JSON.parse(golden("columns.json"));

test.each(COLUMNS)("the dollars of a column %j are written alike", (column, texts) => {
  expect(column.map(moneyOf(column))).toEqual(texts);
});

test("small words", () => {
  expect([count(1284), share(62, 100), share(1, 0), halfWidth(0.8, 0.9, true)]).toEqual(["1,284", "62%", "0%", "±5.0"]);
  expect([plural(1, "example"), plural(1200, "example")]).toEqual(["1 example", "1,200 examples"]);
  expect(clock(1_760_080_361)).toBe("07:12:41");
});
