/**
 * From bytes to a layer that is ready to become visible: everything about it
 * is verified here, nothing of it can be seen yet.
 */
import { join } from "node:path";
import type { ChainId, DiffId, Digest } from "./digest.js";
import { TpullError } from "./errors.js";
import { IngestPool } from "./ingest/pool.js";
import type { TreeWarning } from "./ingest/layer-tree.js";
import type { StoredLayer } from "./ingest/tar-split-source.js";
import type { Unpacked, UnpackTarget } from "./ingest/unpack.js";
import type { LayerClaim, StagedLayer } from "./layers.js";
import { privilege } from "./privilege.js";

/** What a blob must turn out to be. */
export interface ExpectedLayer {
  /** Distribution digest of the blob; undefined where it is not known, and the diff ID decides alone. */
  readonly digest: Digest | undefined;
  /** Bytes of the blob. */
  readonly size: number;
  /** Of the image's config. */
  readonly diffId: DiffId;
  /** The layer below; absent for a base layer. */
  readonly parent?: ChainId | undefined;
}

export interface StageOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of blob bytes taken in. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Called once all bytes of the blob are in and only unpacking is left. */
  readonly onReceived?: (() => void) | undefined;
  /** Gives this layer two threads. */
  readonly wide?: boolean;
}

export type { TreeWarning };

/** A staged layer, and what could not be stored as the archive says. */
export interface Staged extends StagedLayer {
  readonly warnings: readonly TreeWarning[];
}

/** Unpacks layers on worker threads. Dispose it to end them. */
export class Stager implements AsyncDisposable {
  readonly #pool = new IngestPool();

  /** Starts workers ahead of their first layers. */
  warm(count: number): void {
    this.#pool.warm(count);
  }

  /**
   * Reads a blob, compressed or not, and stages its layer.
   * @throws TpullError `SIZE_MISMATCH`, `DIGEST_MISMATCH`, `DIFF_ID_MISMATCH`,
   *   `LAYER_INVALID`, `DISK_FULL`, `STORE_IO_FAILED`, `ABORTED`, `WORKER_FAILED`
   */
  async blob(
    claim: LayerClaim,
    chunks: AsyncIterable<Uint8Array>,
    expected: ExpectedLayer,
    options: StageOptions = {},
  ): Promise<Staged> {
    const { blob, unpacked, error } = await this.#pool.ingest(chunks, {
      target: targetOf(claim),
      size: expected.size,
      wide: options.wide ?? false,
      signal: options.signal,
      onBytes: options.onBytes,
      onReceived: options.onReceived,
    });
    // A wrong blob rarely unpacks; that it is the wrong one is the better news.
    if (blob.bytes !== expected.size) {
      throw new TpullError(
        "SIZE_MISMATCH",
        `the blob has ${blob.bytes} bytes, the manifest says ${expected.size}`,
        { details: { expected: expected.size, actual: blob.bytes } },
      );
    }
    if (expected.digest !== undefined && blob.digest !== expected.digest) {
      throw new TpullError(
        "DIGEST_MISMATCH",
        `the registry sent other bytes than asked for: they hash to ${blob.digest}`,
        {
          hint: "The registry, a cache or a proxy on the way serves damaged data; nothing of it was stored.",
          details: { expected: expected.digest, actual: blob.digest },
        },
      );
    }
    if (error !== undefined) throw error;
    if (unpacked === undefined)
      throw new Error("unpacked nothing and said nothing");
    return staged(claim, expected, unpacked, blob.digest);
  }

  /** Stages a layer whose tar another stored layer can give back. */
  async copy(
    claim: LayerClaim,
    from: StoredLayer,
    expected: Pick<ExpectedLayer, "diffId" | "parent">,
    options: StageOptions = {},
  ): Promise<Staged> {
    const unpacked = await this.#pool.copy(
      from,
      targetOf(claim),
      options.signal,
    );
    return staged(claim, expected, unpacked);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }
}

function targetOf(claim: LayerClaim): UnpackTarget {
  return {
    diffDirectory: join(claim.layerDirectory, "diff"),
    tarSplitPath: join(claim.writeSetDirectory, "tar-split.json.gz"),
    privileged: privilege() === "native",
  };
}

function staged(
  claim: LayerClaim,
  { diffId, parent }: Pick<ExpectedLayer, "diffId" | "parent">,
  unpacked: Unpacked,
  blob?: Digest,
): Staged {
  if (unpacked.diffId !== diffId) {
    throw new TpullError(
      "DIFF_ID_MISMATCH",
      `it unpacks to the diff ID ${unpacked.diffId}, the image's config says ${diffId}`,
      {
        hint: "The image was published with a config that does not belong to its layers; ask its publisher.",
        details: { expected: diffId, actual: unpacked.diffId },
      },
    );
  }
  const { size, warnings } = unpacked;
  const layer = { diffId, parent, size, blob, warnings };
  claim.complete(layer);
  return { claim, ...layer };
}
