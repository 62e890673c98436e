/* The parts of the method and how far each is. */
import type { JSX } from "preact";
import { isOver } from "../store/select.ts";
import { count } from "../ui/format.ts";
import type { State } from "../wire/decode.ts";
import type { PhaseView } from "../wire/types.ts";

/** Draws the card, where the method speaks of phases. */
export const Phases = ({ run }: { readonly run: State }): JSX.Element | null =>
  run.phases.length === 0 ? null : (
    <section class="card phases">
      <h2>Phases</h2>
      <ol>
        {run.phases.map((phase, index) => (
          <Phase key={`${index}${phase.name}`} phase={phase} halted={isOver(run)} />
        ))}
      </ol>
    </section>
  );

const Phase = ({ phase, halted }: { readonly phase: PhaseView; readonly halted: boolean }): JSX.Element => {
  const done = phase.state === "done";
  const filled = done ? 1 : phase.total === null || phase.total <= 0 ? 0 : Math.min(1, phase.k / phase.total);
  const of = phase.total === null ? "" : ` of ${count(phase.total)}`;
  const far = phase.total === null && phase.k === 0 ? "" : ` · ${count(phase.k)}${of}`;
  return (
    <li class={done ? "done" : halted ? "halted" : "now"} aria-current={done || halted ? undefined : "step"}>
      <i aria-hidden="true"><i style={{ width: `${filled * 100}%` }} /></i>
      <span>{phase.name}{far}</span>
    </li>
  );
};
