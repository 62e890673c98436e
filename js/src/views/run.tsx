/* One run, whole: every view over one value. It knows neither kernel nor notebook, so the live widget and the
 * report draw exactly the same. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { baselineOf, bestOf, candidateOf, isOver } from "../store/select.ts";
import type { State } from "../wire/decode.ts";
import { Candidates } from "./candidates.tsx";
import { Chart } from "./chart.tsx";
import { Events } from "./events.tsx";
import { Failures } from "./failures.tsx";
import { Header } from "./header.tsx";
import type { Controls } from "./header.tsx";
import { Heat } from "./heat.tsx";
import { Models } from "./models.tsx";
import { Phases } from "./phases.tsx";
import { Progress } from "./progress.tsx";
import { Selected } from "./selected.tsx";
import { Tiles } from "./tiles.tsx";

interface Props {
  readonly run: State;
  readonly controls: Controls | null;
  /** Whether more may come, also where nothing can be steered. */
  readonly live?: boolean;
}

/** Draws the run. */
export const RunView = ({ run, controls, live = controls !== null }: Props): JSX.Element => {
  const [chosen, setChosen] = useState("");
  const best = bestOf(run) ?? baselineOf(run);
  const candidate = candidateOf(run, chosen) ?? best;
  const selected = candidate?.id ?? "";
  const away = best !== null && best.id !== selected;
  const steer = isOver(run) || run.status === "stopping" ? null : controls;
  return (
    <section class={`run ${run.work}${isOver(run) ? " over" : ""}`} role="region" aria-label={`Run ${run.run}`.trim()}>
      <Header run={run} controls={controls} live={live} />
      <Tiles run={run} controls={steer} />
      <div class="columns">
        <div class="column">
          {run.work === "evaluate" && <Progress run={run} />}
          {run.work !== "evaluate" && <Chart run={run} selected={selected} onSelect={setChosen} />}
          <Phases run={run} />
          <Heat run={run} selected={selected} onSelect={setChosen} controls={steer} />
        </div>
        <div class="column">
          <Candidates run={run} selected={selected} onSelect={setChosen} controls={steer} />
          <Selected
            run={run}
            candidate={candidate}
            onBest={away ? () => setChosen("") : null}
            onStay={() => setChosen(selected)}
            controls={run.work === "evaluate" ? null : steer}
          />
        </div>
      </div>
      <Failures run={run} />
      <Models run={run} controls={steer} live={live} />
      <Events run={run} />
    </section>
  );
};
