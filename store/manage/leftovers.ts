/** What pulls left in a store beside images. */
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { completeSince } from "../complete.js";
import type { ChainId, Digest } from "../digest.js";
import { isAbsent } from "../io-error.js";
import type { Layout } from "../layout.js";
import { stagedLayers } from "../staging.js";

/** Something that waits for its image, or is kept beside it. */
export type Leftover =
  /** A part of a blob, as it came over the network. */
  | { readonly kind: "blob"; readonly digest: Digest; readonly bytes: number }
  /** A whole blob, as it was kept beside the layer. */
  | {
      readonly kind: "kept-blob";
      readonly digest: Digest;
      readonly bytes: number;
    }
  /** An unpacked layer that no image has, in the store or about to be. */
  | {
      readonly kind: "layer";
      readonly chainId: ChainId;
      readonly bytes: number;
    };

/**
 * Layers that were unpacked, whole or not, and are not in the store.
 * @param before only those that were left before this; milliseconds since 1970
 */
export function stagedLeftovers(
  layout: Layout,
  before: number,
): StagedLeftover[] {
  return [layout.staging, layout.overlayStaging].flatMap((base) =>
    stagedLayers(layout, base).flatMap(({ chainId, paths }) => {
      const since = completeSince(paths);
      if (since !== undefined && since >= before) return [];
      const { directory } = paths;
      const bytes = bytesBelow(directory);
      return [{ kind: "layer", chainId, bytes, directory } as const];
    }),
  );
}

export type StagedLeftover = Leftover & {
  readonly kind: "layer";
  /** Carries the lock of whoever writes it. */
  readonly directory: string;
};

/** Bytes of all files in a tree; 0 for one that goes away meanwhile. */
function bytesBelow(path: string): number {
  try {
    let bytes = 0;
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const child = join(path, entry.name);
      if (entry.isDirectory()) bytes += bytesBelow(child);
      else if (entry.isFile()) bytes += lstatSync(child).size;
    }
    return bytes;
  } catch (error) {
    if (isAbsent(error)) return 0;
    throw error;
  }
}
