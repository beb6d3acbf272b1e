/** Telling a container image from the many other things that are kept in image manifests. */
import { TpullError } from "../../store/errors.js";
import type { ImageManifest } from "./manifest.js";
import { isImageConfigType, isLayerType, nameOfThing } from "./media-types.js";
import { serverWords } from "./redact.js";

/**
 * Accepts what docker would run: a config of a type that docker takes, and
 * layers that can be tar archives.
 * @param artifactType of the manifest, `""` if it has none
 * @throws TpullError `NOT_AN_IMAGE`, `MANIFEST_UNSUPPORTED` (encrypted layers)
 */
export function checkIsImage(
  { config, layers }: ImageManifest,
  artifactType: string,
  what: string,
): void {
  if (!isImageConfigType(config.mediaType)) {
    const type = config.mediaType;
    // The empty config says only that the artifact has none.
    const telling =
      type.startsWith("application/vnd.oci.empty.") && artifactType !== ""
        ? artifactType
        : type;
    throw notAnImage(what, telling, nameOfThing(telling) ?? nameOfThing(type));
  }
  for (const { mediaType } of layers) {
    if (mediaType.endsWith("+encrypted")) {
      throw new TpullError(
        "MANIFEST_UNSUPPORTED",
        `${what}: the image's layers are encrypted, which is not supported`,
      );
    }
    if (!isLayerType(mediaType)) throw notAnImage(what, mediaType);
  }
}

/** The error for something else than an image. */
export function notAnImage(
  what: string,
  mediaType: string,
  name: string | undefined = nameOfThing(mediaType),
): TpullError {
  const shown = serverWords(mediaType, 120);
  return new TpullError(
    "NOT_AN_IMAGE",
    `${what} is not a container image but ${name ?? "something else"} (${shown})`,
    {
      hint: "Only images can be pulled into a docker data root.",
      details: { mediaType: shown },
    },
  );
}
