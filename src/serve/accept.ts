/**
 * The `Accept` header of requests for manifests. Content under a digest has one
 * media type, so there is little to choose: either a client takes that one, or
 * it is better told so than given what it cannot read. As docker's registry
 * does, a client that takes no index is given the image for linux/amd64 instead.
 */
import { isDigest } from "../../store/index.js";
import type { ManifestReference } from "./content.js";

/** Whether the header takes that type; without one everything is taken (RFC 9110 section 12.5.1). */
export function accepts(
  header: string | undefined,
  mediaType: string,
): boolean {
  if (header === undefined || header.trim() === "") return true;
  const wanted = mediaType.toLowerCase();
  const [family = ""] = wanted.split("/", 1);
  return header.split(",").some((entry) => {
    const [range = "", ...parameters] = entry
      .split(";")
      .map((part) => part.trim().toLowerCase());
    if (parameters.some((one) => /^q=0(?:\.0*)?$/.test(one))) return false;
    return range === wanted || range === "*/*" || range === `${family}/*`;
  });
}

const INDEX_TYPES: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
]);

/** Whether it is the media type of an index, in OCI's or docker's words. */
export function isIndexType(mediaType: string): boolean {
  return INDEX_TYPES.has(mediaType);
}

/**
 * The entry of an index for linux/amd64, if the header takes it.
 * @param bytes of an index; anything else has no such entry
 */
export function ordinaryImage(
  header: string | undefined,
  bytes: Uint8Array,
): ManifestReference | undefined {
  let index: unknown;
  try {
    index = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
  const entries = (index as { manifests?: unknown } | null)?.manifests;
  if (!Array.isArray(entries)) return undefined;
  for (const entry of entries as unknown[]) {
    const { digest, mediaType, platform } = (entry ?? {}) as {
      digest?: unknown;
      mediaType?: unknown;
      platform?: { os?: unknown; architecture?: unknown } | null;
    };
    if (platform?.os !== "linux" || platform.architecture !== "amd64") continue;
    if (typeof mediaType !== "string" || !accepts(header, mediaType)) continue;
    if (isDigest(digest)) return { digest };
  }
  return undefined;
}
