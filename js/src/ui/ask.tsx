/* A small question on the spot: a button that turns into a field, and back once something was given. */
import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { useReturn } from "./hooks.ts";

interface Props<T> {
  /** The accessible name of the button and of the field. */
  readonly name: string;
  /** What the button shows. */
  readonly label: string;
  /** What stands before and after the field. */
  readonly before?: string;
  readonly after?: string;
  readonly usual: string;
  readonly pending: boolean;
  /** What the field's own button says. */
  readonly give?: string;
  /** Whether words are asked for, and not a number. */
  readonly words?: boolean;
  /** Reads what was typed; null where it is no answer. */
  readonly read: (text: string) => T | null;
  readonly onGive: (value: T) => void;
}

/** Draws the button, or the field while it is open. */
export const Ask = <T,>(props: Props<T>): JSX.Element => {
  const [open, setOpen] = useState(false);
  const button = useReturn(open);
  if (open) return <Field {...props} onClose={() => setOpen(false)} />;
  return (
    <button ref={button} type="button" class="plain ask" aria-label={props.name} disabled={props.pending} onClick={() => setOpen(true)}>
      {props.pending ? "…" : props.label}
    </button>
  );
};

const Field = <T,>({ name, before, after, usual, give: said = "Set", words = false, read, onGive, onClose }: Props<T> & { readonly onClose: () => void }): JSX.Element => {
  const [text, setText] = useState(usual);
  const [wrong, setWrong] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => field.current?.select(), []); // before the next key is pressed
  const give = (event: Event): void => {
    event.preventDefault();
    const value = read(text);
    setWrong(value === null);
    if (value === null) return field.current?.focus();
    onGive(value);
    onClose();
  };
  return (
    <form class={words ? "field words" : "field"} onSubmit={give} onKeyDown={(event) => event.key === "Escape" && onClose()}>
      {before}
      <input
        ref={field}
        aria-label={name}
        aria-invalid={wrong}
        inputMode={words ? "text" : "decimal"}
        size={words ? 24 : 6}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {after}
      <button type="submit" class="button small">{said}</button>
      <button type="button" class="button small" aria-label="Leave it as it is" onClick={onClose}>×</button>
    </form>
  );
};

/** Reads a number above zero, whatever stands between its thousands. */
export const positive = (text: string): number | null => {
  const value = Number(text.replace(/[\s,$]/g, ""));
  return text.trim() !== "" && Number.isFinite(value) && value > 0 ? value : null;
};

/** Reads words, whatever they are. */
export const written = (text: string): string | null => text.trim() || null;

/** Reads a whole number above zero. */
export const whole = (text: string): number | null => {
  const value = positive(text);
  return value !== null && Number.isInteger(value) ? value : null;
};
