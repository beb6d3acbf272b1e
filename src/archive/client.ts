/**
 * An archive in the place of a registry: what it holds by digest. So images of
 * an archive go the way of a pull, with the same checks. Nothing of it is
 * asked over a network, so nothing is tried twice or kept for another time.
 */
import {
  type Digest,
  digestOf,
  hexOf,
  type TpullError,
} from "../../store/index.js";
import type { RegistryClient } from "../registry/client.js";
import { MAX_MANIFEST_BYTES, manifestTooLarge } from "../registry/manifest.js";
import { missingInArchive, wrongDigest, wrongSize } from "./archive-error.js";
import { type ArchiveFiles, type FoundFile, readFileOf } from "./files.js";

export const MAX_CONFIG_BYTES: number = 8 * 1024 * 1024;

/** Where a blob is in the archive. */
interface Place {
  readonly name: string;
  /** Whether what is known of it is its diff ID instead of its digest. */
  readonly byDiffId: boolean;
}

/** The blobs of an archive. */
export class ArchiveBlobs {
  readonly files: ArchiveFiles;
  readonly #documents = new Map<Digest, { bytes: Buffer; mediaType: string }>();
  readonly #places = new Map<Digest, Place>();
  readonly #mediaTypes = new Map<Digest, string>();
  readonly #layerFiles = new Map<string, { size: number; suffix: string }>();

  constructor(files: ArchiveFiles) {
    this.files = files;
  }

  /** Adds a document that is made for the archive. */
  addDocument(value: unknown, mediaType: string): Digest {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = digestOf(bytes);
    this.#documents.set(digest, { bytes, mediaType });
    return digest;
  }

  /** Adds a blob that is made for the archive. */
  addBytes(digest: Digest, bytes: Buffer): void {
    this.#documents.set(digest, { bytes, mediaType: "" });
  }

  /** Says what a manifest is that nothing names. */
  addMediaType(digest: Digest, mediaType: string): void {
    this.#mediaTypes.set(digest, mediaType);
  }

  mediaTypeOf(digest: Digest): string {
    return this.#mediaTypes.get(digest) ?? "";
  }

  /** Says where a blob is that the archive names in its own way. */
  addPlace(digest: Digest, place: Place): void {
    this.#places.set(digest, place);
  }

  document(digest: Digest): { bytes: Buffer; mediaType: string } | undefined {
    return this.#documents.get(digest);
  }

  namedByDiffId(digest: Digest): boolean {
    return this.#places.get(digest)?.byDiffId ?? false;
  }

  async find(
    digest: Digest,
  ): Promise<(FoundFile & { readonly name: string }) | undefined> {
    const hex = hexOf(digest);
    const place = this.#places.get(digest);
    const names = place
      ? [place.name]
      : [`blobs/sha256/${hex}`, hex, `${hex}.manifest.json`];
    for (const name of names) {
      const found = await this.files.find(name);
      if (found !== undefined) return { name, ...found };
    }
    return undefined;
  }

  /** How large a layer's file is, 0 where there is none, and what a media type says of its compression. */
  async layerFile(name: string): Promise<{ size: number; suffix: string }> {
    const known = this.#layerFiles.get(name);
    if (known !== undefined) return known;
    const size = (await this.files.find(name))?.size ?? 0;
    const head = Buffer.alloc(4);
    if (size >= 4) {
      for await (const chunk of this.files.stream(name, 0, 4)) head.set(chunk);
    }
    const isZstd = head.equals(Buffer.from("28b52ffd", "hex"));
    const isGzip = head[0] === 0x1f && head[1] === 0x8b;
    const suffix = isGzip ? ".gzip" : isZstd ? ".zstd" : "";
    this.#layerFiles.set(name, { size, suffix });
    return { size, suffix };
  }

