/**
 * The blobs that one writing session keeps, within the limit: what was used
 * longest ago makes room for what comes. What the session has stored or used
 * itself, and what another running tpull relies on, is never removed for that;
 * where it leaves no room, the blob that comes is not kept.
 */
import { statfsSync } from "node:fs";
import type { Digest } from "../digest.js";
import { TpullError } from "../errors.js";
import { attempt } from "../io-error.js";
import type { LockedFile } from "../lock.js";
import type { Session } from "../session.js";
import { IncomingFile } from "./incoming-file.js";
import { keptBlobs, removeKeptBlob } from "./kept-blobs.js";
import { OpenBlob } from "./open-blob.js";

/** How much may be kept. */
export interface KeptBlobLimits {
  /** Of all kept blobs of the root together. Default 10 GB. */
  readonly maxBytes?: number | undefined;
}

export const DEFAULT_KEPT_BYTES: number = 10e9;

/**
 * A blob that is being kept while it is read for another purpose. No method
 * fails: what cannot be kept is not, and `keep` says why.
 */
export interface IncomingBlob {
  /** Why it will not be kept, as soon as that is known. */
  readonly failure: TpullError | undefined;
  /** Adds bytes behind those that are there. The chunk may be used again afterwards. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Makes it one of the kept blobs: durable, and there as a whole. The caller
   * has verified that the bytes are those of the digest.
   * @returns what was in the way
   */
  keep(): Promise<TpullError | undefined>;
  /** Forgets it. Does nothing after `keep`. */
  discard(): void;
}

export class BlobKeeper {
  readonly #session: Session;
  readonly #maxBytes: number;
  /** Those that its writer relies on: they stay while it is open. */
  readonly #held = new Map<Digest, { close(): void }>();
  readonly #incoming = new Set<Incoming>();
  #heldBytes = 0;
  #changed = false;

  constructor(session: Session, limits: KeptBlobLimits) {
    this.#session = session;
    this.#maxBytes = limits.maxBytes ?? DEFAULT_KEPT_BYTES;
  }

  /**
   * Relies on a kept blob: it stays while the session lasts, and was used now.
   * @returns false where it is not kept with so many bytes
   */
  use(digest: Digest, size: number): boolean {
    if (this.#held.has(digest)) return true;
    const blob = OpenBlob.open(this.#session.layout, digest, size);
    if (blob === undefined) return false;
    if (!blob.rely()) {
      blob.close();
      return false;
    }
    this.#hold(digest, size, blob);
    return true;
  }

  /** Removes a blob whose bytes have turned out to be wrong. */
  forget(digest: Digest, size: number): void {
    const held = this.#held.get(digest);
    if (held !== undefined) this.#heldBytes -= size;
    held?.close();
    this.#held.delete(digest);
    removeKeptBlob(this.#session.layout, digest);
  }

  #hold(digest: Digest, size: number, file: { close(): void }): void {
    this.#held.set(digest, file);
    this.#heldBytes += size;
  }

  /**
   * Begins to keep a blob.
   * @param room bytes that must be free: those of the blob, and of what else is
   *   to be written along with it
   */
  async begin(
    digest: Digest,
    size: number,
    room: number = size,
  ): Promise<IncomingBlob> {
    const incoming = new Incoming(
      { digest, size },
      {
        place: (file) => this.#place(file),
        ended: (one) => this.#incoming.delete(one),
      },
    );
    const pending = [...this.#incoming].reduce((sum, one) => sum + one.size, 0);
    const isTooMuch = this.#heldBytes + pending + size > this.#maxBytes;
    if (!isTooMuch) this.#incoming.add(incoming);
    await incoming.begin(async () => {
      if (isTooMuch) throw this.#tooMuch();
      await this.#session.blobPlace();
      const { layout } = this.#session;
      const { bavail, bsize } = statfsSync(layout.blobs);
      if (bavail * bsize < room) throw noRoom(room, bavail * bsize);
      return IncomingFile.begin(layout, { digest, size });
    });
    return incoming;
  }

  /** Gives a verified blob its place among the others. */
  async #place(file: IncomingFile): Promise<void> {
    const { digest, size } = file;
    await file.flush();
    await this.#session.section(async () => {
      // Another tpull may have kept the same blob meanwhile.
      if (this.use(digest, size)) {
        file.discard();
        return;
      }
      this.#makeRoom(size);
      const held: LockedFile = await file.place();
      this.#changed = true;
      this.#hold(digest, size, held);
    });
  }

  /** Runs in the section. @throws TpullError where there is no room within the limit */
  #makeRoom(size: number): void {
    const { layout } = this.#session;
    const all = keptBlobs(layout);
    let excess = all.reduce((sum, { bytes }) => sum + bytes, size);
    excess -= this.#maxBytes;
    const others = all.filter(({ digest }) => !this.#held.has(digest));
    for (const { digest, bytes } of others) {
      if (excess <= 0) return;
      if (removeKeptBlob(layout, digest)) excess -= bytes;
    }
    if (excess > 0) throw this.#tooMuch();
  }

  #tooMuch(): TpullError {
    return new TpullError(
      "BLOBS_LIMIT_REACHED",
      `the limit of ${this.#maxBytes} bytes for kept blobs leaves no room for it`,
      { details: { limit: this.#maxBytes } },
    );
  }

  /**
   * Ends the session's part in them.
   * @returns whether any blob is new
   */
  end(): boolean {
    for (const incoming of this.#incoming) incoming.discard();
    for (const held of this.#held.values()) held.close();
    this.#held.clear();
    return this.#changed;
  }
}

function noRoom(needed: number, free: number): TpullError {
  return new TpullError(
    "NOT_ENOUGH_SPACE",
    `${needed} bytes would have to be free for it and its layer, and ${free} are`,
    { details: { needed, free } },
  );
}

interface Keeping {
  place(file: IncomingFile): Promise<void>;
  ended(incoming: Incoming): void;
}

class Incoming implements IncomingBlob {
  readonly size: number;
  readonly #digest: Digest;
  readonly #keeping: Keeping;
  #file: IncomingFile | undefined;
  failure: TpullError | undefined;

  constructor(
    { digest, size }: { digest: Digest; size: number },
    keeping: Keeping,
  ) {
    this.#digest = digest;
    this.size = size;
    this.#keeping = keeping;
  }

  async begin(open: () => Promise<IncomingFile>): Promise<void> {
    await this.#try(async () => {
      this.#file = await open();
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    const file = this.#file;
    if (file !== undefined) await this.#try(() => file.write(bytes));
  }

  async keep(): Promise<TpullError | undefined> {
    const file = this.#file;
    if (file === undefined) return this.failure;
    await this.#try(async () => {
      if (!file.isWhole) {
        throw new TpullError("SIZE_MISMATCH", "it was not read to its end");
      }
      await this.#keeping.place(file);
      this.#file = undefined;
    });
    this.discard();
    return this.failure;
  }

  discard(): void {
    const file = this.#file;
    this.#file = undefined;
    this.#keeping.ended(this);
    file?.discard();
  }

  /** What fails ends the keeping, and gives back its space at once. */
  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await attempt(`keep the blob ${this.#digest}`, work);
    } catch (error) {
      this.failure = asFailure(error);
      this.discard();
    }
  }
}

function asFailure(error: unknown): TpullError {
  if (error instanceof TpullError) return error;
  throw error;
}
