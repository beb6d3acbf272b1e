/** From a folder of blobs to one tar. */
import { createReadStream } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  ArchiveWriter,
  type ByteSink,
} from "../../store/archive/archive-writer.js";
import { writing } from "../../store/archive/new-file.js";
import { paddingAfter } from "../../store/archive/tar-block.js";
import { moveFile } from "../../store/atomic.js";
import { type Digest, abortedError, hexOf } from "../../store/index.js";
import { chunksOf } from "../archive/files.js";
import type { BlobFolder } from "./blob-folder.js";
import { ARCHIVE, found, isBlobName } from "./own-folder.js";
import { FILE_MODE } from "./part.js";

export interface PackedFile {
  readonly name: string;
  readonly bytes: Buffer;
}

const PREFIX = "blobs/sha256/";
const BLOCK = 512;
/** Blobs from this size on are gone from the folder once they are in the archive. */
const LARGE_BYTES = 1024 * 1024;

/** Writes the tar: what leads to the rest first, then blobs in the order of their digests. */
export async function packInto(
  sink: ByteSink,
  files: readonly PackedFile[],
  blobs: ReadonlyMap<Digest, number>,
  folder: BlobFolder,
  signal: AbortSignal,
  onPacked: (digest: Digest, size: number) => Promise<void> = async () => {},
): Promise<void> {
  await using writer = ArchiveWriter.toSink(sink);
  for (const { name, bytes } of files) await writer.add(name, bytes);
  await writer.directory("blobs/");
  await writer.directory(PREFIX);
  const sorted = [...blobs].toSorted(([a], [b]) => (a < b ? -1 : 1));
  for (const [digest, size] of sorted) {
    const chunks = createReadStream(folder.blob(digest), {
      highWaterMark: 1024 * 1024,
    });
    await writer.stream(PREFIX + hexOf(digest), size, watched(chunks, signal));
    await onPacked(digest, size);
  }
  await writer.finish();
}

async function* watched(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    if (signal.aborted) throw abortedError();
    yield chunk;
  }
}

/**
 * Makes the file of a folder of blobs. The archive grows inside the folder as
 * the blobs go from it, so that it takes its size and that of the largest blob,
 * and not twice its size. {@link unpack} undoes what was interrupted.
 */
export async function packFile(
  path: string,
  files: readonly PackedFile[],
  blobs: ReadonlyMap<Digest, number>,
  folder: BlobFolder,
  signal: AbortSignal,
): Promise<void> {
  await writing(path, async () => {
    const archive = join(folder.path, ARCHIVE);
    {
      await using file = await open(archive, "wx", FILE_MODE);
      await packInto(
        { write: (bytes) => writeAll(file, bytes) },
        files,
        blobs,
        folder,
        signal,
        async (digest, size) => {
          if (size < LARGE_BYTES) return;
          await file.datasync();
          await rm(folder.blob(digest));
        },
      );
      await file.sync();
    }
    await moveFile(archive, path);
  });
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done)).bytesWritten;
  }
}

/**
 * Gives the folder its blobs back out of an archive that was not finished,
 * the last one first, so that here too only one is there twice.
 * @param wanted sizes of the blobs that are of use
 */
export async function unpack(
  folder: BlobFolder,
  wanted: ReadonlyMap<Digest, number>,
  signal: AbortSignal,
): Promise<void> {
  const archive = join(folder.path, ARCHIVE);
  const there = found(archive);
  if (there === undefined) return;
  await writing(archive, async () => {
    if (there.isFile() && there.nlink <= 1) {
      await using file = await open(archive, "r+");
      for (const { digest, at, size } of (await members(file)).toReversed()) {
        if (wanted.get(digest) === size && !folder.seems(digest, size)) {
          const from = at + BLOCK;
          await folder.copy(
            digest,
            size,
            chunksOf(file, [from, from + size], archive, signal),
            signal,
          );
        }
        await file.truncate(at);
      }
    }
    await rm(archive);
  });
}

interface Member {
  readonly digest: Digest;
  /** Offset of its header. */
  readonly at: number;
  readonly size: number;
}

/** The blobs that are whole in an archive that may end anywhere. */
async function members(file: FileHandle): Promise<Member[]> {
  const { size: length } = await file.stat();
  const all: Member[] = [];
  const header = Buffer.alloc(BLOCK);
  for (let at = 0; at + BLOCK <= length;) {
    await file.read(header, 0, BLOCK, at);
    const name = header.toString("latin1", 0, 100).replace(/\0.*$/s, "");
    const size = sizeIn(header);
    const end = at + BLOCK + size + paddingAfter(size);
    if (name === "" || !Number.isSafeInteger(end) || end > length) break;
    const hex = name.slice(PREFIX.length);
    if (name.startsWith(PREFIX) && isBlobName(hex)) {
      all.push({ digest: `sha256:${hex}` as Digest, at, size });
    }
    at = end;
  }
  return all;
}

/** As `headerBlock` writes it. */
function sizeIn(header: Buffer): number {
  if (header[124] === 0x80) return Number(header.readBigUInt64BE(128));
  const octal = header.toString("latin1", 124, 135);
  return /^[0-7]{11}$/.test(octal) ? Number.parseInt(octal, 8) : Number.NaN;
}
