/** Opens an archive of images: a directory, a file, or a stream; compressed or not. */
import { existsSync, statfsSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { TpullError, abortedError, isTpullError } from "../../store/index.js";
import { printable } from "../../store/reference/printable.js";
import { unreadableArchive } from "./archive-error.js";
import { decompressed, isCompressed } from "./decompress.js";
import { DirectoryFiles } from "./directory-files.js";
import { type ArchiveFiles, chunksOf } from "./files.js";
import { notImages } from "./not-images.js";
import { TarFiles } from "./tar-files.js";

/** A path, or bytes as they come. */
export type ArchiveInput = string | AsyncIterable<Uint8Array>;

export interface OpenArchiveOptions {
  /** Where bytes wait that cannot be read at any place: a file that goes with its handle. */
  readonly temporaryFile: () => Promise<FileHandle>;
  /** The filesystem of that file. */
  readonly temporaryFolder: string;
  /** How people choose another place for it; a sentence. */
  readonly elsewhere: string;
  /** Ends the opening, and whatever is read later. */
  readonly signal: AbortSignal;
}

/** What is left free of the disk by an archive that waits there. */
const RESERVE_BYTES = 64 * 1024 * 1024;
/** How often the disk is looked at, in bytes written. */
const LOOK_BYTES = 16 * 1024 * 1024;

/** What an archive is called in messages. */
export function archiveName(input: ArchiveInput): string {
  return typeof input === "string" ? printable(input) : "standard input";
}

/**
 * @throws TpullError `ARCHIVE_INVALID`, `ARCHIVE_NOT_READABLE`,
 *   `NOT_ENOUGH_SPACE` and `DISK_FULL` for one that has to be unpacked on disk
 *   first, `ABORTED`
 */
export async function openArchive(
  input: ArchiveInput,
  options: OpenArchiveOptions,
): Promise<ArchiveFiles> {
  const what = archiveName(input);
  const { signal } = options;
  if (typeof input !== "string") {
    return await spooled(what, decompressed(input, signal), options);
  }
  const file = await fileAt(input);
  if (file === undefined) {
    if (isDataRoot(input)) throw notImages("data root");
    return await DirectoryFiles.open(input, signal);
  }
  if (!(await file.stat()).isFile()) {
    // A pipe or a device is read once, from its beginning.
    const bytes = file.createReadStream({ highWaterMark: 256 * 1024 });
    return await spooled(what, decompressed(bytes, signal), options);
  }
  if (!isCompressed(await headOf(file))) {
    return await TarFiles.open(what, file, signal);
  }
  await using closing = file;
  const { size } = await closing.stat();
  const bytes = chunksOf(closing, [0, size], what, signal);
  return await spooled(what, decompressed(bytes, signal), options);
}

/** The open file; undefined for a directory. */
async function fileAt(path: string): Promise<FileHandle | undefined> {
  try {
    const stats = await stat(path);
    return stats.isDirectory() ? undefined : await open(path, "r");
  } catch (error) {
    throw unreadableArchive(path, error);
  }
}

function isDataRoot(path: string): boolean {
  return ["image/overlay2/imagedb", "image/overlay2/layerdb"].some((place) =>
    existsSync(join(path, place)),
  );
}

async function headOf(file: FileHandle): Promise<Uint8Array> {
  const head = Buffer.alloc(8);
  const { bytesRead } = await file.read(head, 0, head.length, 0);
  return head.subarray(0, bytesRead);
}

/** Writes the bytes to a file without a name, and reads that. */
async function spooled(
  what: string,
  bytes: AsyncIterable<Uint8Array>,
  { temporaryFile, temporaryFolder, elsewhere, signal }: OpenArchiveOptions,
): Promise<ArchiveFiles> {
  const file = await temporaryFile();
  try {
    let at = 0;
    let looked = -LOOK_BYTES;
    for await (const chunk of bytes) {
      if (signal.aborted) throw abortedError();
      if (at - looked >= LOOK_BYTES) {
        looked = at;
        checkRoom(what, at, temporaryFolder, elsewhere);
      }
      for (let done = 0; done < chunk.length;) {
        const left = chunk.length - done;
        const written = await file.write(chunk, done, left, at);
        done += written.bytesWritten;
        at += written.bytesWritten;
      }
    }
  } catch (error) {
    await file.close();
    if (isTpullError(error)) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOSPC" && code !== "EDQUOT") {
      throw unreadableArchive(what, error);
    }
    throw new TpullError(
      "DISK_FULL",
      `${temporaryFolder} is full before ${what} is unpacked there`,
      { hint: hintFor(elsewhere), cause: error },
    );
  }
  return await TarFiles.open(what, file, signal);
}

/** @throws TpullError `NOT_ENOUGH_SPACE` */
function checkRoom(
  what: string,
  taken: number,
  folder: string,
  elsewhere: string,
): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= RESERVE_BYTES + LOOK_BYTES) return;
  const soFar = taken === 0 ? "" : `, with ${inWords(taken)} of it there`;
  throw new TpullError(
    "NOT_ENOUGH_SPACE",
    `${what} has to be unpacked in ${folder} before it can be read, where no more than ${inWords(free)} are free${soFar}`,
    { hint: hintFor(elsewhere), details: { free, taken } },
  );
}

function hintFor(elsewhere: string): string {
  return `Free some space there. ${elsewhere} A file that is not compressed is read where it lies.`;
}

function inWords(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
}
