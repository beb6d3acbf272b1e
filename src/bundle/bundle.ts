/**
 * The bundle: references in, an archive out that carries the images with the
 * registry's own manifests and blobs. Nothing of it is new until all of it is
 * there; what was fetched by then stays for the next run.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import pLimit from "p-limit";
import {
  type DiffId,
  type Digest,
  type ImageId,
  TpullError,
  abortedError,
  hexOf,
  isTpullError,
} from "../../store/index.js";
import {
  type Reference,
  canonicalName,
  parseReference,
} from "../../store/reference/reference.js";
import type { ArchiveFiles } from "../archive/files.js";
import type { FailedPull } from "../events.js";
import { type ImageConfig, parseImageConfig } from "../image-config.js";
import { inImage, inLayer } from "../image-error.js";
import { checkPlatform } from "../item-platform.js";
import { ItemRun } from "../item-run.js";
import { type Item, aboutOf, readSelection } from "../items.js";
import { formatPlatform } from "../platform.js";
import { DEFAULT_CONCURRENCY } from "../pull-session.js";
import type { RegistryClient } from "../registry/client.js";
import type { Descriptor } from "../registry/manifest.js";
import { type ResolvedImage, resolveImage } from "../resolve-image.js";
import { type Requested, readRequests } from "../requests.js";
import { RunSession } from "../run-session.js";
import { BlobFolder, writeDocument } from "./blob-folder.js";
import { type BundledImage, bundleDocuments } from "./documents.js";
import { readHave } from "./have.js";
import { pack } from "./pack.js";
import { type Place, olderBundle, placeOf } from "./place.js";
import type {
  BundleImageResult,
  BundleOptions,
  BundleResult,
} from "./types.js";
import { type Documents, recorded } from "./recorded.js";

/** An image as far as a registry has told of it. */
interface Found {
  readonly item: Item;
  readonly reference: Reference;
  readonly resolved: ResolvedImage;
  readonly bytes: Buffer;
  readonly config: ImageConfig;
}

/**
 * Bundles images into a directory, or into one tar: an OCI image layout with
 * the registry's manifests, indexes and blobs as they are, which is docker's
 * own archive at the same time.
 * @param to a directory where there is one, or where it ends in `/`; else a file
 * @throws TpullError `OUTPUT_NOT_WRITABLE`, `OUTPUT_EXISTS`, `BUNDLE_BUSY`,
 *   `NOT_ENOUGH_SPACE`, `DISK_FULL`, `HAVE_INVALID`, `OPTION_INVALID`,
 *   `ABORTED`, and what fetching a layer may throw. What is wrong with an image
 *   is a failure of it
 */
export async function bundleImages(
  images: readonly Requested[],
  to: string,
  options: BundleOptions = {},
): Promise<BundleResult> {
  const place = await placeOf(to);
  await using session = new RunSession(options);
  const run = new BundleRun(session, options);
  try {
    return await run.into(place, images);
  } catch (error) {
    throw session.deadline.explain(error, "the bundle");
  }
}

class BundleRun {
  readonly #session: RunSession;
  readonly #options: BundleOptions;
  readonly #documents: Documents = new Map();
  readonly #client: RegistryClient;
  /** Of blobs that came from the network. */
  readonly #fetched = new Set<Digest>();
  #bytesFetched = 0;

  constructor(session: RunSession, options: BundleOptions) {
    this.#session = session;
    this.#options = options;
    this.#client = recorded(session.client, this.#documents);
  }

