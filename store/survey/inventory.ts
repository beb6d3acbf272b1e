/** The layers that a store has, for others who bring images to it. */
import { type ChainId, type DiffId, isDigest } from "../digest.js";
import { readNames } from "../read.js";
import type { Store } from "../store.js";
import { surveyed } from "./survey.js";

export interface Inventory {
  /** Of this form. */
  readonly inventory: 1;
  /** Of every layer that a dockerd would load, under whatever parent it lies; sorted. */
  readonly diffIds: readonly DiffId[];
}

/**
 * Lists the layers of a store by their diff IDs: an archive for it may leave
 * them out. Takes no lock.
 * @throws TpullError `ROOT_NOT_READABLE`, `STORE_IO_FAILED`
 */
export async function inventory(store: Store): Promise<Inventory> {
  const { result } = await surveyed(store, (survey) => {
    const found = new Set<DiffId>();
    for (const name of readNames(survey.layout.layers)) {
      const chainId = `sha256:${name}`;
      if (!isDigest(chainId)) continue;
      const layer = survey.layer(chainId as string as ChainId);
      if (layer !== undefined) found.add(layer.diffId);
    }
    return [...found].sort();
  });
  return { inventory: 1, diffIds: result };
}
