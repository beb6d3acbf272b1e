/**
 * Content of an OCI image layout (OCI image-spec, "Image Layout"): a directory
 * with `oci-layout`, `index.json` and `blobs/sha256/`. Its tags are the
 * annotation `org.opencontainers.image.ref.name` in `index.json`.
 */
import { createReadStream } from "node:fs";
import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { hexOf, isDigest, TpullError } from "../../store/index.js";
import type { Digest } from "../../store/index.js";
import type { Content, Repository } from "./content.js";
import { checkRepositoryName, isTag } from "./names.js";

/** No client takes a larger manifest. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** Indexes below indexes below `index.json` that are still looked into. */
const MAX_INDEX_DEPTH = 4;

const REF_NAME = "org.opencontainers.image.ref.name";
const INDEX_TYPES: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
]);
/** RFC 6838 section 4.2; anything else has no place in a header. */
const MEDIA_TYPE =
  /^[A-Za-z0-9][\w!#$&^.+-]{0,126}\/[A-Za-z0-9][\w!#$&^.+-]{0,126}$/;

/** What names a manifest, as far as serving it needs to know. */
interface Descriptor {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly refName: string | undefined;
}

/**
 * Opens the layout in `dir` as the one repository `repository`. The indexes are
 * read once, here; manifests and blobs when they are asked for, from the file
 * that their digest names and only if that is a regular file. Bytes go out as
 * they lie there, unverified: whoever pulls them verifies them. A manifest that
 * an index names but the layout lacks is unknown to clients; a ref name that is
 * no tag is left out; of a ref name that is there twice the first counts.
 * @throws TpullError `REPOSITORY_INVALID`, `LAYOUT_INVALID`
 */
export async function layoutContent(
  dir: string,
  repository: string,
): Promise<Content> {
  checkRepositoryName(repository);
  await checkLayoutVersion(dir);
  const index = join(dir, "index.json");
  const top = readDescriptors(await readJson(index), index);
  const mediaTypes = new Map<Digest, string>();
  await collectManifests(dir, top, mediaTypes, MAX_INDEX_DEPTH);
  const tagged = new Map<string, Digest>();
  for (const { digest, refName } of top) {
    if (refName === undefined || !isTag(refName)) continue;
    if (!tagged.has(refName)) tagged.set(refName, digest);
  }
  const served = new LayoutRepository(dir, mediaTypes, tagged);
  return {
    repository: async (name) => (name === repository ? served : undefined),
    repositories: async () => [repository],
  };
}

class LayoutRepository implements Repository {
  readonly #dir: string;
  readonly #mediaTypes: ReadonlyMap<Digest, string>;
  readonly #tagged: ReadonlyMap<string, Digest>;

  constructor(
    dir: string,
    mediaTypes: ReadonlyMap<Digest, string>,
    tagged: ReadonlyMap<string, Digest>,
  ) {
    this.#dir = dir;
    this.#mediaTypes = mediaTypes;
    this.#tagged = tagged;
  }

  async manifest(
    reference: Parameters<Repository["manifest"]>[0],
  ): ReturnType<Repository["manifest"]> {
    const digest =
      "tag" in reference ? this.#tagged.get(reference.tag) : reference.digest;
    const mediaType = digest && this.#mediaTypes.get(digest);
    if (digest === undefined || mediaType === undefined) return undefined;
    const bytes = await readManifest(this.#dir, digest);
    return bytes && { digest, mediaType, bytes };
  }

  async blob(digest: Digest): ReturnType<Repository["blob"]> {
    const path = blobPath(this.#dir, digest);
    const size = await sizeOfFile(path);
    if (size === undefined) return undefined;
    return {
      size,
      open: (start, end) =>
        start === end
          ? Readable.from([])
          : createReadStream(path, { start, end: end - 1 }),
    };
  }

  async tags(): Promise<readonly string[]> {
    return [...this.#tagged.keys()];
  }
}

/** The only place that makes a path of a digest; the type says it was checked. */
function blobPath(dir: string, digest: Digest): string {
  return join(dir, "blobs", "sha256", hexOf(digest));
}

/** Notes the media type of every manifest that can be reached from `descriptors`. */
async function collectManifests(
  dir: string,
  descriptors: readonly Descriptor[],
  mediaTypes: Map<Digest, string>,
  depth: number,
): Promise<void> {
  for (const { digest, mediaType } of descriptors) {
    if (mediaTypes.has(digest)) continue;
    mediaTypes.set(digest, mediaType);
    if (depth === 0 || !INDEX_TYPES.has(mediaType)) continue;
    const bytes = await readManifest(dir, digest);
    if (bytes === undefined) continue;
    const index = blobPath(dir, digest);
    const children = readDescriptors(parseJson(bytes, index), index);
    await collectManifests(dir, children, mediaTypes, depth - 1);
  }
}

async function readManifest(
  dir: string,
  digest: Digest,
): Promise<Buffer | undefined> {
  const path = blobPath(dir, digest);
  const size = await sizeOfFile(path);
  if (size === undefined) return undefined;
  if (size > MAX_MANIFEST_BYTES) {
    throw invalid(
      path,
      `is a manifest of ${size} bytes, more than ${MAX_MANIFEST_BYTES}`,
    );
  }
  return await readFile(path);
}

/** `undefined` when there is nothing, or something that is no regular file (a link could lead anywhere). */
async function sizeOfFile(path: string): Promise<number | undefined> {
  try {
    const stats = await lstat(path);
    return stats.isFile() ? stats.size : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function checkLayoutVersion(dir: string): Promise<void> {
  const path = join(dir, "oci-layout");
  const marker = await readJson(path);
  const version = isObject(marker) ? marker["imageLayoutVersion"] : undefined;
  if (typeof version !== "string" || !version.startsWith("1.")) {
    throw invalid(
      path,
      `names version ${JSON.stringify(version)}, where 1.0.0 is known`,
    );
  }
}

function readDescriptors(index: unknown, path: string): Descriptor[] {
  const manifests = isObject(index) ? index["manifests"] : undefined;
  if (!Array.isArray(manifests)) throw invalid(path, `has no "manifests" list`);
  return manifests.map((entry: unknown, at) => {
    const descriptor = isObject(entry) ? entry : {};
    const { digest, mediaType, annotations } = descriptor;
    if (!isDigest(digest)) {
      throw invalid(path, `manifests[${at}] has no sha256 digest`);
    }
    if (typeof mediaType !== "string" || !MEDIA_TYPE.test(mediaType)) {
      throw invalid(path, `manifests[${at}] has no media type`);
    }
    const refName = isObject(annotations) ? annotations[REF_NAME] : undefined;
    return {
      digest,
      mediaType,
      refName: typeof refName === "string" ? refName : undefined,
    };
  });
}

async function readJson(path: string): Promise<unknown> {
  try {
    return parseJson(await readFile(path), path);
  } catch (cause) {
    if (cause instanceof TpullError) throw cause;
    throw invalid(path, `cannot be read: ${(cause as Error).message}`, cause);
  }
}

function parseJson(bytes: Buffer, path: string): unknown {
  try {
    return JSON.parse(bytes.toString("utf8")) as unknown;
  } catch (cause) {
    throw invalid(path, "is not JSON", cause);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(path: string, what: string, cause?: unknown): TpullError {
  return new TpullError("LAYOUT_INVALID", `${path} ${what}`, {
    hint: "An OCI image layout is a directory with oci-layout, index.json and blobs/; `skopeo copy … oci:DIR:TAG` makes one.",
    cause,
  });
}
