/** The files of an unpacked layer, opened by their names in the archive; never outside of it. */
import { fstatSync } from "node:fs";
import { constants } from "node:os";
import { isTpullError } from "../errors.js";
import { DirectoryWalk } from "./directory-walk.js";
import { cleanName } from "./member-name.js";
import { cString } from "./syscall-failure.js";
import { close, errnoName, openat } from "../native/libc.js";

const O_RDONLY_NOFOLLOW_NONBLOCK = 0o400000 | 0o4000;

/** A regular file, open, or why there is none. */
export type OpenedFile =
  | {
      readonly fd: number;
      readonly size: number;
      /** A reader that takes the name for a path of the host would not find it. */
      readonly detour: boolean;
    }
  | { readonly missing: string }
  /** It may be there, but this user must not read it. */
  | { readonly forbidden: true };

export class LayerFiles {
  readonly #walk: DirectoryWalk;

  /** @throws TpullError when the directory cannot be opened */
  constructor(diffDirectory: string) {
    this.#walk = new DirectoryWalk(diffDirectory, false);
  }

  /** @param name binary; links on the way are followed within the layer */
  open(name: string): OpenedFile {
    let fd: number;
    let detour = false;
    try {
      const { parent, base } = cleanName(name);
      const directory = this.#walk.open(parent, false);
      detour = directory?.detour ?? false;
      fd =
        directory === undefined
          ? -constants.errno.ENOENT
          : openat(
              directory.fd,
              cString(base || "."),
              O_RDONLY_NOFOLLOW_NONBLOCK,
            );
    } catch (error) {
      if (!isTpullError(error)) throw error;
      if (isForbidden(error.details["errno"])) return { forbidden: true };
      return { missing: error.message };
    }
    if (fd >= 0) {
      const found = fstatSync(fd);
      if (found.isFile()) return { fd, size: found.size, detour };
      close(fd);
      return { missing: "it is no regular file" };
    }
    const reason = errnoName(fd);
    if (isForbidden(reason)) return { forbidden: true };
    return {
      missing:
        reason === "ENOENT"
          ? "it is missing"
          : `it cannot be opened (${reason})`,
    };
  }

  close(): void {
    this.#walk.close();
  }
}

function isForbidden(errno: unknown): boolean {
  return errno === "EACCES" || errno === "EPERM";
}
