/**
 * What a pull would do, without doing it: the registry is asked as a pull asks
 * it, for manifests and configs, and the data root is looked at. No lock is
 * taken and nothing is written.
 */
import {
  type Store,
  abortedError,
  isTpullError,
  listPartials,
  openStore,
} from "../../store/index.js";
import { defaultRoot } from "../default-root.js";
import { inImage } from "../image-error.js";
import { ItemRun } from "../item-run.js";
import { type Item, aboutOf, readSelection } from "../items.js";
import { type Requested, readRequests } from "../requests.js";
import {
  type Reference,
  parseReference,
} from "../../store/reference/reference.js";
import { parseRepository } from "../repository.js";
import { type RunOptions, RunSession } from "../run-session.js";
import {
  type SizedLayer,
  certainNeed,
  estimateNeed,
  exceeds,
  freeSpace,
} from "../space.js";
import { type Draft, draftImage } from "./draft.js";
import { type Share, shareOut } from "./share-out.js";
import type { Plan, PlannedDisk, PlannedImage } from "./types.js";

export type {
  Plan,
  PlannedDisk,
  PlannedImage,
  PlannedLayer,
  PlannedSource,
} from "./types.js";

export interface PlanOptions extends RunOptions {
  /** Data root to look at; the default is the command line's. It need not exist. */
  root?: string;
  /** As for a pull. */
  platform?: string | readonly string[];
  /** As for a pull. */
  allTags?: boolean;
}

/**
 * Says what `pullAll` with the same arguments would do now. To know it reads
 * manifests, which Docker Hub counts as pulls.
 * @throws TpullError only for what concerns all images: options, a root that
 *   cannot be read, `ABORTED`
 */
export async function plan(
  requests: readonly Requested[],
  options: PlanOptions = {},
): Promise<Plan> {
  const selection = readSelection(options);
  const wanted = readRequests(requests, selection);
  if (selection.allTags) {
    for (const { reference } of wanted) parseRepository(reference);
  }
  const store = await openStore(options.root ?? defaultRoot());
  await using session = new RunSession(options);
  const { client, signal, deadline, limits } = session;
  const work = async (item: Item): Promise<Draft> => {
    const about = aboutOf(item);
    let { reference } = item;
    try {
      reference ??= parseReference(item.text);
      const call = { signal, onRetry: session.retryTeller(about) };
      const context = { image: about.image, client, call };
      return await draftImage(item, reference, store, context);
    } catch (error) {
      throw named(deadline.explain(error, about.image), about.image, reference);
    }
  };
  const run = new ItemRun(
    {
      client,
      signal,
      deadline,
      emit: (event) => session.emit(event),
      retryTeller: (about) => session.retryTeller(about),
    },
    work,
  );
  const { results, failures } = await run.all(wanted);
  if (options.signal?.aborted) throw abortedError();
  return {
    ...together(results, store),
    failures,
    rateLimits: [...limits.all].map(([registry, limit]) => ({
      registry,
      ...limit,
    })),
  };
}

function named(
  error: unknown,
  image: string,
  reference: Reference | undefined,
): unknown {
  return isTpullError(error) ? inImage(error, image, reference) : error;
}

/** Adds up; what several images need is counted for the first. */
function together(
  drafts: readonly Draft[],
  store: Store,
): Omit<Plan, "failures" | "rateLimits"> {
  const { shares, layers } = shareOut(
    drafts.map(({ needed }) => needed),
    listPartials(store.root),
  );
  const images = drafts.map(({ image }, at): PlannedImage => {
    const { sources, keptBytes, bytes, requests } = shares[at] as Share;
    return {
      ...image,
      layers: image.layers.map((layer) => ({
        ...layer,
        source: sources.get(layer.chainId) ?? "present",
        ...(keptBytes.has(layer.chainId) && {
          keptBytes: keptBytes.get(layer.chainId) ?? 0,
        }),
      })),
      bytesToFetch: image.bytesToFetch + bytes,
      requests: image.requests + requests,
    };
  });
  const bytesByRegistry: Record<string, number> = {};
  for (const { registry, bytesToFetch } of images) {
    bytesByRegistry[registry] = (bytesByRegistry[registry] ?? 0) + bytesToFetch;
  }
  const all = images.flatMap(({ layers }) => layers);
  const count = (source: string): number =>
    new Set(
      all.flatMap((layer) => (layer.source === source ? layer.chainId : [])),
    ).size;
  return {
    images,
    layersPresent: count("present"),
    layersToFetch: count("fetched"),
    bytesToFetch: sum(images.map(({ bytesToFetch }) => bytesToFetch)),
    bytesByRegistry,
    requests: sum(images.map(({ requests }) => requests)),
    hubPulls: sum(images.map(({ hubPulls }) => hubPulls)),
    disk: planDisk(layers, store),
  };
}

function planDisk(layers: readonly SizedLayer[], store: Store): PlannedDisk {
  const free = freeSpace(store);
  const estimate = estimateNeed(layers);
  const certain = certainNeed(layers, free);
  return {
    root: store.root,
    estimatedBytes: estimate.bytes,
    estimatedInodes: estimate.inodes,
    certainBytes: certain.bytes,
    certainInodes: certain.inodes,
    freeBytes: free.bytes,
    ...(free.inodes === undefined ? {} : { freeInodes: free.inodes }),
    fits: exceeds(certain, free)
      ? "no"
      : exceeds(estimate, free)
        ? "tight"
        : "yes",
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
