/* What the selected candidate tells the model: the instruction of each predictor, marked against the baseline.
 * A model wrote these texts, so they are only ever text nodes. */
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { baselineOf, own } from "../store/select.ts";
import { plural } from "../ui/format.ts";
import type { State } from "../wire/decode.ts";
import type { CandidateView } from "../wire/types.ts";
import { diffWords } from "./diff.ts";

interface Props {
  readonly run: State;
  readonly candidate: CandidateView | null;
}

/** Draws the tab's panel. */
export const Instruction = ({ run, candidate }: Props): JSX.Element => {
  if (candidate === null) {
    return <p class="empty">The best candidate's instruction appears here, marked against the baseline.</p>;
  }
  const base = baselineOf(run);
  // What a candidate does not name, it did not change.
  const texts = { ...base?.instructions, ...candidate.instructions };
  const names = [...new Set([...Object.keys(texts), ...Object.keys(candidate.demos)])];
  if (names.length === 0) return <p class="empty">{candidate.id} has no instruction of its own.</p>;
  return (
    <>
      {names.map((name) => (
        <Predictor
          key={name}
          name={name}
          who={candidate.id}
          now={own(texts, name) ?? ""}
          before={base === null || base.id === candidate.id ? null : (own(base.instructions, name) ?? "")}
          demos={own(candidate.demos, name) ?? 0}
        />
      ))}
    </>
  );
};

interface PredictorProps {
  readonly name: string;
  readonly who: string;
  readonly now: string;
  readonly before: string | null;
  readonly demos: number;
}

const Predictor = ({ name, who, now, before, demos }: PredictorProps): JSX.Element => {
  const same = before === now ? ", same words as the baseline" : " against the baseline";
  const against = before === null ? who : `${who}${same}`;
  return (
    <div class="predictor">
      <div class="title">
        <b>{name}</b>
        <span class="dim">{against}</span>
        <span class="dim demos">{demos === 0 ? "no demonstrations" : plural(demos, "demonstration")}</span>
      </div>
      <div class="text" tabindex={0} role="group" aria-label={`Instruction of ${name}`}>
        {now === "" && !before ? <span class="dim">no instruction</span> : <Diff before={before} now={now} />}
      </div>
    </div>
  );
};

const Diff = ({ before, now }: { readonly before: string | null; readonly now: string }): JSX.Element => {
  const pieces = useMemo(() => (before === null ? [] : diffWords(before, now)), [before, now]);
  if (before === null) return <>{now}</>;
  return (
    <>
      {pieces.map(({ type, text }, index) =>
        type === "same" ? text : type === "del" ? <del key={index}>{text}</del> : <ins key={index}>{text}</ins>,
      )}
    </>
  );
};
