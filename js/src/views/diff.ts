/* Word by word, what an instruction gained and lost against another. Pure and bounded: a text too long for the
 * quadratic comparison is shown as one replacement between its common ends. */

/** A stretch of text that stayed, went or came. */
export interface Piece {
  readonly type: "same" | "del" | "ins";
  readonly text: string;
}

const LIMIT = 1_000_000;

/** Compares two texts by words and marks. */
export const diffWords = (before: string, after: string): readonly Piece[] => {
  const [old, now] = [words(before), words(after)];
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  const room = Math.min(old.length, now.length) - head;
  while (tail < room && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail += 1;
  const middle = compare(old.slice(head, old.length - tail), now.slice(head, now.length - tail));
  const [first, last] = [now.slice(0, head).join(""), now.slice(now.length - tail).join("")];
  return tidy(join([{ type: "same", text: first }, ...middle, { type: "same", text: last }]));
};

const words = (text: string): readonly string[] => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];

/** Longest common subsequence, walked from the front. */
const compare = (old: readonly string[], now: readonly string[]): readonly Piece[] => {
  if (old.length * now.length > LIMIT) {
    return [{ type: "del", text: old.join("") }, { type: "ins", text: now.join("") }];
  }
  const width = now.length + 1;
  const table = new Uint32Array((old.length + 1) * width);
  const at = (i: number, j: number): number => table[i * width + j] ?? 0;
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      table[i * width + j] = old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const pieces: Piece[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    const [was, is] = [old[i], now[j]];
    if (was !== undefined && was === is) {
      pieces.push({ type: "same", text: was });
      [i, j] = [i + 1, j + 1];
    } else if (was !== undefined && (is === undefined || at(i + 1, j) >= at(i, j + 1))) {
      pieces.push({ type: "del", text: was });
      i += 1;
    } else if (is !== undefined) {
      pieces.push({ type: "ins", text: is });
      j += 1;
    }
  }
  return pieces;
};

/* A word or two that happen to be common, between two changes, read better as part of them; where a sentence
 * begins or ends the eye wants its anchor. */
const FEW_LETTERS = 8;
const isFiller = (text: string): boolean =>
  !/[.!?;:\n]/.test(text) && text.replace(/[^\p{L}\p{N}]/gu, "").length <= FEW_LETTERS;

/** Gathers each change into one deletion followed by one insertion. */
const tidy = (pieces: readonly Piece[]): readonly Piece[] => {
  const made: Piece[] = [];
  let [del, ins] = ["", ""];
  const flush = (): void => {
    if (del) made.push({ type: "del", text: del });
    if (ins) made.push({ type: "ins", text: ins });
    [del, ins] = ["", ""];
  };
  pieces.forEach((piece, index) => {
    if (piece.type === "del") del += piece.text;
    else if (piece.type === "ins") ins += piece.text;
    else if ((del || ins) && isFiller(piece.text) && changes(pieces[index + 1])) {
      del += piece.text;
      ins += piece.text;
    } else {
      flush();
      made.push(piece);
    }
  });
  flush();
  return made;
};

const changes = (piece: Piece | undefined): boolean => piece !== undefined && piece.type !== "same";

/** Runs of one type become one piece; empty ones go. */
const join = (pieces: readonly Piece[]): readonly Piece[] =>
  pieces.reduce<Piece[]>((made, piece) => {
    if (piece.text === "") return made;
    const last = made.at(-1);
    if (last?.type === piece.type) made[made.length - 1] = { ...last, text: last.text + piece.text };
    else made.push(piece);
    return made;
  }, []);
