/* A person's own instruction in the making: written over a candidate's, it joins the race as a new candidate. The
 * text stays until the kernel has taken it, so that nothing typed is lost to a refusal. */
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Controls } from "./header.tsx";

interface Props {
  /** Whose instruction it is written over; its other parts are kept. */
  readonly candidate: string;
  readonly predictor: string;
  readonly text: string;
  /** What it was before the person changed it. */
  readonly from: string;
  readonly controls: Controls;
  /** Keeps the text; null lets it go. */
  readonly onDraft: (text: string | null) => void;
}

/** Draws the field and its two buttons. */
export const Draft = ({ candidate, predictor, text, from, controls, onDraft }: Props): JSX.Element => {
  const [sent, setSent] = useState<"no" | "asked" | "waits">("no");
  const field = useRef<HTMLTextAreaElement>(null);
  const pending = controls.pending.includes("evaluate");
  useLayoutEffect(() => field.current?.focus(), []);
  useEffect(() => {
    if (sent === "asked" && pending) setSent("waits");
    if (sent !== "waits" || pending) return;
    setSent("no");
    if (controls.notice?.tone !== "error") onDraft(null);
  }, [sent, pending]);
  const give = (event: Event): void => {
    event.preventDefault();
    setSent("asked");
    controls.press("evaluate", { candidate, predictor, instruction: text });
  };
  const useless = text.trim() === "" || text.trim() === from.trim();
  return (
    <form class="draft" onSubmit={give}>
      <textarea
        ref={field}
        aria-label={`Your instruction for ${predictor}`}
        rows={6}
        value={text}
        readOnly={pending}
        onInput={(event) => onDraft(event.currentTarget.value)}
      />
      <div class="buttons">
        <button type="button" class="button small" disabled={pending} onClick={() => onDraft(null)}>Discard</button>
        <button type="submit" class="button small main" disabled={pending || useless} title={useless ? "Change the text first" : ""}>
          {pending ? "sending…" : "Evaluate"}
        </button>
      </div>
    </form>
  );
};
