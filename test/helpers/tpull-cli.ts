/** Runs the built command line as a user does: as a process of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { childEnv, run, type RunOptions, type RunResult } from "./run.js";

/** The built program; what the package's `bin` names. */
export const TPULL: string = join(
  import.meta.dirname,
  "../../dist/cli/tpull.cjs",
);

/** Nobody's credentials or root may change what a test sees. */
const CLEAN = { DOCKER_CONFIG: "/nonexistent", TPULL_ROOT: "" };

/** Runs `tpull ARGS` to its end, whatever its exit status. */
export async function tpull(
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  return await run(process.execPath, [TPULL, ...args], {
    ...options,
    env: { ...CLEAN, ...options.env },
  });
}

/** `tpull` that has to succeed; returns its standard output. */
export async function tpullOk(
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, signal, stdout, stderr } = await tpull(args, options);
  if (code === 0) return stdout;
  throw new Error(
    `tpull ${args.join(" ")}: ${signal ?? `exit ${code}`}\n${stderr}${stdout}`,
  );
}

/** A running `tpull ARGS`, to be stopped in the middle. */
export function spawnTpull(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [TPULL, ...args], {
    env: childEnv(CLEAN),
    stdio: "ignore",
  });
}
