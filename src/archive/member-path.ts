/** Names of members of an archive: what they mean, and that they stay inside it. */
import { printable } from "../../store/reference/printable.js";
import { invalidArchive } from "./archive-error.js";

/** Linux takes no longer paths. */
const MAX_PATH = 4096;

/**
 * The parts of a name without what says nothing (`./`, `//`, a slash at the
 * end); empty for the archive's own root.
 * @throws TpullError `ARCHIVE_INVALID` for a name that is absolute or climbs,
 *   or that no file can have
 */
export function memberPath(name: string): string {
  if (name.startsWith("/")) throw escapes(name);
  if (name.length > MAX_PATH || name.includes("\0")) {
    throw invalidArchive(`has a name that no file has: ${printable(name)}`);
  }
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw escapes(name);
  return parts.join("/");
}

/**
 * Where a symbolic link leads.
 * @throws TpullError `ARCHIVE_INVALID` for a target outside of the archive
 */
export function linkTarget(path: string, target: string): string {
  if (target.startsWith("/")) throw leadsOut(path, target);
  if (target.length > MAX_PATH) {
    throw invalidArchive(
      `has a link to a name that no file has: ${printable(path)}`,
    );
  }
  const parts = path.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) throw leadsOut(path, target);
  }
  return parts.join("/");
}

function escapes(name: string): Error {
  return invalidArchive(
    `has a member that would lie outside of it: ${printable(name)}`,
  );
}

function leadsOut(path: string, target: string): Error {
  return invalidArchive(
    `has a link that leads out of it: ${printable(path)} to ${printable(target)}`,
  );
}
