/** The images of a data root, as docker lists them. */
import type { ImageId } from "../digest.js";
import { repositoryOf } from "../repositories.js";
import type { Store } from "../store.js";
import type { Damage } from "./damage.js";
import { filterTime } from "./filter-time.js";
import { findImage } from "./find-image.js";
import {
  compareTimes,
  formatRfc3339Nano,
  type GoTime,
  ZERO_TIME,
} from "./go-time.js";
import { compareNames } from "./name-order.js";
import { pathMatcher } from "./path-match.js";
import { type StoredImage, type Survey, surveyed } from "./survey.js";

/**
 * Which images to list. What is given has to hold all at once; of several
 * values the same, but one pattern of `reference` is enough.
 */
export interface ListOptions {
  /** With intermediate images: those without a name that others were built from. */
  readonly all?: boolean;
  /** Only images without a tag that no other was built from, or only images with a name. */
  readonly dangling?: boolean;
  /** Only names that fit one of these patterns (`nginx`, `nginx:1.*`, `team/*`), and images that have one. */
  readonly reference?: readonly string[];
  /** Only images with these labels: `key`, or `key=value`. */
  readonly label?: readonly string[];
  /** Only images that were created before each of these images. */
  readonly before?: readonly string[];
  /** Only images that were created after each of these images. */
  readonly since?: readonly string[];
  /** Only images that were created before each of these times: `24h` (ago), `2024-05-06`, seconds since 1970. */
  readonly until?: readonly string[];
  /** Milliseconds since 1970 from which `until` counts back. Default: now. */
  readonly now?: number;
}

/** An image in a list. */
export interface ListedImage {
  readonly id: ImageId;
  /** Familiar `name:tag` references, in docker's order; those that were asked for. */
  readonly tags: readonly string[];
  /** Familiar `name@digest` references, in docker's order; those that were asked for. */
  readonly digests: readonly string[];
  /** RFC 3339, up to nanoseconds, in the zone of the config. Left out where the config does not say. */
  readonly created?: string;
  /** Bytes of the files of all layers. */
  readonly size: number;
  readonly os: string;
  /** Empty where the config does not say. */
  readonly architecture: string;
  readonly variant?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The image it was built from, where docker noted one. */
  readonly parent?: ImageId;
}

export interface ImageList {
  /** The newest first. */
  readonly images: readonly ListedImage[];
  /** What is damaged in the root: images that docker would not list, and names of none. */
  readonly damage: readonly Damage[];
}

/**
 * Lists images as `docker images` does: each once, with all its names. Of those
 * without a name, the ones that others were built from are left out. (moby,
 * daemon/images/image_list.go.)
 * @throws TpullError `FILTER_INVALID` for a pattern or a time that cannot be
 *   read; `IMAGE_NOT_FOUND`, `IMAGE_ID_AMBIGUOUS`, `IMAGE_DAMAGED` for an image
 *   of `before` or `since`; `ROOT_NOT_READABLE`, `STORE_IO_FAILED`
 */
export async function listImages(
  store: Store,
  options: ListOptions = {},
): Promise<ImageList> {
  const question = questionOf(options);
  const { result, damage } = await surveyed(store, question);
  return { images: result, damage };
}

function questionOf(options: ListOptions): (survey: Survey) => ListedImage[] {
  const { now = Date.now(), label = [] } = options;
  const patterns = options.reference?.map(pathMatcher);
  const labels = label.map(labelTest);
  const until = (options.until ?? []).map((value) => filterTime(value, now));
  const isAskedFor = (name: string): boolean =>
    patterns?.some((fits) => fits(name) || fits(repositoryOf(name))) ?? true;

  return (survey) => {
    const dates = datesOf(survey, options, until);
    const images = survey.images();
    const parents = parentsAmong(images);
    const listed: { image: StoredImage; entry: ListedImage }[] = [];
    for (const image of images) {
      const { labels: own } = image.config.image.config ?? NO_CONFIG;
      if (!dates(image.config.image.created)) continue;
      if (!labels.every((holds) => holds(own))) continue;
      const tags = image.tags.filter(isAskedFor);
      const digests = image.digests.filter(isAskedFor);
      const isParent = parents.has(image.id);
      if (options.dangling === true && (isParent || tags.length > 0)) continue;
      if (tags.length + digests.length === 0) {
        if (isParent && !options.all) continue;
        if (options.dangling === false || patterns !== undefined) continue;
      }
      listed.push({ image, entry: entryOf(image, tags, digests) });
    }
    return listed.sort(newestFirst).map(({ entry }) => entry);
  };
}

const NO_CONFIG = { labels: new Map<string, string>() };

/** `key`, or `key=value`. */
function labelTest(
  wanted: string,
): (labels: ReadonlyMap<string, string>) => boolean {
  const equals = wanted.indexOf("=");
  if (equals === -1) return (labels) => labels.has(wanted);
  const key = wanted.slice(0, equals);
  const value = wanted.slice(equals + 1);
  return (labels) => labels.get(key) === value;
}

/**
 * Whether something was created in the time that `before`, `since` and `until`
 * leave. An image of `before` or `since` that has no date leaves all time.
 */
function datesOf(
  survey: Survey,
  { before = [], since = [] }: ListOptions,
  until: readonly GoTime[],
): (created: GoTime | undefined) => boolean {
  const createdOf = (name: string): GoTime | undefined =>
    findImage(survey, name).image.config.image.created;
  const isDate = (time: GoTime | undefined): time is GoTime =>
    time !== undefined && compareTimes(time, ZERO_TIME) !== 0;
  const ends = [...before.map(createdOf), ...until].filter(isDate);
  const starts = since.map(createdOf).filter(isDate);
  return (created) => {
    if (created === undefined) return ends.length + starts.length === 0;
    return (
      ends.every((end) => compareTimes(created, end) < 0) &&
      starts.every((start) => compareTimes(created, start) > 0)
    );
  };
}

/** The images that others were built from. */
function parentsAmong(images: readonly StoredImage[]): ReadonlySet<ImageId> {
  const parents = new Set<ImageId>();
  for (const { parent } of images) {
    if (parent !== undefined) parents.add(parent);
  }
  return parents;
}

function entryOf(
  { id, config: { image }, size, parent }: StoredImage,
  tags: readonly string[],
  digests: readonly string[],
): ListedImage {
  return {
    id,
    tags,
    digests,
    ...(image.created && { created: formatRfc3339Nano(image.created) }),
    size,
    os: image.os || "linux",
    architecture: image.architecture,
    ...(image.variant === "" ? {} : { variant: image.variant }),
    labels: Object.fromEntries(image.config?.labels ?? []),
    ...(parent === undefined ? {} : { parent }),
  };
}

interface Dated {
  readonly image: StoredImage;
  readonly entry: ListedImage;
}

/** What docker leaves open, the order of images of one second, is settled by their names. */
function newestFirst(a: Dated, b: Dated): number {
  const [first, second] = [a, b].map(({ image }) => image.config.image.created);
  const bySecond = (second ?? ZERO_TIME).seconds - (first ?? ZERO_TIME).seconds;
  if (bySecond !== 0) return bySecond;
  const [one = "", other = ""] = [a, b].map(
    ({ entry: { tags, digests } }) => tags[0] ?? digests[0],
  );
  return compareNames(one, other) || (a.entry.id < b.entry.id ? -1 : 1);
}
