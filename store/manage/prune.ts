/** `tpull prune`: what nobody uses goes. */
import { join } from "node:path";
import type { ChainId } from "../digest.js";
import type { Damage } from "../survey/damage.js";
import { lockWatch } from "../survey/held.js";
import { Survey, surveyed } from "../survey/survey.js";
import type { Layout } from "../layout.js";
import { type IsOver, overdueLayers } from "../retract.js";
import type { StagedClaim } from "../staging.js";
import type { Store } from "../store.js";
import { bytesOf, carryOut, isDue, sizeIn, whatWent } from "./carry-out.js";
import { ImageTable } from "./image-table.js";
import type { Leftover } from "./leftovers.js";
import { isThere, type ManageOptions, managing } from "./managing.js";
import { removeUnusedBlobs, unusedBlobsNow } from "./prune-blobs.js";
import { type PruneFilter, pruneImages } from "./prune-plan.js";
import type { Removal } from "./removal.js";
import { hideUnfinished, unfinishedRemovals } from "./unfinished.js";

export interface PruneOptions extends PruneFilter, ManageOptions {
  /** Only tells what would go. Takes no lock and changes nothing. Default false. */
  readonly dryRun?: boolean | undefined;
}

/** What a prune removed, or would remove. */
export interface Pruned {
  /** Image by image, those that were tagged or filed longest ago first. */
  readonly images: readonly Removal[];
  /** What goes beside images: layers and blobs that waited for an image, and kept blobs that none uses. */
  readonly leftovers: readonly Leftover[];
  /** Bytes of the files of all layers and blobs that went, as docker counts them. */
  readonly freedBytes: number;
  /** Images that were looked at and are not whole: they stay. */
  readonly damage: readonly Damage[];
}

const NOTHING: Pruned = {
  images: [],
  leftovers: [],
  freedBytes: 0,
  damage: [],
};

/**
 * Removes images that nobody uses, as `docker image prune` does, and finishes
 * removals that were interrupted, dockerd's among them. Layers go that no other
 * image, container or build needs and no running tpull relies on, and kept
 * blobs that no image uses (with `until`: and that were not used since).
 *
 * It differs from dockerd's where that takes away all names but one of an image
 * that a container uses: here such an image keeps its names.
 * @throws TpullError what refuses the root as a whole, unless it is a dry run:
 *   `ROOT_IN_USE_BY_DOCKERD` and others of {@link Store.beginWrite},
 *   `ABORTED`, `ROOT_NOT_WRITABLE`, `DISK_FULL`, `STORE_IO_FAILED`; and
 *   `REPOSITORIES_INVALID`: without the names nobody knows what is used
 */
export async function prune(
  store: Store,
  options: PruneOptions = {},
): Promise<Pruned> {
  const { layout, root } = store;
  if (!isThere(layout)) return NOTHING;
  if (options.dryRun) return await forecast(store, options);
  return await managing(
    layout,
    options,
    `remove images from ${root}`,
    async (session, outgoing) => {
      const table = new ImageTable(new Survey(layout));
      const decided = pruneImages(table, options);
      const { changes } = table;
      await carryOut(session, changes, outgoing);
      await hideUnfinished(session, outgoing);
      const went = whatWent(changes, outgoing);
      const images = decided.map(({ untagged, deleted }) => ({
        untagged,
        deleted: deleted.filter((id) => went.has(id)),
      }));
      const blobs = removeUnusedBlobs(table, options.until);
      const leftovers = [...beside(images, outgoing), ...blobs];
      const freedBytes = bytesOf(outgoing) + sum(blobs.map(bytesIn));
      const { damage } = table.survey;
      const changed =
        changes.names !== undefined ||
        changes.images.length > 0 ||
        blobs.length > 0;
      return { result: { images, leftovers, freedBytes, damage }, changed };
    },
  );
}

/** Layers that went although no image of this prune had them. */
function beside(
  images: readonly Removal[],
  outgoing: readonly StagedClaim[],
): Leftover[] {
  const told = new Set<string>(images.flatMap(({ deleted }) => deleted));
  return outgoing
    .filter(({ chainId }) => !told.has(chainId))
    .map(({ chainId, paths }) => ({
      kind: "layer",
      chainId,
      bytes: sizeIn(paths.writeSet),
    }));
}

/** What {@link prune} would come to now. */
async function forecast(store: Store, options: PruneOptions): Promise<Pruned> {
  const { layout } = store;
  const { result, damage } = await surveyed(store, (survey) => {
    const table = new ImageTable(survey, lockWatch());
    const images = pruneImages(table, options);
    const deleted = images.flatMap((removal) => removal.deleted);
    const sizes = deleted.map((id) => table.users.sizeOf(id as ChainId));
    const blobs = unusedBlobsNow(table, options.until);
    return { images, bytes: sum(sizes), blobs };
  });
  const leftovers = [...(await overdue(layout, isDue())), ...result.blobs];
  const bytes = result.bytes + sum(leftovers.map(bytesIn));
  return { images: result.images, leftovers, freedBytes: bytes, damage };
}

/** Layers without an image whose time is over, dockerd's among them. */
export async function overdue(
  layout: Layout,
  isOver: IsOver,
): Promise<Leftover[]> {
  const noted = await overdueLayers(layout, isOver);
  return [
    ...noted.map((chainId) => ({ chainId, entry: layout.layer(chainId) })),
    ...unfinishedRemovals(layout).map(({ chainId, name }) => ({
      chainId,
      entry: join(layout.layers, name),
    })),
  ].map(({ chainId, entry }) => ({
    kind: "layer",
    chainId,
    bytes: sizeIn(entry),
  }));
}

function bytesIn({ bytes }: Leftover): number {
  return bytes;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
