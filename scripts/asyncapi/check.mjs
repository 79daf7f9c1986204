// Reads an AsyncAPI document with the reference parser: `node check.mjs FILE`. Prints every finding; 1 when it is refused.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(await readFile(process.argv[2], "utf8"));
for (const { severity, code, path, message } of diagnostics) {
  console.log(`${["error", "warning", "information", "hint"][severity]} ${code} at ${path.join(".")}: ${message}`);
}
if (document) {
  console.log(`${document.allOperations().length} operations, ${document.allMessages().length} messages`);
}
process.exit(document ? 0 : 1);
