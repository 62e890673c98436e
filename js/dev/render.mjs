/* Writes pages for looking: each golden state through the report's script, and parts of the rich journal through
 * the widget with a model that answers nothing. `npm run look`, then open dev/build/*.html or run dev/shots.py. */
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const GOLDEN = resolve(HERE, "../../tests/golden/journals");
const STATIC = resolve(HERE, "../../dspex_widgets/static");
const OUT = resolve(HERE, "build");

const LAB = {
  light: `--jp-layout-color0:#fff;--jp-layout-color1:#fff;--jp-ui-font-color1:rgba(0,0,0,.87);--jp-brand-color1:#1976d2;
    --jp-border-color2:#e0e0e0;--jp-ui-font-family:system-ui,-apple-system,sans-serif;--jp-code-font-family:Menlo,Consolas,"DejaVu Sans Mono",monospace`,
  dark: `--jp-layout-color0:#111;--jp-layout-color1:#212121;--jp-ui-font-color1:rgba(255,255,255,.87);--jp-brand-color1:#2196f3;
    --jp-border-color2:#424242;--jp-ui-font-family:system-ui,-apple-system,sans-serif;--jp-code-font-family:Menlo,Consolas,"DejaVu Sans Mono",monospace`,
};

const escape = (json) => json.replaceAll("<", "\\u003c");

const page = (body, script) => `<!doctype html><meta charset="utf-8"><title>look</title><style>
body{margin:0;background:var(--jp-layout-color0,Canvas)}
body[data-jp-theme-light="true"]{${LAB.light}} body[data-jp-theme-light="false"]{${LAB.dark}}
</style><body>${body}${script}</body>`;

/* The theme of a page is chosen by its address: ?theme=light|dark as JupyterLab, nothing as a bare page. */
const THEME = `<script>const t=new URLSearchParams(location.search).get("theme");
if(t)document.body.dataset.jpThemeLight=String(t==="light");else document.documentElement.style.colorScheme="light dark"</script>`;

/* The reducer, bundled for this script alone. */
const reducer = async () => {
  const entry = `export { fold } from "../src/store/reduce.ts"; export { decodeEvent, EMPTY } from "../src/wire/decode.ts";`;
  const made = await build({ stdin: { contents: entry, resolveDir: HERE, loader: "ts" }, bundle: true, format: "esm", write: false });
  return import(`data:text/javascript;base64,${Buffer.from(made.outputFiles[0].text).toString("base64")}`);
};

await mkdir(OUT, { recursive: true });
const report = await readFile(resolve(STATIC, "report.js"), "utf8");
const widget = await readFile(resolve(STATIC, "widget.js"), "utf8");
for (const file of (await readdir(GOLDEN)).filter((name) => name.endsWith(".state.json"))) {
  const state = await readFile(resolve(GOLDEN, file), "utf8");
  const body = `${THEME}<script type="application/json" data-dspex-run>${escape(state)}</script>`;
  await writeFile(resolve(OUT, file.replace(".state.json", ".html")), page(body, `<script>${report}</script>`));
}

const { fold, decodeEvent, EMPTY } = await reducer();
const live = async (journal, name, upto, shift) => {
  const lines = (await readFile(resolve(GOLDEN, `${journal}.jsonl`), "utf8")).split("\n").filter(Boolean);
  const state = fold(lines.slice(0, Math.floor(lines.length * upto)).map((line) => decodeEvent(JSON.parse(line))), EMPTY);
  const script = `<script type="module">
    const { default: widget } = await import(URL.createObjectURL(new Blob([document.getElementById("w").textContent], { type: "text/javascript" })));
    const state = JSON.parse(document.getElementById("s").textContent);
    if (${shift} && state.started) { const by = Date.now() / 1000 - state.updated; for (const at of ["started", "updated"]) state[at] += by; for (const e of state.endpoints) if (e.until) e.until += by; for (const c of [...state.candidates, ...state.line]) if (c.at) c.at += by; }
    const model = { get: (n) => (n === "run" ? "r12" : n === "steered" ? true : JSON.stringify(state)), on() {}, off() {}, send: (m) => console.log(JSON.stringify(m)) };
    widget.initialize({ model });
    widget.render({ model, el: document.getElementById("el") });
  </script>`;
  const body = `${THEME}<div id="el"></div><script type="application/json" id="s">${escape(JSON.stringify(state))}</script>
    <script type="text/plain" id="w">${widget}</script>`;
  await writeFile(resolve(OUT, `live-${name}.html`), page(body, script));
};
for (const [journal, name, upto] of [
  ["rich", "start", 0.003], ["rich", "early", 0.03], ["rich", "middle", 0.6], ["rich", "late", 0.97],
  ["evaluate", "evaluate", 0.5], ["stopped", "paused", 0.56], ["stopped", "stopping", 0.99], ["empty", "empty", 0],
  ["outage", "outage", 1], ["recovered", "probing", 0.58], ["recovered", "recovered", 1], ["steered", "steered", 0.7],
]) await live(journal, name, upto, true);
