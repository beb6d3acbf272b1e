import { join } from "node:path";
import { expect, test } from "vitest";
import { runOk } from "../helpers/run.js";
import { TPULL } from "../helpers/tpull-cli.js";

/** What V8 says of its compilers while a loop runs in WebAssembly. */
const loop = (how: "stay" | "go", ...flags: string[]): Promise<string> =>
  runOk(process.execPath, [
    ...flags,
    "--trace-wasm-compilation-times",
    join(import.meta.dirname, "first-tier-child.mjs"),
    how,
  ]);

test("V8 optimizes WebAssembly that loops, unless it is told not to", async () => {
  expect(await loop("go")).toMatch(/TurboFan/i);
  const stayed = await loop("stay");
  expect(stayed).toMatch(/Liftoff/i);
  expect(stayed).not.toMatch(/TurboFan/i);
});

test("V8's flags are as before, so that what it compiled before is still of use", async () => {
  expect(await loop("stay")).toMatch(/^same$/m);
});

test("whoever has chosen when V8 optimizes keeps the choice", async () => {
  const said = await loop("stay", "--wasm-tiering-budget=5000");
  expect(said).toMatch(/TurboFan/i);
  expect(said).toMatch(/^same$/m);
});

test("without WebAssembly the rest works", async () => {
  const said = await runOk(process.execPath, ["--jitless", TPULL, "--version"]);
  expect(said).toMatch(/^\d+\.\d+\.\d+\n$/);
});
