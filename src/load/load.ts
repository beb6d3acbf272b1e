/**
 * The load: an archive of images in, images in a docker data root out, by the
 * same steps as a pull. All of it is verified before the first name is given:
 * an archive of which something is wrong changes nothing.
 */
import { setMaxListeners } from "node:events";
import pLimit from "p-limit";
import {
  type ChainId,
  type Digest,
  TpullError,
  abortedError,
  chainIds,
  isTpullError,
} from "../../store/index.js";
import {
  type Reference,
  canonicalName,
  parseReference,
} from "../../store/reference/reference.js";
import { shownReference } from "../../store/reference/printable.js";
import {
  invalidArchive,
  missingInArchive,
  namingArchive,
  wrongSize,
} from "../archive/archive-error.js";
import { ArchiveBlobs, ArchiveClient } from "../archive/client.js";
import type { ArchivedImage } from "../archive/archived-image.js";
import { archivedImages } from "../archive/images.js";
import {
  type ArchiveInput,
  archiveName,
  openArchive,
} from "../archive/open.js";
import type { FailedPull, PullResult } from "../events.js";
import {
  type ImageConfig,
  readImageConfig,
  requireLayerCount,
} from "../image-config.js";
import { inImage } from "../image-error.js";
import { aboutOf } from "../items.js";
import { type PullOptions, PullSession } from "../pull-session.js";
import type { LayerOutcome } from "../layer-request.js";
import { type ResolvedImage, resolveImage } from "../resolve-image.js";
import { ImageLoad, type LoadItem, inArchiveWords } from "./image-load.js";
import { itemsOf } from "./load-items.js";

export interface LoadOptions extends Pick<
  PullOptions,
  "root" | "platform" | "concurrency" | "signal" | "timeoutMs" | "onEvent"
> {
  /** Lets a name that another image has in the root go over to the one of the archive. */
  readonly retag?: boolean;
  /** A name for the only image of the archive, beside those that it has; the tag `latest` where it has none. */
  readonly as?: string;
}

export interface LoadResult {
  /** In the order of the archive. Empty unless all of it could be loaded. */
  results: PullResult[];
  failures: FailedPull[];
}

/** Images whose layers are brought at the same time. */
const IMAGES_AT_ONCE = 4;
/** Of all manifests and indexes together, which are held until the last name is given. */
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

/**
 * Loads all images of an archive: an OCI image layout or docker's archive of
 * any age, in a directory, a tar, or a tar compressed with gzip or zstd.
 * @param input a path, or the bytes of an archive
 * @throws TpullError for what concerns the whole: `ARCHIVE_*`, `OPTION_INVALID`,
 *   a root that cannot be written, `ABORTED`, `NOT_ENOUGH_SPACE`. What is wrong
 *   with one image is a failure of it, and then no image is loaded
 */
export async function loadImages(
  input: ArchiveInput,
  options: LoadOptions = {},
): Promise<LoadResult> {
  const begun = performance.now();
  const name = options.as === undefined ? undefined : givenName(options.as);
  const client = new ArchiveClient();
  await using session = await PullSession.open(options, client);
  const run = new LoadRun(session, client, options.retag === true);
  try {
    await run.open(input);
    if (name !== undefined) run.nameOnly(name);
  } catch (error) {
    const cause = session.deadline.explain(error, "the archive");
    throw namingArchive(
      isTpullError(cause) ? inArchiveWords(cause) : cause,
      archiveName(input),
    );
  }
  const { results, failures } = await run.load();
  await session.close();
  const interrupted = failures.some(({ error }) => error.code === "ABORTED");
  if (interrupted && options.signal?.aborted) throw abortedError();
  session.emit({
    type: "summary",
    pulled: results.length,
    failed: failures.length,
    bytesFetched: 0,
    durationMs: Math.round(performance.now() - begun),
    results,
    failures,
  });
  return { results, failures };
}

/** An image that is known to be whole as far as its manifest and config say. */
interface Known {
  readonly item: LoadItem;
  readonly image: ImageLoad;
  readonly resolved: ResolvedImage;
  readonly config: ImageConfig;
}

