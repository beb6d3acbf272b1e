/**
 * The pull: references in, images in a docker data root out. Read
 * {@link pullImage} for the story of one image; everything it calls is a file
 * of its own.
 */
import pLimit from "p-limit";
import { abortedError, isTpullError } from "../store/index.js";
import type { FailedPull, PullResult } from "./events.js";
import { parseImageConfig } from "./image-config.js";
import { inImage } from "./image-error.js";
import { ImagePull } from "./image-pull.js";
import { type PullOptions, PullSession } from "./pull-session.js";
import { withoutSecrets } from "./printable.js";
import { type Reference, canonicalName, parseReference } from "./reference.js";
import { resolveImage } from "./resolve-image.js";

export type { PullOptions } from "./pull-session.js";

/** Images whose manifests are asked for at the same time. */
const IMAGES_AT_ONCE = 4;

export interface PullAllResult {
  /** Of the images that were pulled, in the order asked for. */
  results: PullResult[];
  failures: FailedPull[];
}

/**
 * Pulls one image.
 * @param reference as docker takes it, e.g. `nginx:latest`
 * @throws TpullError with a code of the README's table
 */
export async function pull(
  reference: string,
  options: PullOptions = {},
): Promise<PullResult> {
  await using session = await PullSession.open(options);
  // Awaited here: the session ends with this function.
  return await pullImage(reference, session);
}

/**
 * Pulls several images with one scheduler: a layer they share is fetched once,
 * and one that fails does not stop the others.
 * @throws TpullError only for what concerns the whole run: options, a root that
 *   cannot be written, `ABORTED`
 */
export async function pullAll(
  references: readonly string[],
  options: PullOptions = {},
): Promise<PullAllResult> {
  const begun = performance.now();
  await using session = await PullSession.open(options);
  const limit = pLimit(IMAGES_AT_ONCE);
  const results: PullResult[] = [];
  const failures: FailedPull[] = [];
  const outcomes = await Promise.allSettled(
    references.map((reference) => limit(() => pullImage(reference, session))),
  );
  await session.close();
  for (const [index, outcome] of outcomes.entries()) {
    const reference = withoutSecrets(String(references[index]));
    if (outcome.status === "fulfilled") results.push(outcome.value);
    else if (isTpullError(outcome.reason))
      failures.push({ reference, error: outcome.reason.toJSON() });
    else throw outcome.reason;
  }
  const interrupted = failures.some(({ error }) => error.code === "ABORTED");
  if (interrupted && options.signal?.aborted) throw abortedError();
  session.emit({
    type: "summary",
    pulled: results.length,
    failed: failures.length,
    bytesFetched: results.reduce(
      (sum, { bytesFetched }) => sum + bytesFetched,
      0,
    ),
    durationMs: Math.round(performance.now() - begun),
    results,
    failures,
  });
  return { results, failures };
}

/** The story of one image. */
async function pullImage(
  given: string,
  session: PullSession,
): Promise<PullResult> {
  // Events and errors repeat what was given; a password in it stays here.
  const text = withoutSecrets(String(given));
  let reference: Reference | undefined;
  let image: ImagePull | undefined;
  // Siblings of a failed layer are stopped by the end of their image.
  const end = new AbortController();
  const stop = (): void => end.abort();
  session.signal.addEventListener("abort", stop, { once: true });
  try {
    if (session.signal.aborted) throw abortedError();
    reference = parseReference(given);
    image = new ImagePull(text, reference, session, end.signal);
    session.emit({
      type: "resolve",
      image: text,
      canonicalName: canonicalName(reference),
    });

    const current = await image.upToDate();
    if (current !== undefined) return image.done(current);

    session.expectLayers();
    const resolved = await resolveImage(reference, {
      image: text,
      client: session.client,
      platform: session.platform,
      call: image.call,
    });
    image.announce(resolved);

    // The requests for layers travel together with the one for the config.
    using _early = await image.askForLayers(resolved);
    const bytes = await image.config(resolved);
    const config = parseImageConfig(bytes, resolved.manifest.layers.length);
    image.checkPlatform(config, resolved);

    const layers = await image.bringLayers(resolved, config);
    const status = await image.publish(resolved, layers, bytes);
    return image.done(image.result(resolved, config, layers, status));
  } catch (error) {
    if (!isTpullError(error)) throw error;
    image?.failed(error);
    const failure = inImage(error, text, reference);
    session.emit({ type: "error", image: text, error: failure.toJSON() });
    throw failure;
  } finally {
    session.signal.removeEventListener("abort", stop);
    end.abort();
  }
}
