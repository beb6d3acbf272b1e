/**
 * The pull: references in, images in a docker data root out. Read
 * {@link pullImage} for the story of one image; everything it calls is a file
 * of its own.
 */
import { TpullError, abortedError } from "../store/index.js";
import type { FailedPull, PullResult } from "./events.js";
import { parseImageConfig } from "./image-config.js";
import { ImageTask } from "./image-task.js";
import { type Item, isSeveral } from "./items.js";
import { hostPlatform } from "./platform.js";
import { ItemRun } from "./item-run.js";
import { type PullOptions, PullSession } from "./pull-session.js";
import { parseRepository } from "./repository.js";
import { type Requested, type Wanted, readRequests } from "./requests.js";

export type { PullOptions } from "./pull-session.js";

export interface PullAllResult {
  /** Of the images that were pulled, in the order asked for. */
  results: PullResult[];
  failures: FailedPull[];
}

/**
 * Pulls one image.
 * @param request a reference as docker takes it, e.g. `nginx:latest`, or one
 *   with its platform, or the digest that its tag is to mean
 * @throws TpullError with a code of the README's table
 */
export async function pull(
  request: Requested,
  options: PullOptions = {},
): Promise<PullResult> {
  await using session = await PullSession.open(options);
  const [wanted] = readRequests([request], session.selection);
  const { reference, selection, pin } = wanted as Wanted;
  if (isSeveral(selection)) {
    throw new TpullError(
      "OPTION_INVALID",
      "pull() gives one image: several platforms and all tags are for pullAll()",
    );
  }
  const [platform = hostPlatform()] = selection.platforms;
  const item = { text: reference, platform, platformGiven: selection.given };
  const result = await pullImage(
    pin === undefined ? item : { ...item, pin },
    session,
  );
  session.tellLimits();
  return result;
}

/**
 * Pulls several images with one scheduler: a layer they share is fetched once,
 * and one that fails does not stop the others. With `allTags` or several
 * platforms each tag and each platform is an image of its own. A request may
 * have platforms of its own, and the digest that its tag is to mean.
 * @throws TpullError only for what concerns the whole run: options, a root that
 *   cannot be written, `ABORTED`
 */
export async function pullAll(
  requests: readonly Requested[],
  options: PullOptions = {},
): Promise<PullAllResult> {
  const begun = performance.now();
  await using session = await PullSession.open(options);
  const wanted = readRequests(requests, session.selection);
  if (session.selection.allTags) {
    for (const { reference } of wanted) parseRepository(reference);
  }
  const run = new ItemRun(session, (item) => pullImage(item, session));
  const { results, failures } = await run.all(wanted);
  await session.close();
  const interrupted = failures.some(({ error }) => error.code === "ABORTED");
  if (interrupted && options.signal?.aborted) throw abortedError();
  session.tellLimits();
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
  item: Item,
  session: PullSession,
): Promise<PullResult> {
  using task = new ImageTask(item, session);
  return await task.step(async (image, reference) => {
    const current = await image.upToDate();
    if (current !== undefined) return image.done(current);

    session.expectLayers();
    const resolved = await image.resolve(reference);
    image.announce(resolved);

    // The requests for layers travel together with the one for the config.
    using _early = await image.askForLayers(resolved);
    const bytes = await image.config(resolved);
    const config = parseImageConfig(bytes, resolved.manifest.layers.length);
    image.checkPlatform(config, resolved);

    const layers = await image.bringLayers(resolved, config);
    await image.keepBlobs(resolved);
    const status = await image.publish(resolved, layers, bytes);
    return image.done(image.result(resolved, config, layers, status));
  });
}
