/**
 * What a registry can serve, whatever it lies in: memory, an image layout, and
 * anything else that can answer these few questions. A `Content` is asked only
 * for names, tags and digests that are well-formed already.
 */
import type { Readable } from "node:stream";
import type { Digest } from "../../store/index.js";

/** A manifest or index, byte for byte as it is addressed. */
export interface ServedManifest {
  readonly digest: Digest;
  /** Goes out as `Content-Type`; must be a valid header value. */
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** A config or layer. */
export interface ServedBlob {
  /** Bytes of the whole blob. */
  readonly size: number;
  /** The bytes from `start` up to, and without, `end`; `0 <= start <= end <= size`. */
  open(start: number, end: number): Readable;
}

/** One repository, e.g. `library/nginx`. What it does not have is `undefined`. */
export interface Repository {
  manifest(reference: ManifestReference): Promise<ServedManifest | undefined>;
  blob(digest: Digest): Promise<ServedBlob | undefined>;
  /** All tags, in any order. */
  tags(): Promise<readonly string[]>;
}

/** How a manifest is asked for. */
export type ManifestReference =
  { readonly tag: string } | { readonly digest: Digest };

export interface Content {
  /** The repository of that name, or `undefined` when there is none. */
  repository(name: string): Promise<Repository | undefined>;
  /** The names of all repositories, in any order. */
  repositories(): Promise<readonly string[]>;
}
