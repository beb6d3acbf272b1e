/** Where a data root is, or would be made. */
import { lstatSync, readlinkSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { TpullError } from "./errors.js";
import { isAbsent } from "./io-error.js";

/**
 * The nearest directory at or above a root, which need not be there yet.
 * @throws TpullError `ROOT_NOT_A_DIRECTORY`: something else is in the way
 */
export function nearestDirectory(root: string): string {
  for (let path = root; ; path = dirname(path)) {
    const found = unlessAbsent(() => statSync(path));
    if (found?.isDirectory() === true) return path;
    if (found !== undefined) {
      throw inTheWay(root, `${path} is not a directory`);
    }
    const target = targetOf(path);
    if (target !== undefined) {
      throw inTheWay(
        root,
        `${path} is a symbolic link to ${target}, and nothing is there`,
      );
    }
  }
}

/** Where a link leads to; undefined for what is none. */
function targetOf(path: string): string | undefined {
  const link = unlessAbsent<Stats>(() => lstatSync(path));
  if (link?.isSymbolicLink() !== true) return undefined;
  return unlessAbsent(() => readlinkSync(path));
}

function unlessAbsent<Found>(look: () => Found): Found | undefined {
  try {
    return look();
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

function inTheWay(root: string, what: string): TpullError {
  return new TpullError(
    "ROOT_NOT_A_DIRECTORY",
    `the data root ${root} cannot be used: ${what}`,
    { hint: "Name a directory with --root; it is made when it is missing." },
  );
}
