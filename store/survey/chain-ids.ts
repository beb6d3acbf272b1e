/** Chain IDs, each computed once: images that share their base share most of them. */
import { type ChainId, chainId, type DiffId } from "../digest.js";

/** What is on top of a layer. */
interface Node {
  readonly id: ChainId | undefined;
  readonly above: Map<DiffId, Node>;
}

export class ChainIds {
  readonly #base: Node = { id: undefined, above: new Map() };

  /** The chain IDs of a whole image, base first. */
  of(diffIds: readonly DiffId[]): ChainId[] {
    let below = this.#base;
    return diffIds.map((diffId) => {
      let node = below.above.get(diffId);
      if (node === undefined) {
        node = { id: chainId(below.id, diffId), above: new Map() };
        below.above.set(diffId, node);
      }
      below = node;
      return node.id as ChainId;
    });
  }
}
