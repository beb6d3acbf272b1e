/** What running containers and builds have mounted: seen in all mount tables that can be seen. */
import { readlinkSync } from "node:fs";
import { readNames, readText } from "../read.js";

/**
 * Names below `overlay2` (cache-ids, mount IDs, link IDs) that some process has
 * mounted now. They are random, so that it need not be asked of which root.
 * Containers may go on without their dockerd.
 */
export function mountedNames(): ReadonlySet<string> {
  const names = new Set<string>();
  const seen = new Set<string>();
  for (const pid of readNames("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const namespace = linkOf(`/proc/${pid}/ns/mnt`);
    if (namespace === undefined || seen.has(namespace)) continue;
    seen.add(namespace);
    for (const name of namesIn(tableOf(pid))) names.add(name);
  }
  return names;
}

/** Cache-ids, mount IDs and link IDs in a mount table. */
export function namesIn(table: string): string[] {
  return [
    ...table.matchAll(
      /(?<=[/,=:])(?:[0-9a-f]{64}(?:-init)?(?=\/|\s)|[0-9a-z]{25}(?=\/(?:diff|work|merged)\b))|(?<=\bl\/)[A-Z2-7]{26}\b/g,
    ),
  ].map(([name]) => name);
}

function tableOf(pid: string): string {
  try {
    return readText(`/proc/${pid}/mountinfo`) ?? "";
  } catch {
    return ""; // gone, or another user's
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Whether something is mounted at this path or below it, in this process's own namespace. */
export function isMountPoint(path: string): boolean {
  return tableOf("self")
    .split("\n")
    .some((line) => `${line.split(" ")[4] ?? ""}/`.startsWith(`${path}/`));
}
