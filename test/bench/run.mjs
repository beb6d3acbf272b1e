// The benchmark shares its helpers with the tests, which are TypeScript; vite,
// which runs the tests, runs it as well.
import { join } from "node:path";
import { runnerImport } from "vite";

const [first, ...rest] = process.argv.slice(2);
const [file, args] =
  first === "serve"
    ? ["serve-load.ts", rest]
    : ["main.ts", process.argv.slice(2)];
const { module } = await runnerImport(join(import.meta.dirname, file), {
  configFile: false,
});
process.exitCode = await module.main(args);
