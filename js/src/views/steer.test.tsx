// @vitest-environment happy-dom
/* What a person can do in the view: each act asks for one thing, and nothing typed is lost. */
import { render } from "preact";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Asked, Notice } from "../store/store.ts";
import { partOf, settled, stateOf } from "../testing.ts";
import type { State } from "../wire/decode.ts";
import { RunView } from "./run.tsx";

let root: HTMLElement;
const press = vi.fn();
beforeEach(() => {
  press.mockReset();
  root = document.createElement("div");
  document.body.append(root);
});
afterEach(() => {
  render(null, root);
  root.remove();
});

const draw = async (run: State, pending: readonly Asked[] = [], notice: Notice | null = null): Promise<void> => {
  render(<RunView run={run} controls={{ pending, notice, press }} />, root);
  await settled();
};

const named = <E extends HTMLElement = HTMLElement>(name: string, selector = "button, input, textarea"): E | null =>
  [...root.querySelectorAll<E>(selector)].find((it) => (it.getAttribute("aria-label") ?? it.textContent) === name) ?? null;

const click = async (name: string): Promise<void> => {
  named(name)?.click();
  await settled();
};

const type = async (name: string, text: string): Promise<void> => {
  const field = named<HTMLInputElement>(name, "input, textarea");
  if (field === null) throw new Error(`no field ${name}`);
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  await settled();
};

const send = async (name: string): Promise<void> => {
  const form = named(name, "input, textarea")?.closest("form");
  form?.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
  await settled();
};

describe("a run that a provider holds", () => {
  test("says so beside its word, and offers to try again", async () => {
    await draw(stateOf("outage"));
    expect(root.querySelector('[role="status"]')?.textContent).toBe("paused");
    expect(root.querySelector(".pill")?.textContent).toMatch(/^paused: openai does not answer \(503\), tries again/);
    expect(named("Pause")).not.toBeNull();
    await click("Try again now");
    expect(press.mock.calls).toEqual([["reset"]]);
  });

  test("that a person holds, too, offers to resume", async () => {
    const run = stateOf("outage");
    await draw({ ...run, holds: { ...run.holds, user: "" } });
    expect([named("Resume"), named("Pause"), named("Try again now")].map((it) => it !== null)).toEqual([true, false, true]);
  });

  test("that ends has nothing to try again", async () => {
    await draw({ ...stateOf("outage"), status: "stopping", holds: {} });
    expect(named("Try again now")).toBeNull();
  });
});

test("calls in flight can be held after a pause, once", async () => {
  const run: State = { ...stateOf("outage"), holds: { user: "" } };
  await draw(run);
  await click("Hold calls, too");
  expect(press.mock.calls).toEqual([["pause", { now: true }]]);
  await draw({ ...run, frozen: ["user"] });
  expect(named("Hold calls, too")).toBeNull();
});

describe("a candidate's menu", () => {
  test.each(["Pin", "Drop"])("asks to %s it, closes, and leaves the selection alone", async (what) => {
    await draw(partOf("steered", 0.7));
    const title = root.querySelector(".title")?.textContent;
    await click("What to do with c1");
    await click(what);
    expect(press.mock.calls).toEqual([[what.toLowerCase(), { candidate: "c1" }]]);
    expect(named(what)).toBeNull();
    expect(root.querySelector(".title")?.textContent).toBe(title);
  });

  test("lets a pinned one go, and offers no second drop", async () => {
    const run = partOf("steered", 0.7);
    const candidates = run.candidates.map((c) => ({ ...c, pinned: "ada", state: "dropped" as const }));
    await draw({ ...run, candidates });
    await click("What to do with c1");
    expect([named("Pin"), named("Drop")?.hasAttribute("disabled")]).toEqual([null, true]);
    await click("Unpin");
    expect(press.mock.calls).toEqual([["pin", { candidate: "c1", pinned: false }]]);
  });

  test("is not there when the run is over, nor for an evaluation", async () => {
    await draw(stateOf("steered"));
    expect(root.querySelector(".more")).toBeNull();
    await draw(partOf("evaluate", 0.5));
    expect(root.querySelector(".more")).toBeNull();
  });
});

describe("an instruction of one's own", () => {
  const FIELD = "Your instruction for classify";
  const start = async (): Promise<void> => {
    await draw(partOf("steered", 0.7));
    await click("Edit & evaluate classify");
  };

  test("starts from the candidate's words, is sent as typed, and closes when it was taken", async () => {
    await start();
    expect(named<HTMLTextAreaElement>(FIELD)?.value).toBe("Classify the support ticket. Return the category.");
    expect(named("Evaluate")?.hasAttribute("disabled")).toBe(true);
    await type(FIELD, "Decide by who can fix it.");
    await send(FIELD);
    expect(press.mock.calls).toEqual([
      ["evaluate", { candidate: "base", predictor: "classify", instruction: "Decide by who can fix it." }],
    ]);
    await draw(partOf("steered", 0.7), ["evaluate"]);
    expect(named(FIELD)?.hasAttribute("readonly")).toBe(true);
    await draw(partOf("steered", 0.7), [], { tone: "info", text: "Your instruction joins the race as c4." });
    expect(named(FIELD)).toBeNull();
  });

  test("stays when it was refused", async () => {
    await start();
    await type(FIELD, "mine");
    await send(FIELD);
    await draw(partOf("steered", 0.7), ["evaluate"]);
    await draw(partOf("steered", 0.7), [], { tone: "error", text: "no" });
    expect(named<HTMLTextAreaElement>(FIELD)?.value).toBe("mine");
  });

  test("outlives another leader and a look at the other tab", async () => {
    await start();
    await type(FIELD, "mine");
    await draw(partOf("steered", 0.9));
    expect(named<HTMLTextAreaElement>(FIELD)?.value).toBe("mine");
    await click("Details");
    await click("Instruction");
    expect(named<HTMLTextAreaElement>(FIELD)?.value).toBe("mine");
    await click("Discard");
    expect(named(FIELD)).toBeNull();
  });

  test("cannot be tried when the run is over", async () => {
    await draw(stateOf("steered"));
    expect(named("Edit & evaluate classify")).toBeNull();
  });
});