class LoadRun {
  readonly #session: PullSession;
  readonly #client: ArchiveClient;
  readonly #retag: boolean;
  /** Ends the work for all images when one has failed. */
  readonly #end = new AbortController();
  readonly #failures: FailedPull[] = [];
  /** Bytes of the manifests and indexes that are held. */
  #kept = 0;
  readonly #configs = new Map<Digest, ImageConfig>();
  #images: readonly ArchivedImage[] = [];

  constructor(session: PullSession, client: ArchiveClient, retag: boolean) {
    this.#session = session;
    this.#client = client;
    this.#retag = retag;
    // Every layer of every image listens.
    setMaxListeners(0, this.#end.signal);
    const stop = (): void => this.#end.abort();
    session.signal.addEventListener("abort", stop, { once: true });
    if (session.signal.aborted) stop();
  }

  async open(input: ArchiveInput): Promise<void> {
    const { store, signal } = this.#session;
    const files = await openArchive(input, {
      temporaryFile: async () => (await this.#session.writer()).temporaryFile(),
      temporaryFolder: store.root,
      elsewhere: "--root names another data root.",
      signal,
    });
    const blobs = new ArchiveBlobs(files);
    this.#client.open(blobs);
    this.#images = await archivedImages(blobs);
  }

  /** @throws TpullError `OPTION_INVALID` for an archive of several images */
  nameOnly(name: Reference): void {
    const [only, ...others] = this.#images;
    if (only === undefined) return;
    if (others.length === 0) {
      this.#images = [{ ...only, names: [name, ...only.names] }];
      return;
    }
    throw new TpullError(
      "OPTION_INVALID",
      `one name cannot be that of ${this.#images.length} images, which the archive has`,
      { hint: "Load it without --as, and give names with 'tpull tag'." },
    );
  }

  /** Looks at all, brings the layers of all, and then gives all their names. */
  async load(): Promise<LoadResult> {
    const items = await this.#items();
    this.#session.expectLayers();
    const known = await this.#each(items, (item) => this.#look(item));
    const brought = await this.#each(known, async (one) => ({
      ...one,
      layers: await one.image.bringLayers(one.resolved, one.config),
    }));
    const results = await this.#publish(brought);
    return { results, failures: this.#failures };
  }

  async #items(): Promise<LoadItem[]> {
    const items: LoadItem[] = [];
    for (const image of this.#images) {
      const text = textOf(image);
      try {
        const found = await itemsOf(image, text, this.#session, this.#client);
        this.#keep(found[0]?.top?.bytes.length ?? 0);
        items.push(...found);
      } catch (error) {
        this.#fail(error, { text });
      }
    }
    return this.#failures.length > 0 ? [] : items;
  }

  /** Manifest, config and platform; and that no layer is missing. */
  async #look(item: LoadItem): Promise<Known> {
    const { text } = item;
    const options = { signal: this.#end.signal, retag: this.#retag };
    const image = new ImageLoad(item, this.#session, options);
    const resolved = await resolveImage(item.reference, {
      image: text,
      client: this.#client,
      platform: item.platform,
      call: image.call,
      top: item.top,
      entry: item.entry,
    });
    if (resolved.digest !== resolved.manifestDigest) {
      this.#keep(resolved.manifestBytes.length);
    }
    const config = await this.#config(image, resolved);
    requireLayerCount(config, resolved.manifest.layers.length);
    image.checkPlatform(config, resolved);
    await this.#requireLayers(text, resolved, config);
    return { item, image, resolved, config };
  }

  #keep(bytes: number): void {
    this.#kept += bytes;
    if (this.#kept <= MAX_DOCUMENT_BYTES) return;
    throw invalidArchive("has more and longer manifests than any of images");
  }

  /** Its bytes are read again when it is stored: all images' at once could be more than the memory. */
  async #config(
    image: ImageLoad,
    resolved: ResolvedImage,
  ): Promise<ImageConfig> {
    const { digest } = resolved.manifest.config;
    const known = this.#configs.get(digest);
    if (known !== undefined) return known;
    const config = readImageConfig(await image.config(resolved));
    this.#configs.set(digest, config);
    return config;
  }

