/* A diff loses no letter and reads in whole words. */
import { describe, expect, test } from "vitest";
import { diffWords } from "./diff.ts";

const show = (before: string, after: string): string =>
  diffWords(before, after).map(({ type, text }) => (type === "same" ? text : type === "del" ? `[-${text}-]` : `{+${text}+}`)).join("");

test.each([
  ["", "", ""],
  ["same words", "same words", "same words"],
  ["", "new", "{+new+}"],
  ["old", "", "[-old-]"],
  ["Return the category.", "Return the team.", "Return the [-category-]{+team+}."],
  ["Read it. Answer.", "Read it twice. Answer.", "Read it{+ twice+}. Answer."],
  [
    "Classify the support ticket. Return the category.",
    "Read the whole ticket, then decide which team can resolve it. Return exactly one of a, b.",
    "[-Classify the support ticket-]{+Read the whole ticket, then decide which team can resolve it+}. Return [-the category-]{+exactly one of a, b+}.",
  ],
  ["naïve 你好 🧑‍🚀", "naïve 你好 🧑‍🚀!", "naïve 你好 🧑‍🚀{+!+}"],
])("%j to %j", (before, after, shown) => expect(show(before, after)).toBe(shown));

describe.each(["a b c d e f", "The cat sat. On the mat!\n\nTwice, <b>and</b> again;", "x ".repeat(900)])("from %j", (before) => {
  test.each(["", "f e d c b a", "The dog sat on the mat.\nTwice <i>again</i>;", "y x ".repeat(900)])("to %j loses nothing", (after) => {
    const pieces = diffWords(before, after);
    const side = (other: string): string => pieces.filter(({ type }) => type !== other).map(({ text }) => text).join("");
    expect([side("ins"), side("del")]).toEqual([before, after]);
    expect(pieces.every((piece, index) => piece.type !== pieces[index + 1]?.type && piece.text !== "")).toBe(true);
  });
});

test("a text far too long is compared quickly, as one replacement between its common ends", () => {
  const words = (seed: number): string => Array.from({ length: 3000 }, (_, n) => `w${n * seed}`).join(" ");
  expect(diffWords(`start ${words(2)} end`, `start ${words(3)} end`).map(({ type }) => type)).toEqual(["same", "del", "ins", "same"]);
});
