/** `tpull rmi`: names and images go, as `docker rmi` removes them. */
import { isTpullError, type TpullError } from "../errors.js";
import type { Store } from "../store.js";
import { Survey } from "../survey/survey.js";
import { bytesOf, carryOut, whatWent } from "./carry-out.js";
import { ImageTable } from "./image-table.js";
import { isThere, type ManageOptions, managing } from "./managing.js";
import { type Removal, type RemovalOptions, removeNamed } from "./removal.js";

export interface RemoveImagesOptions extends RemovalOptions, ManageOptions {}

/** What the removal of one of several images came to. */
export interface NamedRemoval extends Removal {
  /** As it was asked for. */
  readonly name: string;
}

export interface FailedRemoval {
  /** As it was asked for. */
  readonly name: string;
  readonly error: TpullError;
}

export interface RemovedImages {
  /** In the order in which they were asked for. */
  readonly removed: readonly NamedRemoval[];
  readonly failed: readonly FailedRemoval[];
  /** Bytes of the files of the layers that went, as docker counts them. */
  readonly freedBytes: number;
}

/**
 * Removes names and images, as `docker rmi` does: a name that is not the last
 * one of its image is only taken away; with the last one goes the image, and
 * with it the layers that no other image, container or build needs and no
 * running tpull relies on. Damaged images can be removed like others, and so
 * can names whose image is not there.
 *
 * Names and configs go durably before layers do. After a crash in between, the
 * next session that ends in the root finishes the removal.
 * @param names name[:tag], name@digest, or image IDs or the beginnings of them.
 *   One that cannot be removed does not keep the others from it: see
 *   {@link RemovedImages.failed}, with the codes `IMAGE_NOT_FOUND`,
 *   `IMAGE_ID_AMBIGUOUS`, `IMAGE_IN_USE`, `IMAGE_HAS_CHILDREN`, `IMAGE_HAS_NAMES`
 * @throws TpullError what refuses the root as a whole: `ROOT_IN_USE_BY_DOCKERD`
 *   and others of {@link Store.beginWrite}, `REPOSITORIES_INVALID`, `ABORTED`,
 *   `ROOT_NOT_WRITABLE`, `DISK_FULL`, `STORE_IO_FAILED`
 */
export async function removeImages(
  store: Store,
  names: readonly string[],
  options: RemoveImagesOptions = {},
): Promise<RemovedImages> {
  const { layout, root } = store;
  if (!isThere(layout))
    return decide(new ImageTable(new Survey(layout)), names, options);
  return await managing(
    layout,
    options,
    `remove images from ${root}`,
    async (session, outgoing) => {
      const table = new ImageTable(new Survey(layout));
      const decided = decide(table, names, options);
      const { changes } = table;
      await carryOut(session, changes, outgoing);
      const went = whatWent(changes, outgoing);
      const removed = decided.removed.map((removal) => ({
        ...removal,
        deleted: removal.deleted.filter((id) => went.has(id)),
      }));
      const freedBytes = bytesOf(outgoing);
      const changed = changes.names !== undefined || changes.images.length > 0;
      return { result: { ...decided, removed, freedBytes }, changed };
    },
  );
}

function decide(
  table: ImageTable,
  names: readonly string[],
  options: RemovalOptions,
): RemovedImages {
  const removed: NamedRemoval[] = [];
  const failed: FailedRemoval[] = [];
  for (const name of names) {
    try {
      removed.push({ name, ...removeNamed(table, name, options) });
    } catch (error) {
      if (!isTpullError(error)) throw error;
      failed.push({ name, error });
    }
  }
  return { removed, failed, freedBytes: 0 };
}
