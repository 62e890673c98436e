/* Builds dspex_widgets/static: widget.js for the live view, report.js for the offline report.
 * Both hold their CSS as text and load nothing; either fails the build when it outgrows its allowance. */
import { gzipSync } from "node:zlib";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { resolve, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const LIMIT = 31 * 1024;

/* `import css from "./x.css?raw"` means the same in esbuild as in the tests' Vite: the file's text. */
const rawCss = {
  name: "raw-css",
  setup(it) {
    it.onResolve({ filter: /\.css\?raw$/ }, (found) => ({
      path: resolve(found.resolveDir, found.path.slice(0, -"?raw".length)),
      namespace: "raw-css",
    }));
    it.onLoad({ filter: /.*/, namespace: "raw-css" }, async (found) => {
      const { code } = await transform(await readFile(found.path, "utf8"), { loader: "css", minify: true });
      return { contents: code, loader: "text", watchFiles: [found.path] };
    });
  },
};

const bundle = async (entry, name, format) => {
  const { outputFiles } = await build({
    entryPoints: [resolve(HERE, "src/host", entry)],
    outfile: resolve(HERE, "../dspex_widgets/static", name),
    bundle: true,
    minify: true,
    format,
    target: "es2022",
    charset: "utf8",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    plugins: [rawCss],
    write: false,
  });
  return outputFiles[0];
};

for (const [entry, name, format] of [["live.ts", "widget.js", "esm"], ["report.ts", "report.js", "iife"]]) {
  const file = await bundle(entry, name, format);
  const size = gzipSync(file.contents).length;
  if (size > LIMIT) throw new Error(`${name} is ${size} bytes gzipped, more than ${LIMIT}; it must lose something.`);
  if (/<\/script/i.test(file.text)) throw new Error(`${name} holds "</script", which would end it inside a page.`);
  await mkdir(dirname(file.path), { recursive: true });
  await writeFile(file.path, file.contents);
  process.stdout.write(`${name}: ${(file.contents.length / 1024).toFixed(1)} KB, ${(size / 1024).toFixed(1)} KB gzipped\n`);
}
