/** `tpull images-of FILE...` */
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
  const lines = images.map(
    ({ reference, platform }) =>
      `${oneLine(reference)}${platform === undefined ? "" : ` ${oneLine(platform)}`}\n`,
  );
  output.out(lines.join(""));
  return 0;
};
