/**
 * What a registry can serve, whatever it lies in: memory, image layouts, a data
 * root, and anything else that can answer these few questions. A `Content` is
 * asked only for names, tags and digests that are well-formed already.
 */
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
  /**
   * The bytes from `start` up to, and without, `end`; `0 <= start <= end <= size`.
   * Each piece is used up before the next is asked for, and may then be
   * overwritten. Whoever has enough returns from the iteration.
   */
  open(start: number, end: number): AsyncIterable<Uint8Array>;
}

/** A manifest as a list of referrers names it (OCI image-spec, "Content Descriptors"). */
export interface Referrer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * What was asked for is there and is not what its name says. Whoever owns it has
 * been told; the client gets status 500, since "unknown" would send people to
 * whoever pushed it.
 */
export class DamagedContentError extends Error {}

/** One repository, e.g. `library/nginx`. What it does not have is `undefined`. */
export interface Repository {
  /** @throws DamagedContentError */
  manifest(reference: ManifestReference): Promise<ServedManifest | undefined>;
  /**
   * The same without making one: of what is filed as a manifest only. Where it
   * is missing, `manifest` makes none either.
   * @throws DamagedContentError
   */
  filed?(reference: ManifestReference): Promise<ServedManifest | undefined>;
  /** @throws DamagedContentError */
  blob(digest: Digest): Promise<ServedBlob | undefined>;
  /** All tags, in any order. */
  tags(): Promise<readonly string[]>;
  /** The manifests whose `subject` has that digest, whether it is there or not. */
  referrers(subject: Digest): Promise<readonly Referrer[]>;
}

/** How a manifest is asked for. */
export type ManifestReference =
  { readonly tag: string } | { readonly digest: Digest };

export interface Content {
  /**
   * The repository of that name, or `undefined` when there is none.
   * @param namespace the registry that is meant, e.g. `quay.io`, as a mirror is told in `?ns=`
   */
  repository(name: string, namespace?: string): Promise<Repository | undefined>;
  /** The names of all repositories, in any order, each once; with a namespace those of that registry. */
  repositories(namespace?: string): Promise<readonly string[]>;
}
