/** `tpull bundle` */
import { TpullError } from "../../../store/index.js";
import { bundleImages } from "../../bundle/bundle.js";
import type { BundleResult } from "../../bundle/types.js";
import { USAGE } from "../args.js";
import { formatBytes } from "../bars/units.js";
import { requestsOf } from "../listed-images.js";
import { errorText, isInterruption } from "../report-error.js";
import { oneLine } from "../terminal-text.js";
import { type Answer, jsonDocument } from "./answer.js";

export const answerBundle: Answer = async (context) => {
  const { images, flags, query, output } = context;
  const { output: to, platform, concurrency, have, base } = flags;
  if (to === undefined) {
    throw new TpullError(USAGE, "no place for the bundle: name it with -o");
  }
  const requests = await requestsOf(images, flags, context);
  if (requests.length === 0) throw new TpullError(USAGE, "no image is named");
  const result = await bundleImages(requests, to, {
    ...query,
    ...(platform === undefined ? {} : { platform }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(have === undefined ? {} : { have }),
    ...(base === undefined ? {} : { base }),
    ...(flags.checksum ? { checksum: true } : {}),
  });
  for (const { error, reference, target } of result.failures) {
    if (!isInterruption(error)) {
      output.err(errorText(error, reference, target));
    }
  }
  if (flags.json) output.out(jsonDocument(result));
  else if (!flags.quiet && result.failures.length === 0) {
    output.out(bundleText(result, to));
  }
  return result.failures.length > 0 ? 1 : 0;
};

/** A line for each image, and what they come to. */
export function bundleText(
  { images, bytes, bytesFetched, bytesLeftOut }: BundleResult,
  to: string,
): string {
  const lines = images.map(({ canonicalName, platform, digest, layers }) => {
    const count = (source: string): number =>
      layers.filter((layer) => layer.source === source).length;
    const parts = [
      `${count("fetched")} fetched`,
      ...(count("present") > 0 ? [`${count("present")} present`] : []),
      ...(count("left-out") > 0 ? [`${count("left-out")} left out`] : []),
    ];
    return `${oneLine(canonicalName)} (${platform}): ${digest}, layers: ${parts.join(", ")}`;
  });
  const left =
    bytesLeftOut > 0 ? `, ${formatBytes(bytesLeftOut)} left out` : "";
  lines.push(
    `Bundle: ${oneLine(to)}, ${formatBytes(bytes)}, of which ${formatBytes(bytesFetched)} fetched${left}`,
  );
  return `${lines.join("\n")}\n`;
}
