// Builds agents/static/agents/vendor/codemirror.js: one file, no address of anybody in it, every licence kept.
import { build } from "esbuild";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "../../agents/static/agents/vendor/codemirror.js");

/** The packages that really are in the bundle, with the text of their licences. */
function licences(inputs) {
  const names = new Set(Object.keys(inputs).map(packageOf).filter(Boolean));
  return [...names].sort().map((name) => {
    const folder = join(here, "node_modules", name);
    const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = join(folder, "LICENSE");
    if (!existsSync(file)) throw new Error(`${name} has no LICENSE file`);
    return `${name} ${version}\n\n${readFileSync(file, "utf8").trim()}`;
  });
}

function packageOf(path) {
  const found = path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  return found && found[1];
}

const common = {
  absWorkingDir: here,
  entryPoints: ["entry.mjs"],
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "CodeMirror",
  target: "es2020",
  charset: "utf8",
  legalComments: "none",
  metafile: true,
};

const { metafile } = await build({ ...common, write: false });
const banner = `/*! CodeMirror 6, built by dev/editor. Its parts and their licences:\n\n${licences(metafile.inputs).join("\n\n----\n\n")}\n*/`;
await build({ ...common, outfile: target, banner: { js: banner } });
console.log(`wrote ${target}`);
