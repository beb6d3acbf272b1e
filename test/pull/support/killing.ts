/** Runs of the command that are killed, each at another byte that has passed. */
import { once } from "node:events";
import type { ShapingProxy } from "../../helpers/shaping-proxy.js";
import { spawnTpull } from "../../helpers/tpull-cli.js";

/**
 * Runs the same command again and again, and kills each run when so many bytes
 * have passed in all, until one comes to its end.
 * @param moments bytes, in any order
 * @param after called after each run
 * @returns how many were killed
 */
export async function killedAt(
  proxy: ShapingProxy,
  args: readonly string[],
  moments: readonly number[],
  after: () => Promise<void> = async () => undefined,
): Promise<number> {
  let killed = 0;
  for (const moment of moments.toSorted((a, b) => a - b)) {
    const child = spawnTpull([...args]);
    const exited = once(child, "exit");
    proxy.onPassed = (passed) => {
      if (passed >= moment) child.kill("SIGKILL");
    };
    await exited;
    await after();
    if (child.signalCode !== "SIGKILL") break;
    killed += 1;
  }
  proxy.onPassed = () => undefined;
  return killed;
}
