/* A button that can wait: while its request is open it is off and says so, under the same accessible name. */
import type { JSX } from "preact";

interface Props {
  /** The accessible name, which never changes. */
  readonly name: string;
  /** What it says while it waits for the kernel's event. */
  readonly waiting: string;
  readonly pending: boolean;
  readonly onPress: () => void;
}

/** Draws one button of the header. */
export const Button = ({ name, waiting, pending, onPress }: Props): JSX.Element => (
  <button type="button" class="button" aria-label={name} aria-busy={pending} disabled={pending} onClick={onPress}>
    {pending ? waiting : name}
  </button>
);
