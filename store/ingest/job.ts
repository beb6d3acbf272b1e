/** What the main thread and the workers say to each other. */
import type { DiffId, Digest } from "../digest.js";
import { TpullError, isTpullError } from "../errors.js";
import type { RebuildOrder, Rebuilt } from "./rebuild.js";
import type {
  CheckedLayer,
  LayerToCheck,
} from "../verify/content/check-layer.js";
import type { RingMemory } from "./ring.js";
import type { StoredLayer } from "./tar-split-source.js";
import type { UnpackedTree, UnpackTarget } from "./unpack.js";

/**
 * `whole`: blob bytes to unpacked layer on one thread, best when there are
 * layers enough for all cores. `inflate` and `unpack`: the same work on two
 * threads with a ring of tar bytes between them, best when one layer is what
 * everything waits for. `copy`: the tar comes from a layer that is stored
 * already; the ring only carries the order to stop. `rebuild`: the tar of a
 * stored layer is written out. `measure`: how long that tar will be.
 * `check`: a stored layer is read and compared with its archive; the ring only
 * carries the order to stop.
 */
export type Job =
  | {
      readonly role: "whole";
      readonly blob: RingMemory;
      readonly target: UnpackTarget;
    }
  | {
      readonly role: "inflate";
      readonly blob: RingMemory;
      readonly tar: RingMemory;
    }
  | {
      readonly role: "unpack";
      readonly tar: RingMemory;
      readonly target: UnpackTarget;
    }
  | {
      readonly role: "copy";
      readonly from: StoredLayer;
      readonly stop: RingMemory;
      readonly target: UnpackTarget;
    }
  | {
      readonly role: "rebuild";
      readonly order: RebuildOrder;
      readonly stop: RingMemory;
    }
  | { readonly role: "measure"; readonly layer: StoredLayer }
  | {
      readonly role: "check";
      readonly layer: LayerToCheck;
      readonly stop: RingMemory;
      /** One 64-bit number: bytes of files read, added to as it goes on. */
      readonly progress: SharedArrayBuffer;
    }
  /** There is no more work. */
  | { readonly role: "end" };

/** What was found of the blob: always reported, even when unpacking failed. */
export interface BlobSeen {
  readonly digest: Digest;
  readonly bytes: number;
}

export interface Answer {
  readonly blob?: BlobSeen;
  readonly unpacked?: UnpackedTree;
  /** From the thread that inflates, if that one hashes the tar. */
  readonly diffId?: DiffId;
  readonly rebuilt?: Rebuilt;
  /** Bytes of a layer's tar. */
  readonly tarBytes?: number;
  readonly checked?: CheckedLayer;
  readonly error?: WireError;
}

/** An error as it crosses threads: structured cloning drops an error's own fields. */
export interface WireError {
  readonly expected?: ReturnType<TpullError["toJSON"]>;
  readonly defect?: string;
}

/**
 * Whether the failure would be the same for another blob, a full disk for
 * example: then the rest of the blob is of no interest. After others it is
 * read, to tell whether it was the right one.
 */
export function endsJob({ expected }: WireError): boolean {
  return (
    expected !== undefined &&
    expected.code !== "LAYER_INVALID" &&
    expected.code !== "ABORTED"
  );
}

export function toWire(error: unknown): WireError {
  if (isTpullError(error)) return { expected: error.toJSON() };
  return {
    defect:
      error instanceof Error ? (error.stack ?? error.message) : String(error),
  };
}

export function fromWire(error: WireError): Error {
  if (error.expected === undefined) {
    return new Error(`unpack worker: ${error.defect ?? "unknown failure"}`);
  }
  const { code, message, hint, details } = error.expected;
  return new TpullError(code, message, { hint, details });
}
