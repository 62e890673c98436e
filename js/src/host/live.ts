/* The anywidget entry: one store per model, however many views. The store listens from `initialize` on, because a
 * message that arrives before the first view would otherwise be lost. */
import { createStore } from "../store/store.ts";
import type { Store } from "../store/store.ts";
import { EMPTY, parseState } from "../wire/decode.ts";
import type { Op } from "../wire/types.ts";
import { isOver } from "../store/select.ts";
import { mount } from "./mount.tsx";

/** The part of anywidget's model that is used. */
export interface Model {
  get(name: "snapshot" | "run" | "steered"): unknown;
  on(event: string, listener: (content: unknown) => void): void;
  off(event: string, listener: (content: unknown) => void): void;
  send(content: Op): void;
}

interface Initialize {
  readonly model: Model;
  readonly signal?: AbortSignal;
}

interface Render extends Initialize {
  readonly el: HTMLElement;
}

interface Followed {
  readonly store: Store;
  readonly stop: () => void;
  views: number;
}

const followed = new WeakMap<Model, Followed>();

const follow = (model: Model): Followed => {
  const known = followed.get(model);
  if (known !== undefined) return known;
  const run = model.get("run");
  const initial = parseState(model.get("snapshot")) ?? { ...EMPTY, run: typeof run === "string" ? run : "" };
  const store = createStore(initial, (op) => model.send(op));
  const onSnapshot = (): void => store.restore(model.get("snapshot"));
  model.on("msg:custom", store.receive);
  model.on("change:snapshot", onSnapshot);
  const stop = (): void => {
    model.off("msg:custom", store.receive);
    model.off("change:snapshot", onSnapshot);
    followed.delete(model);
  };
  const made: Followed = { store, stop, views: 0 };
  followed.set(model, made);
  // The trait is up to two seconds old, and a run that waits sends nothing that would show the gap.
  if (!isOver(initial)) store.catchUp();
  return made;
};

/** Runs `dispose` once, on whichever comes first: the signal or the returned function. */
const once = (dispose: () => void, signal: AbortSignal | undefined): (() => void) => {
  let open = true;
  const end = (): void => {
    if (!open) return;
    open = false;
    signal?.removeEventListener("abort", end);
    dispose();
  };
  signal?.addEventListener("abort", end);
  return end;
};

/** Tells the kernel that nobody looks any more; a kernel that is gone needs not know. */
const sayClosed = (model: Model): void => {
  try {
    model.send({ op: "closed" });
  } catch {
    return; // sending throws when the connection is closed; the view goes away all the same
  }
};

const initialize = ({ model, signal }: Initialize): (() => void) => once(follow(model).stop, signal);

const render = ({ model, el, signal }: Render): (() => void) => {
  const it = follow(model);
  it.views += 1;
  const unmount = mount(el, it.store, { steered: model.get("steered") !== false, live: true });
  return once(() => {
    unmount();
    it.views -= 1;
    if (it.views === 0) sayClosed(model);
  }, signal);
};

export default { initialize, render };
