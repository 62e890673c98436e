/* One run, whole: every view over one value. It knows neither kernel nor notebook, so the live widget and the
 * report draw exactly the same. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { baselineOf, bestOf, candidateOf } from "../store/select.ts";
import type { State } from "../wire/decode.ts";
import { Candidates } from "./candidates.tsx";
import { Chart } from "./chart.tsx";
import { Events } from "./events.tsx";
import { Header } from "./header.tsx";
import type { Controls } from "./header.tsx";
import { Models } from "./models.tsx";
import { Phases } from "./phases.tsx";
import { Progress } from "./progress.tsx";
import { Selected } from "./selected.tsx";
import { Tiles } from "./tiles.tsx";

interface Props {
  readonly run: State;
  readonly controls: Controls | null;
}

/** Draws the run. */
export const RunView = ({ run, controls }: Props): JSX.Element => {
  const [chosen, setChosen] = useState("");
  const best = bestOf(run) ?? baselineOf(run);
  const candidate = candidateOf(run, chosen) ?? best;
  const selected = candidate?.id ?? "";
  const away = best !== null && best.id !== selected;
  return (
    <section class="run" role="region" aria-label={`Run ${run.run}`.trim()}>
      <Header run={run} controls={controls} />
      <Tiles run={run} />
      <div class="columns">
        <div class="column">
          {run.work === "evaluate" && <Progress run={run} />}
          {run.work !== "evaluate" && <Chart run={run} selected={selected} onSelect={setChosen} />}
          <Phases run={run} />
          <Models run={run} />
        </div>
        <div class="column">
          <Candidates run={run} selected={selected} onSelect={setChosen} />
          <Selected run={run} candidate={candidate} onBest={away ? () => setChosen("") : null} />
        </div>
      </div>
      <Events run={run} />
    </section>
  );
};
