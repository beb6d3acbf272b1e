/** Why an image or a name stays, in dockerd's words. */
import { type ImageId, shortId } from "../digest.js";
import { TpullError } from "../errors.js";
import { printable } from "../reference/printable.js";
import type { Container } from "./containers.js";

/** First 12 digits, as docker shows the IDs of containers. */
const SHOWN = 12;

/** A container was made from the image whose last name is to go. */
export function nameInUse(
  name: string,
  imageId: ImageId,
  { id }: Container,
): TpullError {
  const container = id.slice(0, SHOWN);
  return new TpullError(
    "IMAGE_IN_USE",
    `conflict: unable to remove repository reference "${printable(name)}" (must force) - container ${container} is using its referenced image ${shortId(imageId)}`,
    {
      hint: "Remove the container first. With --force the name goes, and what the container needs stays.",
      details: { image: name, container: id },
    },
  );
}

/** A container was made from the image. */
export function imageInUse(
  imageId: ImageId,
  { id, running }: Container,
): TpullError {
  const container = id.slice(0, SHOWN);
  const state = running ? "running" : "stopped";
  return conflict("IMAGE_IN_USE", imageId, {
    hard: running,
    why: `image is being used by ${state} container ${container}`,
    hint: running
      ? "Stop and remove the container first. (After a crash of dockerd it may only be down as running: start dockerd once.)"
      : "Remove the container first. With --force the image goes, and the layers that the container needs stay.",
    details: { container: id },
  });
}

/** Another image was built from the image. */
export function hasChildren(imageId: ImageId, child: ImageId): TpullError {
  return conflict("IMAGE_HAS_CHILDREN", imageId, {
    hard: true,
    why: "image has dependent child images",
    hint: `Remove the image ${shortId(child)} first, which was built from it.`,
    details: { child },
  });
}

/** The image was named by its ID and has names that do not say which one is meant. */
export function hasNames(
  imageId: ImageId,
  names: readonly string[],
): TpullError {
  return conflict("IMAGE_HAS_NAMES", imageId, {
    hard: false,
    why: "image is referenced in multiple repositories",
    hint: "Remove its names one by one, or all of them and the image with --force.",
    details: { names },
  });
}

function conflict(
  code: string,
  imageId: ImageId,
  about: { hard: boolean; why: string; hint: string; details: object },
): TpullError {
  const { hard, why, hint, details } = about;
  const force = hard ? "cannot be forced" : "must be forced";
  return new TpullError(
    code,
    `conflict: unable to delete ${shortId(imageId)} (${force}) - ${why}`,
    { hint, details: { image: imageId, ...details } },
  );
}
