/** Which images a prune removes: those that dockerd's would (moby, `daemon/images/image_prune.go`), and in which order. */
import { statSync } from "node:fs";
import type { ImageId } from "../digest.js";
import { isTpullError } from "../errors.js";
import { isAbsent } from "../io-error.js";
import type { GoTime } from "../survey/go-time.js";
import type { StoredImage } from "../survey/survey.js";
import type { ImageTable } from "./image-table.js";
import { type Removal, removeById, removeReference } from "./removal.js";

/** Which images may go. */
export interface PruneFilter {
  /**
   * Every image that no container uses. By default only those that nobody would
   * miss: images without a tag from which no other one was built.
   */
  readonly all?: boolean | undefined;
  /** Only images that were created at this time or before, in milliseconds since 1970. */
  readonly until?: number | undefined;
  /** Only images with all of these labels: `key`, or `key=value`. */
  readonly labels?: readonly string[] | undefined;
  /** Not images with all of these labels. */
  readonly withoutLabels?: readonly string[] | undefined;
  /**
   * Only as many as it takes until the layers of all images, each counted once,
   * come to no more than so many bytes.
   */
  readonly keepBytes?: number | undefined;
}

/**
 * Removes images from the table, those that were tagged (or, if never, filed)
 * longest ago first. An image that a container uses keeps all its names. Damaged
 * images stay: nothing is known of them.
 */
export function pruneImages(table: ImageTable, filter: PruneFilter): Removal[] {
  const candidates = candidatesFor(table, filter)
    .map((id) => ({ id, age: filedAt(table, id) }))
    .sort((a, b) => a.age - b.age || (a.id < b.id ? -1 : 1));
  const { keepBytes } = filter;
  const removals: Removal[] = [];
  for (const { id } of candidates) {
    if (keepBytes !== undefined && table.users.imageBytes() <= keepBytes) break;
    // It may have gone with a child.
    if (table.has(id)) removals.push(...pruneImage(table, id));
  }
  return removals;
}

function candidatesFor(
  table: ImageTable,
  { all = false, ...filter }: PruneFilter,
): ImageId[] {
  return table.imageIds.filter((id) => {
    const names = table.namesOf(id);
    if (!all && names.some((name) => !name.includes("@"))) return false;
    const image = table.survey.image(id);
    if (image === undefined || !fits(image, filter)) return false;
    if (table.usersOf(id).length > 0) return false;
    return (all && names.length > 0) || table.childrenOf(id).length === 0;
  });
}

/** All names of an image go, one after the other, and it goes with the last one. */
function pruneImage(table: ImageTable, id: ImageId): Removal[] {
  const names = table.namesOf(id);
  const removals: Removal[] = [];
  const attempt = (removal: () => Removal): void => {
    try {
      removals.push(removal());
    } catch (error) {
      if (!isTpullError(error)) throw error; // something needs it: it stays
    }
  };
  if (names.length === 0) attempt(() => removeById(table, id));
  for (const reference of names) {
    // With the last tag of a repository its digests have gone.
    if (table.idOf(reference) !== id) continue;
    attempt(() => removeReference(table, { id, reference, given: reference }));
  }
  return removals;
}

function fits(
  { config }: StoredImage,
  { until, labels = [], withoutLabels = [] }: Omit<PruneFilter, "all">,
): boolean {
  const { created, config: settings } = config.image;
  if (until !== undefined) {
    if (created === undefined || millisecondsOf(created) > until) return false;
  }
  const has = (label: string): boolean => hasLabel(settings?.labels, label);
  if (!labels.every(has)) return false;
  return withoutLabels.length === 0 || !withoutLabels.every(has);
}

function hasLabel(
  labels: ReadonlyMap<string, string> | undefined,
  wanted: string,
): boolean {
  const at = wanted.indexOf("=");
  const value = labels?.get(at < 0 ? wanted : wanted.slice(0, at));
  if (value === undefined) return false;
  return at < 0 || value === wanted.slice(at + 1);
}

function millisecondsOf({ seconds, nanoseconds }: GoTime): number {
  return seconds * 1000 + nanoseconds / 1e6;
}

/** When an image was tagged last, or else when it came into the store; milliseconds since 1970. */
function filedAt({ survey, layout }: ImageTable, id: ImageId): number {
  const tagged = Date.parse(survey.metadata(id, "lastUpdated") ?? "");
  if (!Number.isNaN(tagged)) return tagged;
  try {
    return statSync(layout.imageConfig(id)).mtimeMs;
  } catch (error) {
    if (isAbsent(error)) return 0;
    throw error;
  }
}
