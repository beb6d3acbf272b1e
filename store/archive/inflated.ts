/** Compressed bytes, of an archive as a whole, in plain. */
import { IngestPool } from "../ingest/pool.js";

/**
 * Decompresses gzip and zstd, told apart by their first bytes, on a thread of
 * its own; anything else passes as it is. Memory does not grow with the input.
 * A chunk is valid until the next one is asked for.
 * @throws TpullError `LAYER_INVALID` for damaged or unknown compression, `ABORTED`
 */
export async function* inflated(
  chunks: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  await using pool = new IngestPool();
  yield* pool.inflate(chunks, signal);
}
