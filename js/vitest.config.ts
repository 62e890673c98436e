/* How the front end's tests run: with time told in UTC; those that draw ask for a small DOM in their first line. */
import { defineConfig } from "vitest/config";

process.env["TZ"] = "UTC";

export default defineConfig({
  test: { include: ["src/**/*.test.{ts,tsx}"], testTimeout: 20_000, css: true },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});
