/* The log of what happened, newest last. It follows its end unless the person has scrolled away from there. */
import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { inPercent } from "../store/select.ts";
import { clock } from "../ui/format.ts";
import type { State } from "../wire/decode.ts";
import { describe } from "./describe.ts";

const NEAR = 24;

/** Draws the log. */
export const Events = ({ run }: { readonly run: State }): JSX.Element => {
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const last = run.log.at(-1)?.seq ?? 0;
  const percent = inPercent(run);
  useLayoutEffect(() => {
    if (box.current && follows.current) box.current.scrollTop = box.current.scrollHeight;
  }, [last]);
  const onScroll = (): void => {
    const it = box.current;
    if (it) follows.current = it.scrollHeight - it.scrollTop - it.clientHeight < NEAR;
  };
  return (
    <section class="card events">
      <h2>Events</h2>
      <div class="lines" role="log" aria-label="Events" tabindex={0} ref={box} onScroll={onScroll}>
        {run.log.length === 0 && <p class="empty">What happens is told here, line by line.</p>}
        {run.log.map((event, index) => (
          <div key={event.seq || `at${index}`} class="event">
            <time>{clock(event.time)}</time> <span>{describe(event, percent)}</span>
          </div>
        ))}
      </div>
    </section>
  );
};
