/** What is wrong with a part of a store, found in passing while the rest is read. */
import type { ImageId } from "../digest.js";

/**
 * An image (or a name) that a dockerd would not show. `CONFIG_MISSING`: a name
 * stands for an image whose config is not there. `CONFIG_DAMAGED`: the config
 * does not have the hash it is filed under, or is none. `LAYER_MISSING`: a layer
 * cannot be read. `REPOSITORIES_DAMAGED`: the file of all names is malformed.
 */
export interface Damage {
  readonly code:
    | "CONFIG_MISSING"
    | "CONFIG_DAMAGED"
    | "LAYER_MISSING"
    | "REPOSITORIES_DAMAGED";
  /** For people: what is wrong, with the image's names or short ID in front. */
  readonly message: string;
  readonly imageId?: ImageId;
  /** Familiar references that lead to it. */
  readonly names: readonly string[];
}
