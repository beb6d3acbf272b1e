/** What the images of a bundle are, as far as registries tell without sending layers. */
import { abortedError, isTpullError } from "../../store/index.js";
import {
  type Reference,
  canonicalName,
  parseReference,
} from "../../store/reference/reference.js";
import type { FailedPull } from "../events.js";
import { type ImageConfig, parseImageConfig } from "../image-config.js";
import { inImage } from "../image-error.js";
import { checkPlatform } from "../item-platform.js";
import { ItemRun } from "../item-run.js";
import { type Item, aboutOf, readSelection } from "../items.js";
import type { RegistryClient } from "../registry/client.js";
import { type Requested, readRequests } from "../requests.js";
import { type ResolvedImage, resolveImage } from "../resolve-image.js";
import type { RunSession } from "../run-session.js";
import type { BundledImage } from "./documents.js";
import type { BundleOptions } from "./types.js";

/** An image as far as a registry has told of it. */
export interface Found {
  readonly item: Item;
  readonly reference: Reference;
  readonly resolved: ResolvedImage;
  readonly bytes: Buffer;
  readonly config: ImageConfig;
}

/**
 * Asks registries for what images are, a few at a time.
 * @throws TpullError `OPTION_INVALID`, `PLATFORM_INVALID`, `ABORTED`
 */
export async function findImages(
  images: readonly Requested[],
  client: RegistryClient,
  session: RunSession,
  { platform, signal }: BundleOptions,
): Promise<{ found: Found[]; failures: FailedPull[] }> {
  const run = new ItemRun(
    {
      client,
      signal: session.signal,
      deadline: session.deadline,
      emit: (event) => session.emit(event),
      retryTeller: (about) => session.retryTeller(about),
    },
    (item) => look(item, client, session),
  );
  const selection = readSelection(platform === undefined ? {} : { platform });
  // A reference that is named twice is one image.
  const distinct = new Map(
    readRequests(images, selection).map((one) => [one.reference, one]),
  );
  const outcome = await run.all([...distinct.values()]);
  if (signal?.aborted) throw abortedError();
  return { found: outcome.results, failures: outcome.failures };
}

async function look(
  item: Item,
  client: RegistryClient,
  session: RunSession,
): Promise<Found> {
  const about = aboutOf(item);
  let { reference } = item;
  try {
    reference ??= parseReference(item.text);
    const name = canonicalName(reference);
    session.emit({ type: "resolve", ...about, canonicalName: name });
    const { signal } = session;
    const call = { signal, onRetry: session.retryTeller(about) };
    const resolved = await resolveImage(reference, {
      image: about.image,
      client,
      platform: item.platform,
      call,
      pin: item.pin,
      top: item.top,
      entry: item.entry,
    });
    const { config: descriptor, layers } = resolved.manifest;
    const bytes = await client.bytes(reference, descriptor, call);
    const config = parseImageConfig(bytes, layers.length);
    const message = checkPlatform(config, resolved, item, about.image);
    if (message !== undefined) {
      const code = "PLATFORM_DIFFERS";
      session.emit({ type: "warning", ...about, code, message });
    }
    return { item, reference, resolved, bytes, config };
  } catch (error) {
    const cause = session.deadline.explain(error, about.image);
    if (!isTpullError(cause)) throw cause;
    const failure = inImage(cause, about.image, reference);
    session.emit({ type: "error", ...about, error: failure.toJSON() });
    throw failure;
  }
}

/** Of several platforms of a reference, the one that was asked for by the reference itself has the name. */
export function bundled(found: readonly Found[]): BundledImage[] {
  return found.map(({ item, reference, resolved }) => {
    const asked = parseReference(item.text);
    const isKeeper =
      reference.digest === asked.digest && reference.tag === asked.tag;
    return {
      reference: asked,
      top: resolved.digest,
      manifestDigest: resolved.manifestDigest,
      manifest: resolved.manifest,
      isKeeper,
    };
  });
}
