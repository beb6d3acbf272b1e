/**
 * Manifests and indexes as a registry serves them (OCI image spec, docker
 * schema 2): checked by hand into types that later code can rely on.
 *
 * Unknown fields, `null` for an absent field and any order of keys are fine.
 * What two readers could take for two things is not (CVE-2021-41190).
 */
import { TpullError } from "../../store/errors.js";
import {
  Fields,
  invalidManifest,
  readDescriptor,
  type Descriptor,
} from "./descriptor.js";
import { parseJson, topLevelKeys } from "./json.js";
import {
  isGenericType,
  isImageManifestType,
  isIndexType,
  isSchema1Type,
  nameOfThing,
  OCI_INDEX,
  OCI_MANIFEST,
} from "./media-types.js";
import { checkIsImage, notAnImage } from "./not-an-image.js";
import { serverWords } from "./redact.js";

export type { Descriptor, DescriptorPlatform } from "./descriptor.js";

/** Longest manifest or index. */
export const MAX_MANIFEST_BYTES: number = 4 * 1024 * 1024;

export interface ImageManifest {
  readonly kind: "image";
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Base first. */
  readonly layers: readonly Descriptor[];
}

export interface Index {
  readonly kind: "index";
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
}

/** Keys that decide what a document is. */
const DECIDING_KEYS = ["mediaType", "layers", "manifests", "config"];

/**
 * Reads a manifest or an index.
 * @param mediaType of the response or descriptor, `""` if none was named
 * @param what names the document in messages, e.g. `docker.io/library/nginx:latest`
 * @throws TpullError `MANIFEST_INVALID`, `MANIFEST_TOO_LARGE`,
 *   `MANIFEST_UNSUPPORTED` (schema 1, encrypted layers), `NOT_AN_IMAGE`,
 *   `DIGEST_INVALID`, `DIGEST_UNSUPPORTED`
 */
export function parseManifest(
  bytes: Uint8Array,
  mediaType: string,
  what: string,
): Index | ImageManifest {
  if (bytes.length > MAX_MANIFEST_BYTES) throw manifestTooLarge(what);
  if (isSchema1Type(mediaType)) throw schema1Unsupported(what);
  const document = readDocument(bytes, what);
  const declared = document.text("mediaType");
  if (
    document.raw("schemaVersion") === 1 ||
    document.has("fsLayers") ||
    isSchema1Type(declared)
  ) {
    throw schema1Unsupported(what);
  }
  const type = documentType(document, mediaType, declared);
  if (isIndexType(type)) return readIndex(document, type);
  if (isImageManifestType(type)) return readImage(document, type);
  if (nameOfThing(type) !== undefined) throw notAnImage(what, type);
  throw new TpullError(
    "MANIFEST_UNSUPPORTED",
    `${what}: manifests of type ${serverWords(type, 100)} are not supported`,
  );
}

/** `MANIFEST_TOO_LARGE`: beyond {@link MAX_MANIFEST_BYTES}. */
export function manifestTooLarge(what: string): TpullError {
  return new TpullError(
    "MANIFEST_TOO_LARGE",
    `${what}: the manifest is larger than ${MAX_MANIFEST_BYTES} bytes`,
    { details: { expected: MAX_MANIFEST_BYTES } },
  );
}

/** `MANIFEST_UNSUPPORTED`: docker's format of before 2016. */
export function schema1Unsupported(what: string): TpullError {
  return new TpullError(
    "MANIFEST_UNSUPPORTED",
    `${what}: the image is in docker's old manifest format, schema 1, which is not supported`,
    {
      hint: "Have it pushed again with a current docker, or use another tag.",
    },
  );
}

function readDocument(bytes: Uint8Array, what: string): Fields {
  let json: { value: unknown; text: string };
  try {
    json = parseJson(bytes);
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw invalidManifest(what, `it is not JSON (${serverWords(words, 80)})`);
  }
  const document = new Fields(json.value, what, "");
  const keys = topLevelKeys(json.text);
  for (const key of DECIDING_KEYS) {
    // Go's reader takes `Layers` for `layers`, so any spelling counts.
    const found = keys.filter(
      (other) => other.toLowerCase() === key.toLowerCase(),
    );
    if (found.length > 1) {
      throw invalidManifest(what, `"${key}" stands there twice`);
    }
    if (found.some((other) => other !== key)) {
      throw invalidManifest(what, `"${key}" is spelled "${found.join()}"`);
    }
  }
  return document;
}

/** Header, `mediaType` and shape must tell the same story. */
function documentType(
  document: Fields,
  header: string,
  declared: string,
): string {
  const { what } = document;
  const likeIndex = document.has("manifests");
  const likeImage = document.has("layers") || document.has("config");
  if (likeIndex && likeImage) {
    throw invalidManifest(what, "it is an index and an image at once");
  }
  if (declared !== "" && !isGenericType(header) && declared !== header) {
    throw invalidManifest(
      what,
      `the registry calls it ${serverWords(header, 100)}, it calls itself ${serverWords(declared, 100)}`,
    );
  }
  const named = declared === "" ? header : declared;
  if (isIndexType(named) && likeImage) {
    throw invalidManifest(what, "it is an index with the fields of an image");
  }
  if (isImageManifestType(named) && likeIndex) {
    throw invalidManifest(what, "it is an image with the fields of an index");
  }
  if (!isGenericType(named)) return named;
  if (likeIndex) return OCI_INDEX;
  if (likeImage) return OCI_MANIFEST;
  throw invalidManifest(what, "it is neither an index nor an image");
}

function readIndex(document: Fields, mediaType: string): Index {
  if (!document.has("manifests")) {
    throw invalidManifest(document.what, "an index without manifests");
  }
  const manifests = document.objects("manifests").map(readDescriptor);
  return { kind: "index", mediaType, manifests };
}

function readImage(document: Fields, mediaType: string): ImageManifest {
  const config = document.object("config");
  if (config === undefined) {
    throw invalidManifest(document.what, "an image without a config");
  }
  const image: ImageManifest = {
    kind: "image",
    mediaType,
    config: readDescriptor(config),
    layers: document.objects("layers").map(readDescriptor),
  };
  checkIsImage(image, document.text("artifactType"), document.what);
  return image;
}
