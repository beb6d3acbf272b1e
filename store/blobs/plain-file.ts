/** Files whose names anybody may have given: opened only where they are what they seem. */
import { constants } from "node:fs";
import { errnoOf, isAbsent } from "../io-error.js";
import { LockedFile } from "../lock.js";

/** A link must not lead anywhere, and opening a pipe must not wait. */
const OPENING =
  constants.O_RDONLY |
  constants.O_NOFOLLOW |
  constants.O_NONBLOCK |
  constants.O_NOCTTY;

/** What opening says of a link, of a socket, or of a device that nothing is behind. */
const NO_FILE = new Set(["ELOOP", "ENXIO", "ENODEV"]);

/** Opens something for reading and to lock it; undefined for what is not there, and for a link. */
export function openPlain(path: string): LockedFile | undefined {
  try {
    return new LockedFile(path, OPENING);
  } catch (error) {
    if (isAbsent(error) || NO_FILE.has(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}
