/** Opens an archive of images: a directory, a file, or a stream; compressed or not. */
import { type FileHandle, open, stat } from "node:fs/promises";
import { statfsSync } from "node:fs";
import {
  TpullError,
  abortedError,
  inflated,
  isTpullError,
} from "../../store/index.js";
import { printable } from "../../store/reference/printable.js";
import { invalidArchive } from "./archive-error.js";
import { DirectoryFiles } from "./directory-files.js";
import { type ArchiveFiles, chunksOf } from "./files.js";
import { TarFiles } from "./tar-files.js";

/** A path, or bytes as they come. */
export type ArchiveInput = string | AsyncIterable<Uint8Array>;

export interface OpenArchiveOptions {
  /** Where bytes wait that cannot be read at any place: a file that goes with its handle. */
  readonly temporaryFile: () => Promise<FileHandle>;
  /** The filesystem of that file. */
  readonly temporaryFolder: string;
  readonly signal: AbortSignal;
}

/** What is left free of the disk by an archive that waits there. */
const RESERVE_BYTES = 64 * 1024 * 1024;
/** How often the disk is looked at, in bytes written. */
const LOOK_BYTES = 16 * 1024 * 1024;

/**
 * @throws TpullError `ARCHIVE_INVALID`, `ARCHIVE_NOT_READABLE`,
 *   `NOT_ENOUGH_SPACE` and `DISK_FULL` for one that has to be unpacked on disk
 *   first, `ABORTED`
 */
export async function openArchive(
  input: ArchiveInput,
  options: OpenArchiveOptions,
): Promise<ArchiveFiles> {
  if (typeof input !== "string") {
    return await spooled(
      "standard input",
      inflated(input, options.signal),
      options,
    );
  }
  const what = printable(input);
  const file = await reading(input, async () => {
    const stats = await stat(input);
    return stats.isDirectory() ? undefined : await open(input, "r");
  });
  if (file === undefined) {
    return await reading(input, () => DirectoryFiles.open(input));
  }
  if (!(await file.stat()).isFile()) {
    // A pipe or a device is read once, from its beginning.
    const bytes = file.createReadStream({ highWaterMark: 256 * 1024 });
    return await spooled(what, inflated(bytes, options.signal), options);
  }
  if (!(await isCompressed(file))) return await TarFiles.open(what, file);
  await using closing = file;
  const { size } = await closing.stat();
  const bytes = inflated(chunksOf(closing, 0, size), options.signal);
  return await spooled(what, bytes, options);
}

async function reading<Result>(
  path: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (isTpullError(error)) throw error;
    throw new TpullError(
      "ARCHIVE_NOT_READABLE",
      `${printable(path)} cannot be read: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** gzip and zstd, and what begins like another compression and will be refused by its name. */
async function isCompressed(file: FileHandle): Promise<boolean> {
  const head = Buffer.alloc(4);
  await file.read(head, 0, 4, 0);
  const [a = 0, b, c, d] = head;
  return (
    (a === 0x1f && b === 0x8b) ||
    head.equals(Buffer.from("28b52ffd", "hex")) ||
    (a >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18) ||
    head.toString("latin1", 0, 3) === "BZh" ||
    head.equals(Buffer.from("fd377a58", "hex"))
  );
}

/** Writes the bytes to a file without a name, and reads that. */
async function spooled(
  what: string,
  bytes: AsyncIterable<Uint8Array>,
  { temporaryFile, temporaryFolder, signal }: OpenArchiveOptions,
): Promise<ArchiveFiles> {
  const file = await temporaryFile();
  try {
    let at = 0;
    let looked = -LOOK_BYTES;
    for await (const chunk of bytes) {
      if (signal.aborted) throw abortedError();
      if (at - looked >= LOOK_BYTES) {
        looked = at;
        checkRoom(what, at, temporaryFolder);
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
    if (isTpullError(error) && error.code === "LAYER_INVALID") {
      const why = error.message.replace(/^the layer/, "it");
      throw invalidArchive(`cannot be decompressed: ${why}`, error);
    }
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOSPC" && code !== "EDQUOT") throw error;
    throw new TpullError(
      "DISK_FULL",
      `the disk is full before ${what} is unpacked`,
      { cause: error },
    );
  }
  return await TarFiles.open(what, file);
}

/** @throws TpullError `NOT_ENOUGH_SPACE` */
function checkRoom(what: string, taken: number, folder: string): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= RESERVE_BYTES + LOOK_BYTES) return;
  throw new TpullError(
    "NOT_ENOUGH_SPACE",
    `${what} needs a place on the disk before it can be loaded: ${taken} bytes of it are there, and no more than ${free} are free`,
    { hint: "Free some space, or load it from a file that is not compressed." },
  );
}
