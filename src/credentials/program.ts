/** Finding the program of a credential helper. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";

/** Names that stay one part of a path. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

/** Whether a configuration may name a helper like that. */
export function isHelperName(name: string): boolean {
  return NAME.test(name);
}

/**
 * Whole path of a program on `PATH`. Empty and relative parts of it are passed
 * over: what lies in the current directory may come from anybody, and is not
 * to see passwords.
 */
export async function findProgram(
  name: string,
  path: string,
): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    if (!isAbsolute(folder)) continue;
    const program = join(folder, name);
    try {
      await access(program, constants.X_OK);
      if ((await stat(program)).isFile()) return program;
    } catch {
      // Not here.
    }
  }
  return undefined;
}
