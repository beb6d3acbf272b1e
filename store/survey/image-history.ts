/** The steps that made an image. */
import type { ImageId } from "../digest.js";
import { TpullError } from "../errors.js";
import type { Store } from "../store.js";
import type { Damage } from "./damage.js";
import { findImage } from "./find-image.js";
import { formatRfc3339Nano } from "./go-time.js";
import { type StoredImage, type Survey, surveyed } from "./survey.js";

/** One step, which made a layer or only changed the config. */
export interface HistoryStep {
  /** The image as it was after this step, where it is in the root: the image itself for the last step. */
  readonly id?: ImageId;
  /** RFC 3339, up to nanoseconds. Left out where the config does not say. */
  readonly created?: string;
  /** The command, as the builder wrote it down. */
  readonly createdBy: string;
  /** Bytes of the files of its layer; 0 for a step without one. */
  readonly size: number;
  readonly comment: string;
  /** Whether there is no layer of it. */
  readonly emptyLayer: boolean;
  /** Familiar `name:tag` references of the image `id`, in docker's order. */
  readonly tags: readonly string[];
}

/**
 * Lists the steps that an image's config tells of, the last one first, as
 * `docker history` does. (moby, daemon/images/image_history.go.)
 * @param name a reference, an image ID, or the beginning of one
 * @throws TpullError `IMAGE_NOT_FOUND`, `IMAGE_ID_AMBIGUOUS`, `IMAGE_DAMAGED`,
 *   `HISTORY_INVALID` where the config tells of more layers than it has,
 *   `ROOT_NOT_READABLE`, `STORE_IO_FAILED`
 */
export async function imageHistory(
  store: Store,
  name: string,
): Promise<{
  readonly steps: readonly HistoryStep[];
  /** What else was found damaged on the way. */
  readonly damage: readonly Damage[];
}> {
  const { result, damage } = await surveyed(store, (survey) =>
    historyOf(survey, name),
  );
  return { steps: result, damage };
}

/** The same from a look that is being taken. */
export function historyOf(survey: Survey, name: string): HistoryStep[] {
  const { image } = findImage(survey, name);
  const { history } = image.config.image;
  const sizes = sizesOf(image);
  const after = imagesAfterSteps(survey, image);
  return history.toReversed().map((step, back) => {
    const made = after[back];
    return {
      ...(made && { id: made.id }),
      ...(step.created && { created: formatRfc3339Nano(step.created) }),
      createdBy: step.createdBy,
      size: sizes[history.length - 1 - back] ?? 0,
      comment: step.comment,
      emptyLayer: step.emptyLayer,
      tags: made?.tags ?? [],
    };
  });
}

/** The size of each step's layer, the first step first. */
function sizesOf({ id, tags, config, layers }: StoredImage): number[] {
  let next = 0;
  return config.image.history.map(({ emptyLayer }) => {
    if (emptyLayer) return 0;
    const layer = layers[next];
    next += 1;
    if (layer !== undefined) return layer.size;
    throw new TpullError(
      "HISTORY_INVALID",
      `the config of ${tags[0] ?? id} tells of more steps with a layer than it has layers`,
      { hint: "docker does not show its history either." },
    );
  });
}

/**
 * The image and those it was built from, as far as docker noted them and they
 * are here: for each step the image after it, the last step first.
 */
function imagesAfterSteps(survey: Survey, image: StoredImage): StoredImage[] {
  const found = [image];
  const steps = image.config.image.history.length;
  let parent = image.parent;
  while (parent !== undefined && found.length < steps) {
    const next = survey.image(parent);
    if (next === undefined) break;
    found.push(next);
    parent = next.parent;
  }
  return found;
}
