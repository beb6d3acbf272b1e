/**
 * One writing session on a data root: its lock, its skeleton, and what the
 * steps of a commit share.
 */
import { renameDomain } from "./atomic.js";
import { eraOf } from "./complete.js";
import type { ChainId } from "./digest.js";
import type { Layout } from "./layout.js";
import { type RootLock, lockSection } from "./lock.js";
import type { Place } from "./place.js";
import { checkRoot, type StoreWarning } from "./root.js";
import { blobDirectories, Skeleton } from "./skeleton.js";

export interface SessionOptions {
  signal?: AbortSignal | undefined;
  onWarning?: ((warning: StoreWarning) => void) | undefined;
  /** `any`: the session is not refused for malformed `repositories.json`, and must not write names before that is mended. */
  names?: "whole" | "any" | undefined;
}

/** Where layers are staged, and whether their two parts end up in one filesystem. */
export interface Staging {
  readonly base: string;
  /** Whether a write-set can be renamed from there into `layerdb`. */
  readonly reachesLayerdb: boolean;
  /** How long what is not flushed stays whole there; see `eraOf`. */
  readonly era: string | undefined;
}

const NO_TURN = Promise.resolve();

export class Session {
  readonly layout: Layout;
  readonly warn: (warning: StoreWarning) => void;
  /** Interrupts waiting, never writing. */
  readonly signal: AbortSignal | undefined;
  /** Where layers are mounted from that are known to be whole and to stay. */
  readonly places: Map<ChainId, Place> = new Map();
  /** Parents whose `committed` mark this write session made. */
  readonly marked: Set<ChainId> = new Set();
  readonly #skeleton: Skeleton;
  readonly #lock: RootLock;
  #staging: Promise<Staging> | undefined;
  #turn: Promise<void> = NO_TURN;

  private constructor(
    layout: Layout,
    options: SessionOptions,
    skeleton: Skeleton,
    lock: RootLock,
  ) {
    this.layout = layout;
    this.warn = options.onWarning ?? (() => undefined);
    this.signal = options.signal;
    this.#skeleton = skeleton;
    this.#lock = lock;
  }

  /**
   * Refuses an unfit root, then takes the root's lock. Writes nothing but what
   * the lock needs.
   * @throws TpullError see {@link checkRoot}; `ROOT_IN_USE_BY_DOCKERD`, `ABORTED`
   */
  static async begin(
    layout: Layout,
    options: SessionOptions,
  ): Promise<Session> {
    await checkRoot(layout, options.names);
    const skeleton = new Skeleton(layout);
    const lock = await skeleton.lock(options.signal);
    const session = new Session(layout, options, skeleton, lock);
    try {
      // Until the root was locked it may have changed.
      for (const warning of await checkRoot(layout, options.names))
        session.warn(warning);
      return session;
    } catch (error) {
      session.end(false);
      throw error;
    }
  }

  /** Makes the root complete for writing, once. */
  staging(): Promise<Staging> {
    this.#staging ??= this.#prepare();
    return this.#staging;
  }

  async #prepare(): Promise<Staging> {
    const { layout } = this;
    this.#skeleton.complete();
    const overlay = await renameDomain(layout.overlay);
    const layers = await renameDomain(layout.layers);
    const own = await renameDomain(layout.staging);
    if (own === overlay) {
      const base = layout.staging;
      return { base, reachesLayerdb: own === layers, era: await eraOf(base) };
    }
    const base = layout.overlayStaging;
    this.#skeleton.directory(base, 0o700);
    return { base, reachesLayerdb: overlay === layers, era: await eraOf(base) };
  }

  /** Makes the place of blobs that are kept, unless it is there. */
  async blobPlace(): Promise<void> {
    await this.staging();
    for (const [path, mode] of blobDirectories(this.layout)) {
      this.#skeleton.directory(path, mode);
    }
  }

  /**
   * Runs `work` while no other tpull changes what all share: names, maps and
   * the places of layers. Kept short: it holds up every other session.
   */
  async section<T>(
    work: () => T | Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    await this.staging();
    // Within this process sections queue up; between processes they poll.
    const before = this.#turn;
    let done: (() => void) | undefined;
    this.#turn = new Promise((resolve) => {
      done = resolve;
    });
    try {
      await before;
      const lock = await lockSection(this.layout.tpull, signal);
      try {
        return await work();
      } finally {
        lock.close();
      }
    } finally {
      done?.();
    }
  }

  /** Ends the session; where nothing `changed`, the root is left as it was found. */
  end(changed: boolean): void {
    try {
      if (changed) this.#skeleton.keep();
      else this.#skeleton.undo(this.#lock);
    } finally {
      this.#lock.file.close();
    }
  }
}
