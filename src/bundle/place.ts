/** Where a bundle goes, and what is there already: only what tpull made is changed. */
import { type Stats, constants } from "node:fs";
import { access, open, readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { writing } from "../../store/archive/new-file.js";
import { TpullError, isTpullError } from "../../store/index.js";
import { isAbsent } from "../../store/io-error.js";
import { printable } from "../../store/reference/printable.js";
import { type ArchiveFiles, readFileOf } from "../archive/files.js";
import { openArchive } from "../archive/open.js";
import { requirePlainName } from "../archive/plain-name.js";
import { ELSEWHERE, temporaryFile } from "../archive/temporary-file.js";
import { BUNDLE_MARK, DOCUMENTS, NAME_ANNOTATION } from "./documents.js";
import { PARTS, found, kindOf, requireOwnParts } from "./own-folder.js";
import { inTheWay } from "./part.js";

export interface Place {
  readonly path: string;
  /** What is there now, or is to be: `special` is a named pipe or a device. */
  readonly kind: "directory" | "file" | "new-file" | "special";
  /** Names of the images in the bundle that is there now, as its index has them. */
  readonly names: readonly string[];
}

const MAX_INDEX_BYTES = 64 * 1024 * 1024;

/**
 * Looks at where a bundle is to go, so that whatever stands against that is
 * said before anything is fetched.
 * @param to a directory where there is one, or where it ends in `/`; else a file
 * @throws TpullError `OUTPUT_EXISTS` for what is there and is no bundle,
 *   `OUTPUT_NOT_WRITABLE`, `OPTION_INVALID` for the name of something compressed
 */
export async function placeOf(to: string, signal: AbortSignal): Promise<Place> {
  const path = resolve(to);
  const stats = await whatIs(path);
  if (stats?.isFIFO() || stats?.isCharacterDevice()) {
    return { path, kind: "special", names: [] };
  }
  const wantsDirectory = to.endsWith("/");
  if (stats === undefined) {
    await requireFolder(path);
    if (wantsDirectory) return { path, kind: "directory", names: [] };
    requirePlainName(path);
    requireOwnParts(partsBeside(path));
    return { path, kind: "new-file", names: [] };
  }
  if (stats.isDirectory()) {
    await writing(path, () => access(path, constants.W_OK));
    return { path, kind: "directory", names: await namesInDirectory(path) };
  }
  if (!stats.isFile() || wantsDirectory) {
    throw new TpullError(
      "OUTPUT_NOT_WRITABLE",
      `${printable(to)} is ${kindOf(stats)}, and a bundle is a file, a directory, or what goes into a pipe`,
      { hint: "Name a file, a directory, or - for standard output." },
    );
  }
  await requireFolder(path);
  requirePlainName(path);
  requireOwnParts(partsBeside(path));
  await using old = await olderBundle(path, signal);
  const names = namesIn(await readFileOf(old, "index.json", MAX_INDEX_BYTES));
  return { path, kind: "file", names: names ?? [] };
}

/** Where blobs wait until all of them are there. */
export function partsBeside(path: string): string {
  return `${path}${PARTS}`;
}

async function whatIs(path: string): Promise<Stats | undefined> {
  try {
    return await writing(path, () => stat(path));
  } catch (error) {
    const { cause } = error as Error;
    if (isAbsent(cause)) return undefined;
    throw error;
  }
}

/** A folder that is not there may be a medium that is not mounted: it is not made. */
async function requireFolder(path: string): Promise<void> {
  await writing(path, () =>
    access(dirname(path), constants.W_OK | constants.X_OK),
  );
}

async function namesInDirectory(path: string): Promise<string[]> {
  const own = await writing(path, () => readdir(path));
  for (const name of DOCUMENTS) {
    const there = found(join(path, name));
    if (there !== undefined && !there.isFile()) {
      throw inTheWay(join(path, name), kindOf(there));
    }
  }
  if (own.length === 0) return [];
  const names = namesIn(await smallFile(join(path, "index.json")));
  if (names !== undefined) return names;
  const known = new Set([PARTS, "blobs"]);
  if (own.includes(PARTS) && own.every((name) => known.has(name))) return [];
  throw new TpullError(
    "OUTPUT_EXISTS",
    `${printable(path)} is a directory that tpull has not made`,
    { hint: "Name an empty one, a new one, or a bundle." },
  );
}

async function smallFile(path: string): Promise<Buffer | undefined> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    await using file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const stats = await file.stat();
    if (!stats.isFile() || stats.size > MAX_INDEX_BYTES) return undefined;
    return await file.readFile();
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** Names that an index gives to images; undefined for one that is not tpull's. */
function namesIn(index: Buffer | undefined): string[] | undefined {
  try {
    const { annotations, manifests } = JSON.parse(
      index?.toString("utf8") ?? "",
    ) as {
      annotations?: Record<string, unknown>;
      manifests?: { annotations?: Record<string, unknown> }[];
    };
    if (annotations?.[BUNDLE_MARK] === undefined) return undefined;
    return (manifests ?? [])
      .map((entry) => entry.annotations?.[NAME_ANNOTATION])
      .filter((name) => typeof name === "string");
  } catch {
    return undefined;
  }
}

/**
 * The bundle that a file is now, for the blobs in it.
 * @throws TpullError `OUTPUT_EXISTS`
 */
export async function olderBundle(
  path: string,
  signal: AbortSignal,
): Promise<ArchiveFiles> {
  const files = await openArchive(path, {
    temporaryFile,
    temporaryFolder: "/",
    elsewhere: ELSEWHERE,
    signal,
  }).catch((error: unknown) => {
    if (isTpullError(error) && error.code === "ARCHIVE_INVALID")
      return undefined;
    throw error;
  });
  const index =
    files === undefined
      ? undefined
      : await readFileOf(files, "index.json", MAX_INDEX_BYTES);
  if (files !== undefined && namesIn(index) !== undefined) return files;
  await files?.[Symbol.asyncDispose]();
  throw new TpullError(
    "OUTPUT_EXISTS",
    `${printable(path)} is there and is no bundle`,
    { hint: "Name another file, or remove it." },
  );
}
