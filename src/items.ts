/**
 * What a run asks for, as single images: every tag of a repository, every
 * platform of an index. Without several of either, a reference is one item and
 * costs no request.
 */
import { type Digest, TpullError } from "../store/index.js";
import { ByteCount } from "./byte-count.js";
import type { About } from "./events.js";
import {
  type IndexContext,
  type IndexImage,
  listImages,
  noSuchPlatform,
} from "./index-images.js";
import { withoutSecrets } from "../store/reference/printable.js";
import {
  type Platform,
  choosePlatform,
  formatPlatform,
  hostPlatform,
  parsePlatform,
  platformOf,
} from "./platform.js";
import { parseRepository } from "./repository.js";
import {
  type Reference,
  parseReference,
} from "../store/reference/reference.js";
import type { Descriptor } from "./registry/manifest.js";
import { type Top, fetchTop } from "./resolve-image.js";

/** One image to be pulled. */
export interface Item {
  /** The reference as it was given, or made from a repository and a tag. */
  readonly text: string;
  /** Which of several platforms of that reference this is. */
  readonly target?: string;
  /** What is pulled, where it is not just the text. */
  readonly reference?: Reference;
  readonly platform: Platform;
  /** Whether the platform was asked for: then another one is an error. */
  readonly platformGiven: boolean;
  /** What the tag of the reference means, whatever the registry says. */
  readonly pin?: Digest;
  /** Whether an index says that the reference has this platform. */
  readonly fromIndex?: true;
  /** What the reference stands for, where that has been asked already. */
  readonly top?: Top;
  /** What finding the items of a reference took. They share it: the first to end counts it. */
  readonly search?: Search;
  /** The image of `top` that this is. */
  readonly entry?: Descriptor;
}

export interface Search {
  readonly received: ByteCount;
  /** Manifests and indexes that were asked for. */
  requests: number;
}

/** An item of which it is known that there is no such image. */
export interface MissingItem {
  readonly text: string;
  readonly target?: string;
  readonly reference?: Reference;
  readonly error: TpullError;
}

/** What `platform` and `allTags` of a run's options mean. */
export interface Selection {
  /** Empty with `all`. At least one otherwise. */
  readonly platforms: readonly Platform[];
  /** Every platform that the store can hold. */
  readonly all: boolean;
  /** Whether the caller named platforms. */
  readonly given: boolean;
  readonly allTags: boolean;
}

/** What the events of an item are about: without what may be a password. */
export function aboutOf({
  text,
  target,
}: Pick<Item, "text" | "target">): About {
  return {
    image: withoutSecrets(String(text)),
    ...(target === undefined ? {} : { target }),
  };
}

/** @throws TpullError `PLATFORM_INVALID`, `OPTION_INVALID` */
export function readSelection(options: {
  platform?: string | readonly string[];
  allTags?: boolean;
}): Selection {
  const allTags = options.allTags === true;
  const names = [options.platform ?? []].flat();
  if (options.platform === undefined) {
    return { platforms: [hostPlatform()], all: false, given: false, allTags };
  }
  if (names.length === 1 && names[0] === "all") {
    return { platforms: [], all: true, given: true, allTags };
  }
  if (names.length === 0 || names.includes("all")) {
    throw new TpullError(
      "OPTION_INVALID",
      'platform is one or several platforms, or "all" by itself',
    );
  }
  const platforms = names.map((name) => parsePlatform(name));
  return { platforms, all: false, given: true, allTags };
}

/** Whether a reference may stand for more than one item. */
export function isSeveral({ platforms, all, allTags }: Selection): boolean {
  return all || allTags || platforms.length > 1;
}

/** The references that `given` stands for: itself, or with `allTags` each of its tags. */
export async function* expandTags(
  given: string,
  { allTags }: Selection,
  { client, call }: IndexContext,
): AsyncGenerator<string, void, undefined> {
  if (!allTags) {
    yield given;
    return;
  }
  const repository = parseRepository(given);
  let count = 0;
  for await (const tag of client.tags(repository, call)) {
    count += 1;
    yield `${given}:${tag}`;
  }
  if (count > 0) return;
  throw new TpullError("NAME_UNKNOWN", `${given} has no tags`, {
    hint: "Its images can be pulled by digest only.",
  });
}

