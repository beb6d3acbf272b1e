/** Files for what has to wait where there is no data root. */
import { randomInt } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How people choose another place for it. */
export const ELSEWHERE = "TMPDIR names another place.";

/** A file that goes with its handle. */
export async function temporaryFile(): Promise<FileHandle> {
  const path = join(tmpdir(), `tpull-${randomInt(2 ** 40)}`);
  const file = await open(path, "wx+", 0o600);
  await unlink(path);
  return file;
}
