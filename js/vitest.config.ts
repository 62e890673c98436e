/* How the front end's tests run: in a small DOM, with time told in UTC. */
import { defineConfig } from "vitest/config";

process.env["TZ"] = "UTC";

export default defineConfig({
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"], testTimeout: 20_000 },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});
