/* Examples by candidates: one line a candidate, one cell an example, hardest on the right. A cell under the pointer
 * is told in words below; a click selects its candidate. */
import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { inPercent, isOver } from "../store/select.ts";
import { useWidth } from "../ui/hooks.ts";
import type { State } from "../wire/decode.ts";
import { cellsOf, tenthsOf } from "./cells.ts";
import type { Cells } from "./cells.ts";
import { short } from "./describe.ts";

const [NAMES, LINE, WIDEST] = [46, 16, 24];
const [FAILED, UNSEEN] = ["x", "."];

interface Props {
  readonly run: State;
  readonly selected: string;
  readonly onSelect: (id: string) => void;
}

interface At {
  readonly line: number;
  readonly column: number;
}

/** Draws the card; while there is nothing to compare yet, its place is kept, so that nothing jumps. */
export const Heat = ({ run, selected, onSelect }: Props): JSX.Element | null => {
  const drawn = useMemo(() => cellsOf(run), [run.candidates, run.columns, run.best, run.sizes]);
  if (drawn !== null) return <Card drawn={drawn} selected={selected} onSelect={onSelect} />;
  if (run.work === "evaluate" || isOver(run) || !inPercent(run)) return null;
  return (
    <section class="card heat">
      <h2>Examples × candidates</h2>
      <p class="empty">Which examples each candidate gets right is shown here from the second candidate on.</p>
    </section>
  );
};

const Card = ({ drawn, selected, onSelect }: Omit<Props, "run"> & { readonly drawn: Cells }): JSX.Element => {
  const [at, setAt] = useState<At | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box, 524);
  const wide = Math.min(WIDEST, (width - NAMES) / drawn.names.length);
  const height = drawn.lines.length * LINE;
  const onMove = (event: PointerEvent): void => {
    const edge = box.current?.getBoundingClientRect();
    if (edge === undefined) return;
    const [column, line] = [Math.floor((event.clientX - edge.left - NAMES) / wide), Math.floor((event.clientY - edge.top) / LINE)];
    setAt(drawn.lines[line] && drawn.names[column] !== undefined ? { line, column } : null);
  };
  const onClick = (event: MouseEvent): void => {
    const edge = box.current?.getBoundingClientRect();
    const line = edge && drawn.lines[Math.floor((event.clientY - edge.top) / LINE)];
    if (line) onSelect(line.id);
  };
  return (
    <section class="card heat">
      <h2>Examples × candidates</h2>
      <div ref={box} onPointerMove={onMove} onPointerLeave={() => setAt(null)} onClick={onClick}>
        <svg role="img" aria-label={`Scores of ${drawn.caption}`} viewBox={`0 0 ${width} ${height}`} width={width} height={height}>
          {drawn.lines.map(({ id, letters }, line) => (
            <g key={id} transform={`translate(0 ${line * LINE})`}>
              <text class={id === selected ? "axis on" : "axis"} x="0" y="11">{id.length > 7 ? `${id.slice(0, 6)}…` : id}</text>
              <Line letters={letters} wide={wide} />
            </g>
          ))}
          {at && <rect class="at" x={NAMES + at.column * wide} y={at.line * LINE} width={wide} height={LINE - 2} rx="3" />}
        </svg>
      </div>
      <p class="dim line">{at ? said(drawn, at) : drawn.caption}</p>
    </section>
  );
};

/* One path for each kind of cell; the stroke in the fill's own colour makes the corners round. */
const Line = ({ letters, wide }: { readonly letters: string; readonly wide: number }): JSX.Element => (
  <>
    {[...new Set(letters)].map((letter) => {
      const places = [...letters].flatMap((other, k) => (other === letter ? [NAMES + k * wide + 1] : []));
      const side = Math.max(0.5, wide - 4);
      const path = places.map((x) => `M${x.toFixed(1)},2h${side.toFixed(1)}v${LINE - 8}h${(-side).toFixed(1)}z`).join("");
      const kind = letter === FAILED ? "failed" : letter === UNSEEN ? "unseen" : "seen";
      return <path key={letter} class={`cell ${kind}`} d={path} style={{ "--dx-part": `${tenthsOf(letter) * 10}%` }} />;
    })}
  </>
);

const said = (drawn: Cells, { line, column }: At): string => {
  const { id, letters } = drawn.lines[line] ?? { id: "", letters: "" };
  const letter = letters[column] ?? UNSEEN;
  const got = letter === FAILED ? "failed" : letter === UNSEEN ? "not seen yet" : `score ${tenthsOf(letter) / 10}`;
  return `${short(id)} on example ${short(drawn.names[column] ?? "")}: ${got}`;
};
