/**
 * The thread that gives back tars of stored layers. It serves many streams in
 * turn, a piece for each order, so that a slow reader holds up nobody. Of
 * streams that nobody has read for a while the files are closed: the place is
 * found again by skipping.
 */
import { createHash, type Hash } from "node:crypto";
import { parentPort } from "node:worker_threads";
import type { DiffId } from "../digest.js";
import { TpullError } from "../errors.js";
import { toWire } from "../ingest/job.js";
import {
  TarSplitSource,
  type StoredLayer,
} from "../ingest/tar-split-source.js";
import type { Answer, Order } from "./messages.js";

/** Streams with open files in one thread; each has a few. */
const MOST_OPEN = 128;

class Stream {
  readonly #layer: StoredLayer;
  readonly #hash: Hash | undefined;
  readonly #diffId: DiffId | undefined;
  #at: number;
  #source: TarSplitSource | undefined;
  #rest: Uint8Array = new Uint8Array();

  constructor(layer: StoredLayer, from: number, diffId: DiffId | undefined) {
    this.#layer = layer;
    this.#at = from;
    this.#diffId = diffId;
    this.#hash = diffId === undefined ? undefined : createHash("sha256");
  }

  /** @throws TpullError `LAYER_DAMAGED`, before bytes are given that make it the wrong tar */
  read(most: number, last: boolean): Uint8Array<ArrayBuffer> {
    const source = (this.#source ??= this.#open());
    const bytes = new Uint8Array(new ArrayBuffer(most));
    let filled = 0;
    while (filled < most) {
      if (this.#rest.length === 0) {
        const next = source.next();
        if (next === undefined) break;
        this.#rest = next;
      }
      const piece = this.#rest.subarray(0, most - filled);
      bytes.set(piece, filled);
      filled += piece.length;
      this.#rest = this.#rest.subarray(piece.length);
    }
    this.#at += filled;
    this.#hash?.update(bytes.subarray(0, filled));
    if (last) this.#check();
    return bytes.subarray(0, filled);
  }

  #check(): void {
    if (this.#hash === undefined) return;
    const found = `sha256:${this.#hash.digest("hex")}`;
    if (found === this.#diffId) return;
    throw new TpullError(
      "LAYER_DAMAGED",
      `the layer's files do not give its tar: they hash to ${found}, not ${this.#diffId}`,
    );
  }

  #open(): TarSplitSource {
    const source = openSource(this.#layer);
    try {
      source.skip(this.#at);
    } catch (error) {
      source.close();
      throw error;
    }
    return source;
  }

  /** Closes its files; it can be read on nevertheless. */
  rest(): void {
    this.#source?.close();
    this.#source = undefined;
    this.#rest = new Uint8Array();
  }
}

function openSource(layer: StoredLayer): TarSplitSource {
  return new TarSplitSource(layer, () => false);
}

/** The one that was read last comes last. */
const streams = new Map<number, Stream>();
const open = new Set<number>();

function read(
  order: Extract<Order, { kind: "read" }>,
): Uint8Array<ArrayBuffer> {
  const { stream: name, most, last } = order;
  const stream = streams.get(name);
  if (stream === undefined) throw new Error(`there is no stream ${name}`);
  open.delete(name);
  open.add(name);
  for (const oldest of open) {
    if (open.size <= MOST_OPEN) break;
    open.delete(oldest);
    streams.get(oldest)?.rest();
  }
  return stream.read(most, last);
}

function close(name: number): void {
  streams.get(name)?.rest();
  streams.delete(name);
  open.delete(name);
}

function measure(layer: StoredLayer): number {
  const source = openSource(layer);
  try {
    return source.skip(Number.POSITIVE_INFINITY);
  } finally {
    source.close();
  }
}

function answer(order: Exclude<Order, { kind: "close" | "end" }>): Answer {
  const { id } = order;
  try {
    switch (order.kind) {
      case "measure":
        return { id, size: measure(order.layer) };
      case "open":
        streams.set(
          order.stream,
          new Stream(order.layer, order.from, order.diffId),
        );
        return { id };
      case "read":
        return { id, bytes: read(order) };
    }
  } catch (error) {
    return { id, error: toWire(error) };
  }
}

parentPort?.on("message", (order: Order) => {
  if (order.kind === "end") {
    for (const name of streams.keys()) close(name);
    parentPort?.close();
    return;
  }
  if (order.kind === "close") {
    close(order.stream);
    return;
  }
  const made = answer(order);
  const transfer = made.bytes === undefined ? [] : [made.bytes.buffer];
  parentPort?.postMessage(made, transfer);
});
