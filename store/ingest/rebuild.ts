/**
 * A stored layer's tar, put together again and written out: into a file at
 * some offset, or into a ring. Hashed on the way, so that the caller can tell
 * whether it is still the layer that was stored.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import type { DiffId, Digest } from "../digest.js";
import { outputFailure } from "../io-error.js";
import { type Compression, compressorFor } from "./compress.js";
import { type RingMemory, RingWriter } from "./ring.js";
import type { StoredLayer } from "./tar-split-source.js";
import { TarSplitSource } from "./tar-split-source.js";

/** Where a rebuilt layer goes. A file must exist; nothing but the layer's own bytes is changed in it. */
export type RebuildTarget =
  | { readonly path: string; readonly offset: number }
  | { readonly ring: RingMemory };

export interface RebuildOrder {
  readonly from: StoredLayer;
  readonly to: RebuildTarget;
  readonly compression: Compression;
}

/** What was written. */
export interface Rebuilt {
  /** Of the tar. */
  readonly diffId: DiffId;
  readonly tarBytes: number;
  /** Of what was written: the tar, or its compressed form. */
  readonly digest: Digest;
  readonly bytes: number;
}

/**
 * @param stopped asked between pieces; true ends the work with `ABORTED`
 * @throws TpullError `ABORTED`, `LAYER_DAMAGED`, `COMPRESSION_UNAVAILABLE`, and
 *   what the system says where the file cannot be written
 */
export function rebuild(order: RebuildOrder, stopped: () => boolean): Rebuilt {
  const { from, to, compression } = order;
  const output = "ring" in to ? ringOutput(to.ring) : fileOutput(to);
  const diff = createHash("sha256");
  const blob = compression === "none" ? undefined : createHash("sha256");
  let bytes = 0;
  let tarBytes = 0;
  try {
    const compressor = compressorFor(compression, (chunk) => {
      blob?.update(chunk);
      bytes += chunk.length;
      output.write(chunk);
    });
    try {
      const source = new TarSplitSource(from, stopped);
      try {
        for (let piece = source.next(); piece; piece = source.next()) {
          diff.update(piece);
          tarBytes += piece.length;
          compressor.push(piece);
        }
      } finally {
        source.close();
      }
      compressor.finish();
    } finally {
      compressor.close();
    }
    output.end();
  } catch (error) {
    output.fail();
    throw error;
  }
  const diffId = `sha256:${diff.digest("hex")}` as DiffId;
  const digest = blob
    ? (`sha256:${blob.digest("hex")}` as Digest)
    : (diffId as string as Digest);
  return { diffId, tarBytes, digest, bytes };
}

interface RebuildOutput {
  write(bytes: Uint8Array): void;
  end(): void;
  fail(): void;
}

function fileOutput(to: { path: string; offset: number }): RebuildOutput {
  let at = to.offset;
  try {
    const fd = openSync(to.path, "r+");
    return {
      write(bytes) {
        try {
          for (let done = 0; done < bytes.length;) {
            const length = writeSync(fd, bytes, done, bytes.length - done, at);
            done += length;
            at += length;
          }
        } catch (error) {
          throw outputFailure(error, to.path);
        }
      },
      end: () => closeSync(fd),
      fail: () => closeSync(fd),
    };
  } catch (error) {
    throw outputFailure(error, to.path);
  }
}

function ringOutput(ring: RingMemory): RebuildOutput {
  const writer = new RingWriter(ring);
  return {
    write(bytes) {
      for (let done = 0; done < bytes.length;) {
        const room = writer.reserve();
        const part = bytes.subarray(done, done + room.length);
        room.set(part);
        writer.commit(part.length);
        done += part.length;
      }
    },
    end: () => writer.end(),
    fail: () => writer.fail(),
  };
}
