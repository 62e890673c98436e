// @vitest-environment happy-dom
/* The whole view over every golden run: its accessible names, its buttons by status, and hostile text as text. */
import { render } from "preact";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Asked } from "../store/store.ts";
import { goldenNames, partOf, settled, stateOf } from "../testing.ts";
import { EMPTY } from "../wire/decode.ts";
import type { State } from "../wire/decode.ts";
import { RunView } from "./run.tsx";

let root: HTMLElement;
beforeEach(() => {
  root = document.createElement("div");
  document.body.append(root);
});
afterEach(() => {
  render(null, root);
  root.remove();
});

interface Given {
  readonly steered?: boolean;
  readonly pending?: readonly Asked[];
  readonly press?: (op: Asked) => void;
}

const draw = async (run: State, { steered = true, pending = [], press = () => undefined }: Given = {}): Promise<void> => {
  render(<RunView run={run} controls={steered ? { pending, notice: null, press } : null} />, root);
  await settled();
};

const named = (selector: string, name: string): HTMLElement | null =>
  [...root.querySelectorAll<HTMLElement>(selector)].find((it) => (it.getAttribute("aria-label") ?? it.textContent) === name) ?? null;
const headerButtons = (): readonly (string | null)[] =>
  [...root.querySelectorAll(".buttons button")].map((it) => it.getAttribute("aria-label"));
const pill = (): string | null | undefined => root.querySelector('[role="status"]')?.textContent;

describe.each(goldenNames("journals", ".jsonl"))("%s", (name) => {
  test.each([0, 0.3, 1])("keeps the agreed names after a share of %d", async (share) => {
    const run = partOf(name, share);
    await draw(run);
    expect(named('[role="region"]', `Run ${run.run}`.trim())).not.toBeNull();
    expect(root.querySelectorAll('[role="status"]').length).toBe(1);
    expect(pill()).toBe(run.status);
    for (const tile of ["Best score", "Candidates", "LM calls", "Tokens", "Cost"]) {
      expect(named('[role="group"]', tile), tile).not.toBeNull();
    }
    expect(named('svg[role="img"]', "Candidate scores")).not.toBeNull();
    expect(named("table", "Candidates")).not.toBeNull();
    expect(named('[role="tab"]', "Instruction")).not.toBeNull();
    expect(named('[role="log"]', "Events")).not.toBeNull();
  });

  test("has no button to steer with in a report", async () => {
    await draw(stateOf(name), { steered: false });
    expect(headerButtons()).toEqual([]);
  });
});

test("texts of a model or a user stay text", async () => {
  await draw(stateOf("hostile"));
  expect(root.querySelectorAll("script, img, b b, td td td").length).toBe(0);
  expect(root.querySelector(".text")?.textContent).toContain('<img src=x onerror="alert(1)"></script>');
  expect(root.querySelector(".candidates tbody")?.textContent).toContain("</td>");
});

describe("buttons", () => {
  const at = (status: State["status"]): State => ({ ...partOf("stopped", 0.5), status });

  test.each([
    ["starting", ["Pause", "Stop & keep best", "Cancel", "Report"]],
    ["running", ["Pause", "Stop & keep best", "Cancel", "Report"]],
    ["paused", ["Resume", "Hold calls, too", "Stop & keep best", "Cancel", "Report"]],
    ["stopping", ["Stop & keep best", "Cancel", "Report"]],
    ["stopped", ["Report"]],
    ["cancelled", ["Report"]],
    ["finished", ["Report"]],
    ["failed", ["Report"]],
    ["lost", ["Report"]],
  ] as const)("of a run that is %s", async (status, names) => {
    await draw(at(status));
    expect([pill(), headerButtons()]).toEqual([status, names]);
  });

  test("ask for what they say", async () => {
    const press = vi.fn();
    await draw(at("running"), { press });
    for (const name of ["Pause", "Stop & keep best", "Cancel", "Report"]) named("button", name)?.click();
    expect(press.mock.calls.flat()).toEqual(["pause", "stop", "cancel", "report"]);
  });

  test("that wait are off and say so, while the pill stays", async () => {
    await draw(at("running"), { pending: ["stop"] });
    const stop = named("button", "Stop & keep best");
    expect([stop?.textContent, stop?.hasAttribute("disabled"), pill()]).toEqual(["stopping…", true, "running"]);
  });

  test("a run that is cancelling offers no stop", async () => {
    const asked = { ...at("stopping"), log: stateOf("hostile").log.filter((event) => event.kind === "run_stopping") };
    await draw(asked);
    expect(headerButtons()).toEqual(["Cancel", "Report"]);
    expect(named("button", "Cancel")?.textContent).toBe("cancelling…");
  });
});

