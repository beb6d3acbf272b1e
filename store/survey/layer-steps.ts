/** From an image's history to its layers: which step made which of them. */
import { isObject, type StoredConfig, text } from "./image-config.js";

/** A step of an image's history that made a layer. */
export interface LayerStep {
  /** The command, as the builder noted it; may be empty. */
  readonly createdBy: string;
  /** RFC 3339; undefined where it is not noted. */
  readonly created: string | undefined;
  readonly comment: string | undefined;
}

/**
 * The step behind each layer, base first: the steps that made a layer are in the
 * order of the layers (OCI image-spec, config, `history`). Undefined for layers
 * beyond the history.
 */
export function layerSteps({
  json,
  diffIds,
}: StoredConfig): (LayerStep | undefined)[] {
  const history: unknown = json["history"];
  const steps = Array.isArray(history)
    ? (history as unknown[])
        .filter(isObject)
        .filter((step) => step["empty_layer"] !== true)
    : [];
  return diffIds.map((_, at) => {
    const step = steps[at];
    return (
      step && {
        createdBy: text(step, "created_by"),
        created: text(step, "created") || undefined,
        comment: text(step, "comment") || undefined,
      }
    );
  });
}
