/* Examples by candidates: one line a candidate, one cell an example, hardest on the right. A cell under the pointer
 * is told in words below, and so is the one that was chosen, by a click or by arrow keys: of that example a person
 * may say something. */
import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { inPercent, isOver } from "../store/select.ts";
import { Ask, written } from "../ui/ask.tsx";
import { useWidth } from "../ui/hooks.ts";
import type { State } from "../wire/decode.ts";
import { cellsOf, told } from "./cells.ts";
import type { At, Cells } from "./cells.ts";
import type { Controls } from "./header.tsx";
import { Line, LINE, NAMES } from "./row.tsx";

const WIDEST = 24;
const STEPS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0],
};

interface Props {
  readonly run: State;
  readonly selected: string;
  readonly onSelect: (id: string) => void;
  /** Absent where nothing can be said of an example. */
  readonly controls: Controls | null;
}

/** Draws the card; while there is nothing to compare yet, its place is kept, so that nothing jumps. */
export const Heat = ({ run, ...props }: Props): JSX.Element | null => {
  const drawn = useMemo(() => cellsOf(run), [run.candidates, run.columns, run.best, run.sizes]);
  if (drawn !== null) return <Card drawn={drawn} {...props} />;
  if (run.work === "evaluate" || isOver(run) || !inPercent(run)) return null;
  return (
    <section class="card heat">
      <h2>Examples × candidates</h2>
      <p class="empty">Which examples each candidate gets right is shown here from the second candidate on.</p>
    </section>
  );
};

/* The cell is remembered by its names: lines and columns change places while the run goes on. */
interface Chosen {
  readonly id: string;
  readonly example: string;
}

const Card = ({ drawn, selected, onSelect, controls }: Omit<Props, "run"> & { readonly drawn: Cells }): JSX.Element => {
  const [over, setOver] = useState<At | null>(null);
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box, 524);
  const wide = Math.min(WIDEST, (width - NAMES) / drawn.names.length);
  const height = drawn.lines.length * LINE;
  const kept = chosen === null ? null : placeOf(drawn, chosen);
  const at = over ?? kept;
  const choose = ({ line, column }: At): void => {
    const [id, example] = [drawn.lines[line]?.id ?? "", drawn.names[column] ?? ""];
    setChosen({ id, example });
    onSelect(id);
  };
  const under = (event: MouseEvent): At => {
    const edge = box.current?.getBoundingClientRect();
    return { column: Math.floor((event.clientX - (edge?.left ?? 0) - NAMES) / wide), line: Math.floor((event.clientY - (edge?.top ?? 0)) / LINE) };
  };
  const onClick = (event: MouseEvent): void => {
    const [place, id] = [under(event), drawn.lines[under(event).line]?.id];
    if (isCell(drawn, place)) choose(place);
    else if (id !== undefined) onSelect(id);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape") setChosen(null);
    const step = STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const first = { line: Math.max(0, drawn.lines.findIndex(({ id }) => id === selected)), column: drawn.names.length - 1 };
    const next = kept === null ? first : { line: kept.line + step[0], column: kept.column + step[1] };
    if (isCell(drawn, next)) choose(next);
  };
  const onPointerMove = (event: PointerEvent): void => setOver(isCell(drawn, under(event)) ? under(event) : null);
  return (
    <section class="card heat">
      <h2>Examples × candidates</h2>
      <div
        ref={box}
        role="group"
        aria-label="Examples by candidates: arrow keys go from one to the next"
        tabindex={0}
        onPointerMove={onPointerMove}
        onPointerLeave={() => setOver(null)}
        onClick={onClick}
        onKeyDown={onKeyDown}
      >
        <svg role="img" aria-label={`Scores of ${drawn.caption}`} viewBox={`0 0 ${width} ${height}`} width={width} height={height}>
          {drawn.lines.map(({ id, letters }, line) => (
            <Line key={id} id={id} letters={letters} wide={wide} top={line * LINE} on={id === selected} />
          ))}
          {at && <rect class="at" x={NAMES + at.column * wide} y={at.line * LINE} width={wide} height={LINE - 2} rx="3" />}
        </svg>
      </div>
      <div class="dim line">
        <span aria-live="polite">{at ? told(drawn, at) : drawn.caption}</span>
        {controls && chosen && kept && <Say example={chosen.example} controls={controls} />}
      </div>
    </section>
  );
};

const Say = ({ example, controls }: { readonly example: string; readonly controls: Controls }): JSX.Element => (
  <Ask
    key={example}
    name="Comment on this example"
    label="comment"
    usual=""
    give="Say"
    words
    pending={controls.pending.includes("label")}
    read={written}
    onGive={(comment) => controls.press("label", { example, comment })}
  />
);

const placeOf = (drawn: Cells, { id, example }: Chosen): At | null => {
  const at = { line: drawn.lines.findIndex((line) => line.id === id), column: drawn.names.indexOf(example) };
  return isCell(drawn, at) ? at : null;
};

const isCell = (drawn: Cells, { line, column }: At): boolean => drawn.lines[line] !== undefined && drawn.names[column] !== undefined;
