/* A small question on the spot: a button that turns into a field, and back once something was given. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

interface Props {
  /** The accessible name of the button and of the field. */
  readonly name: string;
  /** What the button shows. */
  readonly label: string;
  /** What stands before and after the field. */
  readonly before?: string;
  readonly after?: string;
  readonly usual: string;
  readonly pending: boolean;
  /** Reads what was typed; null where it is no answer. */
  readonly read: (text: string) => number | null;
  readonly onGive: (value: number) => void;
}

/** Draws the button, or the field while it is open. */
export const Ask = (props: Props): JSX.Element => {
  const [open, setOpen] = useState(false);
  if (open) return <Field {...props} onClose={() => setOpen(false)} />;
  return (
    <button type="button" class="plain ask" aria-label={props.name} disabled={props.pending} onClick={() => setOpen(true)}>
      {props.pending ? "…" : props.label}
    </button>
  );
};

const Field = ({ name, before, after, usual, read, onGive, onClose }: Props & { readonly onClose: () => void }): JSX.Element => {
  const [text, setText] = useState(usual);
  const [wrong, setWrong] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  const give = (event: Event): void => {
    event.preventDefault();
    const value = read(text);
    setWrong(value === null);
    if (value === null) return field.current?.focus();
    onGive(value);
    onClose();
  };
  return (
    <form class="field" onSubmit={give} onKeyDown={(event) => event.key === "Escape" && onClose()}>
      {before}
      <input
        ref={field}
        aria-label={name}
        aria-invalid={wrong}
        inputMode="decimal"
        size={6}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {after}
      <button type="submit" class="button small">Set</button>
      <button type="button" class="button small" aria-label="Leave it as it is" onClick={onClose}>×</button>
    </form>
  );
};

/** Reads a number above zero, whatever stands between its thousands. */
export const positive = (text: string): number | null => {
  const value = Number(text.replace(/[\s,$]/g, ""));
  return text.trim() !== "" && Number.isFinite(value) && value > 0 ? value : null;
};

/** Reads a whole number above zero. */
export const whole = (text: string): number | null => {
  const value = positive(text);
  return value !== null && Number.isInteger(value) ? value : null;
};
