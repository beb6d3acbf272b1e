/** Failed system calls as errors for people. */
import { TpullError } from "../errors.js";
import { errnoName } from "../native/libc.js";

/** A binary string (one character a byte) as the NUL-terminated bytes that system calls take. */
export function cString(binary: string): Buffer {
  const bytes = Buffer.allocUnsafe(binary.length + 1);
  bytes.write(binary, "latin1");
  bytes[binary.length] = 0;
  return bytes;
}

/** A binary name as people can read it: UTF-8 where it is, quoted, at most 200 characters. */
export function shownName(binary: string): string {
  const name = Buffer.from(binary, "latin1").toString("utf8");
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}

const FULL = new Set(["ENOSPC", "EDQUOT"]);
/** The machine's doing, whatever the layer holds. */
const BROKEN = new Set(["EIO", "EROFS", "EMFILE", "ENFILE", "ENOMEM"]);

/**
 * The error for a system call that failed while a member was made.
 * @returns TpullError `DISK_FULL`, `STORE_IO_FAILED`, else `LAYER_INVALID`
 * @param result the negated errno
 * @param call name of the system call
 */
export function failure(
  result: number,
  call: string,
  binaryName: string,
): TpullError {
  const name = errnoName(result);
  const where = shownName(binaryName);
  if (FULL.has(name)) {
    return new TpullError(
      "DISK_FULL",
      `no space left for ${where} (${call}: ${name})`,
      {
        hint: "Free space or inodes on the data root's filesystem, then pull again.",
      },
    );
  }
  if (BROKEN.has(name)) {
    return new TpullError(
      "STORE_IO_FAILED",
      `the system failed at ${where} (${call}: ${name})`,
      {
        hint: "The kernel's log may say more about the data root's disk, or the process's limits (ulimit) are too low.",
      },
    );
  }
  return new TpullError(
    "LAYER_INVALID",
    `${where} cannot be made (${call}: ${name})`,
    { details: { errno: name } },
  );
}
