/* The selected candidate's facts in words: where it comes from, how it was scored, what it cost. */
import type { JSX } from "preact";
import { inPercent, isOver } from "../store/select.ts";
import { count, money, plural, score } from "../ui/format.ts";
import type { State } from "../wire/decode.ts";
import type { CandidateView } from "../wire/types.ts";

interface Props {
  readonly run: State;
  readonly candidate: CandidateView | null;
}

/** Draws the tab's panel. */
export const Details = ({ run, candidate }: Props): JSX.Element => {
  if (candidate === null) return <p class="empty">Select a candidate to see where it comes from.</p>;
  return (
    <dl class="details">
      {facts(run, candidate).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
};

const stateOf = (c: CandidateView, over: boolean): string => {
  if (c.state === "proposed") return over ? "was not scored" : "waits to be scored";
  if (c.state === "running") return over ? "was being scored when the run ended" : "is being scored";
  return c.state;
};

const facts = (run: State, c: CandidateView): readonly (readonly [string, string])[] => {
  const percent = inPercent(run);
  const sure = c.low !== null && c.high !== null && c.state !== "running";
  const all: readonly (readonly [string, string | false | null])[] = [
    ["candidate", c.baseline ? `${c.id}, the baseline` : c.id],
    ["state", `${stateOf(c, isOver(run))}${c.reason ? `: ${c.reason}` : ""}`],
    ["made from", c.origin && c.origin],
    ["written by", c.by],
    ["pinned by", c.pinned],
    ["how", c.what !== `by ${c.by}` && c.what],
    ["score", c.mean !== null && score(c.mean, percent)],
    ["95% interval", sure && `${score(c.low ?? 0, percent)} to ${score(c.high ?? 0, percent)}`],
    ["examples", c.n + c.failed > 0 && scored(c)],
    ["cost", money(c.cost)],
    ["scored after", c.at > 0 && `${plural(c.calls, "LM call")}, ${money(c.spent)}`],
  ];
  return all.flatMap(([name, value]) => (value ? [[name, value] as const] : []));
};

const scored = (c: CandidateView): string =>
  `${count(c.n)} scored${c.failed > 0 ? `, ${count(c.failed)} failed` : ""}${c.full ? "" : ", a part of the set"}`;
