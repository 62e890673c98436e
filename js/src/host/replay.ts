/* Draws a finished picture: the state in the page, no kernel, nothing to press. The page may hold a plain HTML
 * version beside it; that one is only replaced when ours could be drawn. */
import { createStore } from "../store/store.ts";
import { parseState } from "../wire/decode.ts";
import { mount } from "./mount.tsx";

/** Where a page keeps a run: `<script type="application/json" data-dspex-run>` with its RunState. */
const PLACES = 'script[type="application/json"][data-dspex-run]';

/** Draws every run found in `page`; an element `data-dspex-fallback` just before the script gives way. */
export const replay = (page: Document): number => {
  let drawn = 0;
  for (const script of page.querySelectorAll(PLACES)) {
    const state = parseState(script.textContent);
    if (state === null) continue;
    const place = page.createElement("div");
    script.before(place);
    mount(place, createStore(state, () => undefined), { steered: false, live: false });
    const fallback = place.previousElementSibling;
    if (fallback?.hasAttribute("data-dspex-fallback")) fallback.remove();
    drawn += 1;
  }
  return drawn;
};
