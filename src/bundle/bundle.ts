/**
 * The bundle: references in, an archive out that carries the images with the
 * registry's own manifests and blobs. Nothing of it is new until all of it is
 * there; what was fetched by then stays for the next run.
 */
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ByteSink,
  toSpecialFile,
} from "../../store/archive/archive-writer.js";
import { writing } from "../../store/archive/new-file.js";
import { type DiffId, type Digest, isTpullError } from "../../store/index.js";
import type { ArchiveFiles } from "../archive/files.js";
import type { RegistryClient } from "../registry/client.js";
import type { Requested } from "../requests.js";
import { RunSession } from "../run-session.js";
import { BlobFolder, writeDocument } from "./blob-folder.js";
import { type Brought, bringLayers } from "./bring.js";
import { checksumsOf, writeChecksums } from "./checksums.js";
import { bundleDocuments, nameInIndex } from "./documents.js";
import { type Found, bundled, findImages } from "./find.js";
import { layersThere } from "./there.js";
import { found } from "./own-folder.js";
import { resultOf } from "./result.js";
import { BundleLayers } from "./layers.js";
import { type PackedFile, packFile, packInto, unpack } from "./pack.js";
import { type Place, olderBundle, partsBeside, placeOf } from "./place.js";
import type { BundleOptions, BundleResult } from "./types.js";
import { type Documents, recorded } from "./recorded.js";

/**
 * Bundles images into a directory, into one tar, or into a stream: an OCI image
 * layout with the registry's manifests, indexes and blobs as they are, which is
 * docker's own archive at the same time. A bundle that is there holds these
 * images afterwards, and no others.
 * @param to a directory where there is one, or where it ends in `/`; else a
 *   file, a named pipe, or a sink
 * @throws TpullError `OUTPUT_NOT_WRITABLE`, `OUTPUT_EXISTS`,
 *   `NOT_ENOUGH_SPACE`, `DISK_FULL`, `HAVE_INVALID`, `OPTION_INVALID`,
 *   `ABORTED`, and what fetching a layer may throw. What is wrong with an image
 *   is a failure of it
 */
export async function bundleImages(
  images: readonly Requested[],
  to: string | ByteSink,
  options: BundleOptions = {},
): Promise<BundleResult> {
  await using session = new RunSession(options);
  const run = new BundleRun(session, options);
  try {
    if (typeof to !== "string") {
      return await run.intoStream((pack) => pack(to), images);
    }
    const place = await placeOf(to, session.signal);
    return await run.into(place, images);
  } catch (error) {
    throw session.deadline.explain(error, "the bundle");
  }
}

/** What a bundle is made of. */
interface WantedImages {
  readonly found: readonly Found[];
  readonly have: ReadonlySet<DiffId>;
}

class BundleRun {
  readonly #session: RunSession;
  readonly #options: BundleOptions;
  readonly #documents: Documents = new Map();
  readonly #client: RegistryClient;

  constructor(session: RunSession, options: BundleOptions) {
    this.#session = session;
    this.#options = options;
    this.#client = recorded(session.client, this.#documents);
  }

  /** Into a file, a directory, or what is there and neither. */
  async into(
    place: Place,
    images: readonly Requested[],
  ): Promise<BundleResult> {
    const { path, kind } = place;
    const { signal } = this.#session;
    if (kind === "special") {
      return await this.intoStream(
        (pack) => toSpecialFile(path, pack, signal),
        images,
      );
    }
    const sums = await checksumsOf(path, this.#options.checksum === true);
    const result = await this.#look(images, place.names, async (wanted) =>
      kind === "directory"
        ? await this.#intoDirectory(path, wanted)
        : await this.#intoFile(path, wanted),
    );
    if (result.failures.length > 0) return result;
    // Sums of what was there before would be wrong now.
    if (this.#options.checksum || sums === "ours") {
      await writeChecksums(path, { signal });
    }
    return result;
  }

