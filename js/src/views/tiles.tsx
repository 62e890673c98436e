/* The five numbers a person looks at first. Every tile keeps its height whatever it says. */
import type { ComponentChildren, JSX } from "preact";
import { baselineOf, bestOf, inPercent, isOver, totals } from "../store/select.ts";
import { count, money, plural, score, share, tokens } from "../ui/format.ts";
import type { State } from "../wire/decode.ts";

interface TileProps {
  readonly name: string;
  readonly value: string;
  readonly beside?: ComponentChildren;
  readonly below: ComponentChildren;
  readonly children?: ComponentChildren;
}

const Tile = ({ name, value, beside, below, children }: TileProps): JSX.Element => (
  <div class="tile" role="group" aria-label={name}>
    <h2>{name}</h2>
    <div class="value">
      <b>{value}</b> {beside}
    </div>
    {children}
    <div class="below">{below}</div>
  </div>
);

interface Props {
  readonly run: State;
}

/** Draws all five. */
export const Tiles = ({ run }: Props): JSX.Element => (
  <div class="tiles">
    <BestTile run={run} />
    <CandidatesTile run={run} />
    <CallsTile run={run} />
    <TokensTile run={run} />
    <CostTile run={run} />
  </div>
);

const BestTile = ({ run }: Props): JSX.Element => {
  const [best, base, percent] = [bestOf(run), baselineOf(run), inPercent(run)];
  if (best === null || best.mean === null) {
    const still = base?.state === "running" && !isOver(run) ? "baseline so far" : "baseline";
    const none = isOver(run) ? "no score" : "no score yet";
    const known = base?.mean == null ? none : `${still} ${score(base.mean, percent)}`;
    return <Tile name="Best score" value="–" below={known} />;
  }
  if (run.work === "evaluate") {
    const of = best.total === null ? "" : ` of ${count(best.total)}`;
    return <Tile name="Best score" value={score(best.mean, percent)} below={`${count(best.n)}${of} scored`} />;
  }
  const gain = base === null || base.mean === null || base.id === best.id ? null : best.mean - base.mean;
  const below = base?.mean == null ? best.id : `${best.id} · baseline ${score(base.mean, percent)}`;
  return (
    <Tile
      name="Best score"
      value={score(best.mean, percent)}
      beside={gain !== null && <Gain text={score(Math.abs(gain), percent)} up={gain >= 0} />}
      below={best.id === base?.id ? "the baseline leads" : below}
    />
  );
};

const Gain = ({ text, up }: { readonly text: string; readonly up: boolean }): JSX.Element => (
  <span class={up ? "gain up" : "gain down"} title={`${up ? "above" : "below"} the baseline`}>
    {up ? "▲" : "▼"} {text}
  </span>
);

const CandidatesTile = ({ run }: Props): JSX.Element => {
  const shown = run.work === "evaluate" ? run.candidates : run.candidates.filter((c) => !c.baseline);
  const [running, dropped] = [shown.filter((c) => c.state === "running"), shown.filter((c) => c.state === "dropped")];
  const parts = [
    ...(dropped.length > 0 ? [`${count(dropped.length)} dropped`] : []),
    ...(running.length > 0 && !isOver(run) ? [`${count(running.length)} running`] : []),
  ];
  const beside = shown.length === 0 ? "none proposed yet" : "beside the baseline";
  const idle = run.work === "evaluate" ? "the program as it is" : beside;
  const of = run.planned === null ? null : <span class="of">of {count(run.planned)}</span>;
  return <Tile name="Candidates" value={count(shown.length)} beside={of} below={parts.join(" · ") || idle} />;
};

const CallsTile = ({ run }: Props): JSX.Element => {
  const { calls, cached, inFlight } = totals(run);
  const flight = isOver(run) ? "" : ` · ${count(inFlight)} in flight`;
  return <Tile name="LM calls" value={count(calls)} below={`${share(cached, calls)} cached${flight}`} />;
};

const TokensTile = ({ run }: Props): JSX.Element => {
  const { prompt, completion } = totals(run);
  const below = `${tokens(prompt)} in · ${tokens(completion)} out`;
  return <Tile name="Tokens" value={tokens(prompt + completion)} below={below} />;
};

const CostTile = ({ run }: Props): JSX.Element => {
  const { cost, unpriced } = totals(run);
  const cap = run.budget_usd;
  const filled = cap === null || cap <= 0 ? 0 : Math.min(100, (100 * cost) / cap);
  return (
    <Tile
      name="Cost"
      value={money(cost)}
      beside={cap !== null && <span class="of">of {money(cap)}</span>}
      below={unpriced > 0 ? <span class="warn">price unknown for {plural(unpriced, "call")}</span> : roles(run)}
    >
      {cap !== null && (
        <div class="budget" role="progressbar" aria-label="Share of the budget" aria-valuenow={Math.round(filled)}>
          <i style={{ width: `${filled}%` }} />
        </div>
      )}
    </Tile>
  );
};

const roles = (run: State): string => {
  const [task, proposal, judge] = [totals(run, "task"), totals(run, "proposal"), totals(run, "judge")];
  const parts = [
    `task ${money(task.cost)}`,
    ...(proposal.calls > 0 ? [`proposals ${money(proposal.cost)}`] : []),
    ...(judge.calls > 0 ? [`judge ${money(judge.cost)}`] : []),
  ];
  return parts.length > 1 ? parts.join(" · ") : run.budget_usd === null ? "no cap set" : "";
};
