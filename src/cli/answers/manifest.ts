/** `tpull manifest IMAGE` */
import { TpullError } from "../../../store/errors.js";
import { fetchManifest } from "../../query/manifest.js";
import { printableLines } from "../terminal-text.js";
import { jsonDocument, type Answer } from "./answer.js";

export const answerManifest: Answer = async ({
  images,
  flags,
  query,
  output,
  isTTY,
}) => {
  const [image = ""] = images;
  const [platform, ...others] = flags.platform ?? [];
  if (others.length > 0 || platform === "all") {
    throw new TpullError(
      "OPTION_INVALID",
      "tpull manifest takes one platform: without --platform it prints the index, which has them all",
    );
  }
  const found = await fetchManifest(image, {
    ...query,
    ...(platform === undefined ? {} : { platform }),
  });
  const { bytes, ...facts } = found;
  if (flags.json) {
    const manifest: unknown = parse(
      bytes.toString("utf8"),
      found.canonicalName,
    );
    output.out(jsonDocument({ ...facts, size: bytes.length, manifest }));
  } else if (isTTY) {
    output.out(`${printableLines(bytes.toString("utf8").trimEnd())}\n`);
  } else {
    output.out(bytes);
  }
  return 0;
};

function parse(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new TpullError("MANIFEST_INVALID", `${name}: bad manifest: not JSON`);
  }
}
