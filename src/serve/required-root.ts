/** A data root that has to be there. */
import { stat } from "node:fs/promises";
import { TpullError } from "../../store/index.js";
import { ioFailure, isAbsent } from "../../store/io-error.js";
import { printable } from "../../store/reference/printable.js";

/**
 * A slip of the pen would be served as a root without images.
 * @throws TpullError `ROOT_NOT_FOUND`, `ROOT_NOT_A_DIRECTORY`, `ROOT_NOT_READABLE`
 */
export async function requireRoot(root: string): Promise<void> {
  let isDirectory: boolean;
  try {
    isDirectory = (await stat(root)).isDirectory();
  } catch (error) {
    if (!isAbsent(error)) {
      throw ioFailure(error, `read the data root ${root}`, "read");
    }
    throw new TpullError(
      "ROOT_NOT_FOUND",
      `there is no data root at ${printable(root)}`,
      {
        hint: "Name it with --root, or set $TPULL_ROOT; layouts and archives are named by their paths, without --root.",
      },
    );
  }
  if (isDirectory) return;
  throw new TpullError(
    "ROOT_NOT_A_DIRECTORY",
    `the data root ${printable(root)} is not a directory`,
    { hint: "Archives and layouts are named by their paths, without --root." },
  );
}