  async into(
    place: Place,
    images: readonly Requested[],
  ): Promise<BundleResult> {
    const have = await this.#have();
    const base = await this.#find(
      this.#options.base ?? [],
      this.#session.client,
    );
    const [failedBase] = base.failures;
    if (failedBase !== undefined) {
      const { code, message, hint, details } = failedBase.error;
      throw new TpullError(code, message, { hint, details: details ?? {} });
    }
    for (const { config } of base.found) {
      for (const diffId of config.diffIds) have.add(diffId);
    }
    const { found, failures } = await this.#find(images, this.#client);
    if (failures.length > 0) {
      return {
        images: [],
        failures,
        bytes: 0,
        bytesFetched: 0,
        bytesLeftOut: 0,
      };
    }
    if (place.kind === "directory") {
      await using folder = await BlobFolder.open(place.path);
      return await this.#fill(folder, undefined, found, have, async (files) => {
        for (const { name, bytes } of files) {
          await writeDocument(join(place.path, name), bytes);
        }
        if (!files.some(({ name }) => name === "repositories")) {
          await rm(join(place.path, "repositories"), { force: true });
        }
      });
    }
    return await this.#intoFile(place, found, have);
  }

  /** Blobs wait in a folder beside the file until all of them are there. */
  async #intoFile(
    { path, kind }: Place,
    found: readonly Found[],
    have: ReadonlySet<DiffId>,
  ): Promise<BundleResult> {
    const { signal } = this.#session;
    const old = kind === "file" ? await olderBundle(path, signal) : undefined;
    const beside = `${path}.tpull-parts`;
    try {
      await using folder = await BlobFolder.open(beside);
      const result = await this.#fill(
        folder,
        old,
        found,
        have,
        async (files, blobs) => {
          await pack(path, files, blobs, folder, signal);
        },
      );
      await rm(beside, { recursive: true, force: true });
      return result;
    } finally {
      await old?.[Symbol.asyncDispose]();
    }
  }

  async #have(): Promise<Set<DiffId>> {
    const all = new Set<DiffId>();
    for (const path of this.#options.have ?? []) {
      for (const diffId of await readHave(path, this.#session.signal)) {
        all.add(diffId);
      }
    }
    return all;
  }

  /** Asks registries for what the images are, not for their layers. */
  async #find(
    images: readonly Requested[],
    client: RegistryClient,
  ): Promise<{ found: Found[]; failures: FailedPull[] }> {
    const { signal, deadline } = this.#session;
    const { platform } = this.#options;
    const run = new ItemRun(
      {
        client,
        signal,
        deadline,
        emit: (event) => this.#session.emit(event),
        retryTeller: (about) => this.#session.retryTeller(about),
      },
      (item) => this.#look(item, client),
    );
    const selection = readSelection(platform === undefined ? {} : { platform });
    // A reference that is named twice is one image.
    const distinct = new Map(
      readRequests(images, selection).map((one) => [one.reference, one]),
    );
    const outcome = await run.all([...distinct.values()]);
    if (this.#options.signal?.aborted) throw abortedError();
    return { found: outcome.results, failures: outcome.failures };
  }

  async #look(item: Item, client: RegistryClient): Promise<Found> {
    const about = aboutOf(item);
    let { reference } = item;
    try {
      reference ??= parseReference(item.text);
      const { signal } = this.#session;
      const call = { signal, onRetry: this.#session.retryTeller(about) };
      const resolved = await resolveImage(reference, {
        image: about.image,
        client,
        platform: item.platform,
        call,
        pin: item.pin,
        top: item.top,
        entry: item.entry,
      });
      const { config: descriptor, layers } = resolved.manifest;
      const bytes = await client.bytes(reference, descriptor, call);
      const config = parseImageConfig(bytes, layers.length);
      const message = checkPlatform(config, resolved, item, about.image);
      if (message !== undefined) {
        const code = "PLATFORM_DIFFERS";
        this.#session.emit({ type: "warning", ...about, code, message });
      }
      return { item, reference, resolved, bytes, config };
    } catch (error) {
      const cause = this.#session.deadline.explain(error, about.image);
      if (!isTpullError(cause)) throw cause;
      const failure = inImage(cause, about.image, reference);
      this.#session.emit({ type: "error", ...about, error: failure.toJSON() });
      throw failure;
    }
  }

  /** Brings all blobs, and then makes the bundle of them. */
  async #fill(
    folder: BlobFolder,
    old: ArchiveFiles | undefined,
    found: readonly Found[],
    have: ReadonlySet<DiffId>,
    make: (
      files: readonly { name: string; bytes: Buffer }[],
      blobs: ReadonlyMap<Digest, number>,
    ) => Promise<void>,
  ): Promise<BundleResult> {
    const small = new Map<Digest, Buffer>();
    for (const [digest, { bytes }] of this.#documents) small.set(digest, bytes);
    const layers = new Map<Digest, { descriptor: Descriptor; of: Found }>();
    const leftOut = new Map<Digest, number>();
    for (const one of found) {
      small.set(one.resolved.manifest.config.digest, one.bytes);
      for (const [at, descriptor] of one.resolved.manifest.layers.entries()) {
        const diffId = one.config.diffIds[at] as DiffId;
        if (have.has(diffId)) leftOut.set(descriptor.digest, descriptor.size);
        else layers.set(descriptor.digest, { descriptor, of: one });
      }
    }
    for (const [digest, bytes] of small) await folder.put(digest, bytes);
    await this.#bring(folder, old, [...layers.values()]);
    const blobs = new Map<Digest, number>();
    for (const [digest, bytes] of small) blobs.set(digest, bytes.length);
    for (const [digest, { descriptor }] of layers) {
      blobs.set(digest, descriptor.size);
    }
    const files = bundleDocuments(bundled(found), this.#documents);
    await make(files, blobs);
    await folder.keepOnly(new Set(blobs.keys()));
    const sum = (sizes: Iterable<number>): number =>
      [...sizes].reduce((total, size) => total + size, 0);
    return {
      images: found.map((one) => this.#result(one, have)),
      failures: [],
      bytes: sum(blobs.values()),
      bytesFetched: this.#bytesFetched,
      bytesLeftOut: sum(leftOut.values()),
    };
  }

  /** The largest first; the first failure ends the others. */
  async #bring(
    folder: BlobFolder,
    old: ArchiveFiles | undefined,
    layers: readonly { descriptor: Descriptor; of: Found }[],
  ): Promise<void> {
    const { concurrency = DEFAULT_CONCURRENCY } = this.#options;
    const missing = layers.filter(
      ({ descriptor: { digest, size } }) => !folder.has(digest, size),
    );
    folder.requireRoom(
      missing.reduce(
        (sum, { descriptor: { digest, size } }) =>
          sum + size - folder.begun(digest),
        0,
      ),
    );
    const end = new AbortController();
    const stop = (): void => end.abort();
    this.#session.signal.addEventListener("abort", stop, { once: true });
    if (this.#session.signal.aborted) stop();
    const limit = pLimit(concurrency);
    let failure: unknown;
    const sorted = missing.toSorted(
      (a, b) => b.descriptor.size - a.descriptor.size,
    );
    await Promise.all(
      sorted.map((layer) =>
        limit(async () => {
          if (failure !== undefined) return;
          try {
            if (end.signal.aborted) throw abortedError();
            await this.#layer(folder, old, layer, end.signal);
          } catch (error) {
            failure ??= error;
            stop();
          }
        }),
      ),
    );
    this.#session.signal.removeEventListener("abort", stop);
    if (failure !== undefined) throw failure;
  }

  async #layer(
    folder: BlobFolder,
    old: ArchiveFiles | undefined,
    { descriptor, of }: { descriptor: Descriptor; of: Found },
    signal: AbortSignal,
  ): Promise<void> {
    const { digest, size } = descriptor;
    const name = `blobs/sha256/${hexOf(digest)}`;
    if (old !== undefined && (await old.size(name)) === size) {
      const chunks = old.stream(name, 0, size);
      if (await folder.copy(digest, size, chunks)) return;
    }
    const about = aboutOf(of.item);
    try {
      const source = { repository: of.reference, descriptor };
      const call = { signal, onRetry: this.#session.retryTeller(about) };
      const { bytes } = await folder.fetch(source, this.#session.client, call);
      this.#bytesFetched += bytes;
      this.#fetched.add(digest);
    } catch (error) {
      const cause = inLayer(error, descriptor);
      throw isTpullError(cause) && cause.code !== "ABORTED"
        ? inImage(cause, about.image, of.reference)
        : cause;
    }
  }

  #result(
    { item, resolved, config }: Found,
    have: ReadonlySet<DiffId>,
  ): BundleImageResult {
    return {
      reference: aboutOf(item).image,
      canonicalName: canonicalName(parseReference(item.text)),
      digest: resolved.digest,
      manifestDigest: resolved.manifestDigest,
      imageId: resolved.manifest.config.digest as string as ImageId,
      platform: formatPlatform(config),
      layers: resolved.manifest.layers.map(({ digest, size }, at) => {
        const diffId = config.diffIds[at] as DiffId;
        const source = have.has(diffId)
          ? "left-out"
          : this.#fetched.has(digest)
            ? "fetched"
            : "present";
        return { digest, diffId, size, source };
      }),
    };
  }
}

/** Of several platforms of a reference, the one that was asked for by the reference itself has the name. */
function bundled(found: readonly Found[]): BundledImage[] {
  return found.map(({ item, reference, resolved }) => {
    const asked = parseReference(item.text);
    const isKeeper =
      reference.digest === asked.digest && reference.tag === asked.tag;
    return {
      reference: asked,
      top: resolved.digest,
      manifestDigest: resolved.manifestDigest,
      manifest: resolved.manifest,
      isKeeper,
    };
  });
}
