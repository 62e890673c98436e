/* How long calls took, as a histogram of whole numbers: dspex/runs/latency.py counts alike, and the golden
 * journals hold both to it. A bucket is a millisecond wide up to 32 ms and 1/16 of its octave above. */
const LINEAR = 32;
const STEPS = 16;
const LONGEST = 2 ** 22 - 1;

/** The index of the bucket that a call of so many seconds falls into. */
export const bucketOf = (seconds: number): number => {
  const whole = seconds > 0 && seconds < LONGEST ? Math.floor(seconds * 1000 + 0.5) : seconds > 0 ? LONGEST : 0;
  const ms = Math.min(whole, LONGEST);
  if (ms < LINEAR) return ms;
  const octave = 31 - Math.clz32(ms);
  return LINEAR + (octave - 5) * STEPS + ((ms >> (octave - 4)) & (STEPS - 1));
};

/** The middle of a bucket in milliseconds. */
export const middleOf = (bucket: number): number => {
  if (bucket < LINEAR) return bucket;
  const octave = Math.floor((bucket - LINEAR) / STEPS);
  const width = 1 << (octave + 1);
  return (STEPS + ((bucket - LINEAR) % STEPS)) * width + (width >> 1);
};

/** The milliseconds that `share` of the calls stay within, or null where there were none. */
export const quantile = (counts: readonly number[], share: number): number | null => {
  const wanted = Math.max(1, Math.ceil(share * counts.reduce((all, one) => all + one, 0)));
  let seen = 0;
  for (const [bucket, count] of counts.entries()) {
    seen += count;
    if (seen >= wanted) return middleOf(bucket);
  }
  return null;
};

/** The counts with one more call in them. */
export const counted = (counts: readonly number[], seconds: number): readonly number[] => {
  const bucket = bucketOf(seconds);
  const longer = bucket < counts.length ? [...counts] : [...counts, ...Array<number>(bucket + 1 - counts.length).fill(0)];
  longer[bucket] = (longer[bucket] ?? 0) + 1;
  return longer;
};
