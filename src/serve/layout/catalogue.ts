/** What is in an image layout (OCI image-spec, "Image Layout"), read from its indexes and manifests. */
import {
  isDigest,
  isTpullError,
  TpullError,
  type Digest,
} from "../../../store/index.js";
import { printable } from "../../../store/reference/printable.js";
import type { Referrer } from "../content.js";
import { isIndexType } from "../accept.js";
import { entryName, type EntryName } from "./entry-name.js";
import {
  invalidLayout,
  type LayoutFiles,
  MAX_MANIFEST_BYTES,
  readStretch,
} from "./files.js";
import { hashOf } from "./proven-blob.js";

/** Indexes below indexes below `index.json` that are still looked into. */
const MAX_INDEX_DEPTH = 4;
/** RFC 6838 section 4.2; anything else has no place in a header. */
const MEDIA_TYPE =
  /^[A-Za-z0-9][\w!#$&^.+-]{0,126}\/[A-Za-z0-9][\w!#$&^.+-]{0,126}$/;

/** An entry of `index.json`. */
export interface LayoutEntry extends EntryName {
  readonly digest: Digest;
}

export interface Catalogue {
  /** In the order of `index.json`. */
  readonly entries: readonly LayoutEntry[];
  /** Of every manifest that can be reached from there, whether it is there or not. */
  readonly mediaTypes: ReadonlyMap<Digest, string>;
  /** By the digest of their subject. */
  readonly referrers: ReadonlyMap<Digest, readonly Referrer[]>;
}

interface Descriptor {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly annotations: Readonly<Record<string, unknown>>;
}

/** Told of what is left out, and why; or of an image that lacks parts. */
export type Complaint = (message: string, code?: "SERVE_INCOMPLETE") => void;

/**
 * Reads all of it.
 * @throws TpullError `LAYOUT_INVALID`
 */
export async function readCatalogue(
  files: LayoutFiles,
  complain: Complaint,
): Promise<Catalogue> {
  await checkVersion(files);
  const index = files.pathOf("index.json");
  const bytes = await files.top("index.json");
  if (bytes === undefined)
    throw invalidLayout(files.place, "has no index.json");
  const top = descriptorsOf(parseJson(bytes, index), index);
  const mediaTypes = new Map<Digest, string>();
  const referrers = new Map<Digest, Referrer[]>();
  await collect(top, MAX_INDEX_DEPTH);
  const entries = top.flatMap(({ digest, annotations }): LayoutEntry[] => {
    const name = entryName(annotations);
    if (name !== undefined) return [{ ...name, digest }];
    complain(`${index} has an entry whose name is no reference: ${digest}`);
    return [];
  });
  return { entries, mediaTypes, referrers };

  /** Notes every manifest that can be reached. */
  async function collect(
    descriptors: readonly Descriptor[],
    depth: number,
  ): Promise<void> {
    for (const { digest, mediaType } of descriptors) {
      if (mediaTypes.has(digest)) continue;
      mediaTypes.set(digest, mediaType);
      const manifest = await parsedManifest(digest);
      if (manifest === undefined) continue;
      const { subject, size, json } = manifest;
      if (subject !== undefined) {
        const about = aboutArtifact(json, mediaType);
        const referrer = { mediaType, digest, size, ...about };
        const others = referrers.get(subject);
        if (others === undefined) referrers.set(subject, [referrer]);
        else others.push(referrer);
      }
      if (!isIndexType(mediaType)) await checkParts(digest, json);
      if (depth === 0 || !isIndexType(mediaType)) continue;
      await collect(childrenOf(json, digest), depth - 1);
    }
  }

  /** A sparse bundle has layers elsewhere: who serves it should know before somebody pulls. */
  async function checkParts(digest: Digest, json: JsonObject): Promise<void> {
    const { config, layers } = json;
    const parts = [config, ...(Array.isArray(layers) ? layers : [])];
    let absent = 0;
    for (const part of parts) {
      const blob = isObject(part) ? part["digest"] : undefined;
      if (!isDigest(blob)) continue;
      if ((await files.blob(blob)) === undefined) absent += 1;
    }
    if (absent === 0) return;
    complain(
      `the image ${digest} in ${files.place} lacks ${absent} of its ${parts.length} blobs: it can be pulled only by who has these already`,
      "SERVE_INCOMPLETE",
    );
  }

  function childrenOf(json: JsonObject, digest: Digest): Descriptor[] {
    try {
      return descriptorsOf(json, `the index ${digest} in ${files.place}`);
    } catch (error) {
      if (!isTpullError(error)) throw error;
      complain(error.message);
      return [];
    }
  }

  /** One that cannot be read is as good as absent: nobody will be given it. */
  async function parsedManifest(
    digest: Digest,
  ): Promise<
    { json: JsonObject; size: number; subject: Digest | undefined } | undefined
  > {
    const found = await readManifest(files, digest);
    if (found === undefined) return undefined;
    if ("wrong" in found) {
      complain(found.wrong);
      return undefined;
    }
    let json: unknown;
    try {
      json = JSON.parse(found.toString("utf8"));
    } catch {
      json = undefined;
    }
    if (!isObject(json)) return undefined;
    const subject = isObject(json["subject"])
      ? json["subject"]["digest"]
      : undefined;
    return {
      json,
      size: found.length,
      subject: isDigest(subject) ? subject : undefined,
    };
  }
}

/** Why a manifest that is there is not given to anybody. */
export interface WrongManifest {
  readonly wrong: string;
  /** It is not what its name says; else it is what no client would take. */
  readonly damaged: boolean;
}

/**
 * The bytes of a manifest, which hash to its digest.
 * @returns undefined when it is not there; a sentence when it is not what it should be
 */
export async function readManifest(
  files: LayoutFiles,
  digest: Digest,
): Promise<Buffer | WrongManifest | undefined> {
  const stretch = await files.blob(digest);
  if (stretch === undefined) return undefined;
  const subject = `the manifest ${digest} in ${files.place}`;
  if (stretch.size > MAX_MANIFEST_BYTES) {
    const wrong = `${subject} has ${stretch.size} bytes, more than ${MAX_MANIFEST_BYTES}`;
    return { wrong, damaged: false };
  }
  const bytes = await readStretch(stretch);
  const found = hashOf(bytes);
  if (found === digest) return bytes;
  const wrong = `${subject} is damaged: it hashes to ${found}`;
  return { wrong, damaged: true };
}

/** What a list of referrers says of an artifact (OCI distribution-spec, "Listing Referrers"). */
function aboutArtifact(
  { artifactType, config, annotations }: JsonObject,
  mediaType: string,
): Pick<Referrer, "artifactType" | "annotations"> {
  // An index without a type has none; a manifest's is its config's then.
  const ofConfig =
    !isIndexType(mediaType) && isObject(config) ? config["mediaType"] : "";
  const type = [artifactType, ofConfig].find(
    (value) => typeof value === "string" && value !== "",
  );
  return {
    ...(typeof type === "string" && { artifactType: type }),
    ...(isObject(annotations) && { annotations: textsOf(annotations) }),
  };
}

/** Clients read a map of words, and nothing else. */
function textsOf(annotations: JsonObject): Record<string, string> {
  return Object.fromEntries(
    Object.entries(annotations).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
}

async function checkVersion(files: LayoutFiles): Promise<void> {
  const bytes = await files.top("oci-layout");
  if (bytes === undefined) throw await noLayout(files);
  const path = files.pathOf("oci-layout");
  const marker = parseJson(bytes, path);
  const version = isObject(marker) ? marker["imageLayoutVersion"] : undefined;
  if (typeof version !== "string" || !version.startsWith("1.")) {
    throw invalidLayout(
      path,
      `names version ${JSON.stringify(version)}, where 1.0.0 is known`,
    );
  }
}

/** Says which other form of images it is, if it is one. */
async function noLayout(files: LayoutFiles): Promise<TpullError> {
  if ((await files.top("manifest.json")) === undefined) {
    return invalidLayout(
      files.place,
      "is no image layout: it has no oci-layout",
    );
  }
  return new TpullError(
    "LAYOUT_INVALID",
    `${printable(files.place)} is no image layout but docker's own archive, or the directory that skopeo calls dir: these are not served from where they lie`,
    {
      hint: "'tpull load --root ROOT -i' takes it into a data root, and 'tpull serve --root ROOT' serves that.",
    },
  );
}

function descriptorsOf(index: unknown, path: string): Descriptor[] {
  const manifests = isObject(index) ? index["manifests"] : undefined;
  if (!Array.isArray(manifests)) {
    throw invalidLayout(path, `has no "manifests" list`);
  }
  return manifests.map((entry: unknown, at) => {
    const descriptor = isObject(entry) ? entry : {};
    const { digest, mediaType, annotations } = descriptor;
    if (!isDigest(digest)) {
      throw invalidLayout(path, `manifests[${at}] has no sha256 digest`);
    }
    if (typeof mediaType !== "string" || !MEDIA_TYPE.test(mediaType)) {
      throw invalidLayout(path, `manifests[${at}] has no media type`);
    }
    return {
      digest,
      mediaType,
      annotations: isObject(annotations) ? annotations : {},
    };
  });
}

function parseJson(bytes: Buffer, path: string): unknown {
  try {
    return JSON.parse(bytes.toString("utf8")) as unknown;
  } catch (cause) {
    throw invalidLayout(path, "is not JSON", cause);
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
