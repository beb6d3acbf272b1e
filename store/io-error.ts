import { TpullError } from "./errors.js";
import { errnoName } from "./native/libc.js";
import { printable } from "./reference/printable.js";

const FULL = new Set(["ENOSPC", "EDQUOT"]);
const FORBIDDEN = new Set(["EACCES", "EPERM", "EROFS"]);

/** The name of a failed system call's errno (`ENOENT`), of a Node error or of our own. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code)
    ? code
    : undefined;
}

/** Whether the path, or a directory on the way to it, does not exist. */
export function isAbsent(error: unknown): boolean {
  const code = errnoOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/**
 * Turns a failed system call into the error a person can act on. Anything else
 * comes back as it was.
 * @param doing what was attempted, to follow "could not", e.g. `write layer 3`
 * @param access what permission was missing if that was the failure
 * @returns `DISK_FULL`, `ROOT_NOT_WRITABLE`, `ROOT_NOT_READABLE` or `STORE_IO_FAILED`
 */
export function ioFailure(
  error: unknown,
  doing: string,
  access: "read" | "write" = "write",
): unknown {
  const errno = errnoOf(error);
  if (errno === undefined || !(error instanceof Error)) return error;
  const message = `could not ${doing}: ${error.message}`;
  const details = { errno };
  if (FULL.has(errno)) {
    return new TpullError("DISK_FULL", message, {
      hint: "Free some space (or inodes, or quota) there, or choose another data root with --root.",
      cause: error,
      details,
    });
  }
  if (FORBIDDEN.has(errno)) {
    const code = access === "read" ? "ROOT_NOT_READABLE" : "ROOT_NOT_WRITABLE";
    return new TpullError(code, message, {
      hint: notWritableHint(error),
      cause: error,
      details,
    });
  }
  return new TpullError("STORE_IO_FAILED", message, {
    hint: "The filesystem of the data root refused this; the kernel log may say more.",
    cause: error,
    details,
  });
}

/** What to do about a root that may not be used. */
export function notWritableHint(error: unknown): string {
  return errnoOf(error) === "EROFS"
    ? "Mount it for writing, or choose another data root with --root."
    : "Run tpull as the owner of the data root, or choose another with --root.";
}

/**
 * The same for a file outside of any data root that a person has asked for.
 * @returns `DISK_FULL` or `OUTPUT_NOT_WRITABLE`
 */
export function outputFailure(error: unknown, path: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined || !(error instanceof Error)) return error;
  const full = FULL.has(errno);
  return new TpullError(
    full ? "DISK_FULL" : "OUTPUT_NOT_WRITABLE",
    `could not write ${printable(path)}: ${error.message}`,
    {
      hint: full
        ? "Free some space there, or write to another place."
        : "Name a file in a folder that exists and that you may write to.",
      cause: error,
      details: { errno },
    },
  );
}

/** Runs `work` and passes its failures through {@link ioFailure}. */
export async function attempt<T>(
  doing: string,
  work: () => T | Promise<T>,
  access: "read" | "write" = "write",
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw ioFailure(error, doing, access);
  }
}

/**
 * The result of a call through `native/libc`, or the failure as Node itself
 * would throw it.
 * @param result as the wrapper returned it
 */
export function check(result: number, call: string, path: string): number {
  if (result >= 0) return result;
  const code = errnoName(result);
  throw Object.assign(new Error(`${code}: ${call} '${path}'`), {
    code,
    errno: result,
    syscall: call,
    path,
  });
}
