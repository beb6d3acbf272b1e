/** `tpull tag`: an image gets further names, as `docker tag` gives them. */
import { join } from "node:path";
import {
  createDirectory,
  replaceFile,
  syncDirectory,
  TEMPORARY_PREFIX,
  unmark,
} from "../atomic.js";
import type { ImageId } from "../digest.js";
import { TpullError } from "../errors.js";
import type { Layout } from "../layout.js";
import { readNames } from "../read.js";
import { shownReference } from "../reference/printable.js";
import {
  familiarName,
  familiarRepository,
  parseReference,
  type Reference,
} from "../reference/reference.js";
import { writeNaming } from "../repositories.js";
import type { Store } from "../store.js";
import { findImage } from "../survey/find-image.js";
import { Survey } from "../survey/survey.js";
import { isThere, type ManageOptions, managing } from "./managing.js";

export interface TaggedImage {
  readonly imageId: ImageId;
  /** The new names in familiar form, each once, and the image that had one before. */
  readonly names: readonly {
    readonly reference: string;
    readonly before: ImageId | undefined;
  }[];
}

/**
 * Gives an image further names, as `docker tag` does: a tag that another image
 * has moves, and the image notes when it was tagged last.
 * @param image what it is called now: name[:tag], name@digest, or an image ID or
 *   the beginning of one
 * @param names name[:tag] each; `latest` without a tag
 * @throws TpullError `IMAGE_NOT_FOUND`, `IMAGE_ID_AMBIGUOUS`, `IMAGE_DAMAGED`,
 *   `REFERENCE_INVALID` (also for a name with a digest), and what
 *   {@link Store.beginWrite} refuses a root for
 */
export async function tagImage(
  store: Store,
  image: string,
  names: string | readonly string[],
  options: ManageOptions = {},
): Promise<TaggedImage> {
  const { layout, root } = store;
  const references = [names].flat().map(parseTag);
  if (!isThere(layout)) findImage(new Survey(layout), image); // it is not there either
  return await managing(
    layout,
    options,
    `name an image in ${root}`,
    async () => {
      const survey = new Survey(layout);
      const { id: imageId } = findImage(survey, image);
      const tagged = new Map<string, ImageId | undefined>();
      for (const reference of references) {
        const repository = familiarRepository(reference);
        const name = familiarName(reference);
        if (tagged.has(name)) continue;
        tagged.set(name, survey.references.get(repository)?.get(name));
        await writeNaming(layout, imageId, [
          { repository, tag: reference.tag },
        ]);
      }
      await noteTagged(layout, imageId);
      const result = {
        imageId,
        names: [...tagged].map(([reference, before]) => ({
          reference,
          before,
        })),
      };
      return { result, changed: true };
    },
  );
}

function parseTag(name: string): Reference {
  const reference = parseReference(name);
  if (reference.digest === undefined) return reference;
  throw new TpullError(
    "REFERENCE_INVALID",
    `an image cannot be tagged ${shownReference(name)}: refusing to create a tag with a digest reference`,
    { hint: "Give name[:tag]: a digest is what a registry makes of an image." },
  );
}

const KEY = "lastUpdated";

/** Notes when the image was tagged, as dockerd does (moby, `image/store.go`). */
async function noteTagged(layout: Layout, imageId: ImageId): Promise<void> {
  const directory = layout.imageMetadata(imageId);
  if (createDirectory(directory, 0o700)) {
    await syncDirectory(layout.imagedbMetadata);
  }
  // No sweep looks in here.
  for (const name of readNames(directory)) {
    if (name.startsWith(TEMPORARY_PREFIX)) unmark(join(directory, name));
  }
  await replaceFile(join(directory, KEY), localTime(new Date()), 0o600);
}

/** RFC 3339 in the local zone, with the fraction of a second that Go prints. */
export function localTime(time: Date): string {
  const offset = -time.getTimezoneOffset();
  const local = new Date(time.getTime() + offset * 60_000).toISOString();
  const [seconds = "", fraction = ""] = local.replace("Z", "").split(".");
  const digits = fraction.replace(/0+$/, "");
  return `${seconds}${digits === "" ? "" : `.${digits}`}${zone(offset)}`;
}

/** @param offset minutes east of Greenwich */
function zone(offset: number): string {
  if (offset === 0) return "Z";
  const minutes = Math.abs(offset);
  const two = (number: number): string => String(number).padStart(2, "0");
  return `${offset < 0 ? "-" : "+"}${two(Math.trunc(minutes / 60))}:${two(minutes % 60)}`;
}
