/* The table of candidates, best first. A row's id is a button, so that the keyboard reaches it too; the table
 * scrolls inside its own card, and keeps room for the rows to come so that nothing below jumps. What can be done with
 * a candidate opens inside its row: a menu over the card would be cut off by the scroll. */
import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { hasOrigins, inPercent, isOver, ranked } from "../store/select.ts";
import { count, halfWidth, moneyOf, score } from "../ui/format.ts";
import { useReturn } from "../ui/hooks.ts";
import type { State } from "../wire/decode.ts";
import type { CandidateView } from "../wire/types.ts";
import type { Controls } from "./header.tsx";

interface Props {
  readonly run: State;
  readonly selected: string;
  readonly onSelect: (id: string) => void;
  /** Absent where nothing can be steered. */
  readonly controls: Controls | null;
}

/* The rows to keep room for: all that are planned, and the baseline; beyond the first few the table scrolls. */
const MOST = 8.5;
const roomFor = (run: State): number => {
  if (run.work === "evaluate") return 1;
  const more = isOver(run) ? 3 : run.planned === null ? MOST : run.planned + 1;
  return Math.min(MOST, Math.max(run.candidates.length, more));
};

/** Draws the card with the table. */
export const Candidates = ({ run, selected, onSelect, controls }: Props): JSX.Element => {
  const [menu, setMenu] = useState("");
  const steer = run.work === "evaluate" ? null : controls;
  const percent = inPercent(run);
  const top = Math.max(0, ...run.candidates.map((c) => c.mean ?? 0));
  const price = moneyOf(run.candidates.map((c) => c.cost));
  const from = hasOrigins(run);
  return (
    <section class={from ? "card candidates origins" : "card candidates"}>
      <h2>Candidates</h2>
      <div class="scroll" style={{ "--dx-rows": roomFor(run) }}>
        <table aria-label="Candidates">
          <thead>
            <tr>
              <th scope="col">id</th>
              <th scope="col" class="num">score</th>
              <th scope="col" class="num sure">95%</th>
              <th scope="col" class="num">n</th>
              <th scope="col" class="what">what</th>
              {from && <th scope="col" class="from">from</th>}
              <th scope="col" class="num">cost</th>
              {steer && <th scope="col" class="more"><span class="hidden">actions</span></th>}
            </tr>
          </thead>
          <tbody>
            {ranked(run).map((c, index) => (
              <Row
                key={`${index}${c.id}`}
                run={run}
                c={c}
                percent={percent}
                top={top}
                price={price}
                from={from}
                on={c.id === selected}
                onSelect={onSelect}
                controls={steer}
                open={steer !== null && c.id === menu}
                onMenu={(open) => setMenu(open ? c.id : "")}
              />
            ))}
          </tbody>
        </table>
        {run.candidates.length === 0 && (
          <p class="empty">{isOver(run) ? "No candidate was proposed." : "Candidates are listed here as soon as the method proposes them."}</p>
        )}
      </div>
    </section>
  );
};

interface RowProps {
  readonly run: State;
  readonly c: CandidateView;
  readonly percent: boolean;
  readonly top: number;
  readonly price: (cost: number) => string;
  readonly from: boolean;
  readonly on: boolean;
  readonly onSelect: (id: string) => void;
  readonly controls: Controls | null;
  readonly open: boolean;
  readonly onMenu: (open: boolean) => void;
}

