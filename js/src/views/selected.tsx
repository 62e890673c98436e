/* The card about one candidate: tabs over its instruction and its facts. Arrow keys move between the tabs. */
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { State } from "../wire/decode.ts";
import type { CandidateView } from "../wire/types.ts";
import { Details } from "./details.tsx";
import type { Controls } from "./header.tsx";
import { Instruction } from "./instruction.tsx";
import type { Drafts } from "./instruction.tsx";

const TABS = ["Instruction", "Details"] as const;
type TabName = (typeof TABS)[number];

interface Props {
  readonly run: State;
  readonly candidate: CandidateView | null;
  /** Goes back to the best, where the person chose another. */
  readonly onBest: (() => void) | null;
  /** Stays with this candidate whatever leads. */
  readonly onStay: () => void;
  /** Absent where no instruction can be tried. */
  readonly controls: Controls | null;
}

/** Draws the card. */
export const Selected = ({ run, candidate, onBest, onStay, controls }: Props): JSX.Element => {
  // What a person began to write outlives a look at another candidate or tab.
  const [drafts, setDrafts] = useState<Drafts>(new Map());
  const [tab, setTab] = useState<TabName>("Instruction");
  const list = useRef<HTMLDivElement>(null);
  const onKey = (event: KeyboardEvent): void => {
    if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
    event.preventDefault();
    const next = TABS[(TABS.indexOf(tab) + 1) % TABS.length] ?? tab;
    setTab(next);
    list.current?.querySelector<HTMLElement>(`[data-tab="${next}"]`)?.focus();
  };
  return (
    <section class="card selected">
      <div class="head">
        <div class="tabs" role="tablist" aria-label="Selected candidate" ref={list} onKeyDown={onKey}>
          {TABS.map((name) => (
            <button
              key={name}
              type="button"
              role="tab"
              class="plain"
              data-tab={name}
              aria-selected={name === tab}
              tabindex={name === tab ? 0 : -1}
              onClick={() => setTab(name)}
            >
              {name}
            </button>
          ))}
        </div>
        {onBest && <button type="button" class="button small" onClick={onBest}>Show the best</button>}
      </div>
      <div role="tabpanel" aria-label={tab}>
        {tab === "Instruction" && (
          <Instruction
            run={run}
            candidate={candidate}
            controls={controls}
            drafts={drafts}
            onDrafts={(change) => {
              onStay();
              setDrafts(change);
            }}
          />
        )}
        {tab === "Details" && <Details run={run} candidate={candidate} />}
      </div>
    </section>
  );
};
