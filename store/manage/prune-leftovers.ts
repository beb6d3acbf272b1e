/** `tpull prune --partial`: what interrupted pulls left goes, however new. */
import { existsSync } from "node:fs";
import { attempt } from "../io-error.js";
import { listPartials, type Partial, removePartials } from "../partials.js";
import { hideUnused } from "../retract.js";
import type { Store } from "../store.js";
import { lockWatch } from "../survey/held.js";
import { sizeIn } from "./carry-out.js";
import { type Leftover, stagedLeftovers } from "./leftovers.js";
import { isThere, type ManageOptions, managing } from "./managing.js";
import { overdue, type Pruned } from "./prune.js";
import { hideUnfinished } from "./unfinished.js";

export interface PruneLeftoversOptions extends ManageOptions {
  /** Only what was left before this, in milliseconds since 1970. Default: all. */
  readonly before?: number | undefined;
  /** Only tells what would go. Takes no lock and changes nothing. Default false. */
  readonly dryRun?: boolean | undefined;
}

/**
 * Removes what interrupted pulls left for the next pull of the same image: parts
 * of blobs, unpacked layers that wait for others, and layers in the store that no
 * image has yet. What a running tpull works on stays. Removals that were
 * interrupted are finished, dockerd's among them.
 * @returns no images, and as {@link Pruned.leftovers} what went
 * @throws TpullError what refuses the root as a whole, unless it is a dry run:
 *   `ROOT_IN_USE_BY_DOCKERD` and others of {@link Store.beginWrite},
 *   `REPOSITORIES_INVALID`, `ABORTED`, `ROOT_NOT_WRITABLE`, `STORE_IO_FAILED`
 */
export async function pruneLeftovers(
  store: Store,
  options: PruneLeftoversOptions = {},
): Promise<Pruned> {
  const { layout, root } = store;
  const { before = Number.POSITIVE_INFINITY, dryRun = false } = options;
  if (!isThere(layout)) return pruned([]);
  if (dryRun) return await forecast(store, before);
  const staged = await attempt(
    `look at what pulls left in ${root}`,
    () => stagedLeftovers(layout, before),
    "read",
  );
  return await managing(
    layout,
    options,
    `remove what pulls left in ${root}`,
    async (session, outgoing) => {
      const swept = staged.filter(({ directory }) => !existsSync(directory));
      const blobs = await removePartials(
        root,
        ({ modified }) => modified < before,
      );
      await hideUnused(session, (_, since) => since < before, outgoing);
      await hideUnfinished(session, outgoing);
      const hidden = outgoing.map(({ chainId, paths }) => ({
        kind: "layer" as const,
        chainId,
        bytes: sizeIn(paths.writeSet),
      }));
      const leftovers = [
        ...blobs.map(asBlob),
        ...swept.map(asLayer),
        ...hidden,
      ];
      return { result: pruned(leftovers), changed: leftovers.length > 0 };
    },
    before,
  );
}

/** What {@link pruneLeftovers} would come to now. */
async function forecast(
  { layout, root }: Store,
  before: number,
): Promise<Pruned> {
  const look = async (): Promise<Pruned> => {
    const isFree = lockWatch();
    const blobs = listPartials(root).filter(
      ({ digest, modified }) =>
        modified < before && isFree(layout.partialBlob(digest)),
    );
    const staged = stagedLeftovers(layout, before).filter(({ directory }) =>
      isFree(directory),
    );
    const layers = await overdue(layout, (_, since) => since < before);
    return pruned([...blobs.map(asBlob), ...staged.map(asLayer), ...layers]);
  };
  return await attempt(`read the data root ${root}`, look, "read");
}

function pruned(leftovers: readonly Leftover[]): Pruned {
  const freedBytes = leftovers.reduce((sum, { bytes }) => sum + bytes, 0);
  return { images: [], leftovers, freedBytes, damage: [] };
}

function asBlob({ digest, bytes }: Partial): Leftover {
  return { kind: "blob", digest, bytes };
}

function asLayer({ chainId, bytes }: Leftover & { kind: "layer" }): Leftover {
  return { kind: "layer", chainId, bytes };
}
