/** A list of images in a text file. */
import { invalidList, type ListedImage } from "./listed.js";

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
    const from = `line ${at + 1}`;
    if (more.length > 0) {
      throw invalidList(
        from,
        `more than a reference and a platform: ${line.trim()}`,
      );
    }
    images.push({
      reference,
      ...(platform === undefined ? {} : { platform }),
      from,
    });
  }
  return images;
}