describe("choosing a candidate", () => {
  const title = (): string | null | undefined => root.querySelector(".title")?.textContent;

  test("in the table shows its instruction, and leads back to the best", async () => {
    await draw(stateOf("rich"));
    expect(title()).toBe("classifyc15 against the baseline2 demonstrations");
    named("tbody button", "c1")?.click();
    await settled();
    expect(title()).toBe("classifyc1 against the baselineno demonstrations");
    named("button", "Show the best")?.click();
    await settled();
    expect(title()).toContain("c15");
    expect(named("button", "Show the best")).toBeNull();
  });

  test("in the chart works by mouse and by keys", async () => {
    await draw(stateOf("rich"));
    const dot = (id: string): Element | null => root.querySelector(`[data-candidate="${id}"]`);
    dot("c10")?.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    await settled();
    expect(title()).toContain("c10");
    expect([...root.querySelectorAll('.dot[tabindex="0"]')].map((it) => it.getAttribute("data-candidate"))).toEqual(["c10"]);
    dot("c10")?.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    dot("c11")?.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    await settled();
    expect(title()).toContain("c11");
  });

  test("shows its facts in the other tab", async () => {
    await draw(stateOf("rich"));
    named('[role="tab"]', "Instruction")?.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    await settled();
    expect(named('[role="tab"]', "Details")?.getAttribute("aria-selected")).toBe("true");
    expect(root.querySelector(".details")?.textContent).toContain("made fromc10");
  });
});

describe("words", () => {
  const tile = (name: string): string => named('[role="group"]', name)?.textContent ?? "";

  test("of the tiles say what the run knows", async () => {
    await draw(stateOf("rich"));
    expect(tile("Best score")).toBe("Best score88.5 ▲ 26.9c15 · baseline 61.5");
    expect(tile("Candidates")).toBe("Candidates19 of 304 dropped");
    expect(tile("Cost")).toMatch(/^Cost\$0\.21 of \$0\.22task \$0\.13 · proposals \$0\.08$/);
  });

  test("name calls without a price", async () => {
    await draw(stateOf("failed"));
    expect(tile("Cost")).toContain("price unknown for 1 call");
  });

  test("name the practice model", async () => {
    await draw(stateOf("finished"));
    expect(root.querySelector("header")?.textContent).toContain("practice model, simulated prices");
    await draw(stateOf("stopped"));
    expect(root.querySelector("header")?.textContent).not.toContain("practice");
  });

  test("of an empty run say what will come", async () => {
    await draw(EMPTY);
    const text = root.textContent ?? "";
    expect(text).toContain("The first candidate appears here once it is scored.");
    expect(text).toContain("Candidates are listed here as soon as the method proposes them.");
    expect(text).toContain("No model has been called yet.");
  });

  test("of a run that ended with nothing promise nothing", async () => {
    await draw({ ...EMPTY, status: "cancelled" });
    const text = root.textContent ?? "";
    for (const said of ["No candidate was scored.", "No candidate was proposed.", "No model was called.", "none proposed"]) {
      expect(text).toContain(said);
    }
    expect(text).not.toMatch(/yet|appears here once|as soon as/);
  });

  test("of a score like the baseline's praise nothing", async () => {
    const run = stateOf("rich");
    await draw({ ...run, candidates: run.candidates.map((c) => (c.id === run.best ? { ...c, mean: 8 / 13 } : c)) });
    expect(tile("Best score")).toBe("Best score61.5 c15 · baseline 61.5");
  });

  test("of a pinned candidate say why it leads", async () => {
    const run = stateOf("rich");
    await draw({ ...run, candidates: run.candidates.map((c) => (c.id === run.best ? { ...c, pinned: "ada" } : c)) });
    expect(tile("Best score")).toContain("c15, pinned · baseline 61.5");
  });

  test("of failures stand beside the status and mark the number of examples", async () => {
    await draw(stateOf("rich"));
    expect(root.querySelector("header")?.textContent).toContain("1 failure");
    expect(root.querySelectorAll(".candidates td.warn").length).toBe(1);
  });

  test("of failures say why, and nothing where none failed", async () => {
    await draw(stateOf("evaluate"));
    const rows = [...(named("table", "Why examples failed")?.querySelectorAll("tbody tr") ?? [])];
    expect(rows.map((row) => [...row.children].map((cell) => cell.textContent))).toEqual([
      ["1", "Metric `right` raised KeyError", "'team'"],
      ["1", "LMServerError", "`openai` failed (503): overloaded, try again later."],
    ]);
    await draw(stateOf("finished"));
    expect(named("table", "Why examples failed")).toBeNull();
  });

  test("of where candidates come from are there when they say something", async () => {
    const heads = (): readonly (string | null)[] => [...root.querySelectorAll(".candidates th[scope=col]")].map((it) => it.textContent);
    await draw(stateOf("rich"));
    expect(heads()).toContain("from");
    await draw(stateOf("finished"));
    expect(heads()).not.toContain("from");
  });

  test("of an evaluation tell how far it is", async () => {
    await draw(partOf("evaluate", 0.5));
    expect(root.querySelector(".progress .line")?.textContent).toBe("10 of 20 examples done, 1 failed without a score");
  });

  test("of the end give the reason and the time the run took", async () => {
    await draw(stateOf("rich"));
    const header = root.querySelector("header")?.textContent ?? "";
    expect(header).toContain("budget of $0.22 reached");
    expect(header).toContain("1 m 07 s");
  });
});

test("the clock ticks while the run goes on, and its timer ends with the view", async () => {
  vi.useFakeTimers();
  try {
    const run = partOf("stopped", 0.5);
    vi.setSystemTime(run.started * 1000 + 5_500);
    render(<RunView run={{ ...run, updated: run.started + 1 }} controls={{ pending: [], notice: null, press: () => undefined }} />, root);
    await vi.advanceTimersByTimeAsync(3400);
    expect(root.querySelector(".elapsed")?.textContent).toBe("8 s");
    render(null, root);
    await vi.advanceTimersByTimeAsync(50);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
