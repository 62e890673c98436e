/* One line of the picture of examples by candidates: a name and its cells. */
import type { JSX } from "preact";
import { FAILED, tenthsOf, UNSEEN } from "./cells.ts";

/** Pixels that the names take, and a line's height. */
export const NAMES = 46;
export const LINE = 16;

interface Props {
  readonly id: string;
  readonly letters: string;
  readonly wide: number;
  readonly top: number;
  readonly on: boolean;
}

/** Draws the line. */
export const Line = ({ id, letters, wide, top, on }: Props): JSX.Element => (
  <g transform={`translate(0 ${top})`}>
    <text class={on ? "axis on" : "axis"} x="0" y="11">
      {id.length > 7 ? `${id.slice(0, 6)}…` : id}
      {id.length > 7 && <title>{id}</title>}
    </text>
    {[...new Set(letters)].map((letter) => <Kind key={letter} letter={letter} letters={letters} wide={wide} />)}
  </g>
);

/* One path for each kind of cell; the stroke in the fill's own colour makes the corners round. */
const Kind = ({ letter, letters, wide }: { readonly letter: string; readonly letters: string; readonly wide: number }): JSX.Element => {
  const places = [...letters].flatMap((other, k) => (other === letter ? [NAMES + k * wide + 1] : []));
  const side = Math.max(0.5, wide - 4);
  const path = places.map((x) => `M${x.toFixed(1)},2h${side.toFixed(1)}v${LINE - 8}h${(-side).toFixed(1)}z`).join("");
  const kind = letter === FAILED ? "failed" : letter === UNSEEN ? "unseen" : "seen";
  return <path class={`cell ${kind}`} d={path} style={{ "--dx-part": `${tenthsOf(letter) * 10}%` }} />;
};
