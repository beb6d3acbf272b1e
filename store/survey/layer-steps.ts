/** From an image's history to its layers: which step made which of them. */
import { formatRfc3339Nano } from "./go-time.js";
import type { StoredConfig } from "./image-config.js";

/** A step of an image's history that made a layer. */
export interface LayerStep {
  /** The command, as the builder noted it; may be empty. */
  readonly createdBy: string;
  /** RFC 3339; undefined where it is not noted. */
  readonly created: string | undefined;
  readonly comment: string;
}

/**
 * The step behind each layer, base first: the steps that made a layer are in the
 * order of the layers (OCI image-spec, config, `history`). Undefined for layers
 * beyond the history.
 */
export function layerSteps({
  image: { history },
  diffIds,
}: StoredConfig): (LayerStep | undefined)[] {
  const steps = history.filter(({ emptyLayer }) => !emptyLayer);
  return diffIds.map((_, at) => {
    const step = steps[at];
    if (step === undefined) return undefined;
    const { created, createdBy, comment } = step;
    return {
      createdBy,
      created: created && formatRfc3339Nano(created),
      comment,
    };
  });
}
