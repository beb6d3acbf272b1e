/** For checks, which must not pass because of a slip of the pen: what is not there is not sound. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { TpullError } from "../../../store/index.js";
import { isAbsent } from "../../../store/io-error.js";

/** @throws TpullError `ROOT_NOT_FOUND`, `ROOT_NOT_A_DIRECTORY` */
export function requireRoot(root: string): void {
  if (!isDirectory(root)) {
    throw new TpullError(
      "ROOT_NOT_A_DIRECTORY",
      `the data root ${root} is not a directory`,
    );
  }
  if (existsSync(join(root, "image"))) return;
  throw new TpullError(
    "ROOT_NOT_FOUND",
    `there is no store of images in ${root}`,
    {
      hint: "Is its disk mounted? Another data root is named with --root or $TPULL_ROOT.",
    },
  );
}

function isDirectory(root: string): boolean {
  try {
    return statSync(root).isDirectory();
  } catch (error) {
    if (!isAbsent(error)) throw error;
    throw new TpullError("ROOT_NOT_FOUND", `there is no data root at ${root}`, {
      hint: "Name it with --root, or set $TPULL_ROOT.",
    });
  }
}
