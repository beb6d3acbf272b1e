/** Who brings what of several images: what they share is counted for the first. */
import type { ChainId, Digest } from "../../store/index.js";
import type { NeededLayer } from "./needed.js";
import type { PlannedSource } from "./types.js";

/** One image's part. */
export interface Share {
  /** Of the layers that it needs. */
  readonly sources: ReadonlyMap<ChainId, PlannedSource>;
  /** Of a layer's blob, what an interrupted pull has left here. */
  readonly keptBytes: ReadonlyMap<ChainId, number>;
  /** To be fetched for its layers. */
  readonly bytes: number;
  /** For blobs of layers. */
  readonly requests: number;
}

/**
 * Shares layers out in the order of the images.
 * @param images what each of them needs, base first
 * @param partials what is here of blobs
 * @returns a share for each image, and all layers that are to be stored, each once
 */
export function shareOut(
  images: readonly (readonly NeededLayer[])[],
  partials: readonly { readonly digest: Digest; readonly bytes: number }[],
): { shares: Share[]; layers: NeededLayer[] } {
  const kept = new Map(partials.map(({ digest, bytes }) => [digest, bytes]));
  const planned = new Map<ChainId, NeededLayer>();
  /** Contents that will be there when a later layer could be copied from them. */
  const contents = new Set<string>();
  const shares = images.map((needed): Share => {
    const sources = new Map<ChainId, PlannedSource>();
    const keptBytes = new Map<ChainId, number>();
    let bytes = 0;
    let requests = 0;
    for (const layer of needed) {
      const { chainId, digest, diffId, size, copyable } = layer;
      const content = `${diffId} ${digest}`;
      if (planned.has(chainId)) {
        sources.set(chainId, "shared");
        continue;
      }
      planned.set(chainId, layer);
      if (copyable || contents.has(content)) {
        sources.set(chainId, "copied");
        continue;
      }
      contents.add(content);
      sources.set(chainId, "fetched");
      const here = Math.min(size, kept.get(digest) ?? 0);
      if (here > 0) keptBytes.set(chainId, here);
      bytes += size - here;
      requests += 1;
    }
    return { sources, keptBytes, bytes, requests };
  });
  return { shares, layers: [...planned.values()] };
}