  /** Whether it is there, as a blob or as a document that was made. */
  async has(digest: Digest): Promise<boolean> {
    if (this.#documents.has(digest)) return true;
    return (await this.find(digest)) !== undefined;
  }

  /** @throws TpullError `ARCHIVE_INCOMPLETE`, `DIGEST_MISMATCH`, `ARCHIVE_INVALID` */
  async read(digest: Digest, most: number): Promise<Buffer> {
    const made = this.#documents.get(digest);
    if (made !== undefined) return made.bytes;
    const found = await this.find(digest);
    const bytes = found && (await readFileOf(this.files, found.name, most));
    if (bytes === undefined) throw this.#missing(digest);
    const actual = digestOf(bytes);
    if (actual !== digest) throw wrongDigest(digest, actual);
    return bytes;
  }

  #missing(digest: Digest): TpullError {
    const { isCutShort } = this.files;
    return missingInArchive("an image", [digest], undefined, isCutShort);
  }
}

/** What of the registry client's interface an archive can answer. */
export class ArchiveClient implements RegistryClient {
  readonly local: NonNullable<RegistryClient["local"]>;
  #blobs: ArchiveBlobs | undefined;
  readonly #lacking = new Set<Digest>();

  constructor() {
    this.local = {
      namedByDiffId: (digest) => this.blobs.namedByDiffId(digest),
      lacks: (digest) => this.#lacking.has(digest),
    };
  }

  /** @throws Error before {@link open} */
  get blobs(): ArchiveBlobs {
    if (this.#blobs === undefined) throw new Error("no archive is open");
    return this.#blobs;
  }

  open(blobs: ArchiveBlobs): void {
    this.#blobs = blobs;
  }

  /** Notes that a blob is not in the archive and that the store has its layer. */
  noteLacking(digest: Digest): void {
    this.#lacking.add(digest);
  }

  async head(): Promise<undefined> {
    return undefined;
  }

  async manifest(
    _repository: unknown,
    digest: string,
    options: Parameters<RegistryClient["manifest"]>[2] = {},
  ): ReturnType<RegistryClient["manifest"]> {
    const { expected } = options;
    const wanted = digest as Digest;
    const made = this.blobs.document(wanted);
    if (made !== undefined) return { digest: wanted, ...made };
    const size = (await this.blobs.find(wanted))?.size;
    if (size !== undefined && size > MAX_MANIFEST_BYTES) {
      throw manifestTooLarge(wanted);
    }
    if (size !== undefined && expected !== undefined) {
      checkSize(wanted, expected.size, size);
    }
    const bytes = await this.blobs.read(wanted, MAX_MANIFEST_BYTES);
    const mediaType = expected?.mediaType ?? this.blobs.mediaTypeOf(wanted);
    return { bytes, digest: wanted, mediaType };
  }

  async bytes(
    _repository: unknown,
    { digest, size }: Parameters<RegistryClient["bytes"]>[1],
  ): Promise<Buffer> {
    const bytes = await this.blobs.read(digest, MAX_CONFIG_BYTES);
    checkSize(digest, size, bytes.length);
    return bytes;
  }

  async *blob(
    _repository: unknown,
    { digest, size }: Parameters<RegistryClient["blob"]>[1],
    options: Parameters<RegistryClient["blob"]>[2] = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const found = await this.blobs.find(digest);
    if (found === undefined) throw missingInArchive("an image", [digest]);
    checkSize(digest, size, found.size);
    const { from = 0, to = size } = options;
    yield* this.blobs.files.stream(found.name, from, to);
  }

  async blobSize(_repository: unknown, digest: Digest): Promise<number> {
    const found = await this.blobs.find(digest);
    if (found === undefined) throw missingInArchive("an image", [digest]);
    return found.size;
  }

  async distrust(): Promise<boolean> {
    return false;
  }

  passedOver(): [] {
    return [];
  }

  async *tags(): AsyncGenerator<string> {}

  async prove(): Promise<never> {
    throw new Error("an archive takes no credentials");
  }

  async close(): Promise<void> {
    await this.#blobs?.files[Symbol.asyncDispose]();
  }
}

function checkSize(digest: Digest, expected: number, actual: number): void {
  if (expected !== actual) throw wrongSize(digest, expected, actual);
}
