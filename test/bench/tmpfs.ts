/** An empty store for each pull, in memory. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runOk } from "../helpers/run.js";

/** Hands over an empty directory on a fresh tmpfs, which goes afterwards. Needs root. */
export async function onFreshTmpfs(
  use: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "tpull-bench-"));
  const mounting = ["-t", "tmpfs", "-o", "size=80%,mode=0755", "tpull-bench"];
  await runOk("mount", [...mounting, directory]);
  try {
    const inside = join(directory, "pull");
    await mkdir(inside);
    await use(inside);
  } finally {
    await runOk("umount", ["--recursive", directory]);
    await rm(directory, { recursive: true });
  }
}