/**
 * The items of one reference, whose tag may be pinned to a digest. A tag of docker's store stands for one image:
 * it goes to this machine's platform, or where that is not among them to the
 * first one; the others are pulled by the digests of their own manifests.
 * @param onSkipped told of platforms that no docker store on Linux holds, which `all` leaves out
 * @throws TpullError as {@link fetchTop} and {@link listImages}
 */
export async function expandPlatforms(
  {
    text,
    selection,
    pin,
  }: {
    readonly text: string;
    readonly selection: Selection;
    readonly pin?: Digest | undefined;
  },
  context: IndexContext,
  onSkipped: (platforms: string[]) => void = () => undefined,
): Promise<(Item | MissingItem)[]> {
  const { platforms, all, given } = selection;
  const [platform = hostPlatform()] = platforms;
  if (!all && platforms.length === 1) {
    const item = { text, platform, platformGiven: given };
    return [pin === undefined ? item : { ...item, pin }];
  }
  const reference = parseReference(text);
  const search: Search = { received: new ByteCount(), requests: 0 };
  const onReceived = (host: string, bytes: number): void => {
    search.requests += 1;
    search.received.add(host, bytes);
  };
  const call = { ...context.call, onReceived };
  const items = await itemsAt(
    reference,
    { ...context, call },
    { text, selection, pin },
    onSkipped,
  );
  return items.map((item) => ("error" in item ? item : { ...item, search }));
}

async function itemsAt(
  reference: Reference,
  context: IndexContext,
  {
    text,
    selection: { platforms, all },
    pin,
  }: { text: string; selection: Selection; pin: Digest | undefined },
  onSkipped: (platforms: string[]) => void,
): Promise<(Item | MissingItem)[]> {
  const [platform = hostPlatform()] = platforms;
  const top = await fetchTop(reference, { ...context, pin });
  if (top.document.kind === "image") {
    // There is no choice: the image's own config says whether it is the one.
    if (all)
      return [{ text, platform, platformGiven: false, fromIndex: true, top }];
    return platforms.map((one) => ({
      text,
      target: formatPlatform(one),
      platform: one,
      platformGiven: true,
      top,
    }));
  }
  const images = await listImages(top.document, reference, context);
  if (all) {
    const fit = images.filter(isForLinux);
    const skipped = images.filter((image) => !isForLinux(image));
    const names = skipped.flatMap(({ name }) => name ?? []);
    if (names.length > 0) onSkipped(names);
    if (fit.length === 0) throw noSuchPlatform(text, "linux", images);
    return itemsOf(
      text,
      reference,
      top,
      fit.map((image) => ({ image })),
    );
  }
  const wanted = platforms.map((one) => {
    const [image] = choosePlatform(images, one);
    return { image, asked: one };
  });
  const items = itemsOf(text, reference, top, wanted.filter(hasImage));
  const missing = wanted
    .filter(({ image }) => image === undefined)
    .map(({ asked }) => {
      const target = formatPlatform(asked);
      return {
        text,
        target,
        reference,
        error: noSuchPlatform(text, target, images),
      };
    });
  return [...items, ...missing];
}

interface Wanted {
  readonly image: IndexImage;
  /** What the caller asked for; by default what the index says. */
  readonly asked?: Platform;
}

function hasImage(wanted: {
  image: IndexImage | undefined;
  asked: Platform;
}): wanted is { image: IndexImage; asked: Platform } {
  return wanted.image !== undefined;
}

function itemsOf(
  text: string,
  reference: Reference,
  top: Top,
  wanted: readonly Wanted[],
): Item[] {
  // Two platforms that were asked for may be served by one image.
  const images = [
    ...new Map(
      wanted.map((one) => [one.image.descriptor.digest, one]),
    ).values(),
  ];
  const [ours] = choosePlatform(
    images.map((one) => ({ ...one, platform: one.image.platform })),
    hostPlatform(),
  );
  const keeper = ours?.image ?? images[0]?.image;
  return images.map(({ image, asked }) => {
    const platform = platformOf(image.platform) ?? asked ?? hostPlatform();
    const { registry, repository } = reference;
    const item = {
      text,
      target: image.name ?? formatPlatform(platform),
      platform,
      platformGiven: true,
      fromIndex: true as const,
    };
    return image === keeper
      ? { ...item, reference, top, entry: image.descriptor }
      : {
          ...item,
          reference: Object.freeze({
            registry,
            repository,
            digest: image.descriptor.digest,
          }),
        };
  });
}

function isForLinux({ platform }: IndexImage): boolean {
  const os = platformOf(platform)?.os ?? "linux";
  return os === "linux";
}
