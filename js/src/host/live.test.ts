// @vitest-environment happy-dom
/* The widget entry against a small model: what it listens to, what it sends, and that it lets go of everything. */
import { afterEach, describe, expect, test } from "vitest";
import { golden, settled, stateOf } from "../testing.ts";
import widget from "./live.ts";
import type { Model } from "./live.ts";

class FakeModel implements Model {
  readonly sent: string[] = [];
  readonly listeners = new Map<string, Set<(content: unknown) => void>>();
  snapshot: unknown = "";
  steered: unknown = true;

  get(name: "snapshot" | "run" | "steered"): unknown {
    return name === "run" ? "r2" : name === "steered" ? this.steered : this.snapshot;
  }

  on(event: string, listener: (content: unknown) => void): void {
    this.listeners.set(event, (this.listeners.get(event) ?? new Set()).add(listener));
  }

  off(event: string, listener: (content: unknown) => void): void {
    this.listeners.get(event)?.delete(listener);
  }

  send({ op }: { readonly op: string }): void {
    this.sent.push(op);
  }

  tell(event: string, content?: unknown): void {
    for (const listener of this.listeners.get(event) ?? []) listener(content);
  }

  get listening(): number {
    return [...this.listeners.values()].reduce((all, some) => all + some.size, 0);
  }
}

const LINES = golden("journals/stopped.jsonl").split("\n").filter(Boolean).map((line): unknown => JSON.parse(line));
const pill = (el: Element): string | null | undefined => el.firstElementChild?.shadowRoot?.querySelector('[role="status"]')?.textContent;

const place = (): HTMLElement => {
  const el = document.createElement("div");
  document.body.append(el);
  return el;
};

afterEach(() => document.body.replaceChildren());

describe("a widget", () => {
  test("keeps what arrives before its first view", async () => {
    const [model, el] = [new FakeModel(), place()];
    widget.initialize({ model });
    model.tell("msg:custom", { t: "d", from: 1, to: LINES.length, ev: LINES });
    widget.render({ model, el });
    await settled();
    expect(pill(el)).toBe("stopped");
    expect(el.firstElementChild?.shadowRoot?.querySelector('[role="region"]')?.getAttribute("aria-label")).toBe("Run r2");
  });

  test("draws from the snapshot of a page that was loaded anew, and asks for what it missed", async () => {
    const [model, el] = [new FakeModel(), place()];
    model.snapshot = JSON.stringify({ ...stateOf("stopped"), status: "running", seq: 40 });
    widget.initialize({ model });
    widget.render({ model, el });
    await settled();
    expect([pill(el), model.sent]).toEqual(["running", ["snapshot"]]);
    model.snapshot = golden("journals/stopped.state.json");
    model.tell("change:snapshot");
    await settled();
    expect(pill(el)).toBe("stopped");
  });

  test("asks for nothing when the run is over", () => {
    const model = new FakeModel();
    model.snapshot = golden("journals/stopped.state.json");
    widget.initialize({ model });
    expect(model.sent).toEqual([]);
  });

  test("shows one run in all its views and says when the last is gone", async () => {
    const [model, one, two] = [new FakeModel(), place(), place()];
    widget.initialize({ model });
    const [closeOne, closeTwo] = [widget.render({ model, el: one }), widget.render({ model, el: two })];
    model.tell("msg:custom", { t: "d", from: 1, to: 1, ev: LINES.slice(0, 1) });
    await settled();
    expect([pill(one), pill(two)]).toEqual(["running", "running"]);
    closeOne();
    closeOne();
    expect([one.childElementCount, two.childElementCount, model.sent]).toEqual([0, 1, ["snapshot"]]);
    closeTwo();
    expect(model.sent).toEqual(["snapshot", "closed"]);
  });

  test("goes away quietly when its kernel is gone", () => {
    const [model, el] = [new FakeModel(), place()];
    const close = widget.render({ model, el });
    model.send = () => {
      throw new Error("Comm is closed");
    };
    close();
    expect(el.childElementCount).toBe(0);
  });

  test("sends what a button asks for", async () => {
    const [model, el] = [new FakeModel(), place()];
    widget.initialize({ model });
    widget.render({ model, el });
    model.tell("msg:custom", { t: "d", from: 1, to: 1, ev: LINES.slice(0, 1) });
    await settled();
    el.firstElementChild?.shadowRoot?.querySelector<HTMLButtonElement>('button[aria-label="Stop & keep best"]')?.click();
    expect(model.sent).toEqual(["snapshot", "stop"]);
  });

  test("of another kernel's run can be watched and has no button", async () => {
    const [model, el] = [new FakeModel(), place()];
    model.steered = false;
    widget.initialize({ model });
    widget.render({ model, el });
    model.tell("msg:custom", { t: "d", from: 1, to: 1, ev: LINES.slice(0, 1) });
    await settled();
    expect([pill(el), el.firstElementChild?.shadowRoot?.querySelectorAll(".buttons button").length]).toEqual(["running", 0]);
  });

  test.each(["signal", "returned function"])("lets go of its model by %s", (how) => {
    const [model, gone] = [new FakeModel(), new AbortController()];
    const stop = widget.initialize({ model, signal: gone.signal });
    expect(model.listening).toBe(2);
    if (how === "signal") gone.abort();
    else stop();
    expect(model.listening).toBe(0);
  });

  test("takes its view away when the signal says so", () => {
    const [model, el, gone] = [new FakeModel(), place(), new AbortController()];
    widget.initialize({ model });
    widget.render({ model, el, signal: gone.signal });
    expect(el.childElementCount).toBe(1);
    gone.abort();
    expect(el.childElementCount).toBe(0);
  });

  test("keeps the notebook's shortcuts and styles out", () => {
    const [model, el] = [new FakeModel(), place()];
    widget.render({ model, el });
    const host = el.firstElementChild;
    expect(host?.getAttribute("data-lm-suppress-shortcuts")).toBe("true");
    expect(host?.shadowRoot?.querySelector("style")?.textContent).toContain("--dx-bg");
  });
});
