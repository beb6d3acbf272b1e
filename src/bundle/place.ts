/** Where a bundle goes, and what is there already: only what tpull made is changed. */
import { readFile, readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { TpullError, isTpullError } from "../../store/index.js";
import { isAbsent } from "../../store/io-error.js";
import { printable } from "../../store/reference/printable.js";
import type { ArchiveFiles } from "../archive/files.js";
import { openArchive } from "../archive/open.js";
import { temporaryFile } from "../archive/temporary-file.js";
import { BUNDLE_MARK } from "./documents.js";

export interface Place {
  readonly path: string;
  /** What is there now. */
  readonly kind: "directory" | "file" | "new-file";
}

/** @throws TpullError `OUTPUT_EXISTS` for what is there and is no bundle */
export async function placeOf(to: string): Promise<Place> {
  const path = resolve(to);
  let isDirectory = to.endsWith("/");
  let isThere = false;
  try {
    isDirectory = (await stat(path)).isDirectory();
    isThere = true;
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  if (!isDirectory) return { path, kind: isThere ? "file" : "new-file" };
  if (isThere) await requireBundle(path);
  return { path, kind: "directory" };
}

async function requireBundle(path: string): Promise<void> {
  const names = await readdir(path);
  const own = names.filter(
    (name) => name !== ".tpull-parts" && name !== "blobs",
  );
  if (own.length === 0) return;
  try {
    const text = await readFile(join(path, "index.json"), "utf8");
    const { annotations } = JSON.parse(text) as {
      annotations?: Record<string, unknown>;
    };
    if (annotations?.[BUNDLE_MARK] !== undefined) return;
  } catch {
    // said below
  }
  throw new TpullError(
    "OUTPUT_EXISTS",
    `${printable(path)} is a directory that tpull has not made`,
    { hint: "Name an empty one, a new one, or a bundle." },
  );
}

/** The bundle that a file is now, for the blobs in it. */
export async function olderBundle(
  path: string,
  signal: AbortSignal,
): Promise<ArchiveFiles> {
  const files = await openArchive(path, {
    temporaryFile,
    temporaryFolder: "/",
    signal,
  }).catch((error: unknown) => {
    if (isTpullError(error) && error.code === "ARCHIVE_INVALID")
      return undefined;
    throw error;
  });
  if (files !== undefined && (await files.size("index.json")) !== undefined) {
    return files;
  }
  await files?.[Symbol.asyncDispose]();
  throw new TpullError(
    "OUTPUT_EXISTS",
    `${printable(path)} is there and is no bundle`,
    { hint: "Name another file, or remove it." },
  );
}
