/* The run's status in one word, and beside it what a paused run waits for. The word alone is what is announced:
 * scripts and screen readers read it, and a countdown must not be read out each second. */
import type { JSX } from "preact";
import type { State } from "../wire/decode.ts";

interface Props {
  readonly status: State["status"];
  readonly why: string;
}

/** Draws the status. */
export const Pill = ({ status, why }: Props): JSX.Element => (
  <span class={`pill pill-${status}`}>
    <span>
      <span role="status" aria-live="polite">{status}</span>
      {why && <span class="why">: {why}</span>}
    </span>
  </span>
);
