/* Takes every address out of package-lock.json: the checksums pin the packages, where they come from is each
 * machine's own setting. `npm run lock` calls it after npm has written the file. */
import { readFile, writeFile } from "node:fs/promises";

const FILE = new URL("../package-lock.json", import.meta.url);

const bare = (value) => {
  if (Array.isArray(value)) return value.map(bare);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([name]) => !["resolved", "funding"].includes(name));
  return Object.fromEntries(kept.map(([name, inner]) => [name, bare(inner)]));
};

await writeFile(FILE, `${JSON.stringify(bare(JSON.parse(await readFile(FILE, "utf8"))), null, 2)}\n`);
