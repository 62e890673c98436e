/* The line on top: what runs, how it is, how long it has run, and the buttons. The pill shows the run's own
 * status and nothing else; what was pressed but not yet answered shows on the button. */
import type { ComponentChildren, JSX } from "preact";
import { isCancelling, isOver } from "../store/select.ts";
import type { Asked, Notice } from "../store/store.ts";
import { Button } from "../ui/button.tsx";
import { duration } from "../ui/format.ts";
import { useNow, useOverdue } from "../ui/hooks.ts";
import { Pill } from "../ui/pill.tsx";
import type { State } from "../wire/decode.ts";
import { short } from "./describe.ts";

const PATIENCE_SECONDS = 6;

/** What the buttons need; absent where nothing can be steered, as in a report. */
export interface Controls {
  readonly pending: readonly Asked[];
  readonly notice: Notice | null;
  readonly press: (op: Asked) => void;
}

interface Props {
  readonly run: State;
  readonly controls: Controls | null;
}

/** Draws the header. */
export const Header = ({ run, controls }: Props): JSX.Element => (
  <header class="header">
    <h1>{[run.name, run.method].filter(Boolean).map(short).join(" · ") || `Run ${run.run}`}</h1>
    <Pill status={run.status} />
    {run.started > 0 && <Elapsed run={run} live={controls !== null} />}
    {run.practice && <span class="chip">practice model, simulated prices</span>}
    {run.reason && <span class="reason">{run.reason}</span>}
    {controls && <Buttons run={run} controls={controls} />}
    {controls && <NoticeLine controls={controls} />}
  </header>
);

const Elapsed = ({ run, live }: { readonly run: State; readonly live: boolean }): JSX.Element => {
  const ticking = live && !isOver(run);
  const now = useNow(ticking);
  const until = run.ended ?? (ticking ? Math.max(now, run.updated) : run.updated);
  return <span class="dim elapsed">{duration(until - run.started)}</span>;
};

const Buttons = ({ run, controls }: { readonly run: State; readonly controls: Controls }): JSX.Element => {
  const ending = run.status === "stopping";
  const cancelling = ending && isCancelling(run);
  const one = (op: Asked, name: string, waiting: string, pending = false): ComponentChildren => (
    <Button
      key={op}
      name={name}
      waiting={waiting}
      pending={pending || controls.pending.includes(op)}
      onPress={() => controls.press(op)}
    />
  );
  return (
    <div class="buttons">
      {!isOver(run) && (
        <>
          {!ending && run.status === "paused" && one("resume", "Resume", "resuming…")}
          {!ending && run.status !== "paused" && one("pause", "Pause", "pausing…")}
          {!cancelling && one("stop", "Stop & keep best", "stopping…", ending)}
          {one("cancel", "Cancel", "cancelling…", cancelling)}
        </>
      )}
      {one("report", "Report", "writing…")}
    </div>
  );
};

const NoticeLine = ({ controls }: { readonly controls: Controls }): JSX.Element => {
  const overdue = useOverdue(controls.pending.length > 0, PATIENCE_SECONDS);
  const late: Notice = { tone: "info", text: "The kernel has not answered yet: it is busy, or gone." };
  const notice = controls.notice ?? (overdue ? late : null);
  return (
    <div class={`notice notice-${notice?.tone ?? "none"}`} aria-live="polite">
      {notice?.text}
    </div>
  );
};
