/* What an evaluation shows in place of the chart: one program has one score, so its place on the scale, how sure
 * it is, and how many examples are done. */
import type { JSX } from "preact";
import { bestOf, inPercent, isOver, own } from "../store/select.ts";
import { count, halfWidth, score } from "../ui/format.ts";
import type { State } from "../wire/decode.ts";
import type { CandidateView } from "../wire/types.ts";
import { scoreAxis } from "./scale.ts";

interface Props {
  readonly run: State;
}

/** Draws the card of an evaluation. */
export const Progress = ({ run }: Props): JSX.Element => {
  const seen = bestOf(run);
  const done = seen === null ? 0 : seen.n + seen.failed;
  const total = seen?.total ?? own(run.sizes, "val") ?? null;
  return (
    <section class="card progress">
      <h2>{isOver(run) ? "Score" : "Score so far"}</h2>
      <Scale seen={seen} percent={inPercent(run)} />
      <h2 class="next">Examples</h2>
      <Bar seen={seen} total={total} />
      <p class="dim line">
        {done > 0 ? said(seen, done, total) : isOver(run) ? "No example was scored." : "The score appears here once the first example is answered."}
      </p>
    </section>
  );
};

const said = (seen: CandidateView | null, done: number, total: number | null): string =>
  `${count(done)}${total === null ? "" : ` of ${count(total)}`} ${total === 1 ? "example" : "examples"} done` +
  (seen !== null && seen.failed > 0 ? `, ${count(seen.failed)} failed without a score` : "");

const Scale = ({ seen, percent }: { seen: CandidateView | null; percent: boolean }): JSX.Element => {
  const mean = seen?.mean ?? null;
  const axis = percent ? { low: 0, high: 100 } : scoreAxis(mean === null ? [] : [0, mean], 1, [-Infinity, Infinity]);
  const at = (value: number): string => {
    const share = ((percent ? value * 100 : value) - axis.low) / (axis.high - axis.low);
    return `${Math.round(1000 * Math.min(1, Math.max(0, share))) / 10}%`;
  };
  const [low, high] = [seen?.low ?? null, seen?.high ?? null];
  const sure = low !== null && high !== null;
  const spread = sure ? ` ${halfWidth(low, high, percent)}` : "";
  const spoken = mean === null ? "no score yet" : `${score(mean, percent)}${spread}`;
  return (
    <div class="scale">
      <svg width="100%" height="78" role="img" aria-label="Candidate scores">
        <title>{spoken}</title>
        <line class="grid" x1="0" x2="100%" y1="46" y2="46" />
        {[0, 0.25, 0.5, 0.75, 1].map((part) => (
          <g key={part}>
            <line class="tick" x1={`${part * 100}%`} x2={`${part * 100}%`} y1="54" y2="59" />
            <text class="axis middle" x={`${part * 100}%`} y="72">{axis.low + part * (axis.high - axis.low)}</text>
          </g>
        ))}
        {sure && <line class="interval" x1={at(low)} x2={at(high)} y1="46" y2="46" />}
        {mean !== null && <circle class="here" cx={at(mean)} cy="46" r="6" />}
        {mean !== null && <text class="said" x={at(mean)} y="30">{spoken}</text>}
      </svg>
    </div>
  );
};

const Bar = ({ seen, total }: { seen: CandidateView | null; total: number | null }): JSX.Element => {
  const of = (n: number): string => `${total === null || total <= 0 ? 0 : Math.min(100, (100 * n) / total)}%`;
  const done = seen === null ? 0 : seen.n + seen.failed;
  return (
    <div
      class="tally"
      role="progressbar"
      aria-label="Examples done"
      aria-valuemin={0}
      aria-valuenow={done}
      {...(total === null ? {} : { "aria-valuemax": total })}
    >
      <i class="scored" style={{ width: of(seen?.n ?? 0) }} />
      <i class="failed" style={{ width: of(seen?.failed ?? 0) }} />
    </div>
  );
};
