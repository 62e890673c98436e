/* The five numbers a person looks at first. Every tile keeps its height whatever it says. */
import type { ComponentChildren, JSX } from "preact";
import { baselineOf, bestOf, inPercent, isOver, own, totals } from "../store/select.ts";
import { Ask, positive, whole } from "../ui/ask.tsx";
import { count, halfWidth, money, plural, score, share, tokens } from "../ui/format.ts";
import type { State } from "../wire/decode.ts";
import type { Controls } from "./header.tsx";

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
      <b title={value}>{value}</b> {beside}
    </div>
    {children}
    <div class="below">{typeof below === "string" ? <Parts text={below} /> : below}</div>
  </div>
);

/* What stands between two dots stays in one line. */
const Parts = ({ text }: { readonly text: string }): JSX.Element => (
  <>{text.split(" · ").map((part, index) => [index > 0 && " · ", <span key={index} class="part">{part}</span>])}</>
);

interface Props {
  readonly run: State;
}

interface Capped extends Props {
  /** Absent where caps cannot be changed. */
  readonly controls: Controls | null;
}

/** Draws all five. */
export const Tiles = ({ run, controls }: Capped): JSX.Element => (
  <div class="tiles">
    <BestTile run={run} />
    <CandidatesTile run={run} />
    <CallsTile run={run} controls={controls} />
    <TokensTile run={run} controls={controls} />
    <CostTile run={run} controls={controls} />
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
    const sure = best.low !== null && best.high !== null && best.state !== "running";
    const spread = sure ? `${halfWidth(best.low, best.high, percent)}, ` : "";
    return <Tile name="Best score" value={score(best.mean, percent)} below={`${spread}${count(best.n)}${of} scored`} />;
  }
  const gain = base === null || base.mean === null || base.id === best.id ? null : best.mean - base.mean;
  const who = best.pinned ? `${best.id}, pinned` : best.id;
  const below = base?.mean == null ? who : `${who} · baseline ${score(base.mean, percent)}`;
  return (
    <Tile
      name="Best score"
      value={score(best.mean, percent)}
      beside={gain !== null && <Gain text={score(Math.abs(gain), percent)} none={score(0, percent)} up={gain > 0} />}
      below={best.id === base?.id ? "the baseline leads" : below}
    />
  );
};

const Gain = ({ text, none, up }: { readonly text: string; readonly none: string; readonly up: boolean }): JSX.Element | null =>
  text === none ? null : (
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
  const beside = shown.length > 0 ? "beside the baseline" : isOver(run) ? "none proposed" : "none proposed yet";
  const idle = run.work === "evaluate" ? "the program as it is" : beside;
  const guests = shown.filter((c) => c.by !== "").length; // people's candidates, which no method plans
  const of = run.planned === null || run.work === "evaluate" ? null : <span class="of">of {count(run.planned + guests)}</span>;
  return <Tile name="Candidates" value={count(shown.length)} beside={of} below={parts.join(" · ") || idle} />;
};

const CallsTile = ({ run, controls }: Capped): JSX.Element => {
  const { calls, cached, inFlight } = totals(run);
  const flight = isOver(run) ? "" : ` · ${count(inFlight)} in flight`;
  const cap = own(run.limits, "calls");
  const beside = cap !== undefined && <Cap kind="calls" cap={cap} said={`of ${count(cap)}`} controls={controls} />;
  return <Tile name="LM calls" value={count(calls)} beside={beside} below={`${share(cached, calls)} cached${flight}`} />;
};

const TokensTile = ({ run, controls }: Capped): JSX.Element => {
  const { prompt, completion } = totals(run);
  const below = `${tokens(prompt)} in · ${tokens(completion)} out`;
  const cap = own(run.limits, "tokens");
  const beside = cap !== undefined && <Cap kind="tokens" cap={cap} said={`of ${tokens(cap)}`} controls={controls} />;
  return <Tile name="Tokens" value={tokens(prompt + completion)} beside={beside} below={below} />;
};

const KINDS = { usd: "Budget in dollars", calls: "Budget of LM calls", tokens: "Budget of tokens" } as const;

interface CapProps {
  readonly kind: keyof typeof KINDS;
  readonly cap: number | null;
  readonly said: string;
  readonly controls: Controls | null;
}

/** The cap beside a tile's number; who may steer the run changes it there. */
const Cap = ({ kind, cap, said, controls }: CapProps): JSX.Element => {
  if (controls === null) return <span class="of">{said}</span>;
  return (
    <Ask
      name={KINDS[kind]}
      label={said}
      usual={cap === null ? "" : String(cap)}
      {...(kind === "usd" ? { before: "$" } : {})}
      pending={controls.pending.includes("budget")}
      read={kind === "usd" ? positive : whole}
      onGive={(value) => controls.press("budget", { caps: { [kind]: value } })}
    />
  );
};

/* Percent of a budget from which on its bar warns. */
const NEARLY = 80;

const CostTile = ({ run, controls }: Capped): JSX.Element => {
  const { cost, unpriced } = totals(run);
  const cap = run.budget_usd;
  const filled = cap === null || cap <= 0 ? 0 : Math.min(100, (100 * cost) / cap);
  return (
    <Tile
      name="Cost"
      value={money(cost)}
      beside={
        (cap !== null || controls !== null) && (
          <Cap kind="usd" cap={cap} said={cap === null ? "no cap" : `of ${money(cap)}`} controls={controls} />
        )
      }
      below={unpriced > 0 ? <span class="warn">price unknown for {plural(unpriced, "call")}</span> : roles(run, controls === null)}
    >
      {cap !== null && (
        <div class={filled >= NEARLY ? "budget near" : "budget"} role="progressbar" aria-label="Share of the budget" aria-valuenow={Math.round(filled)}>
          <i style={{ width: `${filled}%` }} />
        </div>
      )}
    </Tile>
  );
};

const roles = (run: State, fixed: boolean): string => {
  const [task, proposal, judge] = [totals(run, "task"), totals(run, "proposal"), totals(run, "judge")];
  const parts = [
    `task ${money(task.cost)}`,
    ...(proposal.calls > 0 ? [`proposals ${money(proposal.cost)}`] : []),
    ...(judge.calls > 0 ? [`judge ${money(judge.cost)}`] : []),
  ];
  return parts.length > 1 ? parts.join(" · ") : run.budget_usd === null && fixed ? "no cap set" : "";
};
