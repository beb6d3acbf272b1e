/**
 * The folders that a bundle is made in. What is in them may be anybody's doing:
 * no link is followed, and nothing is removed but what tpull itself makes there.
 */
import {
  type Dirent,
  type Stats,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";
import { TpullError, isDigest } from "../../store/index.js";
import { errnoOf, isAbsent } from "../../store/io-error.js";
import { printable } from "../../store/reference/printable.js";

/** Where bytes wait that are no blob yet. A folder that has it is tpull's. */
export const PARTS = ".tpull-parts";
/** An archive in the making. */
export const ARCHIVE = "archive";
const BLOBS = "blobs";
const UNDER_BLOBS = "sha256";
/** Begins the names of files that are being written. */
const NEW_FILE = ".tpull-new-";

/** The folder of the blobs of a bundle. */
export function blobsIn(path: string): string {
  return join(path, BLOBS, UNDER_BLOBS);
}

/** What is there itself; undefined for nothing. */
export function found(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/**
 * Makes the folders of a bundle, as far as they are not there.
 * @returns whether the outermost was not
 * @throws TpullError `OUTPUT_EXISTS` for a link, or what is no folder, in the place of one
 */
export function makeFolders(path: string): boolean {
  const isNew = makeFolder(path);
  // This one says whose they are.
  makeFolder(join(path, PARTS));
  makeFolder(join(path, BLOBS));
  makeFolder(blobsIn(path));
  return isNew;
}

function makeFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
  requireFolder(path);
  return false;
}

/** @throws TpullError `OUTPUT_EXISTS` */
function requireFolder(path: string): void {
  const stats = lstatSync(path);
  if (stats.isDirectory()) return;
  throw new TpullError(
    "OUTPUT_EXISTS",
    `${printable(path)} is ${kindOf(stats)}, where a bundle has a directory: nothing is written through it`,
    { hint: "Remove it, or write the bundle to another place." },
  );
}

/**
 * Refuses the folder beside a file if tpull has not made it.
 * @throws TpullError `OUTPUT_EXISTS`
 */
export function requireOwnParts(path: string): void {
  if (found(path) === undefined) return;
  requireFolder(path);
  const names = readdirSync(path);
  const known = new Set([PARTS, BLOBS, ARCHIVE]);
  const isOurs =
    names.length === 0 ||
    (names.includes(PARTS) &&
      names.every((name) => known.has(name) || name.startsWith(NEW_FILE)));
  if (isOurs) return;
  throw new TpullError(
    "OUTPUT_EXISTS",
    `${printable(path)}, where parts of the bundle would wait, is a directory that tpull has not made`,
    { hint: "Give it another name, or write the bundle under another one." },
  );
}

/** `a symbolic link`, for messages. */
export function kindOf(stats: Stats | Dirent): string {
  if (stats.isSymbolicLink()) return "a symbolic link";
  if (stats.isDirectory()) return "a directory";
  if (stats.isFIFO()) return "a named pipe";
  if (stats.isSocket()) return "a socket";
  if (stats.isBlockDevice()) return "a block device";
  if (stats.isCharacterDevice()) return "a device";
  return "a file";
}

/** Whether a name is that of a blob, or of the bytes of one. */
export function isBlobName(name: string): boolean {
  return isDigest(`sha256:${name}`);
}

/** Removes files of blobs from a folder, and what was to become one. What else has such a name stays. */
export function removeBlobs(
  folder: string,
  keep: (name: string) => boolean = () => false,
): void {
  if (found(folder)?.isDirectory() !== true) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const { name } = entry;
    const isOurs = isBlobName(name) || name.startsWith(NEW_FILE);
    if (!isOurs || keep(name) || entry.isDirectory()) continue;
    removeFile(join(folder, name));
  }
}

/** Removes the folder of parts of a bundle. */
export function removeParts(path: string): void {
  const parts = join(path, PARTS);
  removeBlobs(parts);
  removeEmpty(parts);
}

/** Removes the folder beside a file, unless something foreign has come into it. */
export function removeOwn(path: string): void {
  removeBlobs(blobsIn(path));
  removeFile(join(path, ARCHIVE));
  removeBlobs(join(path, PARTS));
  removeEmptyFolders(path, true);
}

/**
 * Takes away what {@link makeFolders} has made, as far as there is nothing in it.
 * @param outermost whether that one goes, too
 */
export function removeEmptyFolders(path: string, outermost: boolean): void {
  removeEmpty(blobsIn(path));
  removeEmpty(join(path, BLOBS));
  removeEmpty(join(path, PARTS));
  if (outermost) removeEmpty(path);
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    const isDirectory = ["EISDIR", "EPERM"].includes(errnoOf(error) ?? "");
    if (!isDirectory && !isAbsent(error)) throw error;
  }
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    const others = ["ENOTEMPTY", "EEXIST", "EBUSY"];
    if (!isAbsent(error) && !others.includes(errnoOf(error) ?? "")) throw error;
  }
}
