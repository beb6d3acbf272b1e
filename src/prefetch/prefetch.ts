/**
 * The prefetch: a pull of many images that is planned. All of them are looked
 * up before a layer byte moves, what is missing is compared with the disk once
 * and for all, and then the largest comes first.
 */
import { setMaxListeners } from "node:events";
import { setTimeout } from "node:timers/promises";
import { TpullError, abortedError, isTpullError } from "../../store/index.js";
import { withoutSecrets } from "../../store/reference/printable.js";
import { defaultRoot } from "../default-root.js";
import type {
  FailedPull,
  PrefetchedImage,
  PullEvent,
  PullResult,
} from "../events.js";
import { readSelection } from "../items.js";
import { type PullOptions, PullSession } from "../pull-session.js";
import { parseRepository } from "../repository.js";
import { type Requested, type Wanted, readRequests } from "../requests.js";
import { askedOnce } from "./asked-once.js";
import { slotOf } from "./jitter.js";
import { PrefetchRun } from "./run.js";

export interface PrefetchOptions extends PullOptions {
  /**
   * Whether an image that fails leaves the others alone. Without it an image
   * that cannot be found keeps the run from fetching anything, and one that
   * fails later keeps those from beginning that have not.
   */
  keepGoing?: boolean;
  /**
   * Longest time to wait before anything is asked, in milliseconds. A machine
   * waits the same part of it each time. The time limit begins behind it.
   */
  jitterMs?: number;
  /**
   * Told, before it throws, what is known of each image when the run as a whole
   * fails (`NOT_ENOUGH_SPACE`) or is stopped; not for wrong options.
   */
  onRunFailed?: (result: PrefetchResult) => void;
}

export interface PrefetchResult {
  /** Every image in the order asked for. */
  images: PrefetchedImage[];
  /** Of those that are there, in that order. */
  results: PullResult[];
  failures: FailedPull[];
  bytesFetched: number;
  /** Milliseconds, without the wait of `jitterMs`. */
  durationMs: number;
}

/** What a timer of Node can wait. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Brings images into a data root as {@link pullAll} does, with one plan for all
 * of them: nothing is asked of a registry twice, and where they do not fit on
 * the disk together, none is fetched.
 * @throws TpullError only for what concerns the whole run: options, a root that
 *   cannot be written, `NOT_ENOUGH_SPACE`, `ABORTED`
 */
export async function prefetch(
  requests: readonly Requested[],
  options: PrefetchOptions = {},
): Promise<PrefetchResult> {
  const selection = readSelection(options);
  const wanted = readRequests(requests, selection);
  if (selection.allTags) {
    for (const { reference } of wanted) parseRepository(reference);
  }
  let begun: number | undefined;
  let run: PrefetchRun | undefined;
  try {
    await waitForSlot(options);
    begun = performance.now();
    return await runAll(wanted, options, begun, (made) => {
      run = made;
    });
  } catch (error) {
    if (isTpullError(error) && error.code !== "OPTION_INVALID") {
      options.onRunFailed?.(resultOf(run, wanted, begun));
    }
    throw error;
  }
}

async function runAll(
  wanted: readonly Wanted[],
  options: PrefetchOptions,
  begun: number,
  onRun: (run: PrefetchRun) => void,
): Promise<PrefetchResult> {
  await using session = await PullSession.open(options, undefined, askedOnce);
  // Every image that is not done listens.
  setMaxListeners(0, session.signal);
  using run = new PrefetchRun(session, options.keepGoing === true);
  onRun(run);
  await run.all(wanted);
  await session.close();
  if (options.signal?.aborted && run.isInterrupted) throw abortedError();
  session.tellLimits();
  const result = resultOf(run, wanted, begun);
  const { images, results, failures } = result;
  session.emit({
    type: "summary",
    pulled: results.length,
    failed: failures.length,
    bytesFetched: result.bytesFetched,
    durationMs: result.durationMs,
    results,
    failures,
    images,
  });
  return result;
}

/** Of a run that has not come to look for its images, only what was asked for is known. */
function resultOf(
  run: PrefetchRun | undefined,
  wanted: readonly Wanted[],
  begun = performance.now(),
): PrefetchResult {
  const images = run?.images ?? [];
  const known =
    images.length > 0
      ? images
      : wanted.map(({ reference }): PrefetchedImage => ({
          reference: withoutSecrets(reference),
          status: "not-started",
          bytesFetched: 0,
          durationMs: 0,
        }));
  return {
    images: known,
    results: run?.results ?? [],
    failures: run?.failures ?? [],
    bytesFetched: known.reduce((sum, one) => sum + one.bytesFetched, 0),
    durationMs: Math.round(performance.now() - begun),
  };
}

/** @throws TpullError `ABORTED`, `OPTION_INVALID` */
async function waitForSlot({
  jitterMs,
  root,
  signal,
  onEvent,
}: PrefetchOptions): Promise<void> {
  if (jitterMs === undefined) return;
  if (!(jitterMs > 0 && jitterMs <= LONGEST_MS)) {
    throw new TpullError(
      "OPTION_INVALID",
      `jitterMs is a number of milliseconds up to ${LONGEST_MS}, not ${jitterMs}`,
    );
  }
  const delayMs = Math.floor(await slotOf(jitterMs, root ?? defaultRoot()));
  const event: PullEvent = { type: "delay", delayMs, mostMs: jitterMs };
  try {
    onEvent?.(event);
  } catch {
    // Nothing of a run depends on anybody hearing of it.
  }
  try {
    await setTimeout(
      delayMs,
      undefined,
      signal === undefined ? {} : { signal },
    );
  } catch {
    throw abortedError();
  }
}
