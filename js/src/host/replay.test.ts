// @vitest-environment happy-dom
/* The report draws every run of its page, and leaves the plain version alone where it cannot. */
import { afterEach, expect, test } from "vitest";
import { golden, settled } from "../testing.ts";
import { replay } from "./replay.ts";

const page = (...texts: readonly string[]): void => {
  document.body.replaceChildren();
  for (const text of texts) {
    const [plain, script] = [document.createElement("div"), document.createElement("script")];
    plain.setAttribute("data-dspex-fallback", "");
    plain.textContent = "plain version";
    script.type = "application/json";
    script.setAttribute("data-dspex-run", "");
    script.textContent = text;
    document.body.append(plain, script);
  }
};

const regions = (): readonly (string | null | undefined)[] =>
  [...document.querySelectorAll("body > div")].map((div) =>
    div.firstElementChild?.shadowRoot?.querySelector('[role="region"]')?.getAttribute("aria-label"),
  );

afterEach(() => document.body.replaceChildren());

test("each run of the page is drawn in place of its plain version", async () => {
  page(golden("journals/rich.state.json"), golden("journals/hostile.state.json"));
  expect(replay(document)).toBe(2);
  await settled();
  expect(regions()).toEqual(["Run r12", "Run r5"]);
  expect(document.body.textContent).not.toContain("plain version");
});

test("what is no run leaves the plain version standing", () => {
  page("{ half a te");
  expect(replay(document)).toBe(0);
  expect(document.body.textContent).toContain("plain version");
});

test("a script of another kind is left alone", () => {
  page("{}");
  document.querySelector("script")?.removeAttribute("data-dspex-run");
  expect(replay(document)).toBe(0);
});
