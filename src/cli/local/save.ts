/** `tpull save` */
import {
  openStore,
  saveImages,
  type SaveResult,
  shortId,
  TpullError,
} from "../../../store/index.js";
import { type Answer, jsonDocument } from "../answers/answer.js";
import { USAGE } from "../args.js";
import { oneLine } from "../terminal-text.js";
import { tellDamage } from "./notices.js";

/** Like docker's, it prints nothing: the archive is the answer. What it has of each image is said beside it. */
export const answerSave: Answer = async ({
  images,
  flags,
  query,
  output,
  isTTY,
  root,
}) => {
  const { output: file, compress, json } = flags;
  if (file === undefined && isTTY) {
    throw new TpullError(
      USAGE,
      "an archive would not look well on a terminal: name a file with -o, or redirect the output",
    );
  }
  if (file === undefined && json) {
    throw new TpullError(
      USAGE,
      "--json needs -o: standard output takes the archive",
    );
  }
  const store = await openStore(root());
  const saved = await saveImages(
    store,
    images,
    file ?? { write: (bytes) => output.pour(bytes) },
    {
      ...(compress === "kept"
        ? { blobs: compress }
        : { compression: compress }),
      signal: query.signal,
      onDamage: (damage) => tellDamage(output, damage),
    },
  );
  if (json) output.out(jsonDocument(saved));
  else for (const image of saved.images) output.err(imageLine(image));
  return 0;
};

function imageLine({
  imageId,
  tags,
  manifestDigest,
  original,
}: SaveResult["images"][number]): string {
  const name = tags.length === 0 ? shortId(imageId) : tags.join(", ");
  const what = original
    ? "with its registry's own blobs and manifest"
    : "with layers put together from their files and a manifest of its own";
  return `${oneLine(`tpull: ${name}: ${what}, ${manifestDigest}`)}\n`;
}
