/**
 * Content addresses. Each kind is its own type, so that a diff ID cannot be
 * passed where a chain ID is meant; all of them are `sha256:` + 64 lower-case
 * hexadecimal digits at run time (except {@link CacheId}, which names a
 * directory and addresses nothing).
 */
import { createHash, randomBytes } from "node:crypto";
import { TpullError } from "./errors.js";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** Digest of bytes as a registry serves them: manifest, config or compressed layer. */
export type Digest = Branded<"Digest">;
/** Digest of a layer's uncompressed tar, every byte of it. */
export type DiffId = Branded<"DiffId">;
/** Identity of a layer together with all layers below it. */
export type ChainId = Branded<"ChainId">;
/** Digest of an image's config. */
export type ImageId = Branded<"ImageId">;
/** Random name of a layer's directory below `overlay2/`: 64 hex digits, or 25 digits of base 36 where dockerd's builder made it. */
export type CacheId = Branded<"CacheId">;

const SHA256 = /^sha256:[0-9a-f]{64}$/;
const KNOWN_ALGORITHM =
  /^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;

/** Whether `text` is a well-formed sha256 digest. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && SHA256.test(text);
}

/**
 * Checks a digest that came from outside before it may become part of a path
 * or a URL (the class of CVE-2024-3727).
 * @param what names the field in the message, e.g. `layer 3 of the manifest`
 * @throws TpullError `DIGEST_INVALID`, `DIGEST_UNSUPPORTED`
 */
export function parseDigest(text: unknown, what: string): Digest {
  if (isDigest(text)) return text;
  const shown =
    typeof text === "string" ? JSON.stringify(text.slice(0, 140)) : typeof text;
  if (typeof text === "string" && KNOWN_ALGORITHM.test(text)) {
    throw new TpullError(
      "DIGEST_UNSUPPORTED",
      `${what}: ${shown} is not a sha256 digest`,
      {
        hint: "docker's layer store addresses everything by sha256, so only sha256 digests can be stored.",
      },
    );
  }
  throw new TpullError(
    "DIGEST_INVALID",
    `${what}: ${shown} is not a digest (sha256: and 64 lower-case hex digits)`,
  );
}

/** The same check for a diff ID (of a config's `rootfs.diff_ids`). */
export function parseDiffId(text: unknown, what: string): DiffId {
  return parseDigest(text, what) as string as DiffId;
}

/** The 64 hex digits behind the algorithm: what file names are made of. */
export function hexOf(digest: Digest | DiffId | ChainId | ImageId): string {
  return digest.slice("sha256:".length);
}

/** First 12 hex digits: docker's short form for people. */
export function shortId(digest: Digest | DiffId | ChainId | ImageId): string {
  return digest.slice("sha256:".length, "sha256:".length + 12);
}

/** sha256 digest of a whole buffer. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}` as Digest;
}

/**
 * Chain ID of a layer (OCI image-spec, "Layer ChainID"): the diff ID itself for
 * a base layer, else the digest of `<parent chain> <diff ID>`.
 */
export function chainId(parent: ChainId | undefined, diffId: DiffId): ChainId {
  if (parent === undefined) return diffId as string as ChainId;
  return digestOf(`${parent} ${diffId}`) as string as ChainId;
}

/** Chain IDs of a whole image, base first. */
export function chainIds(diffIds: readonly DiffId[]): ChainId[] {
  const chain: ChainId[] = [];
  for (const diffId of diffIds) chain.push(chainId(chain.at(-1), diffId));
  return chain;
}

/** A fresh, random cache-id. */
export function newCacheId(): CacheId {
  return randomBytes(32).toString("hex") as CacheId;
}
