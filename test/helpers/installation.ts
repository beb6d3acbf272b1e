/** The built command line in a place of its own, as a package manager would put it. */
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

const REPOSITORY = join(import.meta.dirname, "../..");

/** @returns its folder of programs, which goes when the test ends */
export function installation(): string {
  const copy = mkdtempSync(join(tmpdir(), "tpull-installed-"));
  onTestFinished(() => rmSync(copy, { recursive: true, force: true }));
  const cli = join(copy, "dist/cli");
  cpSync(join(REPOSITORY, "dist/cli"), cli, {
    recursive: true,
    filter: (path) => !path.endsWith("/compiled"),
  });
  cpSync(join(REPOSITORY, "package.json"), join(copy, "package.json"));
  symlinkSync(join(REPOSITORY, "node_modules"), join(copy, "node_modules"));
  return cli;
}
