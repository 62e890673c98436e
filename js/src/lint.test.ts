/* Rules that no compiler holds: texts never become markup or code, types are asserted in one place, colours are
 * named in one place, and the lock file records no address. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const SOURCES = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" }).map((path) => path.replaceAll("\\", "/"));
const read = (path: string): string => readFileSync(join(import.meta.dirname, path), "utf8");
const lines = (path: string): readonly string[] => read(path).split("\n");
const shipped = SOURCES.filter((path) => /\.tsx?$/.test(path) && !/\.test\.tsx?$|^testing\.ts$|\.d\.ts$/.test(path));
const styles = SOURCES.filter((path) => path.endsWith(".css"));
const BANNED =
  /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\s*\(|new Function|dangerouslySetInnerHTML|createContextualFragment|srcdoc/;

const found = (paths: readonly string[], rule: (line: string, path: string) => boolean): readonly string[] =>
  paths.flatMap((path) => lines(path).flatMap((line, at) => (rule(line, path) ? [`${path}:${at + 1}: ${line.trim()}`] : [])));

test("there is something to check", () => expect([shipped.length > 20, styles.length > 5]).toEqual([true, true]));

describe("in what ships", () => {
  test("no text becomes markup or code", () => expect(found(shipped, (line) => BANNED.test(line))).toEqual([]));

  test("the rule would notice", () => {
    expect(["el.innerHTML = x", "eval (x)", "new Function('x')"].filter((line) => !BANNED.test(line))).toEqual([]);
  });

  test("types are asserted in wire/ alone", () => {
    const asserts = (line: string, path: string): boolean =>
      !path.startsWith("wire/") && /\bas (?:[A-Z]\w*|string|number|boolean|unknown|never|keyof|typeof)\b/.test(line) && !line.startsWith("import");
    expect(found(shipped, asserts)).toEqual([]);
  });

  test("there is no `any`", () => expect(found(shipped, (line) => /[:<]\s*any\b/.test(line))).toEqual([]));

  test("only the widget's entry has a default export", () => {
    expect(found(shipped, (line, path) => path !== "host/live.ts" && /export default/.test(line))).toEqual([]);
  });

  test("every file says in its head what it is", () => {
    expect([...shipped, ...styles].filter((path) => !read(path).startsWith("/*"))).toEqual([]);
  });

  test("no file and no component outgrows the page", () => {
    expect(shipped.filter((path) => path !== "wire/types.ts" && lines(path).length > 300)).toEqual([]);
  });
});

test("colours are named in tokens.css alone", () => {
  const colour = /#[0-9a-f]{3,8}\b|\b(?:rgb|hsl)a?\((?!0 0 0 \/)/i;
  expect(found(styles.filter((path) => !path.endsWith("tokens.css")), (line) => colour.test(line))).toEqual([]);
});

test("every token that is used is there", () => {
  const known = new Set([...styles.flatMap((path) => [...read(path).matchAll(/(--dx-[\w-]+)\s*:/g)].map((hit) => hit[1]))]);
  const used = styles.flatMap((path) => [...read(path).matchAll(/var\((--dx-[\w-]+)/g)].map((hit) => hit[1]));
  expect(used.filter((name) => !known.has(name))).toEqual([]);
});

test("the lock file records no address; `npm run lock` takes them out", () => {
  const lock = readFileSync(join(import.meta.dirname, "../package-lock.json"), "utf8");
  expect(lock.match(/https?:\/\/[^"]*|"resolved".*/g)).toBeNull();
});
