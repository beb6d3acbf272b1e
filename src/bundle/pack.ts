/** From a folder of blobs to one tar. */
import { createReadStream } from "node:fs";
import { ArchiveWriter } from "../../store/archive/archive-writer.js";
import { type Digest, abortedError, hexOf } from "../../store/index.js";
import type { BlobFolder } from "./blob-folder.js";

/** Writes the tar: what leads to the rest first, then small blobs, then layers, each in the order of its digest. */
export async function pack(
  path: string,
  files: readonly { name: string; bytes: Buffer }[],
  blobs: ReadonlyMap<Digest, number>,
  folder: BlobFolder,
  signal: AbortSignal,
): Promise<void> {
  folder.requireRoom([...blobs.values()].reduce((sum, size) => sum + size, 0));
  await using writer = await ArchiveWriter.toFile(path);
  for (const { name, bytes } of files) await writer.add(name, bytes);
  await writer.directory("blobs/");
  await writer.directory("blobs/sha256/");
  const sorted = [...blobs].toSorted(([a], [b]) => (a < b ? -1 : 1));
  for (const [digest, size] of sorted) {
    if (signal.aborted) throw abortedError();
    const chunks = createReadStream(folder.blob(digest), {
      highWaterMark: 1024 * 1024,
    });
    await writer.stream(`blobs/sha256/${hexOf(digest)}`, size, chunks);
  }
  await writer.finish();
}