const Row = ({ run, c, percent, top, price, from, on, onSelect, controls, open, onMenu }: RowProps): JSX.Element => {
  const best = c.id === run.best;
  const more = useReturn(open);
  return (
    <tr class={`${c.state}${on ? " on" : ""}`} onClick={() => onSelect(c.id)} title={hint(c, isOver(run))}>
      <th scope="row">
        <span class="star" aria-hidden="true">{best ? "★" : ""}</span>
        <button type="button" class="plain" aria-pressed={on} onClick={() => onSelect(c.id)}>
          {c.id}
        </button>
        {best && <span class="hidden">, the best so far</span>}
      </th>
      <td class="num score">
        {c.mean !== null && <Bar share={percent ? c.mean : top > 0 ? c.mean / top : 0} />}
        {c.mean === null && <span class="dim">{c.state === "running" ? "…" : "–"}</span>}
        {c.mean !== null && <b>{score(c.mean, percent)}</b>}
      </td>
      <td class="num dim sure">{spread(c, percent)}</td>
      <td class={c.failed > 0 ? "num warn" : "num dim"}>{seen(c)}</td>
      {open && controls && <Menu c={c} wide={from} controls={controls} onClose={() => onMenu(false)} />}
      {!open && (
        <>
          <td class="what"><span>{c.pinned && <i class="pin">pinned</i>}{whatOf(c)}</span></td>
          {from && <td class="from dim"><span>{c.origin || "—"}</span></td>}
          <td class="num">{c.cost > 0 || c.mean !== null ? price(c.cost) : ""}</td>
          {controls && (
            <td class="more">
              <button ref={more} type="button" class="plain" aria-label={`What to do with ${c.id}`} aria-expanded={false} onClick={alone(() => onMenu(true))}>
                ⋯
              </button>
            </td>
          )}
        </>
      )}
    </tr>
  );
};

/* A click on a button of the row must not choose the row, too. */
const alone = (act: () => void) => (event: Event): void => {
  event.stopPropagation();
  act();
};

interface MenuProps {
  readonly c: CandidateView;
  readonly wide: boolean;
  readonly controls: Controls;
  readonly onClose: () => void;
}

const Menu = ({ c, wide, controls: { pending, press }, onClose }: MenuProps): JSX.Element => {
  const ask = (op: "pin" | "drop", more: { readonly pinned?: boolean } = {}): (() => void) => () => {
    press(op, { candidate: c.id, ...more });
    onClose();
  };
  const first = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => first.current?.focus(), []);
  const pin = c.pinned === "" ? ask("pin") : ask("pin", { pinned: false });
  return (
    <td class="menu" colSpan={wide ? 4 : 3} onKeyDown={(event) => event.key === "Escape" && onClose()}>
      <span>
        <button ref={first} type="button" class="button small" disabled={pending.includes("pin")} onClick={alone(pin)}>
          {c.pinned === "" ? "Pin" : "Unpin"}
        </button>
        <button type="button" class="button small" disabled={c.state === "dropped" || pending.includes("drop")} onClick={alone(ask("drop"))}>
          Drop
        </button>
        <button type="button" class="button small" aria-label="Close" onClick={alone(onClose)}>×</button>
      </span>
    </td>
  );
};

const whatOf = (c: CandidateView): string =>
  [c.what || (c.baseline ? "as given" : ""), c.by && !c.what.includes(`by ${c.by}`) && `by ${c.by}`].filter(Boolean).join(" · ");

const Bar = ({ share }: { readonly share: number }): JSX.Element => (
  <i class="bar" aria-hidden="true"><i style={{ width: `${Math.min(100, Math.max(0, share * 100))}%` }} /></i>
);

const spread = (c: CandidateView, percent: boolean): string =>
  c.low === null || c.high === null || c.state === "running" ? "" : halfWidth(c.low, c.high, percent);

const seen = (c: CandidateView): string => {
  if (c.state === "running" && c.total !== null) return `${count(c.n + c.failed)}/${count(c.total)}`;
  return c.n > 0 ? count(c.n) : "";
};

const hint = (c: CandidateView, over: boolean): string =>
  [
    c.what,
    c.origin ? `from ${c.origin}` : "",
    c.state === "proposed" ? (over ? "was not scored" : "waits to be scored") : "",
    c.state === "running" ? (over ? "was being scored when the run ended" : "is being scored") : "",
    c.state === "dropped" ? `dropped${c.reason ? `: ${c.reason}` : ""}` : "",
    c.failed > 0 ? `${count(c.failed)} failed` : "",
    c.by ? `written by ${c.by}` : "",
    c.pinned ? `pinned by ${c.pinned}` : "",
  ].filter(Boolean).join("\n");
