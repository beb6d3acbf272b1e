/** Digests of an archive's files, each file read once under however many names it is there. */
import { createHash } from "node:crypto";
import {
  type DiffId,
  type Digest,
  type TpullError,
  inflated,
  isTpullError,
} from "../../store/index.js";
import type { ArchiveFiles, FoundFile } from "./files.js";

/** What concerns this machine rather than the archive. */
const OUR_OWN = new Set([
  "ABORTED",
  "ARCHIVE_NOT_READABLE",
  "NOT_ENOUGH_SPACE",
  "DISK_FULL",
  "WORKER_FAILED",
]);

/** Whether an error says nothing about the archive. */
export function isOurOwn(error: unknown): boolean {
  return !isTpullError(error) || OUR_OWN.has(error.code);
}

/** A layer as it lies in an archive. */
export interface LayerDigests {
  readonly digest: Digest;
  /** Of what it is uncompressed; the error for what cannot be. */
  readonly diffId: DiffId | TpullError;
}

type NamedFile = FoundFile & { readonly name: string };

export class FileDigests {
  readonly #files: ArchiveFiles;
  readonly #signal: AbortSignal;
  readonly #blobs = new Map<string, Digest>();
  readonly #layers = new Map<string, LayerDigests>();
  readonly #read = new Set<string>();
  #bytes = 0;

  constructor(files: ArchiveFiles, signal: AbortSignal) {
    this.#files = files;
    this.#signal = signal;
  }

  /** Files that were read. */
  get count(): number {
    return this.#read.size;
  }

  /** Bytes of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Notes a file that was read elsewhere. */
  noteRead({ identity, size }: FoundFile): void {
    if (this.#read.has(identity)) return;
    this.#read.add(identity);
    this.#bytes += size;
  }

  isRead({ identity }: FoundFile): boolean {
    return this.#read.has(identity);
  }

  async blob(file: NamedFile): Promise<Digest> {
    const known =
      this.#blobs.get(file.identity) ??
      this.#layers.get(file.identity)?.digest ??
      (await this.#digest(file));
    this.#blobs.set(file.identity, known);
    return known;
  }

  /** Both digests of a layer in one reading. */
  async layer(file: NamedFile): Promise<LayerDigests> {
    const known = this.#layers.get(file.identity) ?? (await this.#layer(file));
    this.#layers.set(file.identity, known);
    return known;
  }

  async #digest(file: NamedFile): Promise<Digest> {
    this.noteRead(file);
    const hash = createHash("sha256");
    const chunks = this.#files.stream(file.name, 0, file.size);
    for await (const chunk of chunks) hash.update(chunk);
    return `sha256:${hash.digest("hex")}` as Digest;
  }

  async #layer(file: NamedFile): Promise<LayerDigests> {
    this.noteRead(file);
    const blob = createHash("sha256");
    const chunks = this.#files.stream(file.name, 0, file.size);
    async function* passing(): AsyncGenerator<Uint8Array> {
      for await (const chunk of chunks) {
        blob.update(chunk);
        yield chunk;
      }
    }
    const tar = createHash("sha256");
    try {
      for await (const piece of inflated(passing(), this.#signal)) {
        tar.update(piece);
      }
    } catch (error) {
      if (isOurOwn(error)) throw error;
      return { digest: await this.#digest(file), diffId: error as TpullError };
    }
    const hex = (hash: typeof tar): string => `sha256:${hash.digest("hex")}`;
    return { digest: hex(blob) as Digest, diffId: hex(tar) as DiffId };
  }
}
