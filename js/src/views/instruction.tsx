/* What the selected candidate tells the model: the instruction of each predictor, marked against the baseline.
 * A model wrote these texts, so they are only ever text nodes. */
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { baselineOf, own } from "../store/select.ts";
import { plural } from "../ui/format.ts";
import type { State } from "../wire/decode.ts";
import type { CandidateView } from "../wire/types.ts";
import { diffWords } from "./diff.ts";
import { Draft } from "./draft.tsx";
import type { Controls } from "./header.tsx";

/** What a person began to write, by candidate and predictor. */
export type Drafts = ReadonlyMap<string, string>;

interface Props {
  readonly run: State;
  readonly candidate: CandidateView | null;
  /** Absent where no instruction can be tried. */
  readonly controls: Controls | null;
  readonly drafts: Drafts;
  readonly onDrafts: (change: (drafts: Drafts) => Drafts) => void;
}

/** Draws the tab's panel. */
export const Instruction = ({ run, candidate, controls, drafts, onDrafts }: Props): JSX.Element => {
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
          controls={controls}
          draft={drafts.get(`${candidate.id}\n${name}`) ?? null}
          onDraft={(text) => onDrafts((all) => changed(all, `${candidate.id}\n${name}`, text))}
        />
      ))}
    </>
  );
};

const changed = (drafts: Drafts, key: string, text: string | null): Drafts => {
  const kept = [...drafts].filter(([other]) => other !== key);
  return new Map(text === null ? kept : [...kept, [key, text]]);
};

interface PredictorProps {
  readonly name: string;
  readonly who: string;
  readonly now: string;
  readonly before: string | null;
  readonly demos: number;
  readonly controls: Controls | null;
  readonly draft: string | null;
  readonly onDraft: (text: string | null) => void;
}

const Predictor = ({ name, who, now, before, demos, controls, draft, onDraft }: PredictorProps): JSX.Element => {
  const same = before === now ? ", same words as the baseline" : " against the baseline";
  const against = before === null ? who : `${who}${same}`;
  return (
    <div class="predictor">
      <div class="title">
        <span class="names">
          <b>{name}</b>
          <span class="dim">{against}</span>
          <span class="dim">{demos === 0 ? "no demonstrations" : plural(demos, "demonstration")}</span>
        </span>
        {controls && draft === null && (
          <button type="button" class="button small" aria-label={`Edit & evaluate ${name}`} onClick={() => onDraft(now)}>
            Edit & evaluate
          </button>
        )}
      </div>
      {controls && draft !== null && <Draft candidate={who} predictor={name} text={draft} from={now} controls={controls} onDraft={onDraft} />}
      {(controls === null || draft === null) && (
        <div class="text" tabindex={0} role="group" aria-label={`Instruction of ${name}`}>
          {now === "" && !before ? <span class="dim">no instruction</span> : <Diff before={before} now={now} />}
        </div>
      )}
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
