/**
 * The thread that turns a layer's blob into files, or checks the files of one.
 * It takes one job at a time
 * and works through it without returning to its event loop: bytes come and go
 * through shared rings, and waiting is sleeping.
 */
import { createHash } from "node:crypto";
import { parentPort } from "node:worker_threads";
import type { DiffId, Digest } from "../digest.js";
import { abortedError } from "../errors.js";
import { createCrc64 } from "./crc64.js";
import { type Inflater, inflaterFor } from "./inflate.js";
import {
  type Answer,
  type BlobSeen,
  type Job,
  endsJob,
  toWire,
} from "./job.js";
import {
  type ByteSource,
  RingAbandonedError,
  type RingMemory,
  RingReader,
  RingWriter,
  isRingAborted,
} from "./ring.js";
import { rebuild } from "./rebuild.js";
import { type StoredLayer, TarSplitSource } from "./tar-split-source.js";
import { unpack } from "./unpack.js";

/** Inflated bytes handed on at a time when there is no ring in between. */
const INFLATED_BYTES = 256 * 1024;

/** Counts and hashes what passes. */
class BlobMeter implements ByteSource {
  readonly #source: ByteSource;
  readonly #hash = createHash("sha256");
  #bytes = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  next(): Uint8Array | undefined {
    const chunk = this.#source.next();
    if (chunk !== undefined) {
      this.#hash.update(chunk);
      this.#bytes += chunk.length;
    }
    return chunk;
  }

  /**
   * Reads on to the end, so that a failure further down can be told from a
   * blob that was never the right one.
   */
  finish(): BlobSeen {
    while (this.next() !== undefined);
    return {
      digest: `sha256:${this.#hash.digest("hex")}` as Digest,
      bytes: this.#bytes,
    };
  }
}

class InflatedSource implements ByteSource {
  readonly #inflater: Inflater;
  readonly #stop: RingMemory;
  readonly #buffer = new Uint8Array(new ArrayBuffer(INFLATED_BYTES));

  /** @param stop asked between pieces: a little input may yield gigabytes */
  constructor(inflater: Inflater, stop: RingMemory) {
    this.#inflater = inflater;
    this.#stop = stop;
  }

  next(): Uint8Array | undefined {
    if (isRingAborted(this.#stop)) throw abortedError();
    const length = this.#inflater.read(this.#buffer);
    return length === 0 ? undefined : this.#buffer.subarray(0, length);
  }
}

const crc = createCrc64();

async function work(job: Exclude<Job, { role: "end" }>): Promise<Answer> {
  if (job.role === "inflate") return inflate(job);
  if (job.role === "rebuild") {
    return { rebuilt: rebuild(job.order, () => isRingAborted(job.stop)) };
  }
  if (job.role === "measure") return { tarBytes: measure(job.layer) };
  const checksum = await crc;
  if (job.role === "check") {
    // Loaded where it is needed only: a worker's start is part of every pull.
    const { checkLayer } = await import("../verify/content/check-layer.js");
    const progress = new BigInt64Array(job.progress);
    const checked = checkLayer(job.layer, checksum, {
      stopped: () => isRingAborted(job.stop),
      onContent: (bytes) => void Atomics.add(progress, 0, BigInt(bytes)),
    });
    return { checked };
  }
  if (job.role === "copy") {
    const source = new TarSplitSource(job.from, () => isRingAborted(job.stop));
    try {
      return { unpacked: unpack(source, job.target, checksum) };
    } finally {
      source.close();
    }
  }
  if (job.role === "unpack") {
    const reader = new RingReader(job.tar);
    try {
      return { unpacked: unpack(reader, job.target, checksum) };
    } catch (error) {
      reader.abandon();
      return { error: toWire(error) };
    }
  }
  const meter = new BlobMeter(new RingReader(job.blob));
  let inflater: Inflater | undefined;
  try {
    inflater = inflaterFor(meter);
    const unpacked = unpack(
      new InflatedSource(inflater, job.blob),
      job.target,
      checksum,
    );
    return { unpacked, blob: meter.finish() };
  } catch (error) {
    return afterFailure(meter, error);
  } finally {
    inflater?.close();
  }
}

function inflate(job: Extract<Job, { role: "inflate" }>): Answer {
  const meter = new BlobMeter(new RingReader(job.blob));
  const writer = new RingWriter(job.tar);
  let inflater: Inflater | undefined;
  try {
    inflater = inflaterFor(meter);
    // Writing files takes the other thread longer than a fast inflater this one.
    const hash = inflater.isFast ? createHash("sha256") : undefined;
    if (hash !== undefined) writer.promiseHash();
    for (;;) {
      const room = writer.reserve();
      const length = inflater.read(room);
      if (length === 0) break;
      hash?.update(room.subarray(0, length));
      writer.commit(length);
    }
    writer.end();
    const diffId = hash && (`sha256:${hash.digest("hex")}` as DiffId);
    return {
      blob: meter.finish(),
      ...(diffId === undefined ? {} : { diffId }),
    };
  } catch (error) {
    writer.fail();
    // The unpacker's own error says why it stopped reading.
    return error instanceof RingAbandonedError
      ? { blob: meter.finish() }
      : afterFailure(meter, error);
  } finally {
    inflater?.close();
  }
}

/** Passes over all of a tar, for which no file is opened. */
function measure(layer: StoredLayer): number {
  const source = new TarSplitSource(layer, () => false);
  try {
    return source.skip(Number.POSITIVE_INFINITY);
  } finally {
    source.close();
  }
}

function afterFailure(meter: BlobMeter, cause: unknown): Answer {
  const error = toWire(cause);
  if (endsJob(error)) return { error };
  try {
    return { error, blob: meter.finish() };
  } catch {
    return { error };
  }
}

parentPort?.on("message", (job: Job) => {
  if (job.role === "end") {
    parentPort?.close();
    return;
  }
  void work(job)
    .catch((error: unknown): Answer => ({ error: toWire(error) }))
    .then((answer) => parentPort?.postMessage(answer));
});
