/** Parts of tpull that are not there: one line says so, and what to do. */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { installation } from "../helpers/installation.js";
import { run } from "../helpers/run.js";

test("a command whose part is missing says so", async () => {
  const cli = installation();
  for (const name of readdirSync(cli)) {
    if (name.startsWith("pull-")) rmSync(join(cli, name));
  }
  const { code, stderr } = await run(process.execPath, [
    join(cli, "tpull.cjs"),
    "images",
  ]);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^tpull: ENOENT.*pull-.*\(INTERNAL\)\n {2}hint: .*install it again\.\n$/,
  );
});

test.runIf(process.platform === "linux")(
  "a pull without koffi's native part says what is missing",
  async () => {
    const cli = installation();
    const without = join(cli, "without.cjs");
    writeFileSync(
      without,
      'process.dlopen = () => { throw new Error("no such file"); };',
    );
    const program = join(cli, "tpull.cjs");
    const root = join(cli, "root");
    const pull = [program, "pull", "--root", root, "localhost:1/x"];
    const args = ["--require", without, ...pull];
    const { code, stderr } = await run(process.execPath, args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/koffi.* cannot be loaded: .*PLATFORM_UNSUPPORTED/);
    expect(stderr).toMatch(/hint: .*optional dependencies/);
  },
);
