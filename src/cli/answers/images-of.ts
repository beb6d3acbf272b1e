/** `tpull images-of FILE...` */
import type { ListedImage } from "../../lists/index.js";
import { parseReference } from "../../../store/reference/reference.js";
import { imagesIn } from "../listed.js";
import { oneLine } from "../terminal-text.js";
import { type Answer, jsonDocument } from "./answer.js";

export const answerImagesOf: Answer = async (context) => {
  const { images: files, flags, output } = context;
  if (flags.json) {
    // What was left out is part of the document.
    const list = await imagesIn(files, { ...flags, quiet: true }, context);
    output.out(jsonDocument(list));
    return 0;
  }
  const { images } = await imagesIn(files, flags, context);
  output.out(images.map((image) => `${oneLine(lineOf(image))}\n`).join(""));
  return 0;
};

/** As docker writes a name that stands for one digest only; the platform behind it, as in lists. */
function lineOf({ reference, platform, digest }: ListedImage): string {
  const isPinned = parseReference(reference).digest !== undefined;
  const pin = digest === undefined || isPinned ? "" : `@${digest}`;
  return `${reference}${pin}${platform === undefined ? "" : ` ${platform}`}`;
}
