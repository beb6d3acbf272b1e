/**
 * What layers' files are recognised by at a glance, so that not each layer has
 * to be compared with each directory: the largest file of the archive, by its
 * name, its size and the checksum that the record has of it.
 */
import { closeSync, lstatSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { CacheId } from "../digest.js";
import { isTpullError } from "../errors.js";
import { createCrc64, type Crc64 } from "../ingest/crc64.js";
import { cleanName } from "../ingest/member-name.js";
import { errnoOf } from "../io-error.js";
import type { Layout } from "../layout.js";
import { LayerFiles } from "../ingest/layer-files.js";
import { RecordDamage, RecordReader } from "../verify/content/record-reader.js";
import { addTo } from "../verify/lists.js";

export interface Mark {
  /** Below the layer's root, binary. */
  readonly path: string;
  readonly size: number;
  readonly checksum: string;
}

/** Entries of a record, or directories, between two looks at the event loop. */
const BATCH = 4096;
const PIECE_BYTES = 1024 * 1024;

/** @returns undefined where the record cannot be read, or has no file with content: files prove nothing then */
export async function markOf(tarSplitPath: string): Promise<Mark | undefined> {
  let record: RecordReader | undefined;
  let mark: Mark | undefined;
  try {
    record = new RecordReader(tarSplitPath, () => undefined);
    for (let entries = 1; ; entries += 1) {
      const entry = record.next();
      if (entry === undefined) return mark;
      if (entries % BATCH === 0) await setImmediate();
      if (entry.type !== "file" || entry.checksum === undefined) continue;
      const { name, size, checksum } = entry;
      if (size <= (mark?.size ?? 0)) continue;
      mark = { path: cleanName(name).path, size, checksum };
    }
  } catch (error) {
    const isDamage = error instanceof RecordDamage || isTpullError(error);
    if (!isDamage && errnoOf(error) === undefined) throw error;
    return undefined;
  } finally {
    record?.close();
  }
}

/** Directories in `overlay2`, found by a layer's mark. */
export class MarkedDirectories {
  readonly #layout: Layout;
  readonly #directories: readonly CacheId[];
  /** Those that have a file at a path, by its size. */
  readonly #sizes = new Map<string, Map<number, CacheId[]>>();
  readonly #checksums = new Map<string, string | undefined>();
  readonly #piece = Buffer.from(new ArrayBuffer(PIECE_BYTES));
  #crc: Crc64 | undefined;

  constructor(layout: Layout, directories: readonly CacheId[]) {
    this.#layout = layout;
    this.#directories = directories;
  }

  async find({ path, size, checksum }: Mark): Promise<CacheId[]> {
    const sizes = this.#sizes.get(path) ?? (await this.#sizesAt(path));
    this.#sizes.set(path, sizes);
    const found: CacheId[] = [];
    for (const cacheId of sizes.get(size) ?? []) {
      if ((await this.#checksum(cacheId, path)) === checksum)
        found.push(cacheId);
    }
    return found;
  }

  async #sizesAt(path: string): Promise<Map<number, CacheId[]>> {
    const sizes = new Map<number, CacheId[]>();
    const name = Buffer.from(`/${path}`, "latin1");
    for (const [at, cacheId] of this.#directories.entries()) {
      if (at % BATCH === 0) await setImmediate();
      const diff = Buffer.from(this.#layout.cacheFile(cacheId, "diff"));
      const size = sizeOfFile(Buffer.concat([diff, name]));
      if (size !== undefined) addTo(sizes, size, cacheId);
    }
    return sizes;
  }

  async #checksum(cacheId: CacheId, path: string): Promise<string | undefined> {
    const key = `${cacheId} ${path}`;
    if (this.#checksums.has(key)) return this.#checksums.get(key);
    const checksum = await this.#read(cacheId, path);
    this.#checksums.set(key, checksum);
    return checksum;
  }

  async #read(cacheId: CacheId, path: string): Promise<string | undefined> {
    const crc = (this.#crc ??= await createCrc64());
    let files: LayerFiles | undefined;
    let fd: number | undefined;
    try {
      files = new LayerFiles(this.#layout.cacheFile(cacheId, "diff"));
      const opened = files.open(path);
      if (!("fd" in opened)) return undefined;
      fd = opened.fd;
      crc.reset();
      for (let at = 0; ;) {
        const length = readSync(fd, this.#piece, 0, PIECE_BYTES, at);
        if (length === 0) return crc.base64();
        crc.update(this.#piece.subarray(0, length));
        at += length;
        await setImmediate();
      }
    } catch (error) {
      if (!isTpullError(error) && errnoOf(error) === undefined) throw error;
      return undefined;
    } finally {
      if (fd !== undefined) closeSync(fd);
      files?.close();
    }
  }
}

function sizeOfFile(path: Buffer): number | undefined {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    return found?.isFile() ? found.size : undefined;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
