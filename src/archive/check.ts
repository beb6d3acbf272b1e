/**
 * Checks an archive by itself, without a data root: every digest, every
 * reference from one document to another, every diff ID.
 */
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import {
  type DiffId,
  type Digest,
  type TpullError,
  inflated,
  isDigest,
  isTpullError,
} from "../../store/index.js";
import { canonicalName } from "../../store/reference/reference.js";
import { temporaryFile } from "./temporary-file.js";
import { parseImageConfig } from "../image-config.js";
import { MAX_INDEX_DEPTH, tooDeep } from "../index-images.js";
import {
  type Descriptor,
  type ImageManifest,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from "../registry/manifest.js";
import {
  missingInArchive,
  wrongDiffId,
  wrongDigest,
  wrongSize,
} from "./archive-error.js";
import { ArchiveBlobs, MAX_CONFIG_BYTES } from "./client.js";
import { archivedImages } from "./images.js";
import { openArchive } from "./open.js";

export interface ArchiveFinding {
  /** As of the error that a load would end with. */
  readonly code: string;
  readonly message: string;
  /** Names of the image concerned. */
  readonly images: readonly string[];
}

export interface ArchiveCheck {
  /** Images, each platform by itself. */
  readonly images: number;
  /** Blobs that were read. */
  readonly blobs: number;
  /** Bytes of them. */
  readonly bytes: number;
  /** Nothing is wrong where there are none. */
  readonly findings: readonly ArchiveFinding[];
}

/**
 * Reads all of an archive of images and says what is wrong with it. A sparse
 * bundle is found to lack what was left out of it.
 * @param path a directory, a tar, or a compressed one
 * @throws TpullError `ARCHIVE_NOT_READABLE`, `ABORTED`, `NOT_ENOUGH_SPACE`
 */
export async function checkArchive(
  path: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<ArchiveCheck> {
  const signal = options.signal ?? new AbortController().signal;
  const check = new Check(signal);
  try {
    const files = await openArchive(path, {
      temporaryFile,
      temporaryFolder: tmpdir(),
      signal,
    });
    await using closing = files;
    await check.all(new ArchiveBlobs(closing));
  } catch (error) {
    check.note(error, []);
  }
  return check.result();
}

/** What concerns this machine rather than the archive. */
const OUR_OWN = new Set([
  "ABORTED",
  "ARCHIVE_NOT_READABLE",
  "NOT_ENOUGH_SPACE",
  "DISK_FULL",
  "WORKER_FAILED",
]);

interface Seen {
  readonly digest: Digest;
  readonly size: number;
  /** Of what it is uncompressed; undefined for what cannot be. */
  readonly diffId: DiffId | TpullError;
}

class Check {
  readonly #signal: AbortSignal;
  readonly #findings: ArchiveFinding[] = [];
  readonly #layers = new Map<string, Seen>();
  readonly #manifests = new Set<Digest>();
  readonly #read = new Set<string>();
  #images = 0;
  #bytes = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  result(): ArchiveCheck {
    return {
      images: this.#images,
      blobs: this.#read.size,
      bytes: this.#bytes,
      findings: this.#findings,
    };
  }

  /** @throws what is no fault of the archive */
  note(error: unknown, images: readonly string[]): void {
    if (!isTpullError(error) || OUR_OWN.has(error.code)) throw error;
    const { code, message } = error;
    if (this.#findings.some((one) => one.message === message)) return;
    this.#findings.push({ code, message, images });
  }

  async all(blobs: ArchiveBlobs): Promise<void> {
    for (const { digest, names } of await archivedImages(blobs)) {
      const own = names.map(canonicalName);
      await this.#document(blobs, digest, undefined, own, MAX_INDEX_DEPTH);
    }
    await this.#others(blobs);
  }

  async #document(
    blobs: ArchiveBlobs,
    digest: Digest,
    named: Descriptor | undefined,
    images: readonly string[],
    depth: number,
  ): Promise<void> {
    if (this.#manifests.has(digest)) return;
    this.#manifests.add(digest);
    try {
      const bytes = await blobs.read(digest, MAX_MANIFEST_BYTES);
      this.#count(digest, bytes.length);
      if (named !== undefined && named.size !== bytes.length) {
        throw wrongSize(digest, named.size, bytes.length);
      }
      const type =
        blobs.document(digest)?.mediaType ??
        named?.mediaType ??
        blobs.mediaTypeOf(digest);
      const what = images[0] ?? digest;
      const document = parseManifest(bytes, type, what);
      if (document.kind === "image") {
        await this.#image(blobs, document, images, what);
        return;
      }
      if (depth === 0) throw tooDeep(what);
      let isThere = false;
      for (const entry of document.manifests) {
        // docker and bundles list platforms that they have not got.
        if (!(await blobs.has(entry.digest))) continue;
        isThere = true;
        await this.#document(blobs, entry.digest, entry, images, depth - 1);
      }
      if (isThere) return;
      const missing = document.manifests.map((entry) => entry.digest);
      throw missingInArchive(what, missing);
    } catch (error) {
      // What else an index lists (signatures, attestations) is no image.
      const isOther = isTpullError(error) && error.code === "NOT_AN_IMAGE";
      if (!isOther || named === undefined) this.note(error, images);
    }
  }

  async #image(
    blobs: ArchiveBlobs,
    { config: descriptor, layers }: ImageManifest,
    images: readonly string[],
    what: string,
  ): Promise<void> {
    this.#images += 1;
    const bytes = await blobs.read(descriptor.digest, MAX_CONFIG_BYTES);
    this.#count(descriptor.digest, bytes.length);
    if (bytes.length !== descriptor.size) {
      const { digest, size } = descriptor;
      throw wrongSize(digest, size, bytes.length);
    }
    const config = parseImageConfig(bytes, layers.length);
    for (const [at, { digest, size }] of layers.entries()) {
      try {
        const diffId = config.diffIds[at] as DiffId;
        await this.#layer(blobs, { digest, size }, diffId, what);
      } catch (error) {
        this.note(error, images);
      }
    }
  }

  async #layer(
    blobs: ArchiveBlobs,
    { digest, size }: { digest: Digest; size: number },
    diffId: DiffId,
    what: string,
  ): Promise<void> {
    const found = await blobs.find(digest);
    if (found === undefined) throw missingInArchive(what, [digest]);
    if (found.size !== size) throw wrongSize(digest, size, found.size);
    const seen =
      this.#layers.get(found.name) ?? (await this.#hash(blobs, found));
    this.#layers.set(found.name, seen);
    if (!blobs.namedByDiffId(digest) && seen.digest !== digest) {
      throw wrongDigest(digest, seen.digest);
    }
    if (isTpullError(seen.diffId)) throw seen.diffId.with({}, `${digest}: `);
    if (seen.diffId !== diffId) {
      throw wrongDiffId(digest, diffId, seen.diffId);
    }
  }

  /** Both digests of a layer in one reading. */
  async #hash(
    blobs: ArchiveBlobs,
    { name, size }: { name: string; size: number },
  ): Promise<Seen> {
    const blob = createHash("sha256");
    const chunks = blobs.files.stream(name, 0, size);
    async function* passing(): AsyncGenerator<Uint8Array> {
      for await (const chunk of chunks) {
        blob.update(chunk);
        yield chunk;
      }
    }
    const tar = createHash("sha256");
    this.#count(name, size);
    try {
      for await (const piece of inflated(passing(), this.#signal)) {
        tar.update(piece);
      }
    } catch (error) {
      if (!isTpullError(error) || OUR_OWN.has(error.code)) throw error;
      const digest = await digestOfFile(blobs, name, size);
      return { digest, size, diffId: error };
    }
    const hex = (hash: typeof tar): string => `sha256:${hash.digest("hex")}`;
    return { digest: hex(blob) as Digest, size, diffId: hex(tar) as DiffId };
  }

  /** Blobs that no image needs: their names are their digests all the same. */
  async #others(blobs: ArchiveBlobs): Promise<void> {
    for (const name of blobs.files.names()) {
      const hex = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name)?.[1];
      const digest = `sha256:${hex ?? ""}`;
      if (!isDigest(digest) || this.#read.has(digest)) continue;
      if (this.#read.has(name)) continue;
      const size = (await blobs.files.size(name)) ?? 0;
      this.#count(digest, size);
      const actual = await digestOfFile(blobs, name, size);
      if (actual !== digest) this.note(wrongDigest(digest, actual), []);
    }
  }

  #count(blob: string, bytes: number): void {
    if (this.#read.has(blob)) return;
    this.#read.add(blob);
    this.#bytes += bytes;
  }
}

async function digestOfFile(
  { files }: ArchiveBlobs,
  name: string,
  size: number,
): Promise<Digest> {
  const hash = createHash("sha256");
  for await (const chunk of files.stream(name, 0, size)) hash.update(chunk);
  return `sha256:${hash.digest("hex")}` as Digest;
}
