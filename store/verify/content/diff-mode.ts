/** The `diff` directory itself: it stays as it was made, except where an old daemon took the archive's root for it. */
import { lstatSync } from "node:fs";
import type { RootMember } from "./expected-tree.js";
import { RecordReader } from "./record-reader.js";

const AS_MADE: RootMember = { mode: 0o755, uid: 0, gid: 0 };

/**
 * Says what is wrong with its mode and owner; undefined when nothing is.
 * @param anyOwner owners say nothing here
 */
export function diffModeProblem(
  directory: string,
  rootMembers: readonly RootMember[],
  anyOwner: boolean,
): string | undefined {
  const { mode, uid, gid } = lstatSync(directory);
  const fits = [AS_MADE, ...rootMembers].some(
    (one) =>
      one.mode === (mode & 0o7777) &&
      (anyOwner || (one.uid === uid && one.gid === gid)),
  );
  if (fits) return undefined;
  const found = (mode & 0o7777).toString(8).padStart(4, "0");
  return `it has the mode ${found} and belongs to ${uid}:${gid}, instead of 0755 and 0:0`;
}

/** Whether the archive speaks of its root, or cannot be asked. */
export function mayHaveRootMember(tarSplitPath: string): boolean {
  let record: RecordReader | undefined;
  try {
    record = new RecordReader(tarSplitPath, () => {});
    for (let entry = record.next(); entry; entry = record.next()) {
      if (entry.type === "file" && /^[./]*$/.test(entry.name)) return true;
    }
    return false;
  } catch {
    return true; // reading its content says more
  } finally {
    record?.close();
  }
}
