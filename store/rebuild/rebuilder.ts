/** Tars of stored layers, given back bit for bit by threads of their own. */
import { availableParallelism } from "node:os";
import type { DiffId } from "../digest.js";
import { TpullError } from "../errors.js";
import type { StoredLayer } from "../ingest/tar-split-source.js";
import { RebuildThread } from "./thread.js";

/** More threads than this read no faster: the files come from one disk. */
const MOST_THREADS = 4;
export interface RebuildOptions {
  /** The first byte to give; default 0. */
  readonly start?: number;
  /** Where to end, before this byte; at most the tar's size. */
  readonly end: number;
  /**
   * What the tar hashes to. Where `start` is 0 and `end` is the tar's size, the
   * last bytes are given only if all of them do.
   */
  readonly diffId?: DiffId;
}

const PIECE_BYTES = 256 * 1024;

/** See {@link LayerRebuilder.cursor}. One read at a time. */
export class TarCursor {
  readonly #thread: RebuildThread;
  readonly #stream: number;
  readonly #layer: StoredLayer;
  readonly #diffId: DiffId | undefined;
  #opened = false;
  #closed = false;
  /** The byte that comes next. */
  position: number;

  constructor(
    thread: RebuildThread,
    stream: number,
    layer: StoredLayer,
    from: number,
    diffId: DiffId | undefined,
  ) {
    this.#thread = thread;
    this.#stream = stream;
    this.#layer = layer;
    this.#diffId = diffId;
    this.position = from;
    thread.streams += 1;
  }

  /** Whether all of the tar will have been hashed when its end is read. */
  get hashes(): boolean {
    return this.#diffId !== undefined;
  }

  /**
   * The next `bytes` bytes.
   * @param last whether the tar should end with them
   * @throws TpullError `LAYER_DAMAGED` when something of the layer cannot be
   *   read, or all of it does not hash to the diff ID; `WORKER_FAILED`
   */
  async read(bytes: number, last: boolean): Promise<Uint8Array<ArrayBuffer>> {
    const stream = this.#stream;
    if (!this.#opened) {
      this.#opened = true;
      await this.#thread.ask((id) => ({
        kind: "open",
        id,
        stream,
        layer: this.#layer,
        from: this.position,
        diffId: this.#diffId,
      }));
    }
    const answer = await this.#thread.ask((id) => ({
      kind: "read",
      id,
      stream,
      most: bytes,
      last,
    }));
    const given = answer.bytes ?? new Uint8Array();
    if (given.length < bytes) {
      throw new TpullError(
        "LAYER_DAMAGED",
        `the layer's tar ends after ${this.position + given.length} bytes`,
      );
    }
    this.position += given.length;
    return given;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#thread.streams -= 1;
    this.#thread.tell({ kind: "close", stream: this.#stream });
  }
}

/**
 * Gives back tars. Threads are started when there is something to do, and are
 * kept until the rebuilder is disposed of. Any number of tars may be read at
 * once, each as slowly as its reader likes.
 */
export class LayerRebuilder implements AsyncDisposable {
  readonly #threads: (RebuildThread | undefined)[] = Array.from({
    length: Math.min(MOST_THREADS, availableParallelism()),
  });
  #streams = 0;
  #ended = false;

  /**
   * The length of a layer's tar in bytes, from its record alone: no file of the
   * layer is opened.
   * @throws TpullError `LAYER_DAMAGED`, `WORKER_FAILED`
   */
  async size(layer: StoredLayer): Promise<number> {
    const { size = 0 } = await this.#thread().ask((id) => ({
      kind: "measure",
      id,
      layer,
    }));
    return size;
  }

  /**
   * The tar, or a part of it, in pieces. The files behind it are read as it is
   * asked for, so whoever stops asking stops the reading.
   * @throws TpullError `LAYER_DAMAGED` when something of the layer cannot be
   *   read, or is not what it was; `WORKER_FAILED`
   */
  async *read(
    layer: StoredLayer,
    options: RebuildOptions,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    const { start = 0, end } = options;
    const cursor = this.cursor(layer, start, options.diffId);
    try {
      while (cursor.position < end) {
        const most = Math.min(PIECE_BYTES, end - cursor.position);
        yield await cursor.read(most, cursor.position + most === end);
      }
    } finally {
      cursor.close();
    }
  }

  /**
   * A place in a tar, from which it is read on. Costs nothing until it is read.
   * @param from the first byte to give
   * @param diffId what the tar hashes to; looked at only where `from` is 0
   */
  cursor(layer: StoredLayer, from: number, diffId?: DiffId): TarCursor {
    const stream = ++this.#streams;
    const hash = from === 0 ? diffId : undefined;
    return new TarCursor(this.#thread(), stream, layer, from, hash);
  }

  /** The thread with the fewest streams. */
  #thread(): RebuildThread {
    if (this.#ended) {
      throw new TpullError("WORKER_FAILED", "the rebuilder was ended already");
    }
    let best: RebuildThread | undefined;
    for (const [at, known] of this.#threads.entries()) {
      if (known === undefined || known.dead) {
        if (best !== undefined && best.streams === 0) continue;
        const thread = new RebuildThread();
        this.#threads[at] = thread;
        return thread;
      }
      if (best === undefined || known.streams < best.streams) best = known;
    }
    return best as RebuildThread;
  }

  /** Ends the threads; what is being read fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#threads.map((thread) => thread?.end()));
  }
}
