/* The run's status in one word. Its text is exactly the word of the protocol: scripts and screen readers read it. */
import type { JSX } from "preact";
import type { State } from "../wire/decode.ts";

/** Draws the status. */
export const Pill = ({ status }: { readonly status: State["status"] }): JSX.Element => (
  <span class={`pill pill-${status}`} role="status" aria-live="polite">
    {status}
  </span>
);
