/** `tpull save` */
import { openStore, saveImages, TpullError } from "../../../store/index.js";
import { type Answer, jsonDocument } from "../answers/answer.js";
import { USAGE } from "../args.js";

/** Like docker's, it prints nothing: the archive is the answer. */
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
      ...(compress === undefined ? {} : { compression: compress }),
      signal: query.signal,
    },
  );
  if (json) output.out(jsonDocument(saved));
  return 0;
};
