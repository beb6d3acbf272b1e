/** From what a person calls an image to the image, as docker reads it. */
import { type ImageId, isDigest } from "../digest.js";
import { TpullError } from "../errors.js";
import { printable } from "../reference/printable.js";
import { familiarName, parseReference } from "../reference/reference.js";
import type { StoredImage, Survey } from "./survey.js";

const ID_PREFIX = /^(?:sha256:)?([0-9a-f]{1,64})$/;

/** How an image was named: by one of its references, or by (the beginning of) its ID. */
export interface FoundImage {
  readonly id: ImageId;
  /** The familiar reference that was meant; undefined where the ID was. */
  readonly reference: string | undefined;
}

/**
 * Finds the image that `name` stands for: a whole ID first, then a reference,
 * then the beginning of an ID, as dockerd looks it up.
 * @throws TpullError `IMAGE_NOT_FOUND`, `IMAGE_ID_AMBIGUOUS`
 */
export function findImageId(
  survey: Pick<Survey, "layout" | "imageIds" | "references">,
  name: string,
): FoundImage {
  const whole = name.startsWith("sha256:") ? name : `sha256:${name}`;
  if (isDigest(whole)) {
    const id = whole as string as ImageId;
    if (survey.imageIds.includes(id)) return { id, reference: undefined };
  }
  const reference = familiarOf(name);
  if (reference !== undefined) {
    for (const references of survey.references.values()) {
      const id = references.get(reference);
      if (id !== undefined) return { id, reference };
    }
  }
  const prefix = ID_PREFIX.exec(name)?.[1];
  const fitting =
    prefix === undefined
      ? []
      : survey.imageIds.filter((id) => id.startsWith(`sha256:${prefix}`));
  if (fitting.length > 1) {
    throw new TpullError(
      "IMAGE_ID_AMBIGUOUS",
      `${printable(name)} is the beginning of ${fitting.length} image IDs`,
      { hint: "Give more of its digits, or a name.", details: { image: name } },
    );
  }
  const [id] = fitting;
  if (id !== undefined) return { id, reference: undefined };
  throw new TpullError(
    "IMAGE_NOT_FOUND",
    `there is no image ${printable(name)} in ${survey.layout.root}`,
    {
      hint: "'tpull images' lists what is there.",
      details: { image: name },
    },
  );
}

/**
 * The same, and the image itself.
 * @throws TpullError also `IMAGE_DAMAGED`, when it is there but not whole
 */
export function findImage(
  survey: Survey,
  name: string,
): FoundImage & { readonly image: StoredImage } {
  const found = findImageId(survey, name);
  const image = survey.image(found.id);
  if (image !== undefined) return { ...found, image };
  const damage = survey.damage.find(({ imageId }) => imageId === found.id);
  throw new TpullError(
    "IMAGE_DAMAGED",
    damage?.message ?? `the image ${found.id} is damaged`,
    {
      hint: "'tpull verify' says more, and 'tpull verify --repair' mends what can be mended.",
      details: { image: name },
    },
  );
}

/** The reference in the form of repositories.json; undefined for what is none. */
function familiarOf(name: string): string | undefined {
  try {
    return familiarName(parseReference(name));
  } catch {
    return undefined;
  }
}
