/** Filesystems in memory that are soon full. Needs root. */
import { afterEach } from "vitest";
import { runOk } from "./run.js";
import { temporaryFolder } from "../store/support/roots.js";

/**
 * Mounts one with options of tmpfs(5), such as `size=10m,nr_inodes=2000`.
 * @returns where it is, until the test ends
 */
export type SmallDisk = (options: string) => Promise<string>;

/** To be called in the `describe` of those that use it. */
export function smallDisks(): SmallDisk {
  const mounts: string[] = [];
  afterEach(async () => {
    for (const folder of mounts.splice(0)) await runOk("umount", [folder]);
  });
  return async (options) => {
    const folder = await temporaryFolder();
    await runOk("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]);
    mounts.push(folder);
    return folder;
  };
}
