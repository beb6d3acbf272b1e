/**
 * Asking a registry by way of its places: mirrors in their order, the registry
 * itself as the last resort. Whoever fails is passed over; bytes are checked
 * whoever sends them.
 */
import type { Digest } from "../../store/digest.js";
import { isTpullError, TpullError } from "../../store/errors.js";
import type { Endpoint, HostConfig } from "./endpoint.js";
import { LACKING, type Want, Places } from "./places.js";
import type { Retry, RetryPolicy } from "./retry.js";
import type { Repository, RetryScope, Session } from "./session.js";

/** A mirror gets one more try, unless it is silent; then the next is asked rather than waited for. */
export function mirrorPolicy(policy: RetryPolicy): RetryPolicy {
  return { ...policy, retries: Math.min(1, policy.retries), silenceMs: 1 };
}

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
  const before: Failure[] = [];
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
        last ? undefined : mirrorPolicy(session.policy),
      );
      places.served(want.registry, host);
      return result;
    } catch (error) {
      if (!isMirrorsFault(error, signal)) throw error;
      if (last) throw afterMirrors(error, before);
      places.passOver(want, host, error);
      before.push({ host: name, error });
    }
  }
}

/** Whether a failure lies with the place that was asked, so that another may do better. */
export function isMirrorsFault(error: unknown, signal: AbortSignal): boolean {
  return isTpullError(error) && error.code !== "ABORTED" && !signal.aborted;
}

/** What a place that was asked before had to say. */
export interface Failure {
  readonly host: string;
  readonly error: unknown;
}

/** The last place's failure, which may not be the one that matters: with what the mirrors said. */
export function afterMirrors(
  error: unknown,
  before: readonly Failure[],
): unknown {
  if (before.length === 0 || !isTpullError(error)) return error;
  const said = before.map(({ host, error: earlier }) =>
    isTpullError(earlier) && LACKING.has(earlier.code)
      ? `the mirror ${host} does not have it`
      : `the mirror ${host} failed: ${messageOf(earlier)}`,
  );
  const hint = error.hint === undefined ? "" : ` ${error.hint}`;
  return new TpullError(error.code, error.message, {
    hint: `Asked before: ${said.join("; ")}.${hint}`,
    cause: error.cause,
    retryable: error.retryable,
    details: error.details,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
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
