/* Why examples failed, in words. dspex_widgets/failures.py says the same in Python; tests/golden/shown.json holds both
 * to it. */
import { count } from "../ui/format.ts";
import { short } from "../views/describe.ts";
import type { State } from "../wire/decode.ts";

const MOST = 5;

/** One kind of reason; `text` is what the last one of the kind said. */
export interface FailureRow {
  readonly count: string;
  readonly kind: string;
  readonly text: string;
}

/** The kinds of reasons for which examples failed, those that came most often first. */
export const failuresOf = (run: State): readonly FailureRow[] => {
  const top = [...run.failures].sort((a, b) => b.count - a.count).slice(0, MOST);
  const rows = top.map((it) => ({ count: count(it.count), kind: short(it.kind) || "no reason given", text: short(it.text) }));
  const rest = run.errors - top.reduce((all, it) => all + it.count, 0);
  return rest > 0 ? [...rows, { count: count(rest), kind: "other reasons", text: "" }] : rows;
};
