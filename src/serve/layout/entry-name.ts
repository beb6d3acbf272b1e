/**
 * What an entry of a layout's `index.json` is called. Tools differ:
 *
 * - `io.containerd.image.name` is a whole reference (docker, buildkit, ctr,
 *   nerdctl); `org.opencontainers.image.ref.name` beside it is the tag.
 * - `org.opencontainers.image.ref.name` alone is a tag (the image-spec's own
 *   use), or a whole reference (podman, crane, skopeo where it is told one).
 */
import { isTpullError, parseReference } from "../../../store/index.js";
import { isTag } from "../names.js";

const REF_NAME = "org.opencontainers.image.ref.name";
const IMAGE_NAME = "io.containerd.image.name";

/** A place in the registry. */
export interface EntryName {
  /** The registry an image comes from; undefined where nothing says so. */
  readonly host: string | undefined;
  /** Its repository without the host; undefined where only a tag is known. */
  readonly path: string | undefined;
  readonly tag: string | undefined;
}

/** The name that the annotations give; undefined when what they say is no name. */
export function entryName(
  annotations: Readonly<Record<string, unknown>>,
): EntryName | undefined {
  const whole = text(annotations[IMAGE_NAME]);
  const short = text(annotations[REF_NAME]);
  const name = whole === undefined ? undefined : referenceName(whole);
  if (name !== undefined) return name;
  if (short === undefined) {
    return whole === undefined
      ? { host: undefined, path: undefined, tag: undefined }
      : undefined;
  }
  return isTag(short)
    ? { host: undefined, path: undefined, tag: short }
    : referenceName(short);
}

/** A reference's parts, read as docker reads it; undefined for what is none. */
export function referenceName(reference: string): EntryName | undefined {
  try {
    const { registry, repository, tag } = parseReference(reference);
    return { host: registry.toLowerCase(), path: repository, tag };
  } catch (error) {
    if (isTpullError(error)) return undefined;
    throw error;
  }
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
