/** One blob as a stream of chunks in their order, however many connections bring them. */
import type { BlobAddress } from "./blob-errors.js";
import type { Retry } from "./retry.js";
import type { Repository, Session } from "./session.js";
import { joinSignals } from "./signals.js";
import { SplitBlob } from "./split-blob.js";

export interface BlobRequest extends Repository {
  readonly blob: BlobAddress;
  /** First byte wanted. */
  readonly from: number;
  /** Where to stop (exclusive); the blob's size at most. */
  readonly to: number;
  /** Each of them stops the stream. */
  readonly signals: readonly (AbortSignal | undefined)[];
  readonly onRetry: (retry: Retry, host: string) => void;
  /** Told how many bytes came from which host. */
  readonly onReceived: (host: string, bytes: number) => void;
  /** Called when bytes from this offset on come from a connection that did not bring those before. */
  readonly onResume: (offset: number) => void;
  /** Shown what arrives before its turn. */
  readonly onAhead: (offset: number, chunk: Uint8Array) => void;
}

/**
 * Streams the blob's bytes from `from` to `to`, in chunks as they come off
 * the socket. Work begins with the first read.
 * @throws TpullError `SIZE_MISMATCH` when the registry has more or fewer bytes,
 *   and what `RegistryClient.blob` names
 */
export async function* streamBlob(
  session: Session,
  { signals, ...request }: BlobRequest,
): AsyncGenerator<Uint8Array, void, undefined> {
  const end = new AbortController();
  const { signal, release } = joinSignals(...signals, end.signal);
  const blob = new SplitBlob(session, { ...request, signal });
  try {
    for (;;) {
      const chunk = await blob.read();
      if (chunk === undefined) return;
      yield chunk;
    }
  } finally {
    blob.close();
    end.abort();
    release();
  }
}
