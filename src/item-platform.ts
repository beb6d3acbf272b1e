/** Whether an image that no index names is for the platform that is wanted. */
import { TpullError } from "../store/index.js";
import type { ImageConfig } from "./image-config.js";
import type { Item } from "./items.js";
import { formatPlatform, platformMatches } from "./platform.js";
import type { ResolvedImage } from "./resolve-image.js";

/**
 * @returns what to warn of, where nobody asked for a platform
 * @throws TpullError `PLATFORM_NOT_FOUND` when the caller asked for another platform
 */
export function checkPlatform(
  config: ImageConfig,
  { chosen }: Pick<ResolvedImage, "chosen">,
  { platform, platformGiven, fromIndex }: Item,
  image: string,
): string | undefined {
  if (fromIndex || chosen || platformMatches(wire(config), platform)) {
    return undefined;
  }
  const is = formatPlatform(config);
  if (platformGiven) {
    throw new TpullError(
      "PLATFORM_NOT_FOUND",
      `${image} has no image for ${formatPlatform(platform)}: the only one is for ${is}`,
      {
        hint: `Pull it with --platform ${is}, or choose another tag.`,
        details: { expected: formatPlatform(platform), actual: is },
      },
    );
  }
  return `the image is for ${is} only, this machine is ${formatPlatform(platform)}`;
}

function wire({
  os,
  architecture,
  variant,
  osVersion,
}: ImageConfig): Record<string, unknown> {
  return { os, architecture, variant, "os.version": osVersion };
}
