/* The line on top: what runs, how it is, how long it has run, and the buttons. The pill shows the run's own
 * status and nothing else; what was pressed but not yet answered shows on the button. */
import type { ComponentChildren, JSX } from "preact";
import { held, isHeld, USER } from "../store/health.ts";
import { isCancelling, isOver, own, totals } from "../store/select.ts";
import type { Asked, Notice, Press } from "../store/store.ts";
import { Button } from "../ui/button.tsx";
import { duration, plural } from "../ui/format.ts";
import { useNow, useOverdue } from "../ui/hooks.ts";
import { Pill } from "../ui/pill.tsx";
import type { State } from "../wire/decode.ts";
import { short } from "./describe.ts";

const PATIENCE_SECONDS = 6;

/** What the buttons need; absent where nothing can be steered, as in a report. */
export interface Controls {
  readonly pending: readonly Asked[];
  readonly notice: Notice | null;
  readonly press: Press;
}

interface Props {
  readonly run: State;
  readonly controls: Controls | null;
  /** Whether more may come, so that clocks tick. */
  readonly live: boolean;
}

/** Draws the header. */
export const Header = ({ run, controls, live }: Props): JSX.Element => (
  <header class="header">
    <h1>{[run.name, run.method].filter(Boolean).map(short).join(" · ") || `Run ${run.run}`}</h1>
    <Standing run={run} live={live} />
    {run.started > 0 && <Elapsed run={run} live={live} />}
    {run.run && <span class="dim elapsed">run {run.run}</span>}
    {chips(run).map((text) => <span key={text} class="chip">{text}</span>)}
    {run.reason && <span class="reason">{run.reason}</span>}
    {controls && <Buttons run={run} controls={controls} />}
    {controls && <NoticeLine controls={controls} />}
  </header>
);

const Standing = ({ run, live }: Omit<Props, "controls">): JSX.Element => {
  const now = useNow(live && isHeld(run));
  return <Pill status={run.status} why={held(run, live ? now : run.updated)} />;
};

const Elapsed = ({ run, live }: Omit<Props, "controls">): JSX.Element => {
  const ticking = live && !isOver(run);
  const now = useNow(ticking);
  const until = run.ended ?? (ticking ? Math.max(now, run.updated) : run.updated);
  const cap = own(run.limits, "seconds");
  const of = cap === undefined || isOver(run) ? "" : ` of ${duration(cap)}`;
  return <span class="dim elapsed">{duration(until - run.started - run.idle)}{of}</span>;
};

const chips = (run: State): readonly string[] => [
  ...(run.practice ? ["practice model, simulated prices"] : []),
  ...(run.origin ? [`branched from ${short(run.origin)}`] : []),
  ...(run.reopened > 0 ? [`survived ${plural(run.reopened, "dead kernel")}`] : []),
  ...(run.errors > 0 ? [plural(run.errors, "failure")] : []),
  ...(run.concurrency !== null && !isOver(run) ? [`${plural(run.concurrency, "example")} at once`] : []),
];

const Buttons = ({ run, controls }: { readonly run: State; readonly controls: Controls }): JSX.Element => {
  const ending = run.status === "stopping";
  const cancelling = ending && isCancelling(run);
  const mine = run.status === "paused" && (!isHeld(run) || own(run.holds, USER) !== undefined);
  const soft = mine && !run.frozen.includes(USER) && totals(run).inFlight > 0;
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
          {isHeld(run) && one("reset", "Try again now", "trying…")}
          {!ending && mine && one("resume", "Resume", "resuming…")}
          {!ending && !mine && one("pause", "Pause", "pausing…")}
          {soft && <HoldCalls controls={controls} />}
          {!cancelling && one("stop", "Stop & keep best", "stopping…", ending)}
          {one("cancel", "Cancel", "cancelling…", cancelling)}
        </>
      )}
      {one("report", "Report", "writing…")}
    </div>
  );
};

/** A pause lets calls in flight end; this holds them at their next question to a model. */
const HoldCalls = ({ controls }: { readonly controls: Controls }): JSX.Element => (
  <Button
    name="Hold calls, too"
    waiting="holding…"
    pending={controls.pending.includes("pause")}
    onPress={() => controls.press("pause", { now: true })}
  />
);

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
