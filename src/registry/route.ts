/**
 * Asking a registry by way of its places: mirrors in their order, the registry
 * itself as the last resort. Whoever fails is passed over; bytes are checked
 * whoever sends them.
 */
import type { Digest } from "../../store/digest.js";
import { isTpullError } from "../../store/errors.js";
import type { Endpoint, HostConfig } from "./endpoint.js";
import { type Want, Places } from "./places.js";
import type { Retry } from "./retry.js";
import type { Repository, RetryScope, Session } from "./session.js";

/** A mirror gets one more try; then the next is asked rather than waited for. */
export const MIRROR_RETRIES = 1;

export interface RouteOptions {
  readonly signal: AbortSignal;
  readonly onRetry: (retry: Retry, host: string) => void;
}

/**
 * Does work at the first place that can, each with its retries.
 * @param work may be called several times
 * @throws TpullError what the last place's failure was, and as
 *   {@link Places.candidates}
 */
export async function atAnyPlace<T>(
  session: Session,
  want: Want,
  { signal, onRetry }: RouteOptions,
  work: (endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  const { places } = session;
  const candidates = await places.candidates(want, signal);
  for (let at = 0; ; at++) {
    const host = candidates[at] as HostConfig;
    const last = at === candidates.length - 1;
    const name = Places.nameOf(want.registry, host);
    const scope: RetryScope = {
      host: name,
      signal,
      onRetry: (retry) => onRetry(retry, name),
    };
    try {
      const result = await session.retrying(
        scope,
        async () => work(await places.endpoint(want.registry, host, signal)),
        last ? undefined : MIRROR_RETRIES,
      );
      places.served(want.registry, host);
      return result;
    } catch (error) {
      if (last || !isMirrorsFault(error, signal)) throw error;
      places.passOver(want, host, error);
    }
  }
}

/** Whether a failure lies with the place that was asked, so that another may do better. */
export function isMirrorsFault(error: unknown, signal: AbortSignal): boolean {
  return isTpullError(error) && error.code !== "ABORTED" && !signal.aborted;
}

/**
 * Leaves out the mirrors among those that sent wrong bytes.
 * @param hosts as `onReceived` named them
 * @returns whether there were any: then the blob is worth another try
 */
export async function distrust(
  session: Session,
  { registry, repository, blob }: Repository & { blob: { digest: Digest } },
  hosts: Iterable<string>,
  error: unknown,
): Promise<boolean> {
  const item = `${repository}/blobs/${blob.digest}`;
  const want: Want = { registry, capability: "pull", item };
  let found = false;
  for (const name of hosts) {
    if (await session.places.distrust(want, name, error)) found = true;
  }
  return found;
}