describe("a question on the spot", () => {
  test.each([
    ["Budget in dollars", "$5,000.50", ["budget", { caps: { usd: 5000.5 } }]],
    ["Budget of LM calls", "12,000", ["budget", { caps: { calls: 12000 } }]],
    ["Examples at once", "64", ["concurrency", { n: 64 }]],
  ] as const)("%s takes %s", async (name, text, asked) => {
    await draw(partOf("steered", 0.7));
    await click(name);
    await type(name, text);
    await send(name);
    expect(press.mock.calls).toEqual([asked]);
    expect(named(name, "input")).toBeNull();
  });

  test.each(["", "many", "-1", "0", "1e999"])("refuses `%s` and stays open", async (text) => {
    await draw(partOf("steered", 0.7));
    await click("Budget in dollars");
    await type("Budget in dollars", text);
    await send("Budget in dollars");
    expect(press).not.toHaveBeenCalled();
    expect(named("Budget in dollars", "input")?.getAttribute("aria-invalid")).toBe("true");
  });

  test("goes away with Escape", async () => {
    await draw(partOf("steered", 0.7));
    await click("Examples at once");
    named("Examples at once", "input")?.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    await settled();
    expect(named("Examples at once", "input")).toBeNull();
  });
});

test("a run that can only be watched has no button, and its clock ticks", async () => {
  vi.useFakeTimers();
  try {
    const run = partOf("stopped", 0.5);
    vi.setSystemTime(run.started * 1000 + 5_500);
    render(<RunView run={{ ...run, updated: run.started + 1 }} controls={null} live />, root);
    await vi.advanceTimersByTimeAsync(3400);
    expect(root.querySelector(".elapsed")?.textContent).toBe("8 s");
    expect(root.querySelectorAll(".buttons button, .ask, .more").length).toBe(0);
    render(null, root);
    await vi.advanceTimersByTimeAsync(50);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

describe("a comment on an example", () => {
  const NAME = "Comment on this example";
  const keys = async (...pressed: string[]): Promise<void> => {
    for (const key of pressed) {
      root.querySelector(".heat [tabindex]")?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
      await settled();
    }
  };
  const line = (): string => root.querySelector(".heat .line")?.textContent ?? "";

  test("is offered for the cell that arrow keys chose, and sent as typed", async () => {
    await draw(partOf("steered", 0.7));
    expect(named(NAME)).toBeNull();
    await keys("ArrowRight");
    const first = line();
    expect(first).toMatch(/^base on example \S+: score 0\.0comment$/);
    await keys("ArrowLeft", "ArrowDown");
    expect(line()).toMatch(/^c1 on example/);
    expect(line()).not.toContain(first.split(" ")[3]);
    await click(NAME);
    await type(NAME, " <b>no</b> wish ");
    await send(NAME);
    const example = line().split(" ")[3]?.slice(0, -1);
    expect(press.mock.calls).toEqual([["label", { example, comment: "<b>no</b> wish" }]]);
  });

  test("needs words, and is let go with Escape", async () => {
    await draw(partOf("steered", 0.7));
    await keys("ArrowRight");
    await click(NAME);
    await send(NAME);
    expect([press.mock.calls, named(NAME, "input")?.getAttribute("aria-invalid")]).toEqual([[], "true"]);
    await keys("Escape");
    expect([named(NAME), line()]).toEqual([null, expect.stringContaining("hardest right")]);
  });

  test("never leaves the picture by an arrow", async () => {
    await draw(partOf("steered", 0.7));
    await keys("ArrowRight", "ArrowRight", "ArrowUp");
    expect(line()).toMatch(/^base on example/);
  });

  test("is not offered when the run is over", async () => {
    await draw(stateOf("steered"));
    await keys("ArrowRight");
    expect([named(NAME), line().includes(" on example ")]).toEqual([null, true]);
  });
});

test("the keyboard goes into a candidate's menu and back to where it came from", async () => {
  await draw(partOf("steered", 0.7));
  await click("What to do with c1");
  expect(document.activeElement?.textContent).toBe("Pin");
  document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  await settled();
  expect(document.activeElement?.getAttribute("aria-label")).toBe("What to do with c1");
});

test("examples by candidates tell the cell under the pointer and choose its candidate", async () => {
  await draw(stateOf("rich"));
  const picture = root.querySelector(".heat > div");
  const at = (name: string, type: typeof PointerEvent | typeof MouseEvent): Event =>
    new type(name, { bubbles: true, clientX: 46 + 3, clientY: 3 });
  picture?.dispatchEvent(at("pointermove", PointerEvent));
  await settled();
  expect(root.querySelector(".heat .line")?.textContent).toMatch(/^base on example t\d+: score 100\.0$/);
  picture?.dispatchEvent(at("click", MouseEvent));
  await settled();
  expect(root.querySelector(".title")?.textContent).toContain("base");
});
