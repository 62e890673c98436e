/* Puts the views into an element, under a shadow root, so that the notebook's styles and ours leave each other
 * alone. Gives back how to take them away again. */
import { render } from "preact";
import type { JSX } from "preact";
import type { Store } from "../store/store.ts";
import { CSS } from "../styles/index.ts";
import { useShown } from "../ui/hooks.ts";
import { RunView } from "../views/run.tsx";

interface Options {
  /** Whether the run can be steered from here. */
  readonly steered: boolean;
  /** Whether more of it may come. */
  readonly live: boolean;
}

const Live = ({ store, steered, live }: Options & { readonly store: Store }): JSX.Element => {
  const { run, pending, notice } = useShown(store);
  return <RunView run={run} live={live} controls={steered ? { pending, notice, press: store.press } : null} />;
};

/** Draws what `store` shows into `element`, until the returned function is called. */
export const mount = (element: HTMLElement, store: Store, options: Options): (() => void) => {
  const host = document.createElement("div");
  // JupyterLab binds single keys of its command mode on the page: without this, a key pressed on a button of
  // ours would also run a notebook command.
  host.setAttribute("data-lm-suppress-shortcuts", "true");
  const root = host.attachShadow({ mode: "open" });
  // It also forbids line breaks typed inside a cell: without this, Enter would send no field and break no line.
  root.addEventListener("beforeinput", (event) => event.stopPropagation());
  const style = document.createElement("style");
  style.textContent = CSS;
  const body = document.createElement("div");
  root.append(style, body);
  element.append(host);
  render(<Live store={store} {...options} />, body);
  return () => {
    render(null, body);
    host.remove();
  };
};
