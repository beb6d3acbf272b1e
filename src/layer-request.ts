/** What images ask of the layers of a run, and what they hear of them. */
import type { ChainId, DiffId, Digest, LayerRecord } from "../store/index.js";
import type { ByteCount } from "./byte-count.js";
import type { LayerSource, LayerState } from "./events.js";
import type { Repository } from "./registry/client.js";
import type { Descriptor } from "./registry/manifest.js";

/** A blob as one image's manifest has it. */
export interface BlobSource {
  readonly repository: Repository;
  readonly descriptor: Pick<Descriptor, "digest" | "size">;
}

/** Names a source: two with the same name succeed or fail alike. */
export function placeOf({ repository, descriptor }: BlobSource): string {
  const { digest, size } = descriptor;
  return `${repository.registry}/${repository.repository}@${digest} ${size}`;
}

export interface LayerRequest extends BlobSource {
  readonly diffId: DiffId;
  readonly chainId: ChainId;
  readonly parent: ChainId | undefined;
  /** The image that asks; its end withdraws the request. */
  readonly signal: AbortSignal;
  readonly listener: LayerListener;
}

/** What an image hears of its layer. */
export interface LayerListener {
  state(state: LayerState): void;
  progress(bytes: number): void;
  waiting(reason: string): void;
  retry(attempt: number, delayMs: number, reason: string): void;
  warning(code: string, message: string): void;
}

export interface LayerOutcome {
  readonly record: LayerRecord;
  readonly source: LayerSource;
  /** The blob that has proved to be this layer; absent when only the manifest says so. */
  readonly blob?: Digest;
  /** Received from the network; counted for one of the images that share the layer. */
  readonly received: ByteCount;
  /** Bytes of the blob that an earlier run had fetched; counted for one image likewise. */
  readonly resumedBytes: number;
}

/** The images that want one layer. */
export class LayerAudience {
  readonly #requests = new Set<LayerRequest>();
  readonly #deserted = new AbortController();
  #state: LayerState = "waiting";

  /** Fires when the last image has gone: nobody wants the layer any more. */
  get signal(): AbortSignal {
    return this.#deserted.signal;
  }

  get state(): LayerState {
    return this.#state;
  }

  /** In the order in which they came. */
  get requests(): ReadonlySet<LayerRequest> {
    return this.#requests;
  }

  join(request: LayerRequest): void {
    this.#requests.add(request);
    const { listener, signal } = request;
    // Who comes when all is done finds the layer in the store.
    listener.state(this.#state === "complete" ? "exists" : this.#state);
    const leave = (): void => this.leave(request);
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
  }

  leave(request: LayerRequest): void {
    this.#requests.delete(request);
    if (this.#requests.size === 0) this.#deserted.abort();
  }

  setState(state: LayerState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.tell((listener) => listener.state(state));
  }

  tell(say: (listener: LayerListener) => void): void {
    for (const { listener } of this.#requests) say(listener);
  }
}
