/**
 * Takes away what a later member of the same layer replaces. Whatever has that
 * name came from this layer, so if an earlier member's content would be lost,
 * the layer's tar could not be given back: that is refused.
 */
import { lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { TpullError } from "../errors.js";
import { failure, shownName } from "./syscall-failure.js";

export interface Removed {
  /** Bytes that no longer count towards the layer's size. */
  readonly bytes: number;
  /** It was a directory. */
  readonly directory: boolean;
  /** Ways through the tree may have changed: a directory or a link was among it. */
  readonly ways: boolean;
  /** A symbolic link was among it. */
  readonly links: boolean;
}

const SLASH = Buffer.from("/");

/**
 * Removes a path of the tree, a directory with all that is below it.
 * @param at the path as the kernel is to be given it
 * @param name the same as the layer names it, binary
 * @param gone called with the name of everything that is removed
 * @throws TpullError `LAYER_INVALID` when content of an earlier member is among it
 */
export function removeReplaced(
  at: Buffer,
  name: string,
  gone: (name: string) => void,
): Removed {
  let directory = false;
  let bytes = 0;
  let ways = false;
  let links = false;
  const remove = (path: Buffer, called: string): void => {
    const stats = lstatSync(path);
    if (stats.isDirectory()) {
      for (const child of readdirSync(path, { encoding: "buffer" })) {
        const below = Buffer.concat([path, SLASH, child]);
        remove(below, `${called}/${child.toString("latin1")}`);
      }
      rmdirSync(path);
      ways = true;
      directory = path === at;
    } else {
      if (stats.isFile() && stats.size > 0) throw lostContent(name);
      unlinkSync(path);
      if (stats.isSymbolicLink()) {
        ways = true;
        links = true;
        // With a second name it is still there, and still counted once.
        if (stats.nlink === 1) bytes += stats.size;
      }
    }
    gone(called);
  };
  try {
    remove(at, name);
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    throw errno === undefined ? error : failure(errno, "unlink", name);
  }
  return { directory, bytes, ways, links };
}

function lostContent(name: string): TpullError {
  return new TpullError(
    "LAYER_INVALID",
    `${shownName(name)} is in the layer more than once, with content that is replaced`,
    {
      hint: "A docker data root cannot hold such a layer (docker refuses it too): ask the image's publisher to rebuild it.",
    },
  );
}
