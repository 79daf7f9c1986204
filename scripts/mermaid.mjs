// Reads diagrams with the script that draws them: node mermaid.mjs mermaid.js, a JSON list of texts on standard input.
// It prints a JSON list: what is wrong with each, or null.
import { readFileSync } from "node:fs";
import { runInThisContext } from "node:vm";

// The script cleans labels with a library that gives up where there is no page, and is content with an empty one.
const document = { nodeType: 9, createElement: () => ({}) };
Object.assign(globalThis, { window: globalThis, document, Element: class {}, addEventListener() {} });
runInThisContext(readFileSync(process.argv[2], "utf8"));
const problems = [];
for (const text of JSON.parse(readFileSync(0, "utf8"))) {
  problems.push(await mermaid.parse(text).then(() => null, String));
}
console.log(JSON.stringify(problems));
