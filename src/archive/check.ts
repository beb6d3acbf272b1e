/**
 * Checks an archive by itself, without a data root: every digest, every
 * reference from one document to another, every diff ID.
 */
import { tmpdir } from "node:os";
import {
  type DiffId,
  type Digest,
  type TpullError,
  isDigest,
  isTpullError,
} from "../../store/index.js";
import { canonicalName } from "../../store/reference/reference.js";
import {
  type ImageConfig,
  readImageConfig,
  requireLayerCount,
} from "../image-config.js";
import { MAX_INDEX_DEPTH, tooDeep } from "../index-images.js";
import {
  type Descriptor,
  type ImageManifest,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from "../registry/manifest.js";
import {
  cutShort,
  missingInArchive,
  wrongDiffId,
  wrongDigest,
  wrongSize,
} from "./archive-error.js";
import { ArchiveBlobs, MAX_CONFIG_BYTES } from "./client.js";
import { archivedImages } from "./images.js";
import { FileDigests, isOurOwn } from "./layer-digests.js";
import { openArchive } from "./open.js";
import { ELSEWHERE, temporaryFile } from "./temporary-file.js";

export interface ArchiveFinding {
  /** As of the error that a load would end with. */
  readonly code: string;
  readonly message: string;
  /** Names of the image concerned. */
  readonly images: readonly string[];
}

/** A layer that an image of the archive has and the archive has not. */
export interface NeededLayer {
  readonly digest: Digest;
  readonly diffId: DiffId;
  /** Names of an image that needs it. */
  readonly images: readonly string[];
}

export interface ArchiveCheck {
  /** Images, each platform by itself. */
  readonly images: number;
  /** Blobs that were read. */
  readonly blobs: number;
  /** Bytes of them. */
  readonly bytes: number;
  /** Nothing is wrong with what is there where there are none. */
  readonly findings: readonly ArchiveFinding[];
  /**
   * What a load needs to find in the data root: what a sparse bundle leaves
   * out, or what was lost. Each layer once; none for an archive that is whole.
   */
  readonly needs: readonly NeededLayer[];
}

export interface CheckArchiveOptions {
  readonly signal?: AbortSignal | undefined;
  /** Layers that are where the archive goes to: these need not be in it. */
  readonly have?: ReadonlySet<DiffId> | undefined;
}

/**
 * Reads all of an archive of images and says what is wrong with it, and what
 * it needs beside itself.
 * @param path a directory, a tar, or a compressed one
 * @throws TpullError `ARCHIVE_NOT_READABLE`, `ABORTED`, `NOT_ENOUGH_SPACE`
 */
export async function checkArchive(
  path: string,
  options: CheckArchiveOptions = {},
): Promise<ArchiveCheck> {
  const signal = options.signal ?? new AbortController().signal;
  const findings = new Findings();
  try {
    const files = await openArchive(path, {
      temporaryFile,
      temporaryFolder: tmpdir(),
      elsewhere: ELSEWHERE,
      signal,
    });
    await using closing = files;
    const check = new Check(new ArchiveBlobs(closing), {
      digests: new FileDigests(closing, signal),
      findings,
      have: options.have ?? new Set(),
    });
    try {
      await check.all();
    } catch (error) {
      findings.note(error, []);
    }
    return check.result();
  } catch (error) {
    findings.note(error, []);
    return { images: 0, blobs: 0, bytes: 0, findings: findings.all, needs: [] };
  }
}

class Findings {
  readonly all: ArchiveFinding[] = [];
  readonly #messages = new Set<string>();

  /** @throws what is no fault of the archive */
  note(error: unknown, images: readonly string[]): void {
    if (isOurOwn(error)) throw error;
    const { code, message } = error as TpullError;
    if (this.#messages.has(message)) return;
    this.#messages.add(message);
    this.all.push({ code, message, images });
  }
}

interface Parts {
  readonly digests: FileDigests;
  readonly findings: Findings;
  readonly have: ReadonlySet<DiffId>;
}

class Check {
  readonly #blobs: ArchiveBlobs;
  readonly #digests: FileDigests;
  readonly #findings: Findings;
  readonly #have: ReadonlySet<DiffId>;
  readonly #documents = new Set<Digest>();
  readonly #configs = new Map<Digest, { size: number; config: ImageConfig }>();
  readonly #needs = new Map<DiffId, NeededLayer>();
  #images = 0;

  constructor(blobs: ArchiveBlobs, { digests, findings, have }: Parts) {
    this.#blobs = blobs;
    this.#digests = digests;
    this.#findings = findings;
    this.#have = have;
  }

  result(): ArchiveCheck {
    return {
      images: this.#images,
      blobs: this.#digests.count,
      bytes: this.#digests.bytes,
      findings: this.#findings.all,
      needs: [...this.#needs.values()],
    };
  }

  async all(): Promise<void> {
    for (const { digest, names } of await archivedImages(this.#blobs)) {
      const own = names.map(canonicalName);
      await this.#document(digest, undefined, own, MAX_INDEX_DEPTH);
    }
    await this.#others();
    const needed = [...this.#needs.values()].map(({ digest }) => digest);
    if (this.#blobs.files.isCutShort && needed.length > 0) {
      this.#findings.note(cutShort(needed), []);
    }
  }

  async #document(
    digest: Digest,
    named: Descriptor | undefined,
    images: readonly string[],
    depth: number,
  ): Promise<void> {
    if (this.#documents.has(digest)) return;
    this.#documents.add(digest);
    try {
      const bytes = await this.#read(digest, MAX_MANIFEST_BYTES);
      if (named !== undefined && named.size !== bytes.length) {
        throw wrongSize(digest, named.size, bytes.length);
      }
      const type =
        this.#blobs.document(digest)?.mediaType ??
        named?.mediaType ??
        this.#blobs.mediaTypeOf(digest);
      const what = images[0] ?? digest;
      const document = parseManifest(bytes, type, what);
      if (document.kind === "image") {
        await this.#image(document, images, what);
        return;
      }
      if (depth === 0) throw tooDeep(what);
      let isThere = false;
      for (const entry of document.manifests) {
        // docker and bundles list platforms that they have not got.
        if (!(await this.#blobs.has(entry.digest))) continue;
        isThere = true;
        await this.#document(entry.digest, entry, images, depth - 1);
      }
      if (isThere) return;
      const missing = document.manifests.map((entry) => entry.digest);
      throw missingInArchive(what, missing);
    } catch (error) {
      // What else an index lists (signatures, attestations) is no image.
      const isOther = isTpullError(error) && error.code === "NOT_AN_IMAGE";
      if (!isOther || named === undefined) this.#findings.note(error, images);
    }
  }

  async #image(
    { config: descriptor, layers }: ImageManifest,
    images: readonly string[],
    what: string,
  ): Promise<void> {
    this.#images += 1;
    const { digest } = descriptor;
    const known = this.#configs.get(digest) ?? (await this.#config(digest));
    this.#configs.set(digest, known);
    const { size, config } = known;
    if (size !== descriptor.size) {
      throw wrongSize(digest, descriptor.size, size);
    }
    requireLayerCount(config, layers.length);
    for (const [at, layer] of layers.entries()) {
      const diffId = config.diffIds[at] as DiffId;
      try {
        if (await this.#layer(layer, diffId)) continue;
        if (this.#have.has(diffId) || this.#needs.has(diffId)) continue;
        const names = images.length === 0 ? [what] : images;
        const needed = { digest: layer.digest, diffId, images: names };
        this.#needs.set(diffId, needed);
      } catch (error) {
        this.#findings.note(error, images);
      }
    }
  }

  async #config(
    digest: Digest,
  ): Promise<{ size: number; config: ImageConfig }> {
    const bytes = await this.#read(digest, MAX_CONFIG_BYTES);
    return { size: bytes.length, config: readImageConfig(bytes) };
  }

  /** @returns false for one that is not there */
  async #layer({ digest, size }: Descriptor, diffId: DiffId): Promise<boolean> {
    const found = await this.#blobs.find(digest);
    if (found === undefined) return false;
    if (found.size !== size) throw wrongSize(digest, size, found.size);
    const actual = await this.#digests.layer(found);
    if (!this.#blobs.namedByDiffId(digest) && actual.digest !== digest) {
      throw wrongDigest(digest, actual.digest);
    }
    if (isTpullError(actual.diffId)) {
      throw actual.diffId.with({}, `${digest}: `);
    }
    if (actual.diffId !== diffId) {
      throw wrongDiffId(digest, diffId, actual.diffId);
    }
    return true;
  }

  async #read(digest: Digest, most: number): Promise<Buffer> {
    const found = await this.#blobs.find(digest);
    if (found !== undefined) this.#digests.noteRead(found);
    return await this.#blobs.read(digest, most);
  }

  /** Blobs that no image needs: their names are their digests all the same. */
  async #others(): Promise<void> {
    for (const name of this.#blobs.files.names()) {
      const hex = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name)?.[1];
      const digest = `sha256:${hex ?? ""}`;
      if (!isDigest(digest)) continue;
      const found = await this.#blobs.files.find(name);
      if (found === undefined) continue;
      const actual = await this.#digests.blob({ ...found, name });
      if (actual !== digest) {
        this.#findings.note(wrongDigest(digest, actual), []);
      }
    }
  }
}
