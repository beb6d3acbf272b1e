/** What the main thread and the threads that rebuild tars say to each other. */
import type { DiffId } from "../digest.js";
import type { WireError } from "../ingest/job.js";
import type { StoredLayer } from "../ingest/tar-split-source.js";

/** Each order but `close` and `end` is answered once, with its `id`. */
export type Order =
  /** How long the tar is. */
  | {
      readonly kind: "measure";
      readonly id: number;
      readonly layer: StoredLayer;
    }
  | {
      readonly kind: "open";
      readonly id: number;
      /** Names the stream in later orders. */
      readonly stream: number;
      readonly layer: StoredLayer;
      /** The byte to begin with. */
      readonly from: number;
      /** What the stream hashes to from its first byte to its last; undefined where it is no whole tar. */
      readonly diffId: DiffId | undefined;
    }
  /** The next bytes of a stream, at most `most` of them. */
  | {
      readonly kind: "read";
      readonly id: number;
      readonly stream: number;
      readonly most: number;
      /** Whether the tar should end with them. */
      readonly last: boolean;
    }
  | { readonly kind: "close"; readonly stream: number }
  /** There is no more work. */
  | { readonly kind: "end" };

export interface Answer {
  readonly id: number;
  readonly size?: number;
  readonly bytes?: Uint8Array<ArrayBuffer>;
  readonly error?: WireError;
}
