/** A list of images in a text file. */
import { TpullError } from "../../store/index.js";
import { printable } from "../../store/reference/printable.js";

export interface ListedImage {
  readonly reference: string;
  /** The platform that the line names. */
  readonly platform?: string;
}

/**
 * One reference a line, perhaps with a platform behind it; what follows a `#`
 * at the beginning of a word is a comment.
 * @throws TpullError `IMAGE_LIST_INVALID`
 */
export function parseImageList(text: string): ListedImage[] {
  const images: ListedImage[] = [];
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    const words = line
      .replace(/(^|\s)#.*$/, "")
      .trim()
      .split(/\s+/);
    const [reference = "", platform, ...more] = words;
    if (reference === "") continue;
    if (more.length > 0) {
      throw new TpullError(
        "IMAGE_LIST_INVALID",
        `line ${at + 1} has more than a reference and a platform: ${printable(line)}`,
      );
    }
    images.push({ reference, ...(platform === undefined ? {} : { platform }) });
  }
  return images;
}
