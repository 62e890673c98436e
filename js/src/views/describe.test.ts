/* Each kind of event has its sentence: tests/golden/describe holds this and Python's views to the same words. */
import { expect, test } from "vitest";
import { golden, goldenNames } from "../testing.ts";
import { decodeEvent } from "../wire/decode.ts";
import { BLANK_EVENTS } from "../wire/types.ts";
import { describe as say } from "./describe.ts";

interface Pair {
  readonly event: { readonly kind: string };
  readonly text: string;
  readonly percent?: boolean;
}

const PAIRS: readonly Pair[] = goldenNames("describe", ".json").flatMap((name) => JSON.parse(golden(`describe/${name}.json`)));

test.each(PAIRS)("$event.kind: $text", ({ event, text, percent }) => {
  expect(say(decodeEvent(event), percent)).toBe(text);
});

test("every kind has a golden sentence", () => {
  expect(Object.keys(BLANK_EVENTS).filter((kind) => !PAIRS.some((pair) => pair.event.kind === kind))).toEqual([]);
});

test("a kind of a newer kernel is told by its name", () => {
  expect(say(decodeEvent({ kind: "actor_restarted" }))).toBe("actor restarted");
  expect(say(decodeEvent({}))).toBe("unknown event");
});