  /**
   * Blobs wait in a folder of their own, which goes at the end.
   * @param through opens the stream once all of them are there
   */
  async intoStream(
    through: (pack: (sink: ByteSink) => Promise<void>) => Promise<void>,
    images: readonly Requested[],
  ): Promise<BundleResult> {
    return await this.#look(images, [], async (wanted) => {
      const { signal } = this.#session;
      const waiting = join(tmpdir(), "tpull-bundle-");
      const path = await writing(waiting, () => mkdtemp(waiting));
      try {
        await using folder = await BlobFolder.open(path, signal);
        return await this.#fill(folder, undefined, wanted, false, (...made) =>
          through((sink) => packInto(sink, ...made, folder, signal)),
        );
      } finally {
        await rm(path, { recursive: true, force: true });
      }
    });
  }

  async #intoDirectory(
    named: string,
    wanted: WantedImages,
  ): Promise<BundleResult> {
    // The directory may be named by a link; what is in it may not be one.
    const path = found(named) === undefined ? named : await realpath(named);
    await using folder = await this.#open(path);
    return await this.#fill(
      folder,
      undefined,
      wanted,
      false,
      async (files) => {
        for (const { name, bytes } of files) {
          await writeDocument(join(path, name), bytes);
        }
        if (!files.some(({ name }) => name === "repositories")) {
          await rm(join(path, "repositories"), { force: true });
        }
      },
      async (digests) => folder.keepOnly(digests),
    );
  }

  /** Blobs wait in a folder beside the file until all of them are there. */
  async #intoFile(path: string, wanted: WantedImages): Promise<BundleResult> {
    const { signal } = this.#session;
    await using folder = await this.#open(partsBeside(path));
    // Another may have written it while we waited.
    const { kind } = await placeOf(path, signal);
    const old = kind === "file" ? await olderBundle(path, signal) : undefined;
    try {
      return await this.#fill(
        folder,
        old,
        wanted,
        true,
        (...made) => packFile(path, ...made, folder, signal),
        async () => folder.remove(),
      );
    } finally {
      await old?.[Symbol.asyncDispose]();
    }
  }

  async #open(path: string): Promise<BlobFolder> {
    return await BlobFolder.open(path, this.#session.signal, (reason) =>
      this.#session.emit({ type: "wait", reason }),
    );
  }

  /** Finds the images, says which ones go from the bundle, and has it made. */
  async #look(
    images: readonly Requested[],
    before: readonly string[],
    make: (wanted: WantedImages) => Promise<BundleResult>,
  ): Promise<BundleResult> {
    const have = await layersThere(this.#session, this.#options);
    const { found, failures } = await findImages(
      images,
      this.#client,
      this.#session,
      this.#options,
    );
    if (failures.length > 0) {
      return {
        images: [],
        failures,
        removed: [],
        bytes: 0,
        bytesFetched: 0,
        bytesLeftOut: 0,
      };
    }
    const names = new Set(
      bundled(found).map(({ reference }) => nameInIndex(reference)),
    );
    const removed = before.filter((name) => !names.has(name));
    if (removed.length > 0) {
      this.#session.emit({
        type: "warning",
        code: "IMAGES_REMOVED",
        message: `no longer in the bundle, since they were not named: ${removed.join(", ")}`,
      });
    }
    return { ...(await make({ found, have })), removed };
  }

  /**
   * Brings all blobs, and then makes the bundle of them.
   * @param tidy done at last, with the digests of all blobs
   */
  async #fill(
    folder: BlobFolder,
    old: ArchiveFiles | undefined,
    { found, have }: WantedImages,
    intoFile: boolean,
    make: (
      files: readonly PackedFile[],
      blobs: ReadonlyMap<Digest, number>,
    ) => Promise<void>,
    tidy: (digests: ReadonlySet<Digest>) => Promise<void> = async () => {},
  ): Promise<BundleResult> {
    const small = new Map<Digest, Buffer>();
    for (const [digest, { bytes }] of this.#documents) small.set(digest, bytes);
    for (const one of found) {
      small.set(one.resolved.manifest.config.digest, one.bytes);
    }
    const layers = new BundleLayers(found, have, (event) =>
      this.#session.emit(event),
    );
    const blobs = new Map<Digest, number>();
    for (const [digest, bytes] of small) blobs.set(digest, bytes.length);
    const smallBytes = sum(blobs.values());
    for (const [digest, { descriptor }] of layers.wanted) {
      blobs.set(digest, descriptor.size);
    }
    layers.begin(found);
    if (intoFile) await unpack(folder, blobs, this.#session.signal);
    let brought: Brought;
    try {
      brought = await bringLayers(folder, layers, {
        session: this.#session,
        old,
        concurrency: this.#options.concurrency,
        intoFile,
        small: smallBytes,
      });
    } catch (error) {
      if (isTpullError(error) && error.code === "NOT_ENOUGH_SPACE") {
        await folder.tidy();
      }
      throw error;
    }
    for (const [digest, bytes] of small) await folder.put(digest, bytes);
    await make(bundleDocuments(bundled(found), this.#documents), blobs);
    await tidy(new Set(blobs.keys()));
    return {
      images: found.map((one) => resultOf(one, have, brought.fetched)),
      failures: [],
      removed: [],
      bytes: sum(blobs.values()),
      bytesFetched: brought.bytes,
      bytesLeftOut: sum(layers.leftOut.values()),
    };
  }
}

function sum(sizes: Iterable<number>): number {
  return [...sizes].reduce((total, size) => total + size, 0);
}
