/** `tpull images-of FILE...` */
import { readImageLists, type SkippedEntry } from "../../lists/index.js";
import type { Output } from "../output.js";
import { oneLine } from "../terminal-text.js";
import { type Answer, jsonDocument } from "./answer.js";

export const answerImagesOf: Answer = async ({
  images: files,
  flags,
  output,
  env,
  stdin,
}) => {
  const { images, skipped } = await readImageLists(files, {
    env,
    ...(flags.profile === undefined ? {} : { profiles: flags.profile }),
    ...(files.includes("-") ? { stdin: stdin() } : {}),
  });
  if (flags.json) {
    output.out(jsonDocument({ images, skipped }));
    return 0;
  }
  const lines = images.map(
    ({ reference, platform }) =>
      `${oneLine(reference)}${platform === undefined ? "" : ` ${oneLine(platform)}`}\n`,
  );
  output.out(lines.join(""));
  if (!flags.quiet) tellSkipped(skipped, output);
  return 0;
};

/** What a list names and is not taken must not be missed silently. */
export function tellSkipped(
  skipped: readonly SkippedEntry[],
  output: Output,
): void {
  for (const { from, why } of skipped) {
    output.err(`tpull: left out: ${oneLine(from)}: ${oneLine(why)}\n`);
  }
}
