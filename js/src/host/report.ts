/* The report's script: runs once the page is there. */
import { replay } from "./replay.ts";

if (document.readyState === "loading") {
  document.addEventListener("DOMContentLoaded", () => replay(document), { once: true });
} else {
  replay(document);
}
