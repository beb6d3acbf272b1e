// The benchmark shares its helpers with the tests, which are TypeScript; vite,
// which runs the tests, runs it as well.
import { join } from "node:path";
import { runnerImport } from "vite";

const { module } = await runnerImport(join(import.meta.dirname, "main.ts"), {
  configFile: false,
});
process.exitCode = await module.main(process.argv.slice(2));
