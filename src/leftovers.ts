/**
 * What images that failed leave for the next try. Where the network or this
 * machine was the reason, all that is done stays. Where it was the image, it
 * has no use for anybody, unless another image waits for the same layer.
 */
import type { ChainId, Digest } from "../store/index.js";

/** Failures after which the same pull may succeed, and should begin where this one ended. */
const OURS = new Set([
  "ABORTED",
  "TIMEOUT",
  "DISK_FULL",
  "ROOT_NOT_WRITABLE",
  "STORE_IO_FAILED",
  "REGISTRY_ERROR",
  "TOO_MANY_REQUESTS",
  "UNAUTHORIZED",
  "DENIED",
  "TOKEN_INVALID",
  "TLS_ERROR",
  "PROXY_ERROR",
  "PROXY_DENIED",
  "NOT_ENOUGH_SPACE",
  "NOT_A_REGISTRY",
]);

/** Whether what is here is still good after such a failure. */
export function isWorthResuming(code: string): boolean {
  return OURS.has(code) || code.startsWith("NETWORK_");
}

interface LeftLayer {
  readonly chainId: ChainId;
  readonly descriptor: { readonly digest: Digest };
}

/** Of all images of a run. */
export class Leftovers {
  readonly #chains = new Set<ChainId>();
  readonly #blobs = new Set<Digest>();
  readonly #refused = new Set<Digest>();

  /** Notes that an image failed, with its layers as far as they were known. */
  note(code: string, layers: readonly LeftLayer[]): void {
    const resume = isWorthResuming(code);
    for (const { chainId, descriptor } of layers) {
      if (resume) this.#chains.add(chainId);
      (resume ? this.#blobs : this.#refused).add(descriptor.digest);
    }
  }

  /** Layers that may stay without an image. */
  get layers(): ReadonlySet<ChainId> {
    return this.#chains;
  }

  /** Blobs of which no part is to stay. */
  get refused(): Digest[] {
    return [...this.#refused].filter((digest) => !this.#blobs.has(digest));
  }
}
