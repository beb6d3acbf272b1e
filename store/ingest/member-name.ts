/** A member's name as the place in the layer that it stands for. */
import { TpullError } from "../errors.js";

/** The longest path Linux takes. */
export const MAX_PATH_BYTES = 4095;

/** All parts are binary; for the layer's root they are empty. */
export interface CleanName {
  /** Below the layer's root, without leading slash: equal for names that mean the same member. */
  readonly path: string;
  /** `path` of the directory it is in; empty for the root. */
  readonly parent: string;
  /** Its last component. */
  readonly base: string;
}

/** An empty component, `.` or `..`. */
const UNCLEAN = /(?:^|\/)\.{0,2}(?:\/|$)/;

/**
 * Cleans a member's name lexically: `.`, doubled and leading slashes vanish,
 * `a/..` cancels out.
 * @throws TpullError `LAYER_INVALID` for a name that climbs out of the layer
 */
export function cleanName(name: string, what = "name"): CleanName {
  if (name.length > MAX_PATH_BYTES) {
    throw new TpullError(
      "LAYER_INVALID",
      `the ${what} has ${name.length} bytes; Linux paths have at most ${MAX_PATH_BYTES}`,
    );
  }
  if (name.includes("\0")) {
    throw new TpullError("LAYER_INVALID", `the ${what} holds a NUL byte`);
  }
  // What most names look like needs no taking apart.
  const start = name.startsWith("./") ? 2 : 0;
  const end = name.endsWith("/") ? name.length - 1 : name.length;
  const trimmed = start < end ? name.slice(start, end) : name;
  return splitPath(UNCLEAN.test(trimmed) ? cleanPath(name, what) : trimmed);
}

/** Parent and last component of a path that is clean. */
export function splitPath(path: string): CleanName {
  const slash = path.lastIndexOf("/");
  return {
    path,
    parent: slash < 0 ? "" : path.slice(0, slash),
    base: path.slice(slash + 1),
  };
}

function cleanPath(name: string, what: string): string {
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) {
      throw new TpullError(
        "LAYER_INVALID",
        `the ${what} leads out of the layer`,
      );
    }
  }
  return parts.join("/");
}
