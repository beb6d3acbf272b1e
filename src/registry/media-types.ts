/** Media types of images and of what is kept beside images in registries. */

export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const DOCKER_LIST =
  "application/vnd.docker.distribution.manifest.list.v2+json";
export const DOCKER_MANIFEST =
  "application/vnd.docker.distribution.manifest.v2+json";
const SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+json";
const SCHEMA_1_SIGNED =
  "application/vnd.docker.distribution.manifest.v1+prettyjws";
const OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json";

/**
 * `Accept` for manifests. Schema 1 stands last: it is not supported, but a
 * registry that has nothing else then says so instead of "not found".
 */
export const ACCEPT_MANIFESTS: string = [
  OCI_INDEX,
  OCI_MANIFEST,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  SCHEMA_1_SIGNED,
  SCHEMA_1,
].join(", ");

/** `Accept` for a manifest whose media type a descriptor names. */
export function acceptFor(mediaType: string): string {
  return /^[\w.+-]+\/[\w.+-]+$/.test(mediaType)
    ? `${mediaType}, */*`
    : ACCEPT_MANIFESTS;
}

export function isIndexType(mediaType: string): boolean {
  return mediaType === OCI_INDEX || mediaType === DOCKER_LIST;
}

export function isImageManifestType(mediaType: string): boolean {
  return mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST;
}

export function isSchema1Type(mediaType: string): boolean {
  return mediaType === SCHEMA_1 || mediaType === SCHEMA_1_SIGNED;
}

/** Types that say nothing: servers without a better idea send them. */
const GENERIC = new Set([
  "",
  "application/json",
  "application/octet-stream",
  "binary/octet-stream",
  "text/plain",
]);

export function isGenericType(mediaType: string): boolean {
  return GENERIC.has(mediaType);
}

/** Config types that docker takes for an image; the generic ones come from old registries. */
const IMAGE_CONFIGS = new Set([
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
  "application/octet-stream",
  "application/json",
  "text/html",
  "",
]);

export function isImageConfigType(mediaType: string): boolean {
  return IMAGE_CONFIGS.has(mediaType);
}

/**
 * Whether a layer of this type can be a file tree: any tar, however
 * compressed, and types that say nothing. How it is compressed is told by the
 * bytes, not by the type.
 */
export function isLayerType(mediaType: string): boolean {
  return (
    GENERIC.has(mediaType) ||
    (/[./-](tar|tgz|gzip|x-gzip|zstd)([.+]|$)/.test(mediaType) &&
      !mediaType.endsWith("+encrypted"))
  );
}

/** What else is kept in registries, by the beginning of a config's, layer's or manifest's type. */
const OTHER_THINGS: readonly (readonly [prefix: string, name: string])[] = [
  ["application/vnd.cncf.helm.", "a Helm chart"],
  ["application/vnd.docker.ai.", "an AI model"],
  ["application/vnd.cncf.model.", "an AI model"],
  ["application/vnd.ollama.", "an AI model"],
  ["application/vnd.docker.plugin.", "a docker plugin"],
  ["application/vnd.docker.compose.", "a docker compose application"],
  ["application/vnd.in-toto", "an attestation of a build"],
  ["application/vnd.dsse.envelope.", "an attestation"],
  ["application/vnd.dev.sigstore.", "a signature"],
  ["application/vnd.dev.cosign.simplesigning.", "a signature"],
  ["application/vnd.cncf.notary.", "a signature"],
  ["application/vnd.buildkit.cacheconfig.", "a build cache"],
  ["application/vnd.buildkit.", "a build cache"],
  ["application/vnd.cncf.flux.", "a Flux configuration"],
  ["application/vnd.wasm.", "a WebAssembly module"],
  ["application/vnd.cyclonedx", "a software bill of materials"],
  ["application/spdx", "a software bill of materials"],
  ["text/spdx", "a software bill of materials"],
  ["application/vnd.devcontainers", "a dev container feature"],
  ["application/vnd.oci.empty.", "an OCI artifact"],
  [OCI_ARTIFACT, "an OCI artifact"],
];

/** A name for people of what a type belongs to, when it is a known one. */
export function nameOfThing(mediaType: string): string | undefined {
  return OTHER_THINGS.find(([prefix]) => mediaType.startsWith(prefix))?.[1];
}
