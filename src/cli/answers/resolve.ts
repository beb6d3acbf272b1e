/** `tpull resolve IMAGE` */
import { resolve, resolveDigest, type Resolved } from "../../query/resolve.js";
import { oneLine } from "../terminal-text.js";
import { jsonDocument, type Answer } from "./answer.js";

export const answerResolve: Answer = async ({
  images,
  flags,
  query,
  output,
}) => {
  const [image = ""] = images;
  const platform = flags.platform?.filter((one) => one !== "all") ?? [];
  if (flags.quiet && flags.platform === undefined) {
    output.out(`${await resolveDigest(image, query)}\n`);
    return 0;
  }
  const resolved = await resolve(image, { ...query, platform });
  if (flags.json) output.out(jsonDocument(resolved));
  else if (flags.quiet) {
    output.out(resolved.images.map(({ digest }) => `${digest}\n`).join(""));
  } else output.out(plainLines(resolved));
  return 0;
};

/** What the name itself stands for first, then a line for each image. */
function plainLines({ digest, isIndex, images }: Resolved): string {
  const rows = images.map((image): [string, string] => [
    oneLine(image.platform ?? "no platform"),
    image.digest,
  ]);
  if (isIndex) rows.unshift(["index", digest]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, id]) => `${name.padEnd(width)}  ${id}\n`).join("");
}