  /** Each layer is in the archive, or the store has it. */
  async #requireLayers(
    text: string,
    { manifest }: ResolvedImage,
    config: ImageConfig,
  ): Promise<void> {
    const { store } = this.#session;
    const chain = chainIds(config.diffIds);
    const missing: Digest[] = [];
    for (const [at, { digest, size }] of manifest.layers.entries()) {
      const found = await this.#client.blobs.find(digest);
      if (found !== undefined) {
        if (found.size === size) continue;
        throw wrongSize(digest, size, found.size);
      }
      const diffId = config.diffIds[at] as (typeof config.diffIds)[number];
      const isStored =
        (await store.layer(chain[at] as ChainId)) !== undefined ||
        (await store.chainsOf(diffId)).length > 0;
      if (isStored) this.#client.noteLacking(digest);
      else missing.push(digest);
    }
    if (missing.length === 0) return;
    const { isCutShort } = this.#client.blobs.files;
    throw missingInArchive(text, missing, "the data root", isCutShort);
  }

  async #publish(
    brought: readonly (Known & { readonly layers: LayerOutcome[] })[],
  ): Promise<PullResult[]> {
    const results: PullResult[] = [];
    for (const { item, image, resolved, config, layers } of brought) {
      try {
        const bytes = await image.config(resolved);
        const status = await image.publish(resolved, layers, bytes);
        results.push(
          image.done(image.result(resolved, config, layers, status)),
        );
      } catch (error) {
        image.failed(asTpullError(error));
        this.#fail(error, item);
      }
    }
    return results;
  }

  /** Does the work for each, a few at a time; nothing is left of any if one fails. */
  async #each<One extends LoadItem | Known, Result>(
    all: readonly One[],
    work: (one: One) => Promise<Result>,
  ): Promise<Result[]> {
    const limit = pLimit(IMAGES_AT_ONCE);
    const settled = await Promise.allSettled(
      all.map((one) =>
        limit(async () => {
          try {
            if (this.#end.signal.aborted) throw abortedError();
            return await work(one);
          } catch (error) {
            this.#end.abort();
            throw error;
          }
        }),
      ),
    );
    const done: Result[] = [];
    let cause: unknown;
    for (const outcome of settled) {
      if (outcome.status === "fulfilled") done.push(outcome.value);
      else if (cause === undefined || isAborted(cause)) cause = outcome.reason;
    }
    if (cause === undefined) return done;
    // Layers that are whole stay for the next try only where this machine was the reason.
    for (const one of all) {
      if ("image" in one) one.image.failed(asTpullError(cause));
    }
    for (const [at, outcome] of settled.entries()) {
      if (outcome.status === "fulfilled") continue;
      if (isAborted(outcome.reason) && !isAborted(cause)) continue;
      const one = all[at] as One;
      this.#fail(outcome.reason, "item" in one ? one.item : one);
    }
    return [];
  }

  #fail(error: unknown, item: Pick<LoadItem, "text" | "target">): void {
    const about = aboutOf(item);
    const cause = this.#session.deadline.explain(error, about.image);
    const named = inImage(
      inArchiveWords(asTpullError(cause)),
      about.image,
      undefined,
    ).toJSON();
    const message = named.message.startsWith(about.image)
      ? named.message
      : `${about.image}: ${named.message}`;
    const failure = { ...named, message };
    this.#session.emit({ type: "error", ...about, error: failure });
    this.#failures.push({
      reference: about.image,
      ...(about.target === undefined ? {} : { target: about.target }),
      error: failure,
    });
  }
}

/** @throws what is no TpullError: a defect */
function asTpullError(error: unknown): TpullError {
  if (isTpullError(error)) return error;
  throw error;
}

function isAborted(error: unknown): boolean {
  return isTpullError(error) && error.code === "ABORTED";
}

/** @throws TpullError `REFERENCE_INVALID`, `OPTION_INVALID` */
function givenName(text: string): Reference {
  const reference = parseReference(text);
  if (reference.digest === undefined) return reference;
  throw new TpullError(
    "OPTION_INVALID",
    `${shownReference(text)} has a digest, which is not for us to give: name it by a tag`,
  );
}

/** What an image is called in events and messages. */
function textOf({ names, config, digest }: ArchivedImage): string {
  const [first] = names;
  return first === undefined ? (config ?? digest) : shortest(first);
}

function shortest(reference: Reference): string {
  return canonicalName(reference).replace(/^docker\.io\/(library\/)?/, "");
}
